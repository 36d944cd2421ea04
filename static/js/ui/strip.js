/** The time of one video as a strip of its frames: a press goes there, and the parts that are kept lie over it, with ends that can be dragged. */

import { h } from './dom.js';
import { clockTime, seconds } from './format.js';

const FRAMES = 8;
/** Seconds that the page keys go. */
const LEAP = 1;

/** @typedef {'start' | 'end'} Edge */
/** @typedef {{start: number, end: number, item: import('../kit/types.js').MediaItem}} Segment */
/**
 * What the strip tells of: `seek` to a time, `moved`: an end of a part wants to be elsewhere (the part is kept right by who hears it).
 * @typedef {{seek: (seconds: number) => void, moved: (segment: Segment, edge: Edge, seconds: number) => void}} Acts
 */

export class Strip {
  /** @param {import('../kit/types.js').MediaItem} item @param {Acts} acts */
  constructor(item, acts) {
    this.item = item;
    this._acts = acts;
    this._length = item.durationSeconds ?? 0;
    /** One frame: what the arrow keys go. */
    this.step = item.frameRate ? 1 / item.frameRate : 0.04;
    /** @type {Map<Segment, {mark: HTMLElement, start: HTMLElement, end: HTMLElement}>} */
    this._marks = new Map();
    this._frames = h('div', { class: 'strip' });
    this._at = h('span', { class: 'strip-at', 'aria-hidden': 'true' });
    this.element = h('div', { class: 'strip-frame', role: 'group', 'aria-label': `Time of ${item.name}` }, this._frames);
    this.element.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => this._press(event));
  }

  /** Load the frames. @param {import('../ballast.js').BallastClient} client @param {AbortSignal} signal */
  async fill(client, signal) {
    for (let index = 0; index < FRAMES && !signal.aborted; index += 1) {
      const at = ((index + 0.5) * this._length) / FRAMES;
      const frame = h('img', { alt: '', draggable: false });
      this._frames.append(frame);
      frame.src = await client.pictureUrl(this.item, { at: at.toFixed(2), width: 160, format: 'auto' }, { signal }).catch(() => '');
    }
  }

  /** @param {Segment[]} segments all of them: those of other videos are left out */
  show(segments) {
    this._marks.clear();
    for (const [index, segment] of segments.entries()) if (segment.item === this.item) this._mark(segment, index + 1);
    this.element.replaceChildren(this._frames, ...[...this._marks.values()].map(({ mark }) => mark), this._at);
    this.place();
  }

  /** Put the marks where the parts are now. */
  place() {
    for (const [segment, { mark, start, end }] of this._marks) {
      mark.style.left = this._share(segment.start);
      mark.style.width = this._share(Math.max(0, segment.end - segment.start));
      mark.title = `${seconds(segment.start)} to ${seconds(segment.end)}`;
      tell(start, segment.start, 0, segment.end);
      tell(end, segment.end, segment.start, this._length);
    }
  }

  /** Say where the player is; null: it shows another video. @param {number | null} at */
  point(at) {
    this._at.hidden = at === null;
    this._at.style.left = this._share(at ?? 0);
  }

  /** @param {Segment} segment @param {number} number */
  _mark(segment, number) {
    const [start, end] = /** @type {Edge[]} */ (['start', 'end']).map((edge) => this._handle(segment, edge, number));
    const mark = h('div', { class: 'strip-mark' }, h('span', { text: String(number), 'aria-hidden': 'true' }), start, end);
    this._marks.set(segment, { mark, start, end });
  }

  /** @param {Segment} segment @param {Edge} edge @param {number} number */
  _handle(segment, edge, number) {
    const handle = h('span', { class: `strip-handle ${edge}`, role: 'slider', tabIndex: 0, 'aria-label': `${edge === 'start' ? 'Start' : 'End'} of part ${number}` });
    handle.addEventListener('pointerdown', (/** @type {PointerEvent} */ event) => this._drag(event, handle, (at) => this._acts.moved(segment, edge, at)));
    handle.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
      const steps = { ArrowLeft: -this.step, ArrowDown: -this.step, ArrowRight: this.step, ArrowUp: this.step, PageDown: -LEAP, PageUp: LEAP, Home: -Infinity, End: Infinity };
      const step = steps[/** @type {keyof typeof steps} */ (event.key)];
      if (step === undefined) return;
      event.preventDefault();
      this._acts.moved(segment, edge, segment[edge] + step);
    });
    return handle;
  }

  /** A press beside the ends goes there, and on while it is held. @param {PointerEvent} event */
  _press(event) {
    if (/** @type {HTMLElement} */ (event.target).closest('.strip-handle')) return;
    this._acts.seek(this._timeOf(event));
    this._drag(event, this.element, (at) => this._acts.seek(at));
  }

  /** @param {PointerEvent} event @param {HTMLElement} target @param {(seconds: number) => void} moved */
  _drag(event, target, moved) {
    if (event.button !== 0) return;
    event.preventDefault();
    target.focus({ preventScroll: true });
    target.setPointerCapture(event.pointerId);
    const ending = new AbortController();
    const { signal } = ending;
    target.addEventListener('pointermove', (/** @type {PointerEvent} */ next) => moved(this._timeOf(next)), { signal });
    for (const over of ['pointerup', 'pointercancel', 'lostpointercapture']) target.addEventListener(over, () => ending.abort(), { signal });
  }

  /** @param {PointerEvent} event */
  _timeOf(event) {
    const { left, width } = this.element.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - left) / width)) * this._length;
  }

  /** @param {number} at */
  _share(at) {
    return `${(100 * at) / (this._length || 1)}%`;
  }
}

/** @param {HTMLElement} handle @param {number} at @param {number} least @param {number} most */
function tell(handle, at, least, most) {
  const values = { 'aria-valuemin': least, 'aria-valuemax': most, 'aria-valuenow': at, 'aria-valuetext': clockTime(at) };
  for (const [name, value] of Object.entries(values)) handle.setAttribute(name, String(value));
}
