/** What was found, in words; what changes is said to those who do not see it. */

import { describe, spoken } from '../ballast.js';
import { h } from './dom.js';

const QUIET_SECONDS = 3;

export class Findings {
  /** @param {(text: string) => void} announce */
  constructor(announce) {
    this._announce = announce;
    this._spokenAt = 0;
    this._spoken = '';
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
    this.element.replaceChildren();
    this.stale = false;
  }

  /** Say a gesture when it changes. @param {import('../kit/types.js').Detection[]} detections */
  _speak(detections) {
    const words = detections.map(({ gesture }) => gesture?.label ?? '').filter((label) => label && label !== 'None').map(spoken).join(', ');
    const now = performance.now();
    if (words === this._spoken || now - this._spokenAt < QUIET_SECONDS * 1000) return;
    this._spoken = words;
    this._spokenAt = now;
    if (words) this._announce(words);
  }
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
