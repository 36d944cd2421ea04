/**
 * Return the largest size with the ratio of `width` x `height` that fits; nothing is enlarged.
 * @param {number} width
 * @param {number} height
 * @param {number} maxWidth
 * @param {number} maxHeight
 * @returns {{width: number, height: number}}
 */
export function fitInside(width: number, height: number, maxWidth: number, maxHeight: number): {
    width: number;
    height: number;
};
/**
 * Compress what is on a canvas.
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @param {string} type
 * @param {number} quality 0..1
 * @returns {Promise<Blob>}
 */
export function encodePicture(canvas: HTMLCanvasElement | OffscreenCanvas, type: string, quality: number): Promise<Blob>;
/**
 * Return a smaller copy of a picture, the right way up, for what is above a size limit.
 * @param {Blob} picture
 * @param {FrameLimits} limits
 * @returns {Promise<Blob>}
 */
export function shrunkPicture(picture: Blob, limits: FrameLimits): Promise<Blob>;
/** The browser shows a video or picture of another origin, but lets nobody read it. */
export class ForeignPictures extends Error {
    constructor();
    code: string;
    get isTemporary(): boolean;
}
/** Takes frames from one source, on one canvas that is used again for each of them. */
export class FrameGrabber {
    /**
     * @param {FrameSource} source
     * @param {{type?: string, canvas?: HTMLCanvasElement | OffscreenCanvas}} [options] `type`: JPEG by default; with
     *   `image/webp` frames are a third smaller and take longer, and stay JPEG where the browser cannot write that
     */
    constructor(source: FrameSource, { type, canvas }?: {
        type?: string;
        canvas?: HTMLCanvasElement | OffscreenCanvas;
    });
    _source: FrameSource;
    _canvas: OffscreenCanvas | HTMLCanvasElement;
    /** Content type of the frames. */
    type: string;
    /** Whether there is something to look at: a video that plays, or a picture. */
    get ready(): boolean;
    /**
     * Take the present frame, no larger than the limits.
     * @param {FrameLimits} limits
     * @returns {Promise<GrabbedFrame>}
     */
    grab(limits: FrameLimits): Promise<GrabbedFrame>;
    /** @param {number} quality @throws {ForeignPictures} */
    _encoded(quality: number): Promise<Blob>;
    /** Give the canvas' memory back. */
    dispose(): void;
    /** @param {number} width @param {number} height */
    _draw(width: number, height: number): void;
    _video(): HTMLVideoElement | null;
    _size(): {
        width: any;
        height: any;
    };
}
export type FrameSource = HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas | HTMLImageElement | ImageBitmap | VideoFrame;
export type FrameLimits = {
    maxWidth: number;
    maxHeight: number;
    quality: number;
};
export type GrabbedFrame = {
    blob: Blob;
    width: number;
    height: number;
};
