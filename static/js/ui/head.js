/** The head of the page: the level in words and numbers, and the banner over the page when something is wrong. */

import { h } from './dom.js';
import { bytes, clock, percent } from './format.js';
import { meaningOf, toneOf } from './levels.js';

export class Head {
  /**
   * @param {HTMLElement} level @param {HTMLElement} banner
   * @param {HTMLElement} stage what is no longer live when the service is lost
   * @param {import('./watch.js').MemoryWatch} watch
   */
  constructor(level, banner, stage, watch) {
    this._level = level;
    this._banner = banner;
    this._stage = stage;
    watch.on('level', (report) => this._show(report));
    watch.on('lost', ({ since, error }) => this._lose(since, error));
  }

  /** @param {import('../kit/levels.js').LevelReport} report */
  _show({ level, pressure, workingSetBytes, limitBytes, reasons }) {
    delete this._stage.dataset.lost;
    this._level.replaceChildren(
      h('span', { class: 'level-numbers', text: `${bytes(workingSetBytes)} of ${bytes(limitBytes)} (${percent(pressure)})` }),
      h('span', { class: 'level-word', text: 'memory' }),
      h('span', { class: 'chip', text: level, title: meaningOf(level), data: { tone: toneOf(level), level } }),
    );
    const why = reasons.length > 0 ? ` (${reasons.join('; ')})` : '';
    this._say(level === 'CRITICAL' ? `critical` : '', 'red', 'Memory is critical. ', `${meaningOf(level)}${why}`);
  }

  /** @param {Date} since @param {any} error */
  _lose(since, error) {
    this._stage.dataset.lost = '';
    if (error?.status === 401) {
      this._level.replaceChildren(h('span', { class: 'chip', text: 'No access', title: `since ${clock(since)}`, data: { tone: 'orange' } }));
      this._say(`refused ${since}`, 'orange', 'The service does not accept the key ', `since ${clock(since)}. What is shown is from before; give it another one with “Key”.`);
      return;
    }
    this._level.replaceChildren(h('span', { class: 'chip', text: 'No connection', title: `since ${clock(since)}`, data: { tone: 'orange' } }));
    this._say(`lost ${since}`, 'orange', 'No connection to the service ', `since ${clock(since)}. What is shown is from before; this page comes back by itself.`);
  }

  /** Show, or with no reason hide; the same thing is not said twice. @param {string} reason @param {string} tone @param {string} title @param {string} text */
  _say(reason, tone, title, text) {
    if (this._banner.dataset.reason === reason) return;
    this._banner.dataset.reason = reason;
    this._banner.dataset.tone = tone;
    this._banner.hidden = reason === '';
    this._banner.replaceChildren(...(reason === '' ? [] : [h('strong', { text: title }), text]));
  }
}
