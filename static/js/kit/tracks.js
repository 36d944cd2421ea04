/** Frames of a camera's track: of the newest one, in a worker, whether the tab is seen or not. */

import { FrameGrabber } from './frames.js';
import { startWorker } from './workers.js';

/**
 * @typedef {{ready: boolean, grab: (limits: import('./frames.js').FrameLimits) => Promise<import('./frames.js').GrabbedFrame>, dispose: () => void}} Grabber
 */

/**
 * Return what takes frames from a source: a video, a picture, or a track of a camera.
 * @param {import('./frames.js').FrameSource | MediaStreamTrack} source
 * @param {{type?: string}} [options] as of FrameGrabber
 * @returns {Grabber}
 */
export function grabberOf(source, options = {}) {
  if (typeof MediaStreamTrack === 'undefined' || !(source instanceof MediaStreamTrack)) return new FrameGrabber(/** @type {any} */ (source), options);
  return 'MediaStreamTrackProcessor' in globalThis ? new TrackGrabber(source, options) : new PlayedTrackGrabber(source, options);
}

/** Takes frames straight from the track, in a worker: no video element, and nothing that a hidden tab stops. */
export class TrackGrabber {
  /** @param {MediaStreamTrack} track @param {{type?: string}} [options] */
  constructor(track, { type } = {}) {
    this._track = track;
    /** Content type of the frames. */
    this.type = type ?? 'image/jpeg';
    /** @type {Worker | null} */
    this._worker = null;
    /** @type {FrameGrabber | null} in place of a worker where there is none */
    this._played = null;
    this._size = null;
    /** @type {Map<number, {resolve: (frame: any) => void, reject: (error: Error) => void}>} */
    this._asked = new Map();
    this._number = 0;
  }

  /** Whether there is a frame. */
  get ready() {
    if (this._track.readyState !== 'live') return false;
    if (this._worker === null && this._played === null) this._start();
    return this._played ? this._played.ready : this._size !== null && !this._track.muted;
  }

  /** @param {import('./frames.js').FrameLimits} limits @returns {Promise<import('./frames.js').GrabbedFrame>} */
  grab(limits) {
    if (this._played) return this._played.grab(limits);
    const worker = this._worker;
    if (worker === null) return Promise.reject(new FramesEnded());
    this._number += 1;
    const number = this._number;
    return new Promise((resolve, reject) => {
      this._asked.set(number, { resolve, reject });
      worker.postMessage({ number, limits, type: this.type });
    });
  }

  /** End the worker; the track goes on. It comes back when a frame is wanted again. */
  dispose() {
    this._worker?.postMessage({ end: true }); // it gives the camera's frames back, and ends
    this._worker = null;
    this._size = null;
    this._played?.dispose();
    this._played = null;
    this._fail(new FramesEnded());
  }

  _start() {
    // Its typing is of no standard library yet. It comes first: a track of sound makes it fail, and nothing is begun then.
    const frames = new (/** @type {any} */ (globalThis).MediaStreamTrackProcessor)({ track: this._track }).readable;
    const worker = startWorker(new URL('./track_worker.js', import.meta.url));
    if (worker === null) {
      frames.cancel();
      this._play();
      return;
    }
    worker.onmessage = ({ data }) => this._hear(data);
    worker.onerror = () => {
      this.dispose();
      this._play();
    };
    worker.postMessage({ frames }, [frames]);
    this._worker = worker;
  }

  _play() {
    this._played = new PlayedTrackGrabber(this._track, { type: this.type });
  }

  /** @param {any} message */
  _hear({ size, number, error, blob, width, height, type }) {
    if (size !== undefined) {
      this._size = size;
      return;
    }
    const asked = this._asked.get(number);
    this._asked.delete(number);
    if (error) asked?.reject(new FramesEnded(error));
    else {
      this.type = type;
      asked?.resolve({ blob, width, height });
    }
  }

  /** @param {Error} error */
  _fail(error) {
    for (const { reject } of this._asked.values()) reject(error);
    this._asked.clear();
  }
}

/** A track where browsers give frames only by a video element: one that nobody sees. */
export class PlayedTrackGrabber extends FrameGrabber {
  /** @param {MediaStreamTrack} track @param {{type?: string}} [options] */
  constructor(track, options) {
    const video = document.createElement('video');
    video.muted = true;
    video.playsInline = true;
    super(video, options);
    this._element = video;
    this._track = track;
  }

  get ready() {
    if (this._track.readyState !== 'live') return false;
    this._element.srcObject ??= new MediaStream([this._track]);
    if (this._element.paused) this._element.play().catch(() => {}); // asked again as long as there is no frame
    return super.ready;
  }

  dispose() {
    super.dispose();
    this._element.srcObject = null;
  }
}

/** A camera gave no frame; there may be one again. */
class FramesEnded extends Error {
  constructor(message = 'The camera gives no frames any more.') {
    super(message);
    this.name = 'FramesEnded';
    this.isTemporary = true;
  }
}
