/** What if: how the service would work on a file of such a size now. */

import { button, h } from './dom.js';
import { bytes, counted } from './format.js';
import { modeWords } from './levels.js';
import { reasonOf } from './trouble.js';

const MIB = 1048576;
const ORDINALS = new Intl.PluralRules('en', { type: 'ordinal' });

/** @param {import('../ballast.js').BallastClient} client @returns {HTMLElement} */
export function whatIf(client) {
  const number = (/** @type {string} */ label, /** @type {string} */ value, /** @type {number} */ max) => {
    const input = h('input', { type: 'number', min: 0, max, value, required: true });
    return { input, element: h('label', { class: 'field' }, h('span', { text: label }), input) };
  };
  const [size, width, height] = [number('File, MiB', '50', 1048576), number('Width, px', '4000', 65536), number('Height, px', '3000', 65536)];
  const answer = h('div', { role: 'status' });
  const ask = async () => {
    try {
      const work = { bytes: Math.round(Number(size.input.value) * MIB), width: Number(width.input.value), height: Number(height.input.value) };
      answer.replaceChildren(...words(await client.advice(work)));
    } catch (error) {
      answer.replaceChildren(h('p', { class: 'note', data: { tone: 'red' }, text: reasonOf(error) }));
    }
  };
  return h('section', { class: 'card half stack' }, h('h2', { text: 'What if' }),
    h('div', { class: 'row three' }, size.element, width.element, height.element), h('div', { class: 'row' }, button('Ask', ask)), answer);
}

/** @param {number} number @returns {string} */
function ordinal(number) {
  const ending = { one: 'st', two: 'nd', few: 'rd' }[/** @type {string} */ (ORDINALS.select(number))] ?? 'th';
  return `${number}${ending}`;
}

/** @param {any} advice */
function words({ fits, neededBytes, freeBytes, largestGrantBytes, mode, workers, chunkBytes, analysisWidth, analysisHeight, frameStride, ffmpegProfile }) {
  const never = neededBytes > largestGrantBytes;
  const verdict = fits ? 'It would fit now' : never ? 'It could never fit' : 'It would have to wait';
  const every = frameStride > 1 ? `, every ${ordinal(frameStride)} frame` : '';
  return [
    h('p', { class: 'note', data: fits ? {} : { tone: never ? 'red' : 'orange' }, text: `${verdict}: it needs ${bytes(neededBytes)}, ${bytes(freeBytes)} are free, at most ${bytes(largestGrantBytes)} are ever given.` }),
    h('p', { class: 'muted small-text', text: `${modeWords(mode)}: ${counted(workers, 'model')} at a time, pieces of ${bytes(chunkBytes)}, analysis at ${analysisWidth}×${analysisHeight} px${every}, video with FFmpeg's profile ${ffmpegProfile.toLowerCase()}.` }),
  ];
}
