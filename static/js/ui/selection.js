/** Several items at a time: which are selected, and what is done with all of them. */

import { Emitter } from '../kit/emitter.js';
import { button, h } from './dom.js';
import { counted } from './format.js';

/** Events: `changed`. */
export class Selection extends Emitter {
  /** @param {Record<string, () => void>} acts what can be done, by the words of its button */
  constructor(acts) {
    super();
    /** @type {Set<string>} */
    this.ids = new Set();
    this._words = h('span', { role: 'status' });
    const buttons = Object.entries(acts).map(([text, act]) => button(text, act, { class: text === 'Delete selected' ? 'small danger' : 'small' }));
    this.element = h('div', { class: 'card row selection', hidden: true }, this._words, ...buttons, button('Select none', () => this.clear(), { class: 'small' }));
  }

  /** @param {string} id @param {boolean} selected */
  set(id, selected) {
    if (selected) this.ids.add(id);
    else this.ids.delete(id);
    this._tell();
  }

  clear() {
    this.ids.clear();
    this._tell();
  }

  _tell() {
    this.element.hidden = this.ids.size === 0;
    this._words.textContent = `${counted(this.ids.size, 'item')} selected`;
    this.emit('changed');
  }
}

/** The arrow keys go from card to card, as they lie on the screen. @param {HTMLElement} grid @param {string} target what takes the focus in a card */
export function arrowKeys(grid, target) {
  grid.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    const here = /** @type {HTMLElement} */ (event.target);
    if (!here.matches(target)) return;
    const all = /** @type {HTMLElement[]} */ ([...grid.querySelectorAll(target)]);
    const at = all.indexOf(here);
    const across = Math.max(1, all.filter((one) => one.getBoundingClientRect().top === all[0].getBoundingClientRect().top).length);
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across, Home: -at, End: all.length - 1 - at });
    const next = all[at + (steps[event.key] ?? NaN)];
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}
