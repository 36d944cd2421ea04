/** Memory: how full the service is, who holds what, and what it has done about it. */

import { MemoryChart } from '../ui/chart.js';
import { button, h } from '../ui/dom.js';
import { bytes, percent } from '../ui/format.js';
import { meaningOf, modeWords, toneOf } from '../ui/levels.js';
import { happened, sections } from '../ui/memory_sections.js';
import { MemoryPast } from '../ui/past.js';
import { Notice } from '../ui/trouble.js';
import { whatIf } from '../ui/what_if.js';

const QUICK_SECONDS = 1;
/** Figures and chart have their place at once; the rest comes below, when there is a report, and moves nothing. */
const ALWAYS = 2;
const SPANS = { 600: 'Last 10 minutes', 3600: 'Last hour' };
/** Where the service does not tell its own. */
const SHARES = { MODERATE: 0.7, HIGH: 0.8, CRITICAL: 0.9 };

class Memory {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, watch, announce }) {
    this._client = client;
    this._watch = watch;
    this._announce = announce;
    this._notice = new Notice();
    this._reclaim = button('Free memory now', () => this._free());
    this._figures = new Figures();
    this._chart = new MemoryChart(thresholdsOf(SHARES));
    this._past = new MemoryPast(client);
    this._happened = happened();
    this._cards = sections();
    this._build(root);
    this._ends = [
      watch.on('report', (report) => this._show(report)),
      watch.quicken(QUICK_SECONDS),
    ];
    this._start();
  }

  /** @param {HTMLElement} root */
  _build(root) {
    this._reclaimed = h('div', { role: 'status' });
    this._whole = h('input', { type: 'checkbox', checked: true, on: { change: () => this._scale() } });
    const options = Object.entries(SPANS).map(([value, text]) => h('option', { value, text }));
    this._span = h('select', { 'aria-label': 'Time', on: { change: () => this._scale() } }, ...options);
    const chart = h('section', { class: 'card wide' }, h('h2', { text: 'Who holds what, against the limit' }), this._chart.element,
      h('div', { class: 'row' }, this._span, h('label', { class: 'check small-text' }, this._whole, 'Scale up to the limit')));
    this._grid = h('div', { class: 'memory live' }, this._figures.element, chart);
    root.append(h('div', { class: 'head' }, h('h1', { text: 'Memory' }), this._reclaim),
      h('div', { class: 'stack' }, this._notice.element, this._reclaimed, this._grid));
  }

  async _start() {
    if (this._watch.report) this._show(this._watch.report);
    this._chart.setThresholds(thresholdsOf(await this._shares()));
  }

  _scale() {
    this._chart.wholeLimit = this._whole.checked;
    if (this._watch.report) this._showPast(this._watch.report);
  }

  /** The thresholds that are set, as parts of the limit. @returns {Promise<Record<string, number>>} */
  async _shares() {
    const limits = await this._client.limits().catch(() => null);
    const valueOf = (/** @type {string} */ level, /** @type {number} */ usual) =>
      limits?.settings?.find((/** @type {any} */ one) => one.name === `BALLAST_MEMORY__${level}_SHARE`)?.value ?? usual;
    return Object.fromEntries(Object.entries(SHARES).map(([level, usual]) => [level, valueOf(level, usual)]));
  }

  /** @param {any} report */
  _show(report) {
    this._notice.clear();
    this._figures.show(report);
    for (const card of this._cards) card.show(report);
    if (this._grid.childElementCount === ALWAYS) this._grid.append(this._happened.element, whatIf(this._client), ...this._cards.map(({ element }) => element));
    this._showPast(report);
  }

  /** @param {any} report */
  async _showPast(report) {
    await this._past.take(report);
    const span = Number(this._span.value);
    this._chart.show(this._past.points(span), this._past.marks(span), report.limitBytes);
    this._happened.show(this._past.marks(3600));
  }

  async _free() {
    this._reclaim.disabled = true;
    try {
      const { freedBytes, reclaimers } = await this._client.reclaim();
      const parts = reclaimers.map(({ name, freedBytes: freed, error }) => `${name}: ${error ?? bytes(freed)}`);
      this._reclaimed.replaceChildren(h('p', { class: 'note', text: `Freed ${bytes(freedBytes)}. ${parts.join('; ')}.` }));
      this._announce(`Freed ${bytes(freedBytes)}.`);
    } catch (error) {
      this._notice.show(error, 'Nothing was freed.');
    }
    this._reclaim.disabled = false;
  }

  close() {
    for (const end of this._ends) end();
    this._chart.dispose();
  }
}

/** @param {Record<string, number>} shares */
function thresholdsOf(shares) {
  return Object.entries(shares).map(([name, share]) => ({ name, share, tone: toneOf(name) }));
}

/** The four numbers that matter most. */
class Figures {
  constructor() {
    this._level = h('span', { class: 'chip' });
    this._meaning = h('p', { class: 'muted small-text' });
    this._values = Array.from({ length: 3 }, () => ({ value: h('div', { class: 'value', text: '–' }), words: h('p', { class: 'muted small-text' }) }));
    const names = ['Working set', 'Reserved', 'Available'];
    this.element = h('section', { class: 'card wide', 'aria-label': 'Most important figures' },
      h('div', { class: 'figures' },
        h('div', { class: 'figure' }, h('div', { class: 'label', text: 'Level' }), h('div', { class: 'value' }, this._level), this._meaning),
        ...names.map((name, index) => h('div', { class: 'figure' }, h('div', { class: 'label', text: name }), this._values[index].value, this._values[index].words))));
  }

  /** @param {any} report */
  show({ level, mode, reasons, workingSetBytes, limitBytes, limitSource, pressure, budget, availableBytes, hostAvailableBytes }) {
    this._level.textContent = level;
    this._level.dataset.tone = toneOf(level);
    this._meaning.textContent = reasons?.length > 0 ? `${modeWords(mode)}: ${reasons.join('; ')}` : meaningOf(level);
    const [working, reserved, available] = this._values;
    working.value.textContent = bytes(workingSetBytes);
    working.words.textContent = `${percent(pressure)} of the limit of ${bytes(limitBytes)} (${limitSource})`;
    reserved.value.textContent = bytes(budget.reservedBytes);
    const shed = budget.shedTotal > 0 ? `, ${budget.shedTotal} shed` : '';
    reserved.words.textContent = `of a budget of ${bytes(budget.totalBytes)}; ${budget.waiting} waiting${shed}`;
    available.value.textContent = bytes(availableBytes);
    available.words.textContent = hostAvailableBytes === null || hostAvailableBytes === undefined ? 'of the limit' : `of the limit; ${bytes(hostAvailableBytes)} on the machine`;
  }
}

/** @type {import('./index.js').Open} */
export function open(root, context) {
  const view = new Memory(root, context);
  return () => view.close();
}
