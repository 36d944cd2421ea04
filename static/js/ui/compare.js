/** Two pictures over each other, and a slider between them. */

import { h } from './dom.js';

export class Compare {
  constructor() {
    this.before = h('img', { class: 'before', alt: 'Before', hidden: true });
    this.after = h('img', { class: 'after', alt: 'After', hidden: true });
    this.marks = h('canvas', { class: 'marks', 'aria-hidden': 'true' });
    this._slider = h('input', { type: 'range', min: 0, max: 100, step: 0.5, value: 50, 'aria-label': 'Before on the left, after on the right' });
    this._slider.addEventListener('input', () => this._split());
    this._hint = h('p', { class: 'stage-hint', text: 'Choose a picture, or take one from the library.' });
    this._line = h('div', { class: 'line', 'aria-hidden': 'true' });
    const names = ['Before', 'After'].map((text) => h('span', { class: `side ${text.toLowerCase()}-side`, 'aria-hidden': 'true', text }));
    this._stage = h('div', { class: 'compare-stage' }, this.after, this.before, this.marks, this._line, ...names, this._hint);
    this.element = h('div', { class: 'compare' }, this._stage, this._slider);
    this._slider.disabled = true;
    this._split();
    this._dragging();
  }

  /** @param {string} src */
  showBefore(src) {
    this._show(this.before, src);
    this._hint.hidden = true;
    this._slider.disabled = false;
  }

  /** @param {string} src */
  showAfter(src) {
    this._show(this.after, src);
  }

  /** @param {boolean} busy */
  set busy(busy) {
    if (busy) this.element.setAttribute('aria-busy', 'true');
    else this.element.removeAttribute('aria-busy');
  }

  clear() {
    for (const image of [this.before, this.after]) {
      image.removeAttribute('src');
      image.hidden = true;
    }
    this.marks.width = this.marks.width + 0;
    this._hint.hidden = false;
    this._slider.disabled = true;
  }

  /** @param {HTMLImageElement} image @param {string} src */
  _show(image, src) {
    image.src = src;
    image.hidden = false;
  }

  _split() {
    this._stage.style.setProperty('--split', `${this._slider.value}%`);
  }

  /** The line is drawn along by pointer, too; the slider below is for the keyboard and for all others. */
  _dragging() {
    const move = (/** @type {PointerEvent} */ event) => {
      if (event.buttons !== 1 || this._slider.disabled) return;
      const { left, width } = this._stage.getBoundingClientRect();
      this._slider.value = String(Math.max(0, Math.min(100, ((event.clientX - left) / width) * 100)));
      this._split();
    };
    this._stage.addEventListener('pointerdown', move);
    this._stage.addEventListener('pointermove', move);
  }
}
