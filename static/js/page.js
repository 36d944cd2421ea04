/** The page: which view is open, the level in its head, and the key. */

import { BallastClient } from './ballast.js';
import { h } from './ui/dom.js';
import { askedKey } from './ui/dialogs.js';
import { bytes, percent } from './ui/format.js';
import { meaningOf, toneOf } from './ui/levels.js';
import { UploadList } from './ui/uploads.js';
import { MemoryWatch } from './ui/watch.js';
import { views } from './views/index.js';

const KEY = 'ballast.key';
const CALM_SECONDS = 10;

class Page {
  constructor() {
    this._client = new BallastClient({ key: sessionStorage.getItem(KEY) });
    this._watch = new MemoryWatch(this._client, CALM_SECONDS);
    this._uploads = new UploadList();
    this._main = element('main');
    this._announcements = element('announcements');
    this._close = () => {};
    this._asking = false;
  }

  async start() {
    element('views').append(...views.map(({ id, title }) => h('li', {}, h('a', { href: `#${id}`, text: title }))));
    this._watch.on('level', (report) => this._showLevel(report));
    this._watch.on('report', (report) => this._showLevel(report));
    this._watch.on('trouble', (error) => this._showTrouble(error));
    element('key').addEventListener('click', () => this._changeKey());
    addEventListener('hashchange', () => this._open());
    addEventListener('pagehide', () => this._close());
    addEventListener('pageshow', ({ persisted }) => persisted && this._open()); // back again, as it was left
    await this._makeSureOfKey();
    this._watch.start();
    this._open();
  }

  /** Open the view that the address names. */
  _open() {
    const view = views.find(({ id }) => `#${id}` === location.hash) ?? views[0];
    this._close();
    this._client.dispose();
    for (const link of element('views').querySelectorAll('a')) {
      if (link.hash === `#${view.id}`) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    document.title = `${view.title} · Ballast`;
    const root = h('div', { class: 'view', data: { view: view.id } });
    this._main.replaceChildren(root);
    const announce = (/** @type {string} */ text) => this._announce(text);
    this._close = view.open(root, { client: this._client, watch: this._watch, uploads: this._uploads, announce });
  }

  /** @param {string} text */
  _announce(text) {
    this._announcements.textContent = text;
  }

  /** @param {{level: string, pressure: number, workingSetBytes: number, limitBytes: number, reasons: string[]}} report */
  _showLevel({ level, pressure, workingSetBytes, limitBytes, reasons }) {
    const tone = toneOf(level);
    const numbers = `${bytes(workingSetBytes)} of ${bytes(limitBytes)} (${percent(pressure)})`;
    element('level').replaceChildren(
      h('span', { class: 'level-numbers', text: numbers }),
      h('span', { class: 'chip', text: level, title: meaningOf(level), data: { tone, level } }),
    );
    this._showBanner(level, reasons);
  }

  /** @param {string} level @param {string[]} reasons */
  _showBanner(level, reasons) {
    const banner = element('banner');
    const critical = level === 'CRITICAL';
    if (critical === !banner.hidden) return;
    banner.hidden = !critical;
    const why = reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
    banner.replaceChildren(...(critical ? [h('strong', { text: 'Memory is critical. ' }), `${meaningOf(level)}${why}`] : []));
  }

  /** @param {any} error */
  _showTrouble(error) {
    element('level').replaceChildren(h('span', { class: 'chip', text: 'No connection', data: { tone: 'orange' } }));
    if (error?.status === 401) this._makeSureOfKey();
  }

  /** Ask for a key where one is needed and none, or a wrong one, is there. */
  async _makeSureOfKey() {
    if (this._asking) return;
    this._asking = true;
    try {
      let why = 'Enter one of those in BALLAST_SERVER__API_KEYS.';
      while (await this._keyIsNeeded()) {
        const key = await askedKey(why);
        if (key === null) break;
        this._setKey(key);
        why = 'That key was not accepted.';
      }
    } finally {
      this._asking = false;
      element('key').hidden = this._client.key === null;
    }
  }

  async _keyIsNeeded() {
    try {
      await this._client.limits();
      return false;
    } catch (error) {
      return /** @type {any} */ (error).status === 401;
    }
  }

  /** @param {string | null} key */
  _setKey(key) {
    this._client.key = key;
    if (key === null) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, key);
  }

  async _changeKey() {
    this._setKey(null);
    await this._makeSureOfKey();
    this._watch.start();
    this._open();
  }
}

/** @param {string} id @returns {HTMLElement} */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}

await new Page().start();
