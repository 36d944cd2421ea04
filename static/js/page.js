/** The page: which view is open, what its head says, and the key. */

import { BallastClient } from './ballast.js';
import { h } from './ui/dom.js';
import { Head } from './ui/head.js';
import { KeyKeeper, storedKey } from './ui/keys.js';
import { UploadList } from './ui/uploads.js';
import { ViewCode, isOutdated, reloadedOnce } from './ui/view_code.js';
import { MemoryWatch } from './ui/watch.js';
import { views } from './views/index.js';

const CALM_SECONDS = 10;
/** A view whose code did not come, though the service is there, is asked for again after so long. */
const AGAIN_SECONDS = 5;

class Page {
  constructor() {
    this._client = new BallastClient({ key: storedKey() });
    this._watch = new MemoryWatch(this._client, CALM_SECONDS);
    this._uploads = new UploadList(this._client, element('uploads'));
    this._keys = new KeyKeeper(this._client, element('key'));
    this._main = element('main');
    this._code = new ViewCode();
    this._announcements = element('announcements');
    this._close = () => {};
    this._turn = 0;
  }

  async start() {
    element('views').append(...views.map(({ id, title }) => h('li', {}, h('a', { href: `#${id}`, text: title }))));
    new Head(element('level'), element('banner'), this._main, this._watch);
    this._watch.on('lost', ({ error }) => error?.status === 401 && this._useNewKey(this._keys.makeSure()));
    this._watch.on('back', () => this._keys.forgive());
    element('key').addEventListener('click', () => this._useNewKey(this._keys.change()));
    for (const type of ['dragover', 'drop']) addEventListener(type, keepPage);
    addEventListener('hashchange', () => this._open());
    addEventListener('pagehide', () => this._close());
    addEventListener('pageshow', ({ persisted }) => persisted && this._open()); // back again, as it was left
    await this._keys.makeSure();
    this._watch.start();
    await this._open();
  }

  /** Open the view that the address names: `#view`, or `#view/argument`. */
  async _open() {
    const [name, ...rest] = location.hash.slice(1).split('/');
    const view = views.find(({ id }) => id === name) ?? views[0];
    this._turn += 1;
    const turn = this._turn;
    this._close();
    this._close = () => {};
    this._client.dispose();
    for (const link of element('views').querySelectorAll('a')) {
      if (link.hash === `#${view.id}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.title = `${view.title} · Ballast`;
    const root = h('div', { class: 'view', data: { view: view.id } });
    const open = await this._loaded(view, turn);
    if (turn !== this._turn || open === null) return;
    this._main.replaceChildren(root);
    const announce = (/** @type {string} */ text) => this._announce(text);
    const argument = decodeURIComponent(rest.join('/'));
    this._close = open(root, { client: this._client, watch: this._watch, uploads: this._uploads, announce, argument });
  }

  /**
   * Return what opens a view; its code comes when it is first opened.
   * @param {import('./views/index.js').Entry} view @param {number} turn of this opening
   */
  async _loaded(view, turn) {
    const waiting = setTimeout(() => turn === this._turn && this._main.replaceChildren(h('p', { class: 'loading', role: 'status', text: 'Loading…' })), 150);
    try {
      return await this._code.load(view);
    } catch {
      const isOld = await isOutdated();
      if (turn !== this._turn) return null;
      if (isOld) return this._renew();
      this._main.replaceChildren(h('p', { class: 'note', role: 'alert', text: 'This view could not be loaded. It is tried again when the service is back.' }));
      this._comeBack(turn);
      return null;
    } finally {
      clearTimeout(waiting);
    }
  }

  /** Open the view again when the service is back, or soon where it was there all the time. @param {number} turn */
  _comeBack(turn) {
    const again = () => {
      clearTimeout(timer);
      end();
      if (turn === this._turn) this._open();
    };
    const end = this._watch.on('back', again);
    const timer = setTimeout(() => (this._watch.lostSince === null ? again() : undefined), AGAIN_SECONDS * 1000);
  }

  /** The service is a newer one, and what this page would load is no more: the new page takes its place. @returns {null} */
  _renew() {
    if (!this._uploads.isBusy && reloadedOnce()) return null;
    const reload = h('button', { type: 'button', class: 'primary', text: 'Reload', on: { click: () => location.reload() } });
    const words = 'There is a new version of this page. Reload it to open this view; uploads that are under way go on when their files are chosen again.';
    this._main.replaceChildren(h('div', { class: 'stack' }, h('p', { class: 'note', role: 'alert', text: words }), h('div', { class: 'row' }, reload)));
    return null;
  }

  /** @param {string} text */
  _announce(text) {
    this._announcements.textContent = text;
  }

  /** @param {Promise<boolean>} asked whether there is a new key */
  async _useNewKey(asked) {
    if (!(await asked)) return;
    this._watch.start();
    await this._open();
  }
}

/** A file that is dropped where no view takes it does not take the page's place. @param {Event} event */
function keepPage(event) {
  if (/** @type {DragEvent} */ (event).dataTransfer?.types.includes('Files')) event.preventDefault();
}

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

new Page().start();
