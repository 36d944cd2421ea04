/** An analysis for spreadsheets, however long it is: made line by line, never whole in memory as text. */

import { linesOf } from '../kit/lines.js';

/** @typedef {import('./samples.js').Sample} Sample */

/** So much text is gathered before it is given to the browser, which keeps large files on the disk. */
const PIECE = 1 << 20;

/** By the name of the column, where its value is in a finding. @type {Record<string, (one: any) => unknown>} */
const OF_FINDING = {
  gesture: (one) => one.gesture?.label, gestureScore: (one) => one.gesture?.score,
  handedness: (one) => one.handedness?.label, handednessScore: (one) => one.handedness?.score, score: (one) => one.score,
  x: (one) => one.box?.x, y: (one) => one.box?.y, width: (one) => one.box?.width, height: (one) => one.box?.height,
};

const COLUMNS = ['timeSeconds', 'frame', 'index', ...Object.keys(OF_FINDING), 'event', 'endSeconds'];

/** A row for each finding, or for each event, of all lines. @param {ReadableStream<Uint8Array>} lines NDJSON @returns {Promise<Blob>} */
export async function csvOf(lines) {
  /** @type {Blob[]} */
  const pieces = [];
  let text = rowOf(COLUMNS);
  for await (const line of linesOf(lines)) {
    if (line === '') continue;
    text += rowsOf(JSON.parse(line));
    if (text.length < PIECE) continue;
    pieces.push(new Blob([text]));
    text = '';
  }
  return new Blob([...pieces, text], { type: 'text/csv' });
}

/** @param {any} sample a sampled frame with its findings, or an event */
function rowsOf(sample) {
  const { timeSeconds, frame, event, endSeconds } = sample;
  if (!sample.detections) return rowOf([timeSeconds, frame, undefined, ...Object.keys(OF_FINDING).map(() => undefined), event, endSeconds]);
  return sample.detections.map((/** @type {any} */ one, /** @type {number} */ index) => (
    rowOf([timeSeconds, frame, index, ...Object.values(OF_FINDING).map((valueOf) => valueOf(one)), undefined, undefined]))).join('');
}

/** @param {unknown[]} values as RFC 4180 has them */
function rowOf(values) {
  const cells = values.map((value) => String(value ?? '')).map((text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text));
  return `${cells.join(',')}\r\n`;
}
