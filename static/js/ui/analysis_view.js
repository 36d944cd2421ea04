/** An analysed video: what was found, along its time, and drawn over it while it plays. */

import { button, h, saveBlob } from './dom.js';
import { csvOf } from './csv.js';
import { counted } from './format.js';
import { readSamples, sampleAt, spansOf, stepOf } from './samples.js';
import { Stage } from './stage.js';
import { Timeline } from './timeline.js';
import { Notice } from './trouble.js';

const SHOWN_LABELS = 12;
/** Seconds: a cut has no length, and its bar has to be hit. */
const CUT = 0.1;
/** A sample is drawn for so many steps, so that one that comes late leaves no gap. */
const STEPS = 1.5;

/** @typedef {import('./samples.js').Sample} Sample */
/** @typedef {import('./timeline.js').Span} Span */

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
    this._age = 0;
    this._stage = new Stage();
    this._stage.hint = false;
    Object.assign(this._stage.video, { controls: true, loop: false, ariaLabel: video.name });
    this._timeline = new Timeline(video.durationSeconds ?? 0, (at) => this._seek(at));
    this._words = h('p', { class: 'muted small-text', role: 'status', text: 'Reading the analysis…' });
    this._notice = new Notice();
    this.element = h('section', { class: 'stack', 'aria-label': 'Analysis' }, this._stage.element, this._words, this._timeline.element, this._notice.element,
      h('div', { class: 'row' }, button('Download NDJSON', () => this._download(), { class: 'small' }), button('Download CSV', () => this._downloadCsv(), { class: 'small' })));
  }

  async load() {
    this._stage.video.src = await this._client.mediaUrl(await this._client.freshMedia(this._video), { signal: this._ending.signal });
    const { samples, isWhole } = await readSamples(new Response(await this._read()));
    this._samples = samples;
    this._age = stepOf(samples) * STEPS;
    this._words.textContent = this._said(isWhole);
    this._timeline.show(this._rows());
    this._watch();
  }

  /** @param {boolean} isWhole */
  _said(isWhole) {
    const { sceneCuts, blackSpans, silentSpans } = this._summary;
    const events = [counts(sceneCuts, 'scene cut'), counts(blackSpans, 'black part'), counts(silentSpans, 'silent part')].filter(Boolean);
    const found = this._samples.filter(({ detections }) => detections.length > 0).length;
    const first = isWhole ? '' : 'the first ';
    const rest = isWhole ? '' : ' (the downloads have all of them)';
    const frames = 'task' in this._summary ? [`${first}${counted(this._samples.length, 'frame')} looked at${rest}, ${counted(found, 'frame')} with findings`] : [];
    const words = [...frames, ...events].join('; ');
    return `${words.charAt(0).toUpperCase()}${words.slice(1)}. A press on a bar goes there.`;
  }

  /** A row for each label, with a bar for each time it was seen; and rows for cuts and the like. @returns {[string, Span[]][]} */
  _rows() {
    const { sceneCuts = [], blackSpans = [], silentSpans = [], blur } = this._summary;
    const labels = [...spansOf(this._samples)].sort(([, one], [, other]) => length(other) - length(one)).slice(0, SHOWN_LABELS);
    const moment = (/** @type {number} */ start) => ({ start, end: start + CUT });
    return [...labels, ['Scene cuts', sceneCuts.map(moment)], ['Black', blackSpans], ['Silence', silentSpans], ['Most blurred', blur?.most ? [moment(blur.most.timeSeconds)] : []]];
  }

  /** @param {number} at */
  _seek(at) {
    this._stage.video.currentTime = at + 0.01;
  }

  /** Follow each frame that is shown, where the browser tells of them; else some of them. */
  _watch() {
    const { video } = this._stage;
    const { signal } = this._ending;
    if (!video.requestVideoFrameCallback) {
      for (const event of ['timeupdate', 'seeked', 'loadeddata']) video.addEventListener(event, () => this._follow(video.currentTime), { signal });
      this._follow(video.currentTime);
      return;
    }
    const shown = (/** @type {number} */ _, /** @type {{mediaTime: number}} */ { mediaTime }) => {
      if (signal.aborted) return;
      this._follow(mediaTime);
      video.requestVideoFrameCallback(shown);
    };
    video.requestVideoFrameCallback(shown);
    this._follow(video.currentTime); // the first frame is perhaps shown already
  }

  /** Draw what was found at the time that is shown; nothing where nothing was looked at. @param {number} at */
  _follow(at) {
    const { video } = this._stage;
    this._timeline.point(at);
    const sample = sampleAt(this._samples, at, this._age);
    if (sample && video.videoWidth > 0) this._stage.draw({ detections: sample.detections, width: video.videoWidth, height: video.videoHeight });
    else this._stage.clear();
  }

  /** The lines of the analysis, as they come. @returns {Promise<ReadableStream<Uint8Array>>} */
  async _read() {
    const item = await this._client.freshMedia(this._lines);
    return (await this._client.content(item, { signal: this._ending.signal })).stream();
  }

  _download() {
    return this._save(async () => saveBlob(await this._client.content(await this._client.freshMedia(this._lines)), this._lines.name));
  }

  _downloadCsv() {
    return this._save(async () => saveBlob(await csvOf(await this._read()), 'analysis.csv'));
  }

  /** @param {() => Promise<void>} work */
  async _save(work) {
    try {
      await work();
      this._notice.clear();
    } catch (error) {
      this._notice.show(error, 'It was not downloaded.');
    }
  }

  close() {
    this._ending.abort();
    this._stage.video.removeAttribute('src');
    this._stage.video.load();
    this._stage.dispose();
  }
}

/** @param {unknown[] | undefined} list undefined: it was not looked for @param {string} one */
function counts(list, one) {
  return list ? counted(list.length, one) : '';
}

/** @param {Span[]} spans */
function length(spans) {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0);
}
