/** Everything that can be done to a picture: a group of controls for each operation that the service has. */

import { button, h } from './dom.js';
import { words } from './fields.js';
import { ParameterForm } from './form.js';
import { pickedItem } from './picker.js';

/** Groups that are open at first: what most people want. */
const OPEN = ['resize', 'convert'];

export class ImageForm {
  /**
   * @param {import('../ballast.js').BallastClient} client
   * @param {any} description of `GET /v1/images/operations`
   * @param {() => void} changed
   */
  constructor(client, description, changed) {
    /** @type {ParameterForm[]} */
    this._forms = [];
    const groups = description.operations.map((/** @type {any} */ { name, summary, parameters }) => {
      const own = parameters.watermark ? { watermark: itemField(client, 'Watermark', changed) } : {};
      const form = new ParameterForm(parameters, changed, { own });
      this._forms.push(form);
      return h('details', { class: 'folded group', open: OPEN.includes(name), data: { operation: name } },
        h('summary', {}, words(name), h('span', { class: 'muted small-text', text: ` ${summary}` })), form.element);
    });
    this.element = h('div', { class: 'stack' }, ...groups);
  }

  /** What differs from the defaults. @returns {Record<string, any>} */
  get values() {
    return Object.assign({}, ...this._forms.map((form) => form.values));
  }

  /** Set these, and everything else to its default. @param {Record<string, any>} values */
  write(values) {
    for (const form of this._forms) form.write(values);
  }
}

/** An item of the library as a parameter. @param {import('../ballast.js').BallastClient} client @param {string} label @param {() => void} changed @returns {import('./fields.js').Field} */
function itemField(client, label, changed) {
  /** @type {string | undefined} */
  let id;
  const name = h('span', { class: 'muted small-text', text: 'none' });
  const set = (/** @type {string | undefined} */ value, /** @type {string} */ text) => {
    id = value;
    name.textContent = text;
    none.hidden = value === undefined;
  };
  const choose = async () => {
    const item = await pickedItem(client, { title: 'Which picture is laid over it?', kind: 'image' });
    if (!item) return;
    set(item.id, item.name);
    changed();
  };
  const none = button('None', () => (set(undefined, 'none'), changed()), { class: 'small', hidden: true });
  const element = h('div', { class: 'field' }, h('span', { text: label }), h('div', { class: 'row' }, button('From the library', choose, { class: 'small' }), none, name));
  return { element, read: () => id, write: (value) => set(value ?? undefined, value ?? 'none') };
}
