/** Memory over time: who holds what, stacked up to the working set, against the limit, with what happened. */

import { h, svg } from './dom.js';
import { bytes, clock, percent, seconds } from './format.js';
import { thinned } from './thin.js';
import { toneOf } from './levels.js';

const MARGIN = { left: 74, right: 14, top: 14, bottom: 26 };
const LINES = 4;
const SERIES = 7;
const REST = 'not accounted for';

/** @typedef {import('./past.js').Point} Point */

export class MemoryChart {
  /** @param {{name: string, share: number, tone: string}[]} thresholds parts of the limit */
  constructor(thresholds) {
    this._thresholds = thresholds;
    this._list = h('ul', { class: 'legend' });
    /** @type {(Point & {bytes: number, gap: boolean})[]} */
    this._points = [];
    /** @type {Point[]} */
    this._all = [];
    /** @type {import('./past.js').Mark[]} */
    this._marks = [];
    /** @type {string[]} */
    this._owners = [];
    this._limitBytes = 1;
    /** @type {number | null} */
    this._cursor = null;
    /** Whether the scale ends at the limit, or just above the curve. */
    this.wholeLimit = true;
    this._svg = svg('svg', { class: 'chart', role: 'img', tabindex: 0, 'aria-label': 'Working set over time. No report yet.' });
    this._words = h('p', { class: 'muted small-text chart-words', text: 'No report yet.' });
    this.element = h('div', {}, this._svg, this._words, this._list);
    this._legend();
    this._svg.addEventListener('pointermove', (/** @type {PointerEvent} */ event) => this._point(event));
    this._svg.addEventListener('pointerleave', () => this._setCursor(null));
    this._svg.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => this._step(event));
    this._observer = new ResizeObserver(() => this._draw());
    this._observer.observe(this._svg);
  }

  /** @param {Point[]} points @param {import('./past.js').Mark[]} marks @param {number} limitBytes */
  show(points, marks, limitBytes) {
    this._all = points;
    this._marks = marks;
    this._limitBytes = limitBytes;
    this._draw();
  }

  /** @param {{name: string, share: number, tone: string}[]} thresholds parts of the limit */
  setThresholds(thresholds) {
    this._thresholds = thresholds;
    this._draw();
  }

  dispose() {
    this._observer.disconnect();
  }

  _legend() {
    const owners = [...this._owners, REST].map((name, index) => h('li', {}, h('span', { class: `swatch area-${index}` }), name));
    const items = this._thresholds.map(({ name, share, tone }) =>
      h('li', {}, h('span', { class: `swatch line ${tone} ${name.toLowerCase()}` }), `${name} from ${percent(share)}`));
    this._list.replaceChildren(...owners, h('li', {}, h('span', { class: 'swatch line curve' }), 'Working set'),
      h('li', {}, h('span', { class: 'swatch line' }), 'Limit'), ...items);
  }

  _draw() {
    const { width, height } = this._svg.getBoundingClientRect();
    if (width === 0 || this._all.length === 0) return;
    this._points = thinned(this._all, Math.floor((width - MARGIN.left) / 3));
    if (this._points.length === 0) return;
    const owners = largest(this._points, SERIES - 1);
    if (owners.join() !== this._owners.join() || this._list.childElementCount === 0) {
      this._owners = owners;
      this._legend();
    }
    const frame = this._frame(width, height);
    this._svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this._svg.replaceChildren(...this._grid(frame), ...this._areas(frame), ...this._happened(frame), ...this._limits(frame), ...this._cross(frame));
    this._describe();
  }

  /** Sizes and scales for one drawing. @param {number} width @param {number} height */
  _frame(width, height) {
    const points = this._points;
    const highest = points.reduce((most, point) => Math.max(most, point.bytes), 0);
    const top = this.wholeLimit ? this._limitBytes * 1.06 : Math.max(1048576, highest * 1.25);
    const [start, end] = [points[0].at, points[points.length - 1].at];
    const right = width - MARGIN.right;
    const bottom = height - MARGIN.bottom;
    const across = (/** @type {number} */ at) => right - ((end - at) / Math.max(30000, end - start)) * (right - MARGIN.left);
    const down = (/** @type {number} */ value) => bottom - (value / top) * (bottom - MARGIN.top);
    return { top, start, end, right, bottom, across, down };
  }

  /** @param {any} frame */
  _grid({ top, start, end, right, bottom, down }) {
    const lines = Array.from({ length: LINES + 1 }, (_, index) => (top / 1.06) * (index / LINES));
    const marks = lines.flatMap((value) => [
      svg('line', { class: 'grid', x1: MARGIN.left, x2: right, y1: down(value), y2: down(value) }),
      svg('text', { x: MARGIN.left - 8, y: down(value) + 4, 'text-anchor': 'end' }, bytes(value)),
    ]);
    const span = Math.max(30, (end - start) / 1000);
    return [...marks,
      svg('text', { x: MARGIN.left, y: bottom + 18 }, `${seconds(span)} ago`),
      svg('text', { x: right, y: bottom + 18, 'text-anchor': 'end' }, 'now')];
  }

  /** One area an owner, on top of each other, and the working set over all. @param {any} frame */
  _areas({ across, down }) {
    const points = this._points;
    /** What lies below the next area, in bytes. */
    const below = points.map(() => 0);
    const areas = [...this._owners, REST].map((owner, row) => {
      const bottom = [...below];
      for (const [index, point] of points.entries()) below[index] = Math.min(point.bytes, owner === REST ? point.bytes : bottom[index] + (point.holders[owner] ?? 0));
      const up = points.map(({ at }, index) => `${index ? 'L' : 'M'}${across(at).toFixed(1)} ${down(below[index]).toFixed(1)}`);
      const back = points.map(({ at }, index) => `L${across(at).toFixed(1)} ${down(bottom[index]).toFixed(1)}`);
      const pieces = runsOf(points).map(([from, to]) => `M${up.slice(from, to).join('').slice(1)}${back.slice(from, to).reverse().join('')}Z`);
      return svg('path', { class: `area area-${row}`, d: pieces.join('') });
    });
    const steps = points.map(({ at, bytes: value }) => `${across(at).toFixed(1)} ${down(value).toFixed(1)}`);
    const curve = runsOf(points).map(([from, to]) => `M${steps.slice(from, to).join('L')}${to - from === 1 ? 'h0.1' : ''}`);
    return [...areas, svg('path', { class: 'curve', d: curve.join('') })];
  }

  /** Changes of level and refusals, as marks at their time. @param {any} frame */
  _happened({ start, end, bottom, across }) {
    return this._marks.filter(({ at }) => at >= start && at <= end).map(({ at, kind, level, text }) => {
      const x = across(at);
      const tone = kind === 'shed' ? 'red' : toneOf(level ?? '');
      return svg('g', { class: `mark ${tone}` }, svg('title', {}, `${clock(at)}: ${text}`),
        svg('line', { x1: x, x2: x, y1: MARGIN.top, y2: bottom }), svg('path', { d: kind === 'shed' ? `M${x - 4} ${bottom - 8}h8l-4 8z` : `M${x - 4} ${MARGIN.top}h8l-4 7z` }));
    });
  }

  /** @param {any} frame */
  _limits({ top, right, down }) {
    const line = (/** @type {string} */ name, /** @type {number} */ value) =>
      svg('line', { class: name, x1: MARGIN.left, x2: right, y1: down(value), y2: down(value) });
    const shown = this._thresholds.filter(({ share }) => share * this._limitBytes <= top);
    const name = (/** @type {string} */ text, /** @type {number} */ value) => svg('text', { class: 'line-name', x: right - 4, y: down(value) - 3, 'text-anchor': 'end' }, text);
    const lines = shown.flatMap(({ name: level, share, tone }) =>
      [line(`threshold ${tone} ${level.toLowerCase()}`, share * this._limitBytes), name(level, share * this._limitBytes)]);
    return this._limitBytes <= top ? [...lines, line('limit', this._limitBytes), name('limit', this._limitBytes)] : lines;
  }

  /** @param {any} frame */
  _cross({ bottom, across, down }) {
    const point = this._cursor === null ? null : this._points[this._cursor];
    if (!point) return [];
    const x = across(point.at);
    return [
      svg('line', { class: 'cross', x1: x, x2: x, y1: MARGIN.top, y2: bottom }),
      svg('circle', { class: 'dot', cx: x, cy: down(point.bytes), r: 5 }),
    ];
  }

  _describe() {
    const points = this._points;
    const newest = points[points.length - 1];
    const point = (this._cursor === null ? undefined : points[this._cursor]) ?? newest;
    const when = point === newest ? 'Now' : clock(point.at);
    const held = Object.entries(point.holders).filter(([, value]) => value > 0).sort((one, other) => other[1] - one[1]).slice(0, 4);
    const who = held.map(([owner, value]) => `${owner} ${bytes(value)}`).join(', ');
    const text = `${when}: ${bytes(point.bytes)} of ${bytes(this._limitBytes)} (${percent(point.bytes / this._limitBytes)})${who ? `; ${who}` : ''}`;
    this._words.textContent = text;
    this._svg.setAttribute('aria-label', `Working set over time. ${text}. Left and right arrows go through the points.`);
  }

  /** @param {PointerEvent} event */
  _point(event) {
    const { left, width, height } = this._svg.getBoundingClientRect();
    if (this._points.length === 0) return;
    const { across } = this._frame(width, height);
    const x = event.clientX - left;
    let best = 0;
    for (const [index, { at }] of this._points.entries()) {
      if (Math.abs(across(at) - x) < Math.abs(across(this._points[best].at) - x)) best = index;
    }
    this._setCursor(best);
  }

  /** @param {KeyboardEvent} event */
  _step(event) {
    const steps = /** @type {Record<string, number>} */ ({ ArrowLeft: -1, ArrowRight: 1 });
    if (!(event.key in steps)) return;
    event.preventDefault();
    const last = this._points.length - 1;
    this._setCursor(Math.min(last, Math.max(0, (this._cursor ?? last) + steps[event.key])));
  }

  /** @param {number | null} index */
  _setCursor(index) {
    this._cursor = index;
    this._draw();
  }
}

/** Where the curve is whole: first index and the one after the last, between times in which nothing was measured. @param {{gap: boolean}[]} points @returns {[number, number][]} */
function runsOf(points) {
  const starts = [0, ...points.flatMap(({ gap }, index) => (gap ? [index] : []))];
  return starts.map((start, index) => [start, starts[index + 1] ?? points.length]);
}

/** Who held most at any time. @param {Point[]} points @param {number} most */
function largest(points, most) {
  /** @type {Map<string, number>} */
  const peaks = new Map();
  for (const { holders } of points) for (const [owner, value] of Object.entries(holders)) peaks.set(owner, Math.max(peaks.get(owner) ?? 0, value));
  return [...peaks].filter(([, value]) => value > 1048576).sort((one, other) => other[1] - one[1] || one[0].localeCompare(other[0])).slice(0, most).map(([owner]) => owner).sort();
}
