/** A sign for an item that has no picture, or none yet: a sheet with what it is. */

import { h, svg } from './dom.js';

/** By content type: what is written on the sheet, and in words. @type {Record<string, [string, string]>} */
const SIGNS = {
  'application/x-ndjson': ['{ }↵', 'Data, line by line'],
  'application/json': ['JSON', 'Data'],
  'text/vtt': ['VTT', 'Text track'],
  'application/vnd.ballast.hls+zip': ['HLS', 'Stream for players'],
};

/** @type {Record<string, string>} */
const KINDS = { image: 'Picture', video: 'Video', audio: 'Sound', other: 'File' };

/** @param {import('../kit/types.js').MediaItem} item @returns {HTMLElement} */
export function kindSign({ contentType, kind }) {
  const [mark, words] = SIGNS[contentType] ?? [contentType.split('/').pop()?.replace(/^x-|^vnd\.|;.*$/g, '').slice(0, 7).toUpperCase() ?? '', KINDS[kind] ?? KINDS.other];
  const sheet = svg('svg', { viewBox: '0 0 64 72', class: 'sheet', 'aria-hidden': 'true' },
    svg('path', { d: 'M8 4h34l14 14v50H8z M42 4v14h14' }), svg('text', { x: 32, y: 48, 'text-anchor': 'middle' }, mark));
  return h('span', { class: 'kind', title: contentType }, sheet, h('span', { text: words }));
}
