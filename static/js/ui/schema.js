/** A JSON schema as a tree that is opened step by step: what refers to itself never ends, and need not. */

import { h } from './dom.js';

const BOUNDS = ['minimum', 'exclusiveMinimum', 'maximum', 'exclusiveMaximum', 'minLength', 'maxLength', 'minItems', 'maxItems', 'pattern', 'default'];

/** @param {any} description @param {any} schema @returns {HTMLElement} */
export function schemaView(description, schema) {
  if (schema === undefined) return h('span', { text: 'anything' });
  const { name, shape } = resolved(description, schema);
  const lines = childrenOf(shape);
  if (lines.length === 0) return h('span', { text: titleOf(name, shape) });
  const details = h('details', { class: 'schema' }, h('summary', { text: titleOf(name, shape) }));
  details.addEventListener('toggle', () => details.append(h('ul', {}, ...lines.map((line) => lineView(description, line)))), { once: true });
  return details;
}

/** Text in which `words` between backticks are code. @param {string} text @returns {(Node | string)[]} */
export function worded(text) {
  return text.split('`').map((piece, index) => (index % 2 === 1 ? h('code', { text: piece }) : piece));
}

/** @param {any} description @param {any} schema @returns {{name: string, shape: any}} */
function resolved(description, schema) {
  const name = schema.$ref?.split('/').pop();
  return name ? { name, shape: description.components.schemas[name] ?? {} } : { name: '', shape: schema };
}

/** @param {string} name @param {any} shape */
function titleOf(name, shape) {
  if (shape.enum) return shape.enum.map((/** @type {unknown} */ value) => JSON.stringify(value)).join(' | ');
  const type = [shape.type ?? (shape.anyOf ? 'one of' : 'anything')].flat().join(' | ');
  const bounds = BOUNDS.filter((bound) => shape[bound] !== undefined).map((bound) => `${bound} ${JSON.stringify(shape[bound])}`);
  const format = shape.format ? ` (${shape.format})` : '';
  return [name ? `${name}: ${type}` : type + format, ...bounds].join(', ');
}

/** @param {any} shape @returns {{label: string, schema: any, note: string}[]} */
function childrenOf(shape) {
  const required = new Set(shape.required ?? []);
  const members = Object.entries(shape.properties ?? {}).map(([name, schema]) => (
    { label: required.has(name) ? name : `${name}?`, schema, note: /** @type {any} */ (schema).description ?? '' }));
  const choices = (shape.anyOf ?? shape.oneOf ?? shape.allOf ?? []).map((/** @type {any} */ schema) => ({ label: '', schema, note: '' }));
  const items = shape.items ? [{ label: 'items', schema: shape.items, note: '' }] : [];
  const content = shape.contentSchema ? [{ label: 'each', schema: shape.contentSchema.items ?? shape.contentSchema, note: '' }] : [];
  return [...members, ...choices, ...items, ...content];
}

/** @param {any} description @param {{label: string, schema: any, note: string}} line */
function lineView(description, { label, schema, note }) {
  return h('li', {}, label ? h('code', { text: label }) : null, label ? ' ' : null, schemaView(description, schema), ...(note ? [' ', ...worded(note)] : []));
}
