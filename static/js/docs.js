/** `/docs`: the description of the interface, read from `/openapi.json`. */

import { Http } from './kit/http.js';
import { askedKey } from './ui/dialogs.js';
import { h } from './ui/dom.js';
import { keepKey, storedKey } from './ui/keys.js';
import { operationSections } from './ui/operations.js';

/** Return the document, asking for a key as long as one is needed; null: none was given. */
async function readDocument() {
  const http = new Http('', storedKey(), fetch);
  let why = '';
  for (;;) {
    try {
      return await http.json('GET', '/openapi.json');
    } catch (error) {
      if (/** @type {any} */ (error).status !== 401) throw error;
    }
    const key = await askedKey(why);
    if (key === null) return null;
    http.key = key;
    keepKey(key);
    why = 'That key was not accepted. ';
  }
}

async function start() {
  const main = /** @type {HTMLElement} */ (document.getElementById('main'));
  try {
    const description = await readDocument();
    if (description === null) main.replaceChildren(h('p', { text: 'The description is shown to those who have a key.' }));
    else main.replaceChildren(h('h1', { text: `${description.info.title} ${description.info.version}` }), ...operationSections(description));
  } catch (error) {
    main.replaceChildren(h('p', { role: 'alert', text: `The description could not be read: ${/** @type {Error} */ (error).message}` }));
  }
}

start();
