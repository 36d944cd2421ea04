/** A new job: what is to be done with items of the library, and with which parameters. */

import { button, h } from './dom.js';
import { ParameterForm } from './form.js';
import { bytes, counted } from './format.js';
import { ImageForm } from './image_form.js';
import { kindWords } from './job_words.js';
import { SegmentEditor } from './segments.js';
import { Notice } from './trouble.js';

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */

/** After so long without a change it is asked what the job would take. */
const CALM_MS = 400;

export class JobForm {
  /**
   * @param {import('../ballast.js').BallastClient} client
   * @param {MediaItem[]} items
   * @param {(job: import('../kit/jobs.js').Job) => void} submitted
   */
  constructor(client, items, submitted) {
    this._client = client;
    this._items = items;
    this._submitted = submitted;
    this._notice = new Notice();
    /** @type {any[]} */
    this._kinds = [];
    this._form = new ParameterForm({}, () => {});
    this._asking = new AbortController();
    /** Controls beside those of the kind: of a vision task, or of images. @type {{values: Record<string, any>} | null} */
    this._beside = null;
    this._select = h('select', { 'aria-label': 'What', on: { change: () => this._choose() } });
    this._summary = h('p', { class: 'muted small-text' });
    this._prediction = h('p', { class: 'note', role: 'status', hidden: true });
    this._place = h('div', { class: 'stack' });
    this._go = button('Start', () => this._submit(), { class: 'primary' });
    this.element = h('section', { class: 'card stack', 'aria-label': 'New job' }, h('h2', { text: `New job for ${items.length === 1 ? items[0].name : counted(items.length, 'item')}` }),
      h('label', { class: 'field' }, h('span', { text: 'What' }), this._select), this._summary, this._place, this._prediction, this._notice.element, h('div', { class: 'row' }, this._go));
  }

  /** Ask what can be done with the items. */
  async load() {
    const [kinds, tasks, operations] = await Promise.all([this._client.jobs.kinds(), this._client.tasks(), this._client.images.operations()]);
    this._tasks = tasks;
    this._operations = operations;
    this._list(kinds);
    this._choose();
    this._look();
  }

  /** Have each kind look at the item, which takes a moment: what does not suit it is not offered, and what it takes is said. */
  async _look() {
    const kinds = await this._client.jobs.kinds({ input: this._items[0]?.id }).catch(() => null);
    if (kinds === null) return;
    const before = this._select.value;
    this._list(kinds);
    const same = [...this._select.options].some((option) => option.value === before && !option.disabled);
    if (same) this._select.value = before;
    if (this._select.value !== before) this._choose();
  }

  /** @param {any[]} kinds */
  _list(kinds) {
    const usable = (/** @type {any} */ kind) => kind.prediction?.problem?.code !== 'unsupported_media' && kind.maxInputs >= this._items.length;
    this._kinds = [...kinds.filter(usable), ...kinds.filter((kind) => !usable(kind))];
    this._select.replaceChildren(...this._kinds.map((kind) => h('option', { value: kind.name, text: kindWords(kind.name), disabled: !usable(kind) })));
    this._select.value = this._kinds.find(usable)?.name ?? '';
  }

  get _kind() {
    return this._kinds.find(({ name }) => name === this._select.value) ?? null;
  }

  _choose() {
    const kind = this._kind;
    if (!kind) return;
    const { properties = {}, $defs: definitions = {} } = kind.parameters;
    this._notice.clear();
    this._segments?.close();
    this._segments = 'segments' in properties ? new SegmentEditor(this._client, this._items, () => this._foresee()) : null;
    const own = {
      ...(this._segments ? { segments: this._segments.field } : {}),
      ...('task' in properties ? { task: this._taskField(kind) } : {}),
    };
    this._beside = null;
    this._form = new ParameterForm(properties, () => this._foresee(), { definitions, own });
    this._summary.textContent = kind.summary ?? '';
    this._place.replaceChildren(this._form.element);
    if ('task' in own) this._showBeside(kind);
    this._foresee();
  }

  /** A vision task, or none: its own parameters stand beside those of the kind. @param {any} kind @returns {import('./fields.js').Field} */
  _taskField(kind) {
    const none = kind.name === 'batch' ? 'none: change the pictures' : 'none';
    const options = [h('option', { value: '', text: none }), ...(this._tasks ?? []).map(({ name }) => h('option', { value: name, text: name }))];
    const select = h('select', { on: { change: () => this._showBeside(kind) } }, ...options);
    select.value = kind.parameters.properties.task.examples?.[0] ?? '';
    this._task = select;
    this._besidePlace = h('div', { class: 'stack beside' });
    const element = h('div', { class: 'stack' }, h('label', { class: 'field' }, h('span', { text: 'Task' }), select), this._besidePlace);
    return { element, read: () => select.value || undefined, write: (value) => (select.value = value ?? '') };
  }

  /** @param {any} kind */
  _showBeside(kind) {
    const task = this._tasks?.find(({ name }) => name === this._task.value);
    if (task) this._beside = new ParameterForm(without(task.parameters, 'inlineMask'), () => this._foresee());
    else this._beside = kind.name === 'batch' ? new ImageForm(this._client, this._operations, () => this._foresee()) : null;
    this._foresee();
    this._besidePlace.replaceChildren(...(this._beside ? [/** @type {any} */ (this._beside).element] : []));
  }

  /** What is sent. @returns {import('../kit/jobs.js').Order | null} */
  get _order() {
    const kind = this._kind;
    if (!kind) return null;
    const ids = this._items.map(({ id }) => id);
    return { kind: kind.name, input: ids.length === 1 ? ids[0] : ids, params: { ...this._form.values, ...this._beside?.values } };
  }

  /** Ask what the job would take as it is set now, once nothing has changed for a moment. */
  _foresee() {
    clearTimeout(this._calm);
    this._calm = setTimeout(() => this._predict(), CALM_MS);
  }

  /** Say what it would take, or why it cannot be done. */
  async _predict() {
    const order = this._order;
    if (!order) return;
    this._asking.abort();
    this._asking = new AbortController();
    const { signal } = this._asking;
    const prediction = await this._client.jobs.predict(order, { signal }).catch(() => null);
    if (signal.aborted) return;
    const { predictedBytes, diskBytes, steps, profile, problem } = prediction ?? {};
    const words = predictedBytes ? `As it is set it takes ${bytes(predictedBytes)} of memory and ${bytes(diskBytes)} of disk, in ${counted(steps, 'step')}${profile ? `, by FFmpeg's profile ${profile.toLowerCase()}` : ''}.` : '';
    this._prediction.textContent = words || (problem?.detail ?? '');
    this._prediction.hidden = this._prediction.textContent === '';
    this._prediction.dataset.tone = words ? '' : 'orange';
  }

  async _submit() {
    const order = this._order;
    if (!order) return;
    this._go.disabled = true;
    this._notice.clear();
    try {
      this._submitted(await this._client.jobs.submit(order));
    } catch (error) {
      this._notice.show(error, 'It was not started.');
    }
    this._go.disabled = false;
  }

  close() {
    clearTimeout(this._calm);
    this._asking.abort();
    this._segments?.close();
  }
}

/** @param {Record<string, any>} all @param {string} name */
function without(all, name) {
  const { [name]: left, ...rest } = all;
  return rest;
}
