/** Choosing a vision task and its parameters; the form is made of what the service says of them. */

import { h } from './dom.js';
import { ParameterForm } from './form.js';
import { bytes } from './format.js';
import { Notice } from './trouble.js';

/** Parameters that the page sets itself. */
const OWN = ['inlineMask'];

export class TaskChoice {
  /**
   * @param {{client: import('../ballast.js').BallastClient, watch: import('./watch.js').MemoryWatch}} service
   * @param {() => void} changed called after each change of task or parameters
   * @param {string} [preferred]
   */
  constructor({ client, watch }, changed, preferred = 'gestures') {
    this._client = client;
    this._changed = changed;
    this._preferred = preferred;
    /** @type {import('../kit/types.js').Task[]} */
    this._tasks = [];
    this._notice = new Notice();
    this._select = h('select', { 'aria-label': 'Task', on: { change: () => this._choose() } });
    this._state = h('p', { class: 'muted small-text task-state' });
    /** The controls of the task's parameters. */
    this.form = h('div', {});
    this._form = new ParameterForm({}, changed);
    this.element = h('div', { class: 'stack' }, this._notice.element, h('label', { class: 'field' }, h('span', { text: 'Task' }), this._select), this._state);
    /** Resolved when the tasks are known. @type {Promise<void>} */
    this.known = new Promise((resolve) => {
      this._told = resolve;
    });
    this._ends = [
      watch.persist(() => this._load(), (error) => this._notice.show(error, 'The vision tasks are not known yet.')),
      watch.on('report', ({ models }) => this._update(models)),
    ];
  }

  /** @returns {import('../kit/types.js').Task | null} */
  get task() {
    return this._tasks.find(({ name }) => name === this._select.value) ?? null;
  }

  /** The parameters as they are set. @returns {Record<string, any>} */
  get params() {
    const own = this.task && 'inlineMask' in this.task.parameters ? { inlineMask: true } : {};
    return { ...own, ...this._form.all };
  }

  /** Read the states of the models anew. */
  async refresh() {
    try {
      this._tasks = await this._client.tasks();
      this._tell();
    } catch {
      // it was only for the small print
    }
  }

  close() {
    for (const end of this._ends) end();
  }

  async _load() {
    this._tasks = await this._client.tasks();
    this._notice.clear();
    this._select.replaceChildren(...this._tasks.map(({ name }) => h('option', { value: name, text: name })));
    if (this._tasks.some(({ name }) => name === this._preferred)) this._select.value = this._preferred;
    this._choose();
    this._told();
  }

  /** @param {any[] | undefined} models as the memory report has them */
  _update(models) {
    for (const task of this._tasks) {
      const model = models?.find((one) => one.task === task.name);
      if (model) Object.assign(task, { state: model.state, residentBytes: model.residentBytes, idleSeconds: model.idleSeconds });
    }
    this._tell();
  }

  _choose() {
    const { task } = this;
    if (!task) return;
    const schemas = Object.fromEntries(Object.entries(task.parameters).filter(([name]) => !OWN.includes(name)));
    this._form = new ParameterForm(schemas, this._changed);
    this.form.replaceChildren(this._form.element);
    this._tell();
    this._changed();
  }

  _tell() {
    const { task } = this;
    if (!task) return;
    const states = {
      missing: 'Its model is not installed here: run `ballast models` on the server.',
      unloaded: 'Its model is loaded at the first picture.',
      loading: 'Its model is being loaded.',
      ready: task.residentBytes > 0 ? `Its model is ready (${bytes(task.residentBytes)}).` : 'The model of another task is ready, and does this one too.',
    };
    const text = `Finds ${task.summary}. ${states[task.state] ?? ''}`;
    if (this._state.textContent !== text) this._state.textContent = text;
  }
}
