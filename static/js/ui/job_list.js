/** The jobs, newest first, a page of them and more where more are wanted; read again while something in them goes on. */

import { isOver } from '../ballast.js';
import { button, h } from './dom.js';

/** So many jobs are shown at first, and so many more at a press. */
const PAGE = 30;
/** The most that the service gives at a time. */
const ANSWER_PAGE = 100;
/** How often a page is read again while something in it goes on; with more pages less often. */
const LOOK_MS = 2000;
/** How long after a look that failed. */
const AGAIN_MS = 5000;

/** @typedef {import('../kit/jobs.js').Job} Job */
/** @typedef {import('./job_card.js').JobCard} JobCard */

export class JobList {
  /** @param {import('../ballast.js').BallastClient} client @param {(job: Job) => JobCard} cardOf */
  constructor(client, cardOf) {
    this._client = client;
    this._cardOf = cardOf;
    this._ending = new AbortController();
    /** @type {Map<string, JobCard>} */
    this._cards = new Map();
    this._wanted = PAGE;
    this._turn = 0;
    /** The id of a job that is shown elsewhere. @type {string | undefined} */
    this.aside = undefined;
    this._list = h('div', { class: 'stack live' });
    this._words = h('p', { class: 'loading', role: 'status', text: 'Reading the jobs…' });
    this._more = button('Show more', () => this._showMore(), { hidden: true });
    this.element = h('section', { class: 'stack', 'aria-label': 'All jobs' }, this._list, this._words, h('div', { class: 'row' }, this._more));
  }

  /** Read the list now, and again while something goes on, or it could not be read. */
  async look() {
    this._turn += 1;
    const turn = this._turn;
    clearTimeout(this._timer);
    let wait = AGAIN_MS;
    try {
      const { items, isWhole } = await this._read();
      if (turn !== this._turn) return;
      this._show(items, isWhole);
      wait = items.some((job) => !isOver(job)) ? LOOK_MS * Math.ceil(this._wanted / PAGE) : 0;
    } finally {
      const goesOn = turn === this._turn && wait > 0 && !this._ending.signal.aborted;
      if (goesOn) this._timer = setTimeout(() => this.look().catch(() => {}), wait);
    }
  }

  /** As many of the newest as are wanted. @returns {Promise<{items: Job[], isWhole: boolean}>} */
  async _read() {
    /** @type {Map<string, Job>} */
    const items = new Map();
    /** @type {string | null} */
    let cursor = null;
    do {
      const limit = Math.min(ANSWER_PAGE, this._wanted - items.size);
      const page = await this._client.jobs.list({ limit, cursor, signal: this._ending.signal });
      for (const job of page.items) items.set(job.id, job);
      cursor = page.nextCursor;
    } while (cursor !== null && items.size < this._wanted);
    return { items: [...items.values()], isWhole: cursor === null };
  }

  /** @param {Job[]} items @param {boolean} isWhole */
  _show(items, isWhole) {
    const others = items.filter(({ id }) => id !== this.aside);
    const wanted = new Set(others.map(({ id }) => id));
    for (const [id, card] of this._cards) {
      if (wanted.has(id)) continue;
      card.element.remove();
      this._cards.delete(id);
    }
    for (const [index, job] of others.entries()) {
      const card = this._cards.get(job.id) ?? this._cardOf(job);
      card.show(job);
      this._cards.set(job.id, card);
      if (this._list.children[index] !== card.element) this._list.insertBefore(card.element, this._list.children[index] ?? null);
    }
    this._words.className = 'muted';
    this._words.textContent = items.length > 0 ? '' : 'No job yet. Begin one with an item of the library.';
    this._words.hidden = items.length > 0;
    this._more.hidden = isWhole;
  }

  async _showMore() {
    this._wanted += PAGE;
    this._more.disabled = true;
    this._words.hidden = false;
    this._words.textContent = 'Reading more…';
    try {
      await this.look();
    } catch {
      this._words.textContent = 'More jobs could not be read; this is tried again.';
    }
    this._more.disabled = false;
  }

  close() {
    this._ending.abort();
    clearTimeout(this._timer);
  }
}
