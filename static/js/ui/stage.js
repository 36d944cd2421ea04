/** Where a video is shown, with what was found drawn over it. */

import { containedIn, drawDetections, drawMask, encodePicture, tintedMask } from '../ballast.js';
import { h } from './dom.js';
import { clock } from './format.js';

/** @typedef {import('../kit/drawing.js').Parts & {mask?: boolean}} Overlay */

export class Stage {
  constructor() {
    this.video = h('video', { playsInline: true, muted: true, loop: true, 'aria-label': 'What the camera or the file shows' });
    this._canvas = h('canvas', { 'aria-hidden': 'true' });
    this._hint = h('p', { class: 'stage-hint', text: 'Start the camera, or choose a video. The frames go to this service and nowhere else.' });
    this._stale = h('p', { class: 'stage-stale', hidden: true });
    this.element = h('div', { class: 'stage' }, this.video, this._canvas, this._hint, this._stale);
    /** What is drawn. @type {Overlay} */
    this.overlay = {};
    this._mirrored = false;
    /** @type {any} */
    this._last = null;
    this.video.addEventListener('resize', () => this._fit());
    this.video.addEventListener('loadedmetadata', () => this._fit());
    this._observer = new ResizeObserver(() => this._last && this.draw(this._last));
    this._observer.observe(this.element);
  }

  /** @param {boolean} mirrored */
  set mirrored(mirrored) {
    this._mirrored = mirrored;
    if (mirrored) this.element.dataset.mirrored = '';
    else delete this.element.dataset.mirrored;
  }

  /** @param {boolean} shown */
  set hint(shown) {
    this._hint.hidden = !shown;
  }

  /** Say that what is drawn is not live, and since when; null: it is. @param {Date | null} since */
  set staleSince(since) {
    this._stale.hidden = since === null;
    if (since === null) delete this.element.dataset.stale;
    else if (!('stale' in this.element.dataset)) {
      this.element.dataset.stale = '';
      this._stale.textContent = `Not live: no answer since ${clock(since)}`;
    }
  }

  /** Draw a result; all of it is there when this returns. @param {any} result */
  async draw(result) {
    this._last = result;
    const mask = this.overlay.mask === false ? null : await tintedMask(result.detections);
    if (result === this._last) this._paint(result, mask);
    mask?.close();
  }

  clear() {
    this._last = null;
    this.staleSince = null;
    this._canvas.getContext('2d').clearRect(0, 0, this._canvas.width, this._canvas.height);
  }

  async fullscreen() {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await this.element.requestFullscreen();
  }

  /** The present frame with the drawing on it. @returns {Promise<Blob>} */
  async snapshot() {
    const { videoWidth: width, videoHeight: height } = this.video;
    const canvas = h('canvas', { width, height });
    const context = canvas.getContext('2d');
    if (this._mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
    context.drawImage(this.video, 0, 0, width, height);
    context.setTransform(1, 0, 0, 1, 0, 0);
    if (this._last) {
      const place = { x: 0, y: 0, width, height, mirrored: this._mirrored };
      const mask = this.overlay.mask === false ? null : await tintedMask(this._last.detections);
      if (mask) drawMask(context, mask, place);
      else drawDetections(context, this._last.detections, place, this.overlay);
      mask?.close();
    }
    return encodePicture(canvas, 'image/jpeg', 0.92);
  }

  dispose() {
    this._observer.disconnect();
  }

  /** Take the shape of the video, so that one taken upright fills the stage too. */
  _fit() {
    const { videoWidth, videoHeight } = this.video;
    if (videoWidth > 0) this.element.style.setProperty('--ratio', String(videoWidth / videoHeight));
  }

  /** @param {any} result @param {ImageBitmap | null} mask */
  _paint(result, mask) {
    const { clientWidth, clientHeight } = this.element;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this._canvas.width !== width || this._canvas.height !== height) Object.assign(this._canvas, { width, height });
    const context = this._canvas.getContext('2d');
    context.clearRect(0, 0, width, height);
    const place = { ...containedIn(width, height, result.width / result.height), mirrored: this._mirrored };
    if (mask) drawMask(context, mask, place);
    else drawDetections(context, result.detections, place, this.overlay);
  }
}
