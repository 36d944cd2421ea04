/** Choosing items of the library in a dialog. */

import { opened } from './dialogs.js';
import { button, h } from './dom.js';
import { sizesOf } from './item_words.js';
import { Thumbnails } from './thumbnails.js';
import { reasonOf } from './trouble.js';

const PAGE = 30;

/**
 * @param {import('../ballast.js').BallastClient} client
 * @param {{title: string, kind?: string, kinds?: string[]}} wanted `kind`: only such items; `kinds`: those of several
 * @returns {Promise<import('../kit/types.js').MediaItem | null>} null: none
 */
export async function pickedItem(client, { title, kind, kinds }) {
  const dialog = h('dialog', { 'aria-labelledby': 'picker-title' });
  const ending = new AbortController();
  const thumbnails = new Thumbnails(client, ending.signal);
  const grid = h('div', { class: 'picks' });
  const words = h('p', { class: 'muted small-text', role: 'status' });
  const more = button('Show more', () => fill(), { class: 'small', hidden: true });
  /** @type {import('../kit/types.js').MediaItem | null} */
  let picked = null;
  /** @type {string | null} */
  let cursor = null;
  const fill = async () => {
    try {
      const page = await client.listMedia({ limit: PAGE, cursor, kind, signal: ending.signal });
      cursor = page.nextCursor;
      for (const item of page.items.filter((one) => !kinds || kinds.includes(one.kind))) grid.append(pick(item));
      more.hidden = cursor === null;
      words.textContent = grid.childElementCount === 0 ? 'Nothing of this kind is in the library yet.' : '';
    } catch (error) {
      if (!ending.signal.aborted) words.textContent = reasonOf(error);
    }
  };
  const pick = (/** @type {import('../kit/types.js').MediaItem} */ item) => {
    const frame = h('span', { class: 'picture-frame' });
    thumbnails.fill(frame, item);
    const press = () => {
      picked = item;
      dialog.close('picked');
    };
    return button('', press, { class: 'pick-card', 'aria-label': `${item.name}, ${sizesOf(item)}`, title: item.name }).appendChild(frame).parentElement;
  };
  dialog.append(h('div', { class: 'stack' }, h('div', { class: 'head' }, h('h2', { id: 'picker-title', text: title }), button('Close', () => dialog.close(''))), words, grid, more));
  fill();
  await opened(dialog);
  ending.abort();
  return picked;
}
