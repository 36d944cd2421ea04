/** What was found, in words; what changes is said to those who do not see it. */

import { describe, spoken } from '../ballast.js';
import { h } from './dom.js';

const QUIET_SECONDS = 3;

export class Findings {
  /** @param {(text: string) => void} announce */
  constructor(announce) {
    this._announce = announce;
    this._spokenAt = -Infinity;
    this._spoken = '';
    this._words = '';
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._later = undefined;
    this.element = h('ul', { class: 'findings' });
  }

  /** @param {import('../kit/types.js').Detection[]} detections */
  show(detections) {
    const lines = detections.map((detection) => describe(detection));
    const rows = this.element.children;
    while (rows.length > Math.max(1, lines.length)) rows[rows.length - 1].remove();
    while (rows.length < Math.max(1, lines.length)) this.element.append(h('li'));
    for (let index = 0; index < rows.length; index += 1) setText(rows[index], lines[index] ?? 'Nothing found in the newest frame.');
    this.stale = false;
    this._speak(detections);
  }

  /** @param {boolean} stale whether it is from before */
  set stale(stale) {
    if (stale) this.element.dataset.stale = '';
    else delete this.element.dataset.stale;
  }

  clear() {
    clearTimeout(this._later);
    this._later = undefined;
    this.element.replaceChildren();
    this.stale = false;
  }

  /** Say a gesture when it changes, if not at once then when it has been quiet. @param {import('../kit/types.js').Detection[]} detections */
  _speak(detections) {
    this._words = detections.map(({ gesture }) => gesture?.label ?? '').filter((label) => label && label !== 'None').map(spoken).join(', ');
    const left = this._spokenAt + QUIET_SECONDS * 1000 - performance.now();
    if (left <= 0) this._say();
    else this._later ??= setTimeout(() => this._say(), left);
  }

  _say() {
    clearTimeout(this._later);
    this._later = undefined;
    if (this._words === this._spoken) return;
    this._spoken = this._words;
    this._spokenAt = performance.now();
    if (this._words) this._announce(this._words);
  }
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
