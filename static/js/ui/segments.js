/** Which parts of which videos, in which order: a strip of frames for each video, one player, and the parts with their times. */

import { button, h } from './dom.js';
import { clockTime } from './format.js';
import { Strip } from './strip.js';

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */
/** @typedef {import('./strip.js').Segment} Segment */
/** @typedef {import('./strip.js').Edge} Edge */

export class SegmentEditor {
  /** @param {import('../ballast.js').BallastClient} client @param {MediaItem[]} items @param {() => void} changed called after each change */
  constructor(client, items, changed) {
    this._client = client;
    this._items = items;
    this._changed = changed;
    this._ending = new AbortController();
    /** @type {MediaItem | null} */
    this._playing = null;
    this._segments = items.map((item) => ({ item, start: 0, end: thousandths(items.length > 1 ? lengthOf(item) : Math.min(lengthOf(item), Math.max(1, lengthOf(item) / 2))) }));
    const acts = (/** @type {MediaItem} */ item) => ({
      seek: (/** @type {number} */ at) => this._seek(item, at),
      moved: (/** @type {Segment} */ segment, /** @type {Edge} */ edge, /** @type {number} */ at) => this._move(segment, edge, at),
    });
    this._strips = items.map((item) => new Strip(item, acts(item)));
    this._video = h('video', { class: 'segment-video', controls: true, muted: true, preload: 'metadata' });
    for (const event of ['timeupdate', 'seeking']) this._video.addEventListener(event, () => this._point());
    this._list = h('ol', { class: 'segments' });
    this._words = h('p', { class: 'muted small-text', role: 'status' });
    const element = h('div', { class: 'field stack' }, h('span', { text: 'Parts, in the order in which they follow each other' }), this._video,
      ...this._strips.flatMap(({ element: strip, item }) => [items.length > 1 ? h('span', { class: 'muted small-text', text: item.name }) : null, strip]),
      h('p', { class: 'muted small-text', text: 'A press on the strip goes there; the ends of a part can be dragged, or moved by the arrow keys, frame by frame.' }),
      this._list, h('div', { class: 'row' }, button('Add a part', () => this._add(), { class: 'small' }), this._words));
    /** As a control of a form. @type {import('./fields.js').Field} */
    this.field = { element, read: () => this._segments.map((one) => this._sent(one)), write: () => {} };
    this._show();
    this._fill();
  }

  close() {
    this._ending.abort();
    this._video.removeAttribute('src');
    this._video.load();
  }

  /** As the service takes it; of one video it need not be said which. @param {Segment} segment */
  _sent({ start, end, item }) {
    return this._items.length > 1 ? { start, end, input: item.id } : { start, end };
  }

  _add() {
    const item = this._playing ?? this._items[0];
    const last = this._segments.filter((one) => one.item === item).at(-1)?.end ?? 0;
    const start = last < lengthOf(item) ? last : 0;
    this._segments.push({ item, start, end: thousandths(lengthOf(item)) });
    this._show();
    this._changed();
  }

  /** Bring the times of a part right, and show where they are. @param {Segment} segment @param {Edge} edge @param {number} at */
  _move(segment, edge, at) {
    const least = Math.min(0.04, lengthOf(segment.item));
    const [low, high] = edge === 'start' ? [0, segment.end - least] : [segment.start + least, lengthOf(segment.item)];
    segment[edge] = thousandths(Math.max(low, Math.min(high, at)));
    const index = this._segments.indexOf(segment);
    for (const input of this._list.querySelectorAll(`[data-part='${index}']`)) input.value = String(segment[/** @type {Edge} */ (input.dataset.edge)]);
    this._seek(segment.item, segment[edge]);
    this._place();
    this._changed();
  }

  /** A time that was written, or taken from the player: one behind the other end takes that with it. @param {Segment} segment @param {Edge} edge @param {number} at */
  _set(segment, edge, at) {
    const lasts = segment.end - segment.start;
    if (edge === 'start' && at >= segment.end) segment.end = thousandths(Math.min(lengthOf(segment.item), at + lasts));
    if (edge === 'end' && at <= segment.start) segment.start = thousandths(Math.max(0, at - lasts));
    this._move(segment, edge, at);
  }

  /** @param {number} index @param {number} step */
  _reorder(index, step) {
    const [moved] = this._segments.splice(index, 1);
    this._segments.splice(index + step, 0, moved);
    this._show();
    const words = step < 0 ? 'earlier' : 'later';
    const press = this._list.children[index + step].querySelector(`[data-move='${words}']:not(:disabled)`) ?? this._list.children[index + step].querySelector('[data-move]:not(:disabled)');
    press?.focus();
    this._words.textContent = `It is part ${index + step + 1} now.`;
    this._changed();
  }

  _show() {
    this._list.replaceChildren(...this._segments.map((segment, index) => this._row(segment, index)));
    for (const strip of this._strips) strip.show(this._segments);
    this._point();
  }

  _place() {
    for (const strip of this._strips) strip.place();
  }

  /** @param {Segment} segment @param {number} index */
  _row(segment, index) {
    const part = `Part ${index + 1}`;
    const last = this._segments.length - 1;
    const remove = () => {
      this._segments.splice(index, 1);
      this._show();
      this._changed();
    };
    return h('li', { class: 'row' }, this._choice(segment, part), ...this._time(segment, index, 'start'), h('span', { text: 'to' }), ...this._time(segment, index, 'end'),
      button('↑', () => this._reorder(index, -1), { class: 'small', 'aria-label': `${part}: earlier`, title: 'Earlier', disabled: index === 0, data: { move: 'earlier' } }),
      button('↓', () => this._reorder(index, 1), { class: 'small', 'aria-label': `${part}: later`, title: 'Later', disabled: index === last, data: { move: 'later' } }),
      button('Remove', remove, { class: 'small', 'aria-label': `Remove part ${index + 1}`, disabled: last === 0 }));
  }

  /** Of which video it is, where there are several. @param {Segment} segment @param {string} part */
  _choice(segment, part) {
    if (this._items.length < 2) return null;
    const options = this._items.map((item, index) => h('option', { value: String(index), text: item.name, selected: item === segment.item }));
    const select = h('select', { 'aria-label': `${part}, video` }, ...options);
    select.addEventListener('change', () => {
      const item = this._items[Number(select.value)];
      const end = Math.min(segment.end, lengthOf(item));
      Object.assign(segment, { item, start: Math.min(segment.start, Math.max(0, end - 0.04)), end });
      this._show();
      this._seek(item, segment.start);
      this._changed();
    });
    return select;
  }

  /** @param {Segment} segment @param {number} index @param {Edge} edge */
  _time(segment, index, edge) {
    const part = `Part ${index + 1}`;
    const input = h('input', { type: 'number', min: 0, max: lengthOf(segment.item), step: 'any', value: segment[edge], data: { part: index, edge }, 'aria-label': `${part}, ${edge}, seconds` });
    input.addEventListener('change', () => this._set(segment, edge, Number(input.value)));
    const here = button(`${edge === 'start' ? 'Start' : 'End'} here`, () => this._playing === segment.item && this._set(segment, edge, this._video.currentTime),
      { class: 'small', 'aria-label': `${part}: ${edge} where the video is` });
    return [input, here];
  }

  /** @param {MediaItem} item @param {number} at seconds */
  async _seek(item, at) {
    await this._play(item);
    if (this._playing === item) this._video.currentTime = at;
    this._point();
  }

  /** Have the player show a video. @param {MediaItem} item */
  async _play(item) {
    if (this._playing === item) return;
    this._playing = item;
    this._video.setAttribute('aria-label', `${item.name} to cut`);
    const src = await this._client.freshMedia(item).then((fresh) => this._client.mediaUrl(fresh, { signal: this._ending.signal })).catch(() => '');
    if (this._playing === item && src && !this._ending.signal.aborted) this._video.src = src;
  }

  _point() {
    for (const strip of this._strips) strip.point(strip.item === this._playing ? this._video.currentTime : null);
    this._video.title = clockTime(this._video.currentTime);
  }

  /** The player and the frames of the strips. */
  async _fill() {
    const { signal } = this._ending;
    if (this._items.length > 0) await this._play(this._items[0]);
    for (const strip of this._strips) await strip.fill(this._client, signal);
  }
}

/** @param {MediaItem} item */
function lengthOf(item) {
  return item.durationSeconds ?? 0;
}

/** @param {number} seconds */
function thousandths(seconds) {
  return Math.floor(seconds * 1000 + 0.01) / 1000;
}
