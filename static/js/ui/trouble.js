/** Errors, said to people: what failed and why, and what can be done. */

import { h } from './dom.js';
import { bytes } from './format.js';

/** @param {unknown} error @returns {string} */
export function reasonOf(error) {
  const problem = /** @type {any} */ (error);
  const words = problem?.message || String(error);
  const needed = problem?.document?.neededBytes;
  const sizes = needed ? ` It needs ${bytes(needed)}.` : '';
  const later = problem?.retryAfterSeconds ? ` Try again in ${problem.retryAfterSeconds} s.` : '';
  return `${words}${sizes}${later}`;
}

/** @param {string} text @param {'' | 'orange' | 'red'} [tone] */
export function note(text, tone = '') {
  return h('p', { class: 'note', text, data: tone ? { tone } : {} });
}

/** A place for one message at a time. */
export class Notice {
  constructor() {
    this.element = h('div', { role: 'status' });
  }

  /** @param {unknown} error @param {string} [what] what was tried */
  show(error, what = '') {
    this.say(what ? `${what} ${reasonOf(error)}` : reasonOf(error), 'red');
  }

  /** @param {string} text @param {'' | 'orange' | 'red'} [tone] */
  say(text, tone = '') {
    this.element.replaceChildren(note(text, tone));
  }

  clear() {
    this.element.replaceChildren();
  }
}
