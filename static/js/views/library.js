/** Library: what is stored, how it gets there, and how it is seen again. */

import { pause } from '../kit/backoff.js';
import { button, filePicker, h } from '../ui/dom.js';
import { confirmed } from '../ui/dialogs.js';
import { pageDrops } from '../ui/drops.js';
import { counted } from '../ui/format.js';
import { sizesOf, timesOf } from '../ui/item_words.js';
import { arrowKeys, Selection } from '../ui/selection.js';
import { ORDERS, Shelf } from '../ui/shelf.js';
import { Thumbnails } from '../ui/thumbnails.js';
import { Notice } from '../ui/trouble.js';
import { viewed } from '../ui/viewer.js';

/** Cards are shown so many at a time, however many items are known. */
const PAGE = 48;
const KINDS = { '': 'Everything', image: 'Pictures', video: 'Videos', audio: 'Audio' };
const SEARCH_MS = 250;
/** Between two downloads: browsers drop those that come at once. */
const DOWNLOAD_SECONDS = 0.5;

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */

class Library {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, watch, announce, uploads }) {
    this._client = client;
    this._uploads = uploads;
    this._announce = announce;
    this._ending = new AbortController();
    this._shelf = new Shelf(client);
    this._thumbnails = new Thumbnails(client, this._ending.signal);
    this._shown = PAGE;
    /** @type {Map<string, HTMLElement>} */
    this._cards = new Map();
    this._notice = new Notice();
    this._selection = new Selection({ 'Delete selected': () => this._deleteSelected(), 'Download selected': () => this._download([...this._selection.ids]), 'New job for selected': () => (location.hash = `#jobs/new/${[...this._selection.ids].join(',')}`) });
    this._selection.on('changed', () => this._markSelected());
    this._uploads.tidy();
    this._build(root);
    this._ends = [
      this._uploads.on('arrived', (item) => this._arrived(item)),
      pageDrops((files) => this._uploads.send(files), 'Drop to upload'),
      watch.persist(() => this._load(), (error) => this._notice.show(error, 'The library cannot be read; it is tried again when the service is back.')),
    ];
  }

  /** @param {HTMLElement} root */
  _build(root) {
    const drop = h('div', { class: 'drop' },
      h('p', { text: 'Drop pictures, videos or audio anywhere, or paste them. Any size; an upload that is interrupted goes on where it was.' }),
      filePicker('Choose files', 'image/*,video/*,audio/*', true, (files) => this._uploads.send(files)));
    this._search = h('input', { type: 'search', placeholder: 'Search by name', 'aria-label': 'Search by name' });
    this._search.addEventListener('input', () => {
      clearTimeout(this._typing);
      this._typing = setTimeout(() => this._change({ search: this._search.value.trim() }), SEARCH_MS);
    });
    const kind = choice('Kind', KINDS, (value) => this._change({ kind: value }));
    const order = choice('Order', Object.fromEntries(Object.entries(ORDERS).map(([name, { text }]) => [name, text])), (value) => this._change({ order: value }));
    this._more = button('Show more', () => this._showMore(), { hidden: true });
    this._grid = h('div', { class: 'pictures live' });
    arrowKeys(this._grid, '.picture-frame');
    this._empty = h('p', { class: 'muted', text: 'Nothing is stored yet.', hidden: true });
    this._count = h('p', { class: 'muted small-text', role: 'status' });
    const actions = h('div', { class: 'row' }, this._search, kind, order, button('Refresh', () => this._reload()));
    root.append(h('div', { class: 'head' }, h('h1', { text: 'Library' }), actions),
      h('div', { class: 'stack' }, drop, this._uploads.element, this._notice.element, this._selection.element, this._count, this._grid, this._empty, this._more));
  }

  /** @param {{kind?: string, search?: string, order?: string}} wishes */
  async _change(wishes) {
    const again = wishes.kind !== undefined;
    Object.assign(this._shelf, wishes);
    this._shown = PAGE;
    if (again) return this._reload();
    this._show();
    await this._attempt(() => this._shelf.more(this._ending.signal, () => this._show()));
  }

  async _reload() {
    this._client.dispose();
    this._clear();
    await this._attempt(() => this._load());
  }

  async _load() {
    this._count.textContent = 'Reading the library…';
    await this._shelf.reload(this._ending.signal, () => this._show());
    this._notice.clear();
    this._show();
  }

  async _showMore() {
    this._shown += PAGE;
    if (this._shelf.items.length < this._shown) await this._attempt(() => this._shelf.more(this._ending.signal));
    this._show();
  }

  /** @param {() => Promise<void>} work */
  async _attempt(work) {
    try {
      await work();
    } catch (error) {
      this._count.textContent = '';
      if (!this._ending.signal.aborted) this._notice.show(error, 'The library cannot be read.');
    }
  }

  /** Put the cards there that are wanted, in their order; those that are there already stay. */
  _show() {
    const items = this._shelf.items;
    const shown = items.slice(0, this._shown);
    const wanted = new Set(shown.map(({ id }) => id));
    for (const [id, card] of this._cards) {
      if (wanted.has(id)) continue;
      card.remove();
      this._cards.delete(id);
    }
    for (const [index, item] of shown.entries()) {
      const card = this._cards.get(item.id) ?? this._card(item);
      this._cards.set(item.id, card);
      if (this._grid.children[index] !== card) this._grid.insertBefore(card, this._grid.children[index] ?? null);
    }
    const { isComplete, search } = this._shelf;
    this._more.hidden = items.length <= this._shown && isComplete;
    this._empty.hidden = items.length > 0 || !isComplete;
    this._empty.textContent = search ? `No name has “${search}” in it.` : 'Nothing is stored yet.';
    this._count.textContent = items.length === 0 && isComplete ? '' : `${counted(items.length, 'item')}${isComplete ? '' : ' so far'}`;
  }

  /** @param {MediaItem} item */
  _arrived(item) {
    this._announce(`${item.name} is stored.`);
    this._shelf.add(item);
    this._show();
  }

  /** @param {MediaItem} item @returns {HTMLElement} */
  _card(item) {
    const frame = h('button', { type: 'button', class: 'picture-frame', 'aria-label': `Open ${item.name}`, on: { click: () => this._open(item) } });
    const box = h('input', { type: 'checkbox', class: 'select', 'aria-label': `Select ${item.name}`, checked: this._selection.ids.has(item.id) });
    box.addEventListener('change', () => this._selection.set(item.id, box.checked));
    const words = h('div', { class: 'picture-words' },
      h('h3', { text: item.name, title: item.name }),
      h('p', { class: 'muted small-text', text: sizesOf(item) }),
      h('p', { class: 'muted small-text', text: timesOf(item) }),
      h('div', { class: 'row' }, ...this._actions(item)));
    this._thumbnails.fill(frame, item);
    return h('article', { class: 'picture', data: { id: item.id } }, frame, box, words);
  }

  /** What can be done with one item. @param {MediaItem} item */
  _actions(item) {
    return [
      item.kind === 'image' ? h('a', { class: 'button small', href: `#images/${item.id}`, text: 'Edit', 'aria-label': `Edit ${item.name}` }) : null,
      h('a', { class: 'button small', href: `#jobs/new/${item.id}`, text: 'Job', 'aria-label': `New job for ${item.name}` }),
      button('Delete', () => this._delete([item]), { class: 'small danger', 'aria-label': `Delete ${item.name}` }),
    ];
  }

  /** @param {MediaItem} item */
  async _open(item) {
    const neighbour = (/** @type {MediaItem} */ one, /** @type {number} */ step) => {
      const items = this._shelf.items;
      return items[items.findIndex(({ id }) => id === one.id) + step] ?? null;
    };
    await viewed(this._client, item, neighbour, (one) => [button('Download', () => this._download([one.id]), { class: 'small' })]);
  }

  /** One after the other: browsers let a page begin only so many downloads at once, and ask first. @param {string[]} ids */
  async _download(ids) {
    const items = /** @type {MediaItem[]} */ (ids.map((id) => this._shelf.get(id)).filter((item) => item !== undefined));
    let begun = 0;
    for (const item of items) {
      if (begun > 0) await pause(DOWNLOAD_SECONDS, this._ending.signal);
      if (this._ending.signal.aborted) return;
      try {
        h('a', { href: await this._client.mediaUrl(await this._client.freshMedia(item)), download: item.name }).click();
        begun += 1;
        if (items.length > 1) this._notice.say(`${begun} of ${counted(items.length, 'download')} begun. If the browser asks whether this page may download several files, allow it.`);
      } catch (error) {
        this._notice.show(error, `${item.name} cannot be downloaded.`);
      }
    }
  }

  _deleteSelected() {
    const items = [...this._selection.ids].map((id) => this._shelf.get(id)).filter((item) => item !== undefined);
    return this._delete(/** @type {MediaItem[]} */ (items));
  }

  /** @param {MediaItem[]} items */
  async _delete(items) {
    const what = items.length === 1 ? items[0].name : counted(items.length, 'item');
    if (items.length === 0 || !(await confirmed(`Delete ${what}?`, 'Delete'))) return;
    let deleted = 0;
    for (const item of items) {
      try {
        await this._client.deleteMedia(item.id);
        this._client.releaseMediaUrl(item);
        this._shelf.remove(item.id);
        this._selection.set(item.id, false);
        deleted += 1;
      } catch (error) {
        this._notice.show(error, `${item.name} is not deleted.`);
      }
    }
    this._show();
    this._announce(deleted === 1 ? `${items[0].name} is deleted.` : `${counted(deleted, 'item')} deleted.`);
  }

  _markSelected() {
    for (const [id, card] of this._cards) /** @type {any} */ (card.querySelector('.select')).checked = this._selection.ids.has(id);
  }

  _clear() {
    this._grid.replaceChildren();
    this._cards.clear();
    this._selection.clear();
  }

  close() {
    this._ending.abort();
    clearTimeout(this._typing);
    for (const end of this._ends) end();
    this._clear();
    this._client.dispose();
  }
}

/** @param {string} label @param {Record<string, string>} texts @param {(value: string) => void} chosen */
function choice(label, texts, chosen) {
  const options = Object.entries(texts).map(([value, text]) => h('option', { value, text }));
  const select = h('select', { 'aria-label': label }, ...options);
  select.addEventListener('change', () => chosen(select.value));
  return select;
}

/** @type {import('./index.js').Open} */
export function open(root, context) {
  const view = new Library(root, context);
  return () => view.close();
}
