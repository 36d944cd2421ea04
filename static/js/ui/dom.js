/** Elements in one line. */

const SVG = 'http://www.w3.org/2000/svg';

/**
 * Make an element. `props`: `class`, `text`, `data` (an object), `on` (listeners by event), names with a dash or of the list
 * below as attributes, everything else as a property. Children that are null are left out.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string | null | undefined)} children
 * @returns {any}
 */
export function h(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/**
 * The same for SVG, where everything is an attribute.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node | string)} children
 * @returns {any}
 */
export function svg(tag, props = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(props)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

const ATTRIBUTES = ['role', 'for', 'scope', 'colspan'];

/** @param {HTMLElement} element @param {Record<string, any>} props @param {(Node | string | null | undefined)[]} children */
function filled(element, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined) continue;
    if (name === 'class') element.className = value;
    else if (name === 'text') element.textContent = value;
    else if (name === 'data') Object.assign(element.dataset, value);
    else if (name === 'on') for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name.includes('-') || ATTRIBUTES.includes(name)) element.setAttribute(name, value);
    else /** @type {any} */ (element)[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A button. @param {string} text @param {() => void} press @param {Record<string, any>} [props] @returns {HTMLButtonElement} */
export function button(text, press, props = {}) {
  return h('button', { type: 'button', text, on: { click: press }, ...props });
}

/**
 * A file input that looks like a button.
 * @param {string} text
 * @param {string} accept
 * @param {boolean} multiple
 * @param {(files: File[]) => void} chosen
 */
export function filePicker(text, accept, multiple, chosen) {
  const input = h('input', { type: 'file', accept, multiple, 'aria-label': text });
  input.addEventListener('change', () => {
    chosen([...input.files]);
    input.value = ''; // the same file can be chosen again
  });
  return h('span', { class: 'button pick' }, text, input);
}

/** What is folded on a small screen, and open on a large one. @param {string} title @param {HTMLElement} content */
export function folded(title, content) {
  const open = matchMedia('(min-width: 60rem)').matches;
  return h('details', { class: 'folded', open }, h('summary', { text: title }), content);
}

/** Let the browser save something as a file. @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  const href = URL.createObjectURL(blob);
  h('a', { href, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

/**
 * A list of figures with names (`<dl>`), and a function that writes new values.
 * @param {string[]} names
 * @param {Record<string, string>} [meanings] what a name means, shown to who points at it
 */
export function facts(names, meanings = {}) {
  const values = names.map(() => h('dd', { text: '–' }));
  const element = h('dl', { class: 'facts' }, ...names.map((name, index) => h('div', {}, h('dt', { text: name, title: meanings[name] ?? null }), values[index])));
  /** @param {Record<string, string>} texts */
  const write = (texts) => {
    for (const [index, name] of names.entries()) {
      const text = texts[name];
      if (text !== undefined && values[index].textContent !== text) values[index].textContent = text;
    }
  };
  return { element, write };
}
