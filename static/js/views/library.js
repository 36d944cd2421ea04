/** Library: what is stored, how it gets there, and how it is seen again. */

import { acceptDrops, button, filePicker, h } from '../ui/dom.js';
import { confirmed, shown } from '../ui/dialogs.js';
import { bytes, moment, seconds } from '../ui/format.js';
import { Notice, reasonOf } from '../ui/trouble.js';

const PAGE = 24;
/** Pictures above this size are not loaded just for the small view. */
const PREVIEW_BYTES = 12 * 1048576;
const KINDS = { '': 'Everything', image: 'Pictures', video: 'Videos', audio: 'Audio' };

class Library {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, announce, uploads }) {
    this._client = client;
    this._uploads = uploads;
    this._announce = announce;
    this._ending = new AbortController();
    /** @type {string | null} */
    this._cursor = null;
    this._turn = 0;
    this._notice = new Notice();
    this._more = button('Show more', () => this._next(), { hidden: true });
    this._uploads.tidy();
    this._end = this._uploads.on('arrived', (item) => this._arrived(item));
    this._build(root);
    this._load();
  }

  /** @param {HTMLElement} root */
  _build(root) {
    const drop = h('div', { class: 'drop' },
      h('p', { text: 'Drop pictures, videos or audio here. Any size; an upload that is interrupted goes on where it was.' }),
      filePicker('Choose files', 'image/*,video/*,audio/*', true, (files) => this._send(files)));
    acceptDrops(drop, (files) => this._send(files));
    const options = Object.entries(KINDS).map(([value, text]) => h('option', { value, text }));
    this._kind = h('select', { 'aria-label': 'Kind', on: { change: () => this._load() } }, ...options);
    this._grid = h('div', { class: 'pictures' });
    this._empty = h('p', { class: 'muted', text: 'Nothing is stored yet.', hidden: true });
    const actions = h('div', { class: 'row' }, this._kind, button('Refresh', () => this._load()));
    root.append(h('div', { class: 'head' }, h('h1', { text: 'Library' }), actions),
      h('div', { class: 'stack' }, drop, this._uploads.element, this._notice.element, this._grid, this._empty, this._more));
  }

  /** @param {File[]} files */
  _send(files) {
    for (const file of files) this._uploads.add(this._client.upload(file));
  }

  /** @param {import('../kit/types.js').MediaItem} item */
  _arrived(item) {
    this._announce(`${item.name} is stored.`);
    if (this._kind.value !== '' && this._kind.value !== item.kind) return;
    this._grid.prepend(this._card(item));
    this._empty.hidden = true;
  }

  async _load() {
    this._turn += 1;
    this._cursor = null;
    this._grid.replaceChildren();
    this._client.dispose();
    await this._next();
  }

  async _next() {
    const turn = this._turn;
    try {
      const options = { limit: PAGE, cursor: this._cursor, kind: this._kind.value || null, signal: this._ending.signal };
      const { items, nextCursor } = await this._client.listMedia(options);
      if (turn !== this._turn) return;
      this._cursor = nextCursor;
      this._grid.append(...items.map((item) => this._card(item)));
      this._notice.clear();
    } catch (error) {
      if (!this._ending.signal.aborted) this._notice.show(error, 'The library cannot be read.');
    }
    this._more.hidden = this._cursor === null;
    this._empty.hidden = this._grid.childElementCount > 0;
  }

  /** @param {import('../kit/types.js').MediaItem} item */
  _card(item) {
    const frame = h('button', { type: 'button', class: 'picture-frame', 'aria-label': `Open ${item.name}`, on: { click: () => this._open(item) } });
    const card = h('article', { class: 'picture', data: { id: item.id } }, frame,
      h('div', { class: 'picture-words' },
        h('h3', { text: item.name, title: item.name }),
        h('p', { class: 'muted small-text', text: sizesOf(item) }),
        h('p', { class: 'muted small-text', text: timesOf(item) }),
        h('div', { class: 'row' }, button('Open', () => this._open(item), { class: 'small', 'aria-label': `Open ${item.name} to see all of it` }),
          button('Delete', () => this._delete(item, card), { class: 'small danger', 'aria-label': `Delete ${item.name}` }))));
    this._preview(item, frame);
    return card;
  }

  /** @param {import('../kit/types.js').MediaItem} item @param {HTMLElement} frame */
  async _preview(item, frame) {
    const name = h('span', { class: 'kind', text: item.contentType });
    frame.append(name);
    if (item.kind === 'audio' || (item.kind === 'image' && item.sizeBytes > PREVIEW_BYTES)) return;
    try {
      const url = await this._client.mediaUrl(item, { signal: this._ending.signal });
      if (this._ending.signal.aborted) return;
      const give = () => frame.replaceChildren(name);
      const view = item.kind === 'image'
        ? h('img', { loading: 'lazy', decoding: 'async', alt: '', on: { error: give }, src: url })
        : h('video', { preload: 'metadata', muted: true, tabIndex: -1, 'aria-hidden': 'true', on: { error: give }, src: `${url}#t=0.1` });
      frame.replaceChildren(view);
    } catch {
      // the name of its type stays: the preview is a convenience
    }
  }

  /** @param {import('../kit/types.js').MediaItem} item */
  async _open(item) {
    let view;
    try {
      const src = await this._client.mediaUrl(item, { signal: this._ending.signal });
      view = item.kind === 'image' ? h('img', { alt: item.name, src })
        : h(item.kind === 'audio' ? 'audio' : 'video', { controls: true, preload: 'metadata', src, 'aria-label': item.name });
    } catch (error) {
      view = h('p', { class: 'note', text: reasonOf(error) });
    }
    const lines = [sizesOf(item), timesOf(item), item.sha256 ? `SHA-256 ${item.sha256}` : '', `Reference: ${item.path}`];
    await shown(item.name, [view, ...lines.filter(Boolean).map((text) => h('p', { class: 'muted small-text note', text }))]);
    view.removeAttribute('src');
    if ('load' in view) view.load();
  }

  /** @param {import('../kit/types.js').MediaItem} item @param {HTMLElement} card */
  async _delete(item, card) {
    if (!(await confirmed(`Delete ${item.name}?`, 'Delete'))) return;
    try {
      for (const media of card.querySelectorAll('video')) {
        media.removeAttribute('src');
        media.load();
      }
      await this._client.deleteMedia(item.id);
      this._client.releaseMediaUrl(item);
      card.remove();
      this._empty.hidden = this._grid.childElementCount > 0;
      this._announce(`${item.name} is deleted.`);
    } catch (error) {
      this._notice.show(error, `${item.name} is not deleted.`);
    }
  }

  close() {
    this._ending.abort();
    this._end();
    for (const media of this._grid.querySelectorAll('video, img')) media.removeAttribute('src');
    this._client.dispose();
  }
}

/** @param {import('../kit/types.js').MediaItem} item */
function sizesOf({ sizeBytes, width, height, durationSeconds, frameRate, contentType }) {
  return [contentType, bytes(sizeBytes), width && height ? `${width}×${height} px` : '',
    durationSeconds ? seconds(durationSeconds) : '', frameRate ? `${Math.round(frameRate * 100) / 100} frames per s` : '']
    .filter(Boolean).join(' · ');
}

/** @param {import('../kit/types.js').MediaItem} item */
function timesOf({ createdAt, expiresAt }) {
  return `Stored ${moment(createdAt)}; ${expiresAt ? `goes ${moment(expiresAt)}` : 'kept until it is deleted'}`;
}

/** @type {import('./index.js').View} */
export const library = {
  id: 'library',
  title: 'Library',
  open(root, context) {
    const view = new Library(root, context);
    return () => view.close();
  },
};
