/** Rows of bars along the time of a video: when something was found. One tab stop a row; the arrow keys go along it. */

import { button, h } from './dom.js';
import { clockTime, count, seconds } from './format.js';

/** More bars than this in a row nobody tells apart. */
const MOST = 500;

/** @typedef {{start: number, end: number}} Span */

export class Timeline {
  /** @param {number} totalSeconds @param {(seconds: number) => void} seek */
  constructor(totalSeconds, seek) {
    this._total = totalSeconds;
    this._seek = seek;
    this.element = h('div', { class: 'timeline', role: 'group', 'aria-label': 'What was found, along the time' });
  }

  /** @param {Iterable<[string, Span[]]>} rows by label, each in order of time */
  show(rows) {
    const all = [...rows].filter(([, spans]) => spans.length > 0);
    this.element.replaceChildren(...all.map(([label, spans]) => this._row(label, spans)));
  }

  /** Say where the video is. @param {number} at seconds */
  point(at) {
    this.element.style.setProperty('--at', `${this._share(at)}%`);
  }

  /** @param {string} label @param {Span[]} spans */
  _row(label, spans) {
    const bars = spans.slice(0, MOST).map((span, index) => this._bar(label, span, index === 0));
    const track = h('div', { class: 'timeline-track', on: { click: (/** @type {MouseEvent} */ event) => this._pressed(event, track) } }, ...bars, h('span', { class: 'timeline-at', 'aria-hidden': 'true' }));
    track.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => walk(event, bars));
    const rest = spans.length > MOST ? h('span', { class: 'muted small-text timeline-rest', text: `The first ${count(MOST)} of ${count(spans.length)} are shown; all are in the downloads.` }) : null;
    return h('div', { class: 'timeline-row', role: 'group', 'aria-label': label }, h('span', { class: 'timeline-label', text: label, title: label }), track, rest);
  }

  /** @param {string} label @param {Span} span @param {boolean} isFirst the one that the tab key reaches */
  _bar(label, { start, end }, isFirst) {
    const bar = button('', () => this._seek(start), { class: 'timeline-bar', tabIndex: isFirst ? 0 : -1, 'aria-label': `${label} from ${clockTime(start)} to ${clockTime(end)}`, title: `${label}: ${seconds(start)} to ${seconds(end)}` });
    bar.style.left = `${this._share(start)}%`;
    bar.style.width = `${Math.max(0.4, this._share(end) - this._share(start))}%`;
    return bar;
  }

  /** A press beside the bars goes to that time. @param {MouseEvent} event @param {HTMLElement} track */
  _pressed(event, track) {
    if (/** @type {HTMLElement} */ (event.target).closest('.timeline-bar')) return;
    const { left, width } = track.getBoundingClientRect();
    this._seek(((event.clientX - left) / width) * this._total);
  }

  /** @param {number} at */
  _share(at) {
    return (100 * Math.min(Math.max(0, at), this._total)) / (this._total || 1);
  }
}

/** @param {KeyboardEvent} event @param {HTMLElement[]} bars */
function walk(event, bars) {
  const at = bars.indexOf(/** @type {HTMLElement} */ (event.target));
  const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: bars.length - 1 }[event.key];
  if (at < 0 || next === undefined) return;
  event.preventDefault();
  if (!bars[next]) return;
  bars[at].tabIndex = -1;
  bars[next].tabIndex = 0;
  bars[next].focus();
}
