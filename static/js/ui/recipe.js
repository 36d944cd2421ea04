/** How to get the same picture again: its address, and a line for the shell. */

import { button, h } from './dom.js';

export class Recipe {
  /** @param {import('../ballast.js').BallastClient} client @param {(text: string) => void} announce */
  constructor(client, announce) {
    this._client = client;
    this._announce = announce;
    this._url = h('code');
    this._curl = h('code');
    const row = (/** @type {string} */ label, /** @type {HTMLElement} */ code) =>
      h('div', { class: 'recipe' }, h('span', { class: 'muted small-text', text: label }), h('pre', { class: 'code', tabIndex: 0, 'aria-label': label }, code), button('Copy', () => this._copy(label, code), { class: 'small', 'aria-label': `Copy: ${label}` }));
    this.element = h('section', { class: 'card stack', 'aria-label': 'Use it', hidden: true }, h('h2', { text: 'Use it' }), row('Address', this._url), row('curl', this._curl));
  }

  /**
   * @param {string} url @param {Blob & {name?: string} | null} file what is sent; null: the picture is stored already
   * @param {string} extension
   */
  show(url, file, extension) {
    this.element.hidden = false;
    this._url.textContent = file ? `POST ${url}` : url;
    const key = this._client.key ? ` -H "Authorization: Bearer $BALLAST_KEY"` : '';
    const body = file ? ` --data-binary ${quoted(`@${file.name ?? 'picture.jpg'}`)} -H ${quoted(`Content-Type: ${file.type || 'application/octet-stream'}`)}` : '';
    this._curl.textContent = `curl -sS${key}${body} -o result.${extension} ${quoted(url)}`;
  }

  /** @param {string} label @param {HTMLElement} code */
  async _copy(label, code) {
    const text = code.textContent ?? '';
    try {
      await navigator.clipboard.writeText(text);
      this._announce(`${label} copied.`);
    } catch {
      getSelection()?.selectAllChildren(code); // no clipboard without HTTPS: it is selected, to be copied by hand
      this._announce(`${label} selected: copy it with the keyboard.`);
    }
  }
}

/** In single quotes of a POSIX shell. @param {string} text */
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
