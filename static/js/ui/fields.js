/** One control for one parameter, made from its JSON schema. */

import { h } from './dom.js';

/**
 * `value` is undefined where nothing is set, or what is set is the default; `wrong` says in words what cannot be sent.
 * @typedef {{element: HTMLElement, read: () => any, write: (value: any) => void}} Field
 * @typedef {{name: string, label: string, help: string, schema: any, optional: boolean, changed: () => void}} Wanted
 */

/** A slider has no more than so many steps; with more a number is written. */
const SLIDER_STEPS = 400;
const STEPS = [0.01, 0.05, 0.1, 0.5, 1];
/** Parameters whose schemas have no default (it differs by format, or nothing is done): what people mean who switch them on. @type {Record<string, number>} */
const STARTS = { quality: 80, blur: 4, sharpen: 1, pixelate: 12 };
/** @type {Record<string, string>} */
const LABELS = { dpr: 'Pixel ratio (DPR)' };
const NOT_SET = 'not set';
const COLOUR = /0-9a-fA-F\]\{6\}/;

/** @param {string} name @param {any} schema @param {() => void} changed @param {any} [definitions] `$defs` of the schema around it @returns {Field} */
export function fieldOf(name, schema, changed, definitions = {}) {
  const { shape, optional } = plain(schema, definitions);
  const wanted = { name, label: words(name), help: schema.description ?? shape.description ?? '', schema: { ...shape, default: schema.default ?? shape.default }, optional, changed };
  const choices = shape.enum ?? (shape.const === undefined ? null : [shape.const]);
  if (choices) return choiceField(wanted, choices);
  if (shape.type === 'boolean') return checkField(wanted);
  if (shape.type === 'integer' || shape.type === 'number') return numberField(wanted);
  if (shape.type === 'array') return listField(wanted, plain(shape.items ?? {}, definitions).shape);
  if (shape.type === 'string') return COLOUR.test(shape.pattern ?? '') ? colourField(wanted) : textField(wanted);
  return jsonField(wanted);
}

/** @param {string} name in camelCase */
export function words(name) {
  if (LABELS[name]) return LABELS[name];
  const text = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return text[0].toUpperCase() + text.slice(1);
}

/** Follow references, and take the one real choice of "this or nothing". @param {any} schema @param {any} definitions @returns {{shape: any, optional: boolean}} */
export function plain(schema, definitions) {
  if (schema.$ref) return plain({ ...definitions[schema.$ref.split('/').pop()], ...without(schema, '$ref') }, definitions);
  if (schema.allOf?.length === 1) return plain({ ...schema.allOf[0], ...without(schema, 'allOf') }, definitions);
  const kinds = schema.anyOf ?? schema.oneOf;
  if (!kinds) return { shape: schema, optional: false };
  const real = kinds.filter((/** @type {any} */ one) => one.type !== 'null');
  const optional = real.length < kinds.length;
  if (real.length === 1) return { shape: plain(real[0], definitions).shape, optional };
  const constants = real.flatMap((/** @type {any} */ one) => one.enum ?? (one.const === undefined ? (one.type === 'boolean' ? [false, true] : []) : [one.const]));
  const all = real.every((/** @type {any} */ one) => one.enum || one.const !== undefined || one.type === 'boolean');
  return { shape: all ? { enum: constants } : {}, optional };
}

/** @param {any} schema @param {string} name */
function without(schema, name) {
  const { [name]: left, ...rest } = schema;
  return rest;
}

/** A label with its control below it, and what it does. @param {Wanted} wanted @param {HTMLElement} control @param {Node[]} [shown] */
function labelled({ label, help }, control, shown = []) {
  return h('label', { class: 'field', title: help }, h('span', {}, label, ...shown), control);
}

/** @param {Wanted} wanted @param {any[]} choices @returns {Field} */
function choiceField(wanted, choices) {
  const { name, optional, schema, changed } = wanted;
  const empty = optional || schema.default === undefined || schema.default === null ? [h('option', { value: '', text: optional ? NOT_SET : '–' })] : [];
  const options = choices.map((value) => h('option', { value: String(value), text: String(value) }));
  const select = h('select', { name, on: { change: changed } }, ...empty, ...options);
  const write = (/** @type {any} */ value) => (select.value = value === undefined || value === null ? (empty.length ? '' : String(schema.default)) : String(value));
  write(schema.default);
  return { element: labelled(wanted, select), read: () => choices.find((value) => String(value) === select.value), write };
}

/** @param {Wanted} wanted @returns {Field} */
function checkField({ name, label, help, schema, changed }) {
  const input = h('input', { type: 'checkbox', name, checked: schema.default === true, on: { change: changed } });
  return {
    element: h('label', { class: 'check', title: help }, input, label),
    read: () => input.checked,
    write: (value) => (input.checked = value ?? schema.default === true),
  };
}

/** @param {Wanted} wanted @returns {Field} */
function numberField(wanted) {
  const { schema, optional } = wanted;
  const [min, max] = [schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum];
  const step = schema.multipleOf ?? (schema.type === 'integer' ? 1 : roundStep(max - min));
  const slides = min !== undefined && max !== undefined && (max - min) / Number(step) <= SLIDER_STEPS;
  if (!slides) return writtenNumber(wanted, { min, max, step: schema.type === 'integer' ? step : 'any' });
  return optional ? optionalSlider(wanted, { min, max, step }) : slider(wanted, { min, max, step });
}

/** A step that people would choose, some hundred of them to the whole. @param {number} span */
function roundStep(span) {
  return STEPS.find((step) => span / step <= SLIDER_STEPS) ?? 'any';
}

/** @param {Wanted} wanted @param {Record<string, any>} bounds @returns {Field} */
function slider(wanted, bounds) {
  const { name, schema, changed } = wanted;
  const start = schema.default ?? bounds.min;
  const shown = h('b', { text: String(start) });
  const input = h('input', { type: 'range', name, ...bounds, value: start, on: { change: changed } });
  let exact = start; // a slider keeps only whole steps
  input.addEventListener('input', () => {
    exact = Number(input.value);
    shown.textContent = input.value;
  });
  const write = (/** @type {any} */ value) => {
    exact = value ?? start;
    input.value = exact;
    shown.textContent = String(exact);
  };
  return { element: labelled(wanted, input, [': ', shown]), read: () => exact, write };
}

/** Where a slider begins that is switched on: what the schema says, or what is usual. @param {Wanted} wanted @param {Record<string, any>} bounds */
function startOf({ name, schema }, { min, max, step }) {
  const usual = schema.default ?? schema.examples?.[0] ?? STARTS[name];
  return usual === undefined ? min + Math.round((max - min) / 10 / step) * step : Math.min(max, Math.max(min, usual));
}

/** A slider that first has to be switched on. @param {Wanted} wanted @param {Record<string, any>} bounds @returns {Field} */
function optionalSlider(wanted, bounds) {
  const { name, label, help, changed } = wanted;
  const shown = h('b', { text: NOT_SET });
  const start = startOf(wanted, bounds);
  const input = h('input', { type: 'range', name, ...bounds, value: start, disabled: true, 'aria-label': label });
  const on = h('input', { type: 'checkbox', 'aria-label': `Set ${label.toLowerCase()}` });
  const tell = () => {
    input.disabled = !on.checked;
    shown.textContent = on.checked ? input.value : NOT_SET;
  };
  on.addEventListener('change', () => (tell(), changed()));
  input.addEventListener('input', tell);
  input.addEventListener('change', changed);
  const write = (/** @type {any} */ value) => {
    on.checked = value !== undefined && value !== null;
    if (on.checked) input.value = value;
    tell();
  };
  const element = h('div', { class: 'field', title: help }, h('label', { class: 'check' }, on, h('span', {}, label, ': ', shown)), input);
  return { element, read: () => (on.checked ? Number(input.value) : undefined), write };
}

/** @param {Wanted} wanted @param {Record<string, any>} bounds @returns {Field} */
function writtenNumber(wanted, bounds) {
  const { name, schema, optional, changed } = wanted;
  const given = Object.fromEntries(Object.entries(bounds).filter(([, value]) => value !== undefined));
  const input = h('input', { type: 'number', name, ...given, placeholder: optional ? NOT_SET : '', value: schema.default ?? '', on: { change: changed } });
  return { element: labelled(wanted, input), read: () => (input.value === '' ? undefined : Number(input.value)), write: (value) => (input.value = value ?? schema.default ?? '') };
}

/** @param {Wanted} wanted @returns {Field} */
function textField(wanted) {
  const { name, schema, optional, changed } = wanted;
  const input = h('input', { type: 'text', name, placeholder: optional ? NOT_SET : '', value: schema.default ?? '', spellcheck: false, on: { change: changed } });
  if (schema.pattern) input.pattern = schema.pattern.replace(/^\^|\$$/g, '');
  return { element: labelled(wanted, input), read: () => (input.value === '' ? undefined : input.value), write: (value) => (input.value = value ?? schema.default ?? '') };
}

/** @param {Wanted} wanted @returns {Field} */
function colourField(wanted) {
  const { name, schema, optional, changed } = wanted;
  const hex = (/** @type {any} */ value) => `#${String(value ?? schema.default ?? 'ffffff').slice(0, 6)}`;
  const input = h('input', { type: 'color', name, value: hex(schema.default), on: { change: () => ((touched = true), changed()) } });
  let touched = !optional;
  const write = (/** @type {any} */ value) => {
    touched = !optional || (value !== undefined && value !== null);
    input.value = hex(value);
  };
  return { element: labelled(wanted, input), read: () => (touched ? input.value.slice(1) : undefined), write };
}

/** Many values: choices as boxes to check, numbers and words between commas, anything else as JSON. @param {Wanted} wanted @param {any} item @returns {Field} */
function listField(wanted, item) {
  if (item.enum) return boxesField(wanted, item.enum);
  if (!['number', 'integer', 'string'].includes(item.type)) return jsonField(wanted);
  const { name, schema, changed } = wanted;
  const text = (/** @type {any} */ value) => (value ?? schema.default ?? []).join(', ');
  const input = h('input', { type: 'text', name, placeholder: 'several, between commas', value: text(undefined), spellcheck: false, on: { change: changed } });
  const read = () => {
    const parts = input.value.split(/[,;\s]+/).filter(Boolean);
    return parts.length === 0 ? undefined : item.type === 'string' ? parts : parts.map(Number);
  };
  return { element: labelled(wanted, input), read, write: (value) => (input.value = text(value)) };
}

/** @param {Wanted} wanted @param {any[]} choices @returns {Field} */
function boxesField({ label, help, schema, changed }, choices) {
  const boxes = choices.map((value) => h('input', { type: 'checkbox', value: String(value), checked: (schema.default ?? []).includes(value), on: { change: changed } }));
  const element = h('fieldset', { class: 'field', title: help }, h('legend', { text: label }), ...boxes.map((box, index) => h('label', { class: 'check' }, box, String(choices[index]))));
  const read = () => choices.filter((_, index) => boxes[index].checked);
  return { element, read: () => (read().length === 0 ? undefined : read()), write: (value) => boxes.forEach((box, index) => (box.checked = (value ?? schema.default ?? []).includes(choices[index]))) };
}

/** @param {Wanted} wanted @returns {Field} */
function jsonField(wanted) {
  const { name, schema, changed } = wanted;
  const text = (/** @type {any} */ value) => (value === undefined || value === null ? '' : JSON.stringify(value));
  const input = h('input', { type: 'text', name, placeholder: 'JSON', value: text(schema.default), spellcheck: false, on: { change: changed } });
  const read = () => {
    if (input.value.trim() === '') return undefined;
    try {
      return JSON.parse(input.value);
    } catch {
      return input.value; // a word, or what the service will say is wrong
    }
  };
  return { element: labelled(wanted, input), read, write: (value) => (input.value = text(value ?? schema.default)) };
}
