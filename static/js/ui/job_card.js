/** One job: how far it is, and what can be done about it. */

import { isOver } from '../ballast.js';
import { button, h } from './dom.js';
import { moment, percent } from './format.js';
import { kindWords, progressWords, stateWords } from './job_words.js';

/** @typedef {import('../kit/jobs.js').Job} Job */

export class JobCard {
  /**
   * @param {Job} job
   * @param {{cancel: (job: Job) => void, retry: (job: Job) => void, remove: (job: Job) => void, nameOf: (id: string) => Promise<string>}} acts
   */
  constructor(job, acts) {
    this.job = job;
    this._chip = h('span', { class: 'chip' });
    this._words = h('p', { class: 'muted small-text' });
    this._problem = h('p', { class: 'note', data: { tone: 'red' }, hidden: true });
    this._progress = h('progress', { max: 1, value: 0, 'aria-label': `Progress of ${kindWords(job.kind)}` });
    this._input = h('span', { class: 'muted' });
    this._cancel = button('Cancel', () => acts.cancel(this.job), { class: 'small' });
    this._retry = button('Try again', () => acts.retry(this.job), { class: 'small' });
    this._remove = button('Forget', () => acts.remove(this.job), { class: 'small danger' });
    const link = h('a', { href: `#jobs/${job.id}`, text: kindWords(job.kind) });
    this.element = h('article', { class: 'card job', data: { id: job.id } },
      h('div', { class: 'row' }, h('h3', {}, link), this._input, this._chip, h('span', { class: 'muted small-text', text: moment(job.createdAt) }),
        h('div', { class: 'row end' }, this._cancel, this._retry, this._remove)),
      this._progress, this._words, this._problem);
    this._nameInput(acts);
    this.show(job);
  }

  /** @param {Job} job */
  show(job) {
    this.job = job;
    const { text, tone } = stateWords(job.state);
    const over = isOver(job);
    this._chip.textContent = text;
    this._chip.dataset.tone = tone;
    this.element.dataset.state = job.state;
    this._progress.value = job.progress;
    this._progress.title = percent(job.progress);
    this._progress.hidden = over;
    this._words.textContent = progressWords(job);
    this._problem.hidden = !job.error;
    this._problem.textContent = job.error?.detail ?? '';
    this._cancel.hidden = over;
    this._retry.hidden = job.state !== 'failed' && job.state !== 'cancelled';
    this._remove.hidden = !over;
  }

  /** @param {{nameOf: (id: string) => Promise<string>}} acts */
  async _nameInput({ nameOf }) {
    const ids = [this.job.input].flat();
    const more = ids.length > 1 ? ` and ${ids.length - 1} more` : '';
    this._input.textContent = `${ids.length > 0 ? await nameOf(ids[0]) : ''}${more}`;
  }
}
