/** One item as it is best seen: a picture, a player, the first lines of a text, the address of a stream. */

import { button, h } from './dom.js';
import { bytes } from './format.js';
import { kindSign } from './kind_sign.js';
import { note, reasonOf } from './trouble.js';

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */

const TEXT = /^text\/|json/;
/** So much of a text is loaded for looking at it. */
const TEXT_BYTES = 8192;
const TEXT_LINES = 40;
const HLS = 'application/vnd.apple.mpegurl';

/**
 * @param {import('../ballast.js').BallastClient} client @param {MediaItem} item
 * @param {{picture: import('../kit/images.js').ImageParams, signal: AbortSignal}} options `picture`: how a picture is wanted
 * @returns {Promise<HTMLElement>} what went wrong, in words, where it cannot be seen
 */
export async function itemView(client, item, { picture, signal }) {
  try {
    if (item.kind === 'image') return h('img', { alt: item.name, loading: 'lazy', src: await client.pictureUrl(item, picture, { signal }) });
    if (item.kind === 'video' || item.kind === 'audio') return player(item, await client.mediaUrl(await client.freshMedia(item), { signal }));
    if (/** @type {any} */ (item).hls) return streamView(client, item);
    if (TEXT.test(item.contentType)) return await textView(client, item, signal);
    return h('div', { class: 'stack plain' }, kindSign(item), h('p', { class: 'muted small-text', text: 'What is in it is not shown here; it can be downloaded.' }));
  } catch (error) {
    return note(reasonOf(error));
  }
}

/** Stop loading what is not shown any more. @param {HTMLElement} place */
export function released(place) {
  for (const media of /** @type {any[]} */ ([...place.querySelectorAll('video, audio, img')])) {
    media.removeAttribute('src');
    media.load?.();
  }
}

/** @param {MediaItem} item @param {string} src */
function player(item, src) {
  return h(item.kind, { controls: true, preload: 'metadata', src, 'aria-label': item.name });
}

/** The address at which players begin, and a player where the browser is one. @param {import('../ballast.js').BallastClient} client @param {MediaItem} item */
async function streamView(client, item) {
  const address = (/** @type {MediaItem} */ one) => new URL(/** @type {any} */ (one).hls, location.href).href;
  const code = h('code', { text: address(item) });
  const said = h('p', { class: 'muted small-text', role: 'status' });
  const copy = async () => {
    code.textContent = address(await client.getMedia(item.id)); // its signature, if it has one, is new
    try {
      await navigator.clipboard.writeText(code.textContent ?? '');
      said.textContent = 'Copied.';
    } catch {
      getSelection()?.selectAllChildren(code);
      said.textContent = 'Selected: copy it with the keyboard.';
    }
  };
  const plays = h('video', {}).canPlayType(HLS) !== '';
  const shown = plays ? h('video', { controls: true, preload: 'metadata', src: address(item), 'aria-label': item.name })
    : h('p', { class: 'muted small-text', text: 'This browser does not play HLS by itself; Safari, VLC and pages with hls.js do, from this address:' });
  return h('div', { class: 'stack plain' }, shown, h('pre', { class: 'code', tabIndex: 0, 'aria-label': 'Address of the playlist' }, code),
    h('div', { class: 'row' }, button('Copy address', () => copy().catch((error) => (said.textContent = reasonOf(error))), { class: 'small' }), said));
}

/** @param {import('../ballast.js').BallastClient} client @param {MediaItem} item @param {AbortSignal} signal */
async function textView(client, item, signal) {
  const isWhole = item.sizeBytes <= TEXT_BYTES;
  const range = isWhole ? { signal } : { start: 0, end: TEXT_BYTES - 1, signal };
  const text = item.sizeBytes === 0 ? '' : await (await client.content(await client.freshMedia(item), range)).text();
  const lines = text.split('\n');
  const rest = isWhole && lines.length <= TEXT_LINES ? '' : `Its beginning; all of it (${bytes(item.sizeBytes)}) is in the download.`;
  const words = item.sizeBytes === 0 ? 'It is empty.' : rest;
  return h('div', { class: 'stack plain' }, h('pre', { class: 'code', tabIndex: 0, 'aria-label': `The beginning of ${item.name}` }, h('code', { text: lines.slice(0, TEXT_LINES).join('\n') })), words ? h('p', { class: 'muted small-text', text: words }) : null);
}
