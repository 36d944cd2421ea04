/** One upload in the list: its progress, and what can be done about it. */

import { button, h } from './dom.js';
import { bytes, percent, seconds } from './format.js';
import { reasonOf } from './trouble.js';

const OVER = ['done', 'failed', 'aborted'];

export class UploadRow {
  /**
   * @param {import('../ballast.js').Upload} upload
   * @param {{remove: () => void, retry: () => void}} acts
   */
  constructor(upload, { remove, retry }) {
    this.upload = upload;
    this._words = h('span', { class: 'muted small-text' });
    this._progress = h('progress', { max: Math.max(1, upload.totalBytes), value: 0, 'aria-label': `Upload of ${upload.name}` });
    this._pause = button('Pause', () => (upload.state === 'paused' ? upload.resume() : upload.pause()), { class: 'small' });
    this._cancel = button('Cancel', () => upload.abort(), { class: 'small' });
    this._retry = button('Try again', retry, { class: 'small', hidden: true });
    this._remove = button('Remove from the list', remove, { class: 'small', hidden: true });
    this.element = h('li', { class: 'progress-line', data: { upload: upload.name } },
      h('span', { class: 'name', text: upload.name }), h('div', { class: 'row' }, this._pause, this._cancel, this._retry, this._remove),
      this._progress, this._words);
    upload.on('progress', () => this._show());
    upload.on('state', ({ state, error }) => this._turn(state, error));
    this._turn(upload.state, null);
  }

  get isOver() {
    return OVER.includes(this.upload.state);
  }

  /** @param {string} state @param {unknown} error */
  _turn(state, error) {
    this._pause.hidden = this._cancel.hidden = this.isOver;
    this._remove.hidden = !this.isOver;
    this._retry.hidden = state !== 'failed';
    this._pause.textContent = state === 'paused' ? 'Resume' : 'Pause';
    this._error = error;
    this.element.dataset.state = state;
    /** Where sending began: after a pause the first thing told is how much was there already. @type {{at: number, bytes: number} | null} */
    this._began = null;
    this._show();
  }

  _show() {
    const { state, sentBytes, totalBytes, resumedBytes } = this.upload;
    if (state === 'uploading' && sentBytes > 0) this._began ??= { at: performance.now(), bytes: sentBytes };
    this._progress.value = state === 'failed' ? 0 : sentBytes; // nothing of it is kept
    const share = totalBytes > 0 ? ` (${percent(sentBytes / totalBytes)})` : '';
    const resumed = resumedBytes > 0 ? `, ${bytes(resumedBytes)} were there already` : '';
    const numbers = state === 'failed' ? bytes(totalBytes) : `${bytes(sentBytes)} of ${bytes(totalBytes)}${share}${resumed}`;
    this._words.textContent = `${numbers}. ${this._situation()}`;
  }

  _situation() {
    const { state, sentBytes, totalBytes, resumable } = this.upload;
    if (state === 'failed') return `Failed: ${reasonOf(this._error)}`;
    if (state === 'waiting') return `Waiting to go on: ${reasonOf(this._error)}`;
    if (state === 'paused') return resumable ? 'Paused.' : 'Paused; this service has no resumable uploads, so it begins anew.';
    if (state === 'aborted') return 'Cancelled.';
    if (state === 'done') return 'Stored.';
    if (!this._began) return '';
    const spent = (performance.now() - this._began.at) / 1000;
    const rate = (sentBytes - this._began.bytes) / (spent || 1);
    return rate > 0 ? `${bytes(rate)}/s, ${seconds((totalBytes - sentBytes) / rate)} left.` : '';
  }
}
