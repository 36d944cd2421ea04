/** Items of the library seen large, one after the other. */

import { button, h } from './dom.js';
import { opened } from './dialogs.js';
import { sizesOf, timesOf } from './item_words.js';
import { itemView, released } from './item_view.js';

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */

/** The largest that a picture is loaded for looking at it. */
const PICTURE = { width: 1920, height: 1440, format: 'auto' };

/**
 * Show one item; arrow keys go to its neighbours. Returns when it is closed.
 * @param {import('../ballast.js').BallastClient} client @param {MediaItem} first
 * @param {(item: MediaItem, step: number) => MediaItem | null} neighbour
 * @param {(item: MediaItem) => (Node | null)[]} actions
 */
export async function viewed(client, first, neighbour, actions) {
  const dialog = h('dialog', { 'aria-labelledby': 'viewer-title' });
  const ending = new AbortController();
  let item = first;
  const go = (/** @type {number} */ step) => {
    const next = neighbour(item, step);
    if (!next) return;
    item = next;
    fill();
  };
  const title = h('h2', { id: 'viewer-title' });
  const place = h('div', { class: 'viewer-place' });
  const words = h('div', { class: 'stack' });
  const row = h('div', { class: 'row' });
  const [before, after] = [button('Previous', () => go(-1), { class: 'small' }), button('Next', () => go(1), { class: 'small' })];
  const clear = () => {
    released(place);
    place.replaceChildren();
  };
  const fill = async () => {
    clear();
    title.textContent = item.name;
    before.disabled = !neighbour(item, -1);
    after.disabled = !neighbour(item, 1);
    row.replaceChildren(before, after, ...actions(item).filter((one) => one !== null));
    const lines = [sizesOf(item), timesOf(item), item.sha256 ? `SHA-256 ${item.sha256}` : '', `Reference: ${item.path}`];
    words.replaceChildren(...lines.filter(Boolean).map((text) => h('p', { class: 'muted small-text', text })));
    const wanted = item;
    const view = await itemView(client, wanted, { picture: PICTURE, signal: ending.signal });
    if (wanted === item && !ending.signal.aborted) place.replaceChildren(view);
  };
  dialog.addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
    if (/** @type {HTMLElement} */ (event.target).closest('video, audio')) return; // there they seek
    if (event.key === 'ArrowLeft') go(-1);
    if (event.key === 'ArrowRight') go(1);
  });
  dialog.append(h('div', { class: 'viewer' }, h('div', { class: 'head' }, title, button('Close', () => dialog.close(''))), place, row, words));
  fill();
  await opened(dialog);
  ending.abort();
  clear();
}
