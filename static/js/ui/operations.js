/** The operations of an OpenAPI document, one section a tag. */

import { h } from './dom.js';
import { schemaView, worded } from './schema.js';

const OTHERS = 'service';

/** @param {any} description @returns {HTMLElement[]} */
export function operationSections(description) {
  /** @type {Map<string, HTMLElement[]>} */
  const byTag = new Map();
  for (const [path, item] of Object.entries(description.paths)) {
    for (const [method, operation] of Object.entries(/** @type {Record<string, any>} */ (item))) {
      const tag = operation.tags?.[0] ?? OTHERS;
      if (!byTag.has(tag)) byTag.set(tag, []);
      byTag.get(tag)?.push(operationView(description, method, path, operation));
    }
  }
  return [...byTag].map(([tag, rows]) => h('section', { 'aria-label': tag }, h('h2', { text: tag }), ...rows));
}

/** One row; what is in it is made when it is opened. @param {any} description @param {string} method @param {string} path @param {any} operation */
function operationView(description, method, path, operation) {
  const summary = h('summary', {}, h('span', { class: 'method', text: method.toUpperCase() }), h('code', { text: path }), ` ${operation.summary ?? ''}`);
  const details = h('details', {}, summary);
  details.addEventListener('toggle', () => details.append(operationBody(description, operation)), { once: true });
  return details;
}

/** @param {any} description @param {any} operation */
function operationBody(description, operation) {
  return h('div', { class: 'operation' },
    operation.description ? h('p', {}, ...worded(operation.description)) : null,
    ...part('Parameters', operation.parameters?.length ? parameterTable(description, operation.parameters) : null),
    ...part('Body', operation.requestBody ? contentList(description, operation.requestBody.content) : null),
    ...part('Answers', responseTable(description, operation.responses)));
}

/** @param {string} title @param {HTMLElement | null} content */
function part(title, content) {
  return content === null ? [] : [h('h3', { text: title }), content];
}

/** @param {any} description @param {any[]} parameters */
function parameterTable(description, parameters) {
  return table(['Name', 'In', 'Type', ''], parameters.map((one) => [
    [h('code', { text: one.name }), one.required ? ' (required)' : ''], [one.in],
    [schemaView(description, one.schema)], worded(one.description ?? one.schema?.description ?? ''),
  ]));
}

/** @param {any} description @param {Record<string, any>} responses */
function responseTable(description, responses) {
  return table(['Status', 'Meaning', 'Body', 'Fields'], Object.entries(responses).map(([status, response]) => [
    [status], worded(response.description ?? ''),
    [response.content ? contentList(description, response.content) : '–'],
    [Object.keys(response.headers ?? {}).join(', ')],
  ]));
}

/** @param {any} description @param {Record<string, any>} content */
function contentList(description, content) {
  return h('ul', {}, ...Object.entries(content).map(([type, { schema }]) => h('li', {}, h('code', { text: type }), ' ', schemaView(description, schema))));
}

/** @param {string[]} names @param {(Node | string)[][][]} rows */
function table(names, rows) {
  return h('table', {},
    h('thead', {}, h('tr', {}, ...names.map((name) => h('th', { scope: 'col', text: name })))),
    h('tbody', {}, ...rows.map((cells) => h('tr', {}, ...cells.map((cell) => h('td', {}, ...cell))))));
}
