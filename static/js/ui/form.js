/** Controls for many parameters, made from their JSON schemas: one that the service adds appears by itself. */

import { h } from './dom.js';
import { fieldOf, plain } from './fields.js';

export class ParameterForm {
  /**
   * @param {Record<string, any>} schemas by name
   * @param {() => void} changed called after each change
   * @param {{definitions?: any, own?: Record<string, import('./fields.js').Field>}} [options] `own`: controls that are made elsewhere
   */
  constructor(schemas, changed, { definitions = {}, own = {} } = {}) {
    this._defaults = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, schema.default ?? plain(schema, definitions).shape.default]));
    this._fields = Object.fromEntries(Object.entries(schemas).map(([name, schema]) => [name, own[name] ?? fieldOf(name, schema, changed, definitions)]));
    this.element = h('div', { class: 'stack' }, ...Object.values(this._fields).map(({ element }) => element));
  }

  /** The control of one parameter. @param {string} name @returns {HTMLElement | undefined} */
  elementOf(name) {
    return this._fields[name]?.element;
  }

  /** Every value that is there. @returns {Record<string, any>} */
  get all() {
    const entries = Object.entries(this._fields).map(([name, field]) => [name, field.read()]);
    return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
  }

  /** What differs from the defaults. @returns {Record<string, any>} */
  get values() {
    return Object.fromEntries(Object.entries(this.all).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(this._defaults[name] ?? null)));
  }

  /** Set these, and everything else to its default. @param {Record<string, any>} values */
  write(values) {
    for (const [name, field] of Object.entries(this._fields)) field.write(values[name]);
  }
}
