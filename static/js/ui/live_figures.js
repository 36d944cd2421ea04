/** The figures of a stream of frames: how fast, how much, how far behind. */

import { facts } from './dom.js';
import { bytes, clock, count, seconds } from './format.js';
import { modeWords } from './levels.js';

const REMEMBERED = 60;
/** What each figure is, for who points at it. @type {Record<string, string>} */
const MEANINGS = {
  Lag: 'From taking a frame to its answer: half of the last answers took less.',
  Model: 'How long the model itself looked at a frame.',
  Answers: 'Answers in each second, over the last 60.',
  Sent: 'Bytes in each second, over the last 60 frames.',
  Frame: 'Size of the newest frame as it was sent.',
  Dropped: 'Frames that the service did not look at, because a newer one was there already.',
  Skipped: 'Frames that the service left out on purpose, because memory is tight.',
  Quality: 'How the service works at its present memory level.',
  Connection: 'A WebSocket, or a request for each frame where there is none.',
  'Best rate': 'What the service advises: more frames a second, or larger ones, would only be dropped.',
};

export class LiveFigures {
  constructor() {
    const { element, write } = facts(Object.keys(MEANINGS), MEANINGS);
    this._write = write;
    this.element = element;
    /** Newest last: when an answer came, its lag, the frame's bytes. @type {{at: number, lag: number, model: number, bytes: number}[]} */
    this._recent = [];
  }

  /** @param {any} result */
  add(result) {
    this._recent.push({ at: performance.now(), lag: result.lagSeconds ?? 0, model: result.timing?.inferenceSeconds ?? 0, bytes: result.frame?.bytes ?? 0 });
    if (this._recent.length > REMEMBERED) this._recent.shift();
    this._last = result;
  }

  clear() {
    this._recent = [];
    this._fresh();
  }

  /** There are no new ones: grey, and what is a rate is none. @param {Date} since */
  set staleSince(since) {
    if ('stale' in this.element.dataset) return;
    this.element.dataset.stale = '';
    this._write({ Answers: `none since ${clock(since)}`, Sent: '–' });
  }

  _fresh() {
    delete this.element.dataset.stale;
  }

  /** When the last answer came; null: none yet. @returns {number | null} */
  get answeredAt() {
    return this._recent.at(-1)?.at ?? null;
  }

  /** Write the figures anew. @param {import('../ballast.js').FrameStream} stream */
  show(stream) {
    const recent = this._recent;
    if (recent.length < 2) return;
    this._fresh();
    const span = (recent[recent.length - 1].at - recent[0].at) / 1000;
    const median = (/** @type {'lag' | 'model'} */ name) => recent.map((one) => one[name]).sort((one, other) => one - other)[recent.length >> 1];
    const { frame, mode, advice } = this._last;
    const sent = recent.reduce((sum, one) => sum + one.bytes, 0);
    this._write({
      Lag: `${seconds(median('lag'))} (median)`,
      Model: `${seconds(median('model'))} (median)`,
      Answers: `${((recent.length - 1) / span).toFixed(1)} per s`,
      Sent: `${bytes(sent / span)}/s`,
      Frame: frame ? `${frame.width}×${frame.height} px, ${bytes(frame.bytes)}` : '–',
      Dropped: count(stream.counts.dropped),
      Skipped: count(stream.counts.skipped),
      Quality: modeWords(mode),
      Connection: stream.transport === 'http' ? 'HTTP requests' : 'WebSocket',
      'Best rate': advice ? `${Math.floor(advice.maxFps)} per s at ${advice.maxWidth}×${advice.maxHeight}` : 'no limit',
    });
  }
}
