/**
 * @typedef {{ready: boolean, grab: (limits: import('./frames.js').FrameLimits) => Promise<import('./frames.js').GrabbedFrame>, dispose: () => void}} Grabber
 */
/**
 * Return what takes frames from a source: a video, a picture, or a track of a camera.
 * @param {import('./frames.js').FrameSource | MediaStreamTrack} source
 * @param {{type?: string}} [options] as of FrameGrabber
 * @returns {Grabber}
 */
export function grabberOf(source: import("./frames.js").FrameSource | MediaStreamTrack, options?: {
    type?: string;
}): Grabber;
/** Takes frames straight from the track, in a worker: no video element, and nothing that a hidden tab stops. */
export class TrackGrabber {
    /** @param {MediaStreamTrack} track @param {{type?: string}} [options] */
    constructor(track: MediaStreamTrack, { type }?: {
        type?: string;
    });
    _track: MediaStreamTrack;
    /** Content type of the frames. */
    type: string;
    /** @type {Worker | null} */
    _worker: Worker | null;
    /** @type {FrameGrabber | null} in place of a worker where there is none */
    _played: FrameGrabber | null;
    _size: any;
    /** @type {Map<number, {resolve: (frame: any) => void, reject: (error: Error) => void}>} */
    _asked: Map<number, {
        resolve: (frame: any) => void;
        reject: (error: Error) => void;
    }>;
    _number: number;
    /** Whether there is a frame. */
    get ready(): boolean;
    /** @param {import('./frames.js').FrameLimits} limits @returns {Promise<import('./frames.js').GrabbedFrame>} */
    grab(limits: import("./frames.js").FrameLimits): Promise<import("./frames.js").GrabbedFrame>;
    /** End the worker; the track goes on. It comes back when a frame is wanted again. */
    dispose(): void;
    _start(): void;
    _play(): void;
    /** @param {any} message */
    _hear({ size, number, error, blob, width, height, type }: any): void;
    /** @param {Error} error */
    _fail(error: Error): void;
}
/** A track where browsers give frames only by a video element: one that nobody sees. */
export class PlayedTrackGrabber extends FrameGrabber {
    /** @param {MediaStreamTrack} track @param {{type?: string}} [options] */
    constructor(track: MediaStreamTrack, options?: {
        type?: string;
    });
    _element: HTMLVideoElement;
    _track: MediaStreamTrack;
}
export type Grabber = {
    ready: boolean;
    grab: (limits: import("./frames.js").FrameLimits) => Promise<import("./frames.js").GrabbedFrame>;
    dispose: () => void;
};
import { FrameGrabber } from './frames.js';
