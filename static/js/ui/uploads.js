/** Uploads under way, each with its progress; and those that a reload has interrupted. They go on in every view. */

import { Emitter } from '../kit/emitter.js';
import { UploadMemo } from '../kit/memo.js';
import { button, h } from './dom.js';
import { bytes, percent, seconds } from './format.js';
import { note, reasonOf } from './trouble.js';

/** Events: `arrived`, the media item. */
export class UploadList extends Emitter {
  constructor() {
    super();
    this._memo = new UploadMemo();
    /** @type {Set<import('../ballast.js').Upload>} */
    this._running = new Set();
    this._list = h('ul', { class: 'uploads' });
    this._card = h('section', { class: 'card', hidden: true }, h('h2', { text: 'Uploads' }), this._list);
    this._unfinished = h('div', { class: 'stack' });
    this.element = h('div', { class: 'stack' }, this._unfinished, this._card);
  }

  /** Take away what is over, and tell what was not finished: before the list is shown. */
  tidy() {
    for (const row of this._list.querySelectorAll("[data-state='done'], [data-state='aborted']")) row.remove();
    this._card.hidden = this._list.childElementCount === 0;
    this._tellUnfinished();
  }

  /** @param {import('../ballast.js').Upload} upload */
  add(upload) {
    const row = new UploadRow(upload, () => row.element.remove());
    this._running.add(upload);
    this._list.prepend(row.element);
    this._card.hidden = false;
    this._unfinished.replaceChildren();
    upload.done.then(
      (item) => {
        this._running.delete(upload);
        this.emit('arrived', item);
      },
      () => this._running.delete(upload),
    );
  }

  _tellUnfinished() {
    const running = new Set([...this._running].map(({ fingerprint }) => fingerprint));
    const unfinished = this._memo.list().filter(({ fingerprint }) => !running.has(fingerprint));
    const notes = unfinished.map((one) => {
      const element = h('div', { class: 'row' },
        note(`${one.name} (${bytes(one.sizeBytes)}) was not finished. Choose the same file again, and it goes on where it was.`, 'orange'),
        button('Forget it', () => {
          this._memo.forget(one.fingerprint);
          element.remove();
        }, { class: 'small' }));
      return element;
    });
    this._unfinished.replaceChildren(...notes);
  }
}

class UploadRow {
  /** @param {import('../ballast.js').Upload} upload @param {() => void} remove */
  constructor(upload, remove) {
    this._upload = upload;
    this._began = performance.now();
    this._words = h('span', { class: 'muted small-text' });
    this._progress = h('progress', { max: Math.max(1, upload.totalBytes), value: 0, 'aria-label': `Upload of ${upload.name}` });
    this._pause = button('Pause', () => (upload.state === 'paused' ? upload.resume() : upload.pause()), { class: 'small' });
    this._cancel = button('Cancel', () => upload.abort(), { class: 'small' });
    this._remove = button('Remove from the list', remove, { class: 'small', hidden: true });
    this.element = h('li', { class: 'progress-line', data: { upload: upload.name } },
      h('span', { class: 'name', text: upload.name }), h('div', { class: 'row' }, this._pause, this._cancel, this._remove),
      this._progress, this._words);
    upload.on('progress', () => this._show());
    upload.on('state', ({ state, error }) => this._turn(state, error));
    this._turn(upload.state, null);
  }

  /** @param {string} state @param {unknown} error */
  _turn(state, error) {
    const over = ['done', 'failed', 'aborted'].includes(state);
    this._pause.hidden = this._cancel.hidden = over;
    this._remove.hidden = !over;
    this._pause.textContent = state === 'paused' ? 'Resume' : 'Pause';
    this._error = error;
    this.element.dataset.state = state;
    if (state === 'uploading') this._began = performance.now();
    this._beganBytes = this._upload.sentBytes;
    this._show();
  }

  _show() {
    const { sentBytes, totalBytes, resumedBytes } = this._upload;
    this._progress.value = sentBytes;
    const share = totalBytes > 0 ? percent(sentBytes / totalBytes) : '';
    const resumed = resumedBytes > 0 ? `, ${bytes(resumedBytes)} were there already` : '';
    this._words.textContent = `${bytes(sentBytes)} of ${bytes(totalBytes)} (${share})${resumed}. ${this._situation()}`;
  }

  _situation() {
    const { state, sentBytes, totalBytes, resumable } = this._upload;
    if (state === 'failed') return `Failed: ${reasonOf(this._error)}`;
    if (state === 'waiting') return `Waiting to go on: ${reasonOf(this._error)}`;
    if (state === 'paused') return resumable ? 'Paused.' : 'Paused; this service has no resumable uploads, so it begins anew.';
    if (state === 'aborted') return 'Cancelled.';
    if (state === 'done') return 'Stored.';
    const rate = (sentBytes - (this._beganBytes ?? 0)) / ((performance.now() - this._began) / 1000 || 1);
    return rate > 0 ? `${bytes(rate)}/s, ${seconds((totalBytes - sentBytes) / rate)} left.` : '';
  }
}
