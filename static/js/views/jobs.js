/** Jobs: what takes long, how far it is, and what has come of it. */

import { isOver } from '../ballast.js';
import { button, h } from '../ui/dom.js';
import { confirmed } from '../ui/dialogs.js';
import { JobCard } from '../ui/job_card.js';
import { JobForm } from '../ui/job_form.js';
import { JobList } from '../ui/job_list.js';
import { JobResults } from '../ui/job_results.js';
import { kindWords, stateWords } from '../ui/job_words.js';
import { pickedItem } from '../ui/picker.js';
import { Notice, note } from '../ui/trouble.js';

const NEW = 'new/';
/** Answers for an address that leads nowhere, now and later: it is said in its place, and the rest of the view goes on. */
const NOWHERE = [400, 404, 422];

/** @typedef {import('../kit/jobs.js').Job} Job */

class Jobs {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, watch, announce, argument }) {
    this._client = client;
    this._announce = announce;
    this._ending = new AbortController();
    this._notice = new Notice();
    this._isShown = false;
    /** @type {Map<string, Promise<string>>} */
    this._names = new Map();
    this._build(root);
    this._ends = [
      watch.persist(() => this._load(argument), (error) => this._notice.show(error, 'The jobs cannot be read; they are when the service is back.')),
      watch.on('back', () => this._list.look().catch(() => {})),
    ];
  }

  /** @param {HTMLElement} root */
  _build(root) {
    this._place = h('div', { class: 'stack live' });
    this._list = new JobList(this._client, (job) => this._card(job));
    root.append(h('div', { class: 'head' }, h('h1', { text: 'Jobs' }), h('div', { class: 'row' }, button('New job', () => this._pick(), { class: 'primary' }))),
      h('div', { class: 'stack' }, this._notice.element, this._place, this._list.element));
  }

  /** @param {string} argument `new/<ids>`, the id of a job, or nothing */
  async _load(argument) {
    if (!this._isShown) await this._show(argument); // a second attempt is for the list: a form keeps what was typed
    this._isShown = true;
    await this._list.look();
    this._notice.clear();
  }

  /** @param {string} argument */
  async _show(argument) {
    try {
      if (argument.startsWith(NEW)) await this._showForm(argument.slice(NEW.length).split(','));
      else if (argument) await this._follow(argument);
    } catch (error) {
      if (!NOWHERE.includes(/** @type {any} */ (error).status)) throw error;
      this._place.replaceChildren(note('This job is not there any more: it was forgotten, here or elsewhere.', 'orange'));
    }
  }

  async _pick() {
    const item = await pickedItem(this._client, { title: 'Which item?' });
    if (item) location.hash = `#jobs/${NEW}${item.id}`;
  }

  /** @param {string[]} ids */
  async _showForm(ids) {
    this._place.replaceChildren(h('p', { class: 'loading', role: 'status', text: 'Looking at what can be done with it…' }));
    const found = await Promise.all(ids.map((id) => this._itemOf(id)));
    const items = found.filter((item) => item !== null);
    const gone = found.length - items.length;
    const words = gone > 0 ? [note(gone === 1 ? 'One item is not in the library any more.' : `${gone} items are not in the library any more.`, 'orange')] : [];
    this._place.replaceChildren(...words);
    if (items.length === 0) return;
    this._form?.close();
    this._form = new JobForm(this._client, items, (job) => (location.hash = `#jobs/${job.id}`));
    await this._form.load();
    this._place.append(this._form.element);
  }

  /** @param {string} id @returns {Promise<import('../kit/types.js').MediaItem | null>} null: it is gone */
  async _itemOf(id) {
    try {
      return await this._client.getMedia(id, { signal: this._ending.signal });
    } catch (error) {
      if (NOWHERE.includes(/** @type {any} */ (error).status)) return null;
      throw error;
    }
  }

  /** @param {Job} job */
  _card(job) {
    return new JobCard(job, {
      cancel: (one) => this._do(() => this._client.jobs.cancel(one.id), 'It is not cancelled.'),
      retry: (one) => this._do(() => this._client.jobs.retry(one.id), 'It is not tried again.', () => (location.hash === `#jobs/${one.id}` ? this._follow(one.id) : (location.hash = `#jobs/${one.id}`))),
      remove: (one) => this._remove(one),
      nameOf: (id) => this._nameOf(id),
    });
  }

  /** @param {Job} job */
  async _remove(job) {
    if (!(await confirmed(`Forget this job (${kindWords(job.kind)})? What it made stays in the library.`, 'Forget'))) return;
    await this._do(() => this._client.jobs.delete(job.id), 'It is not forgotten.', () => this._followed?.job.id === job.id && (location.hash = '#jobs'));
  }

  /** @param {() => Promise<unknown>} act @param {string} trouble @param {() => unknown} [then] */
  async _do(act, trouble, then) {
    try {
      await act();
      this._notice.clear();
      then?.();
      await this._list.look();
    } catch (error) {
      this._notice.show(error, trouble);
    }
  }

  /** Show one job as it goes on, by its events. @param {string} id */
  async _follow(id) {
    this._events?.close();
    this._results?.close();
    const job = await this._client.jobs.get(id);
    const card = this._card(job);
    const results = new JobResults(this._client);
    card.element.classList.add('followed');
    this._followed = card;
    this._results = results;
    this._list.aside = id;
    this._place.replaceChildren(card.element, results.element);
    if (isOver(job)) {
      await this._finish(job);
      return;
    }
    this._events = this._client.jobs.events(id);
    this._events.on('job', (newest) => {
      card.show(newest);
      if (isOver(newest)) this._finish(newest);
    });
    this._events.on('ended', (error) => this._notice.show(error, 'Its progress cannot be followed.'));
  }

  /** @param {Job} job */
  async _finish(job) {
    this._announce(`${kindWords(job.kind)}: ${stateWords(job.state).text}.`);
    if (job.state !== 'succeeded') return;
    const first = [job.input].flat()[0];
    const input = await this._client.getMedia(first, { signal: this._ending.signal }).catch(() => null);
    await this._results?.show(job, input);
  }

  /** @param {string} id @returns {Promise<string>} */
  _nameOf(id) {
    const known = this._names.get(id) ?? this._client.getMedia(id, { signal: this._ending.signal }).then(({ name }) => name, () => 'an item that is gone');
    this._names.set(id, known);
    return known;
  }

  close() {
    this._ending.abort();
    this._list.close();
    this._events?.close();
    this._results?.close();
    this._form?.close();
    for (const end of this._ends) end();
    this._client.dispose();
  }
}

/** @type {import('./index.js').Open} */
export function open(root, context) {
  const view = new Jobs(root, context);
  return () => view.close();
}
