/** Which parts of a video: a strip of its frames, the player, and the parts with their times. */

import { button, h } from './dom.js';
import { seconds } from './format.js';

const FRAMES = 8;
const STEP = 0.04;

/** @typedef {{start: number, end: number}} Segment */

export class SegmentEditor {
  /** @param {import('../ballast.js').BallastClient} client @param {import('../kit/types.js').MediaItem[]} items */
  constructor(client, items) {
    this._client = client;
    this._item = items[0];
    this._length = this._item?.durationSeconds ?? 0;
    this._ending = new AbortController();
    /** @type {Segment[]} */
    this._segments = [{ start: 0, end: Math.round(Math.min(this._length, Math.max(1, this._length / 2)) * 100) / 100 }];
    this._video = h('video', { class: 'segment-video', controls: true, muted: true, preload: 'metadata', 'aria-label': `${this._item?.name ?? 'Video'} to cut` });
    this._strip = h('div', { class: 'strip' });
    this._marks = h('div', { class: 'strip-marks' });
    this._list = h('ol', { class: 'segments' });
    const element = h('div', { class: 'field stack' }, h('span', { text: 'Parts, in the order in which they follow each other' }), this._video,
      h('div', { class: 'strip-frame' }, this._strip, this._marks), this._list, h('div', { class: 'row' }, button('Add a part', () => this._add(), { class: 'small' })));
    /** As a control of a form. @type {import('./fields.js').Field} */
    this.field = { element, read: () => this._segments.map(({ start, end }) => ({ start, end })), write: () => {} };
    this._show();
    this._fill();
  }

  close() {
    this._ending.abort();
    this._video.removeAttribute('src');
    this._video.load();
  }

  _add() {
    const from = Math.min(this._length, this._segments.at(-1)?.end ?? 0);
    this._segments.push({ start: from, end: this._length });
    this._show();
  }

  _show() {
    this._list.replaceChildren(...this._segments.map((segment, index) => this._row(segment, index)));
    this._mark();
  }

  /** @param {Segment} segment @param {number} index */
  _row(segment, index) {
    const number = index + 1;
    const time = (/** @type {'start' | 'end'} */ name) => {
      const input = h('input', { type: 'number', min: 0, max: this._length, step: STEP, value: segment[name], 'aria-label': `Part ${number}, ${name}, seconds` });
      input.addEventListener('change', () => {
        segment[name] = Number(input.value);
        this._video.currentTime = segment[name];
        this._mark();
      });
      const here = button(`${name === 'start' ? 'Start' : 'End'} here`, () => {
        segment[name] = Math.round(this._video.currentTime * 100) / 100;
        input.value = String(segment[name]);
        this._mark();
      }, { class: 'small', 'aria-label': `Part ${number}: ${name} where the video is` });
      return [input, here];
    };
    const remove = button('Remove', () => {
      this._segments.splice(index, 1);
      this._show();
    }, { class: 'small', 'aria-label': `Remove part ${number}`, disabled: this._segments.length === 1 });
    return h('li', { class: 'row' }, ...time('start'), h('span', { text: 'to' }), ...time('end'), remove);
  }

  /** Show on the strip what is kept. */
  _mark() {
    const share = (/** @type {number} */ at) => `${(100 * at) / (this._length || 1)}%`;
    this._marks.replaceChildren(...this._segments.map(({ start, end }, index) => {
      const mark = h('div', { class: 'strip-mark', text: String(index + 1), title: `${seconds(start)} to ${seconds(end)}` });
      mark.style.left = share(start);
      mark.style.width = share(Math.max(0, end - start));
      return mark;
    }));
  }

  /** The player and the frames of the strip. */
  async _fill() {
    if (!this._item) return;
    const { signal } = this._ending;
    this._client.mediaUrl(this._item, { signal }).then((url) => (this._video.src = url), () => {});
    for (let index = 0; index < FRAMES && !signal.aborted; index += 1) {
      const at = ((index + 0.5) * this._length) / FRAMES;
      const frame = h('img', { alt: '' });
      this._strip.append(frame);
      frame.src = await this._client.pictureUrl(this._item, { at: at.toFixed(2), width: 160, format: 'auto' }, { signal }).catch(() => '');
    }
  }
}
