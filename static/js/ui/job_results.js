/** What a job has made, beside what it was made of. */

import { AnalysisView } from './analysis_view.js';
import { button, h } from './dom.js';
import { spoken } from '../ballast.js';
import { bytes } from './format.js';
import { sizesOf } from './item_words.js';

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */

const SHOWN = 24;
const PICTURE = { width: 960, height: 720, format: 'auto' };

export class JobResults {
  /** @param {import('../ballast.js').BallastClient} client */
  constructor(client) {
    this._client = client;
    this._ending = new AbortController();
    this.element = h('div', { class: 'stack' });
    /** @type {AnalysisView | null} */
    this._analysis = null;
  }

  /** @param {import('../kit/jobs.js').Job} job @param {MediaItem | null} input */
  async show(job, input) {
    const media = job.result?.media ?? [];
    const summary = job.result?.summary ?? {};
    const lines = media.find(({ contentType }) => contentType === 'application/x-ndjson');
    /** @type {HTMLElement[]} */
    const parts = [];
    if (lines && input?.kind === 'video') {
      this._analysis = new AnalysisView(this._client, input, lines, summary);
      parts.push(this._analysis.element);
      this._analysis.load().catch((error) => parts[0].append(h('p', { class: 'note', text: String(error.message) })));
    } else {
      const shown = [...(input && [job.input].flat().length === 1 ? [{ item: input, title: 'Before' }] : []), ...media.slice(0, SHOWN).map((item) => ({ item, title: item.name }))];
      parts.push(h('div', { class: 'pictures results' }, ...(await Promise.all(shown.map(({ item, title }) => this._figure(item, title))))));
      if (media.length > SHOWN) parts.push(h('p', { class: 'muted', text: `${media.length - SHOWN} more are in the library.` }));
    }
    const facts = factsOf(summary);
    if (facts.length > 0) parts.push(h('dl', { class: 'facts card' }, ...facts.map(([name, value]) => h('div', {}, h('dt', { text: wordsOf(name) }), h('dd', { text: wordsOfValue(name, value) })))));
    this.element.replaceChildren(...parts);
  }

  /** @param {MediaItem} item @param {string} title */
  async _figure(item, title) {
    const view = await this._view(item);
    const download = button('Download', async () => {
      h('a', { href: await this._client.mediaUrl(await this._client.freshMedia(item)), download: item.name }).click();
    }, { class: 'small', 'aria-label': `Download ${item.name}` });
    return h('article', { class: 'picture' }, h('div', { class: 'picture-frame' }, view),
      h('div', { class: 'picture-words' }, h('h3', { text: title, title: item.name }), h('p', { class: 'muted small-text', text: sizesOf(item) }), h('div', { class: 'row' }, download)));
  }

  /** @param {MediaItem} item */
  async _view(item) {
    try {
      const { signal } = this._ending;
      if (item.kind === 'image') return h('img', { alt: item.name, loading: 'lazy', src: await this._client.pictureUrl(item, PICTURE, { signal }) });
      if (item.kind !== 'video' && item.kind !== 'audio') return h('span', { class: 'kind', text: item.contentType });
      const src = await this._client.mediaUrl(await this._client.freshMedia(item), { signal });
      return h(item.kind, { controls: true, preload: 'metadata', src, 'aria-label': item.name });
    } catch {
      return h('span', { class: 'kind', text: item.contentType });
    }
  }

  close() {
    this._ending.abort();
    this._analysis?.close();
    for (const media of /** @type {any[]} */ ([...this.element.querySelectorAll('video, audio')])) {
      media.removeAttribute('src');
      media.load();
    }
  }
}

/**
 * The figures in a summary, also those that stand in groups (`blur.mean`); of a list its length.
 * @param {Record<string, any>} summary @param {string} [before] @returns {[string, any][]}
 */
function factsOf(summary, before = '') {
  return Object.entries(summary).flatMap(([name, value]) => {
    const whole = before ? `${before}: ${name}` : name;
    if (Array.isArray(value)) return [[whole, value.length]];
    if (value !== null && typeof value === 'object') return factsOf(value, whole);
    return value === null ? [] : [[whole, value]];
  });
}

/** @param {string} name in camelCase */
function wordsOf(name) {
  return spoken(name.replace(/Bytes$|Seconds$/, '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)).replace(/^./, (letter) => letter.toUpperCase());
}

/** @param {string} name @param {any} value */
function wordsOfValue(name, value) {
  if (name.endsWith('Bytes')) return bytes(value);
  if (name.endsWith('Seconds')) return `${Number(value).toFixed(2)} s`;
  return typeof value === 'number' ? String(Math.round(value * 1000) / 1000) : String(value);
}
