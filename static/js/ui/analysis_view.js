/** An analysed video: what was found, along its time, and drawn over it while it plays. */

import { Stage } from './stage.js';
import { button, h, saveBlob } from './dom.js';
import { clockTime, counted, seconds } from './format.js';
import { csvOf, readSamples, sampleAt, spansOf } from './samples.js';

const SHOWN_LABELS = 12;

/** @typedef {import('./samples.js').Sample} Sample */

export class AnalysisView {
  /** @param {import('../ballast.js').BallastClient} client @param {import('../kit/types.js').MediaItem} video @param {import('../kit/types.js').MediaItem} lines @param {any} summary */
  constructor(client, video, lines, summary) {
    this._client = client;
    this._video = video;
    this._lines = lines;
    this._summary = summary;
    this._ending = new AbortController();
    /** @type {Sample[]} */
    this._samples = [];
    this._stage = new Stage();
    this._stage.hint = false;
    this._stage.video.controls = true;
    this._stage.video.loop = false;
    this._rows = h('div', { class: 'timeline', role: 'group', 'aria-label': 'What was found, along the time' });
    this._words = h('p', { class: 'muted small-text', role: 'status', text: 'Reading the analysis…' });
    this.element = h('section', { class: 'stack', 'aria-label': 'Analysis' }, this._stage.element, this._words, this._rows,
      h('div', { class: 'row' }, button('Download NDJSON', () => this._download(), { class: 'small' }), button('Download CSV', () => saveBlob(new Blob([csvOf(this._samples)], { type: 'text/csv' }), 'analysis.csv'), { class: 'small' })));
    for (const event of ['timeupdate', 'seeked', 'loadeddata']) this._stage.video.addEventListener(event, () => this._follow());
  }

  async load() {
    const { signal } = this._ending;
    this._stage.video.src = await this._client.mediaUrl(await this._client.freshMedia(this._video), { signal });
    const { samples, isWhole } = await readSamples(new Response((await this._client.content(await this._client.freshMedia(this._lines), { signal })).stream()));
    this._samples = samples;
    const rest = isWhole ? '' : ' (the first of them; all are in the download)';
    this._words.textContent = `${counted(samples.length, 'frame')} looked at${rest}, ${counted(samples.filter(({ detections }) => detections.length > 0).length, 'frame')} with findings. A press on a bar goes there.`;
    this._fill();
    this._follow();
  }

  /** A row for each label, with a bar for each time it was seen; and rows for cuts and the like. */
  _fill() {
    const spans = [...spansOf(this._samples)].sort(([, one], [, other]) => length(other) - length(one)).slice(0, SHOWN_LABELS);
    const cuts = (this._summary.sceneCuts ?? []).map((/** @type {any} */ cut) => ({ start: cut.timeSeconds ?? cut, end: (cut.timeSeconds ?? cut) + 0.1 }));
    const others = Object.entries({ 'Scene cuts': cuts, Black: this._summary.blackSpans ?? [], Silence: this._summary.silenceSpans ?? [] }).filter(([, list]) => list.length > 0);
    this._rows.replaceChildren(...[...spans, ...others].map(([label, list]) => this._row(label, list)));
  }

  /** @param {string} label @param {{start: number, end: number}[]} spans */
  _row(label, spans) {
    const total = this._video.durationSeconds || this._samples.at(-1)?.timeSeconds || 1;
    const bars = spans.slice(0, 500).map(({ start, end }) => {
      const bar = button('', () => this._seek(start), { class: 'timeline-bar', 'aria-label': `${label} from ${clockTime(start)} to ${clockTime(end)}`, title: `${label}: ${seconds(start)} to ${seconds(end)}` });
      bar.style.left = `${(100 * start) / total}%`;
      bar.style.width = `${Math.max(0.4, (100 * (Math.min(end, total) - start)) / total)}%`;
      return bar;
    });
    return h('div', { class: 'timeline-row' }, h('span', { class: 'timeline-label', text: label, title: label }), h('div', { class: 'timeline-track' }, ...bars));
  }

  /** @param {number} at */
  _seek(at) {
    this._stage.video.currentTime = at + 0.01;
  }

  /** Draw what was found at the time that is shown. */
  _follow() {
    const { video } = this._stage;
    const sample = sampleAt(this._samples, video.currentTime);
    if (sample && video.videoWidth > 0) this._stage.draw({ detections: sample.detections, width: video.videoWidth, height: video.videoHeight });
  }

  async _download() {
    saveBlob(await this._client.content(await this._client.freshMedia(this._lines)), this._lines.name);
  }

  close() {
    this._ending.abort();
    this._stage.video.removeAttribute('src');
    this._stage.video.load();
    this._stage.dispose();
  }
}

/** @param {{start: number, end: number}[]} spans */
function length(spans) {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0);
}
