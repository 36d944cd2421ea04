/** Uploads under way, each with its progress; and those that a reload has interrupted. They go on in every view. */

import { Emitter } from '../kit/emitter.js';
import { UploadMemo } from '../kit/memo.js';
import { button, h } from './dom.js';
import { bytes, counted, percent } from './format.js';
import { refusalOf } from './pictures.js';
import { note } from './trouble.js';
import { UploadRow } from './upload_row.js';

const KINDS = ['image/', 'video/', 'audio/'];
const MAX_BYTES_SETTING = 'BALLAST_UPLOAD__MAX_BYTES';

/** Events: `arrived`, the media item. */
export class UploadList extends Emitter {
  /** @param {import('../ballast.js').BallastClient} client @param {HTMLElement} indicator where the head of the page says how far all are */
  constructor(client, indicator) {
    super();
    this._client = client;
    this._indicator = indicator;
    this._memo = new UploadMemo();
    /** @type {Map<import('../ballast.js').Upload, UploadRow>} */
    this._rows = new Map();
    this._list = h('ul', { class: 'uploads' });
    this._stored = h('ul', { class: 'uploads' });
    this._storedWords = h('summary', {});
    this._fold = h('details', { class: 'folded', hidden: true }, this._storedWords, this._stored);
    this._words = h('span');
    this._bar = h('progress', { max: 1, value: 0, 'aria-label': 'All uploads' });
    this._clear = button('Clear finished', () => this.clearFinished(), { class: 'small' });
    this._total = h('div', { class: 'progress-line' }, this._words, this._clear, this._bar);
    this._card = h('section', { class: 'card stack', hidden: true, 'aria-label': 'Uploads' }, h('h2', { text: 'Uploads' }), this._total, this._list, this._fold);
    this._unfinished = h('div', { class: 'stack' });
    this.element = h('div', { class: 'stack' }, this._unfinished, this._card);
    addEventListener('beforeunload', (event) => this._running.length > 0 && event.preventDefault());
  }

  /** Send files; those that the service would refuse anyway are not sent. @param {(Blob & {name?: string})[]} files */
  async send(files) {
    const maxBytes = await this._maxBytes();
    for (const file of files) this._add(file, refusal(file, maxBytes));
  }

  /** Take away what is over, and tell what was not finished: before the list is shown. */
  tidy() {
    for (const [upload, row] of this._rows) if (row.isOver && upload.state !== 'failed') this._remove(upload);
    this._tellUnfinished();
    this._count();
  }

  clearFinished() {
    for (const [upload, row] of this._rows) if (row.isOver) this._remove(upload);
    this._count();
  }

  /** @param {Blob & {name?: string}} file @param {string} reason why it is not sent; '': it is */
  _add(file, reason) {
    const upload = this._client.prepareUpload(file);
    const row = new UploadRow(upload, { remove: () => this._remove(upload), retry: () => this._retry(upload) });
    this._rows.set(upload, row);
    this._list.prepend(row.element);
    this._unfinished.replaceChildren();
    upload.on('progress', () => this._count());
    upload.on('state', () => this._count());
    upload.done.then((item) => this.emit('arrived', item), () => {});
    if (reason === '') upload.start();
    else upload.refuse(new Error(reason));
    this._count();
  }

  /** @param {import('../ballast.js').Upload} upload */
  _remove(upload) {
    this._rows.get(upload)?.element.remove();
    this._rows.delete(upload);
    this._count();
  }

  /** @param {import('../ballast.js').Upload} upload */
  _retry(upload) {
    this._remove(upload);
    this.send([upload.file]);
  }

  /** Whether something is being sent. */
  get isBusy() {
    return this._running.length > 0;
  }

  get _running() {
    return [...this._rows.values()].filter((row) => !row.isOver).map(({ upload }) => upload);
  }

  /** Say how far all of them are, here and in the head of the page. */
  _count() {
    const uploads = [...this._rows.keys()].filter(({ state }) => state !== 'failed' && state !== 'aborted');
    const sum = (/** @type {'sentBytes' | 'totalBytes'} */ name) => uploads.reduce((total, upload) => total + upload[name], 0);
    const [sent, total] = [sum('sentBytes'), sum('totalBytes')];
    const running = this._running.length;
    this._card.hidden = this._rows.size === 0;
    this._total.hidden = this._rows.size < 2;
    this._clear.disabled = running === this._rows.size;
    this._bar.value = total > 0 ? sent / total : 0;
    const done = uploads.filter(({ state }) => state === 'done').length;
    this._putAway();
    this._words.textContent = `${done} of ${counted(this._rows.size, 'file')} stored, ${bytes(sent)} of ${bytes(total)}`;
    this._indicator.hidden = running === 0;
    this._indicator.textContent = `${counted(running, 'upload')}, ${percent(total > 0 ? sent / total : 0)}`;
  }

  /** What is stored is folded away as soon as it is more than one, so that the pictures are not pushed down. */
  _putAway() {
    const stored = [...this._rows].filter(([{ state }]) => state === 'done').map(([, row]) => row.element);
    const place = stored.length > 1 ? this._stored : this._list;
    for (const element of stored) if (element.parentElement !== place) place.append(element);
    this._fold.hidden = stored.length < 2;
    this._storedWords.textContent = `${counted(stored.length, 'file')} stored`;
  }

  async _maxBytes() {
    const limits = await this._client.limits().catch(() => null);
    return limits?.settings?.find((/** @type {any} */ one) => one.name === MAX_BYTES_SETTING)?.value ?? Infinity;
  }

  _tellUnfinished() {
    const running = new Set(this._running.map(({ fingerprint }) => fingerprint));
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

/** Why a file would be refused, said before a byte of it is sent; '': it would not. @param {Blob} file @param {number} maxBytes */
function refusal(file, maxBytes) {
  if (file.type.startsWith('image/')) return refusalOf(file, maxBytes);
  if (file.type !== '' && !KINDS.some((kind) => file.type.startsWith(kind))) return `not a picture, video or audio (it is ${file.type}). Nothing was sent.`;
  if (file.size === 0) return 'the file is empty. Nothing was sent.';
  if (file.size > maxBytes) return `it has ${bytes(file.size)}, and this service takes at most ${bytes(maxBytes)}. Nothing was sent.`;
  return '';
}
