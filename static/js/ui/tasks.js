/** Choosing a vision task and its parameters; the form is made of what the service says of them. */

import { h } from './dom.js';
import { note, reasonOf } from './trouble.js';
import { bytes } from './format.js';

/** Parameters that the page sets itself. */
const OWN = ['inlineMask'];

export class TaskChoice {
  /**
   * @param {import('../ballast.js').BallastClient} client
   * @param {() => void} changed called after each change of task or parameters
   * @param {string} [preferred]
   */
  constructor(client, changed, preferred = 'gestures') {
    this._client = client;
    this._changed = changed;
    this._preferred = preferred;
    /** @type {import('../kit/types.js').Task[]} */
    this._tasks = [];
    this._select = h('select', { 'aria-label': 'Task', on: { change: () => this._choose() } });
    this._state = h('p', { class: 'muted small-text' });
    this._form = h('div', { class: 'stack' });
    this.element = h('div', { class: 'stack' }, h('label', { class: 'field' }, h('span', { text: 'Task' }), this._select), this._state, this._form);
  }

  /** Ask the service which tasks there are. */
  async load() {
    try {
      this._tasks = await this._client.tasks();
    } catch (error) {
      this.element.replaceChildren(note(`The vision tasks are not known. ${reasonOf(error)}`, 'red'));
      return;
    }
    const options = this._tasks.map(({ name }) => h('option', { value: name, text: name }));
    this._select.replaceChildren(...options);
    if (this._tasks.some(({ name }) => name === this._preferred)) this._select.value = this._preferred;
    this._choose();
  }

  /** @returns {import('../kit/types.js').Task | null} */
  get task() {
    return this._tasks.find(({ name }) => name === this._select.value) ?? null;
  }

  /** The parameters as they are set. @returns {Record<string, any>} */
  get params() {
    /** @type {Record<string, any>} */
    const params = {};
    if (this.task && 'inlineMask' in this.task.parameters) params.inlineMask = true;
    for (const input of this._form.querySelectorAll('[name]')) params[input.name] = valueOf(input);
    return params;
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

  _choose() {
    const { task } = this;
    if (!task) return;
    const fields = Object.entries(task.parameters).filter(([name]) => !OWN.includes(name));
    this._form.replaceChildren(...fields.map(([name, schema]) => fieldOf(name, schema, this._changed)));
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
      ready: `Its model is ready (${bytes(task.residentBytes)}).`,
    };
    this._state.textContent = `Finds ${task.summary}. ${states[task.state] ?? ''}`;
  }
}

/** @param {string} name @param {any} schema @param {() => void} changed */
function fieldOf(name, schema, changed) {
  const label = words(name);
  const choices = schema.enum ?? schema.anyOf?.flatMap((/** @type {any} */ one) => one.enum ?? []) ?? [];
  const on = { change: changed };
  if (schema.type === 'boolean') {
    const input = h('input', { type: 'checkbox', name, checked: schema.default === true, on });
    return h('label', { class: 'check' }, input, label);
  }
  if (choices.length > 0) {
    const options = choices.map((/** @type {string} */ value) => h('option', { value, text: value, selected: value === schema.default }));
    return h('label', { class: 'field' }, h('span', { text: label }), h('select', { name, on }, ...options));
  }
  return rangeField(name, label, schema, changed);
}

/** @param {string} name @param {string} label @param {any} schema @param {() => void} changed */
function rangeField(name, label, schema, changed) {
  const [min, max] = [schema.minimum ?? 0, schema.maximum ?? 100];
  const step = schema.type === 'integer' ? 1 : 0.05;
  const shown = h('b', { text: String(schema.default) });
  const input = h('input', { type: 'range', name, min, max, step, value: schema.default });
  input.addEventListener('input', () => (shown.textContent = input.value));
  input.addEventListener('change', changed);
  return h('label', { class: 'field' }, h('span', {}, `${label}: `, shown), input);
}

/** @param {HTMLInputElement | HTMLSelectElement} input */
function valueOf(input) {
  if (input.type === 'checkbox') return /** @type {HTMLInputElement} */ (input).checked;
  return input.type === 'range' ? Number(input.value) : input.value;
}

/** @param {string} name in camelCase */
function words(name) {
  const text = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return text[0].toUpperCase() + text.slice(1);
}
