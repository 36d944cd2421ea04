/** Questions in a dialog. */

import { button, h } from './dom.js';

/**
 * Open a dialog and return when it is closed: with the value of the button that closed it, '' after Escape.
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<string>}
 */
export function opened(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(dialog.returnValue);
    });
  });
}

/** @param {string} question @param {string} verb @returns {Promise<boolean>} */
export async function confirmed(question, verb) {
  const dialog = h('dialog', { 'aria-labelledby': 'question' });
  dialog.append(
    h('div', { class: 'stack' }, h('h2', { id: 'question', text: question }),
      h('div', { class: 'row' }, button(verb, () => dialog.close('yes'), { class: 'danger' }), button('Cancel', () => dialog.close('')))),
  );
  return (await opened(dialog)) === 'yes';
}

/**
 * Ask for a key.
 * @param {string} why what is said first, such as that the last one was wrong
 * @returns {Promise<string | null>} null: not now
 */
export async function askedKey(why) {
  const dialog = h('dialog', { 'aria-labelledby': 'key-title' });
  const input = h('input', { type: 'password', id: 'key-input', autocomplete: 'off', required: true, spellcheck: false });
  const form = h('form', { class: 'stack', method: 'dialog', on: { submit: () => (dialog.returnValue = input.value.trim()) } },
    h('h2', { id: 'key-title', text: 'This service asks for a key' }),
    h('p', { class: 'muted', text: `${why}Enter one of the keys in BALLAST_SERVER__API_KEYS; this tab keeps it until it is closed.` }),
    h('label', { class: 'field', for: 'key-input' }, h('span', { text: 'Key' }), input),
    h('div', { class: 'row' }, h('button', { class: 'primary', text: 'Use this key' }), button('Not now', () => dialog.close(''))));
  dialog.append(form);
  return (await opened(dialog)) || null;
}

/**
 * Show something large.
 * @param {string} title
 * @param {Node[]} content
 * @returns {Promise<string>} when it is closed
 */
export function shown(title, content) {
  const dialog = h('dialog', { 'aria-labelledby': 'viewer-title' });
  dialog.append(
    h('div', { class: 'viewer' },
      h('div', { class: 'head' }, h('h2', { id: 'viewer-title', text: title }), button('Close', () => dialog.close(''))), ...content),
  );
  return opened(dialog);
}
