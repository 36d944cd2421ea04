/** The lines of an analysis of a video, read without holding more than can be shown. */

import { describe } from '../ballast.js';
import { linesOf } from '../kit/lines.js';

/** So many samples are held: an hour at five a second. */
const MOST = 18000;

/**
 * @typedef {{timeSeconds: number, frame: number, detections: import('../kit/types.js').Detection[]}} Sample
 */

/** @param {Response} response @returns {Promise<{samples: Sample[], isWhole: boolean}>} */
export async function readSamples(response) {
  /** @type {Sample[]} */
  const samples = [];
  if (!response.body) return { samples, isWhole: true };
  for await (const line of linesOf(response.body)) {
    if (line === '') continue;
    const sample = JSON.parse(line);
    if (typeof sample.timeSeconds !== 'number' || !sample.detections) continue;
    if (samples.length === MOST) return { samples, isWhole: false };
    samples.push(sample);
  }
  return { samples, isWhole: true };
}

/** The sample that is nearest before a time. @param {Sample[]} samples @param {number} seconds @returns {Sample | null} */
export function sampleAt(samples, seconds) {
  let [low, high] = [0, samples.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (samples[middle].timeSeconds <= seconds + 0.001) low = middle;
    else high = middle - 1;
  }
  return samples[low] ?? null;
}

/** What is named in a sample: gestures, hands, faces. @param {Sample} sample @returns {string[]} */
export function labelsOf({ detections }) {
  return [...new Set(detections.map((one) => {
    if (one.gesture && one.gesture.label !== 'None') return one.gesture.label.replaceAll('_', ' ');
    if (one.handedness) return `${one.handedness.label} hand`;
    return describe(one).replace(/ [\d.]+ %.*/, '');
  }))];
}

/** When each label was seen, as spans. @param {Sample[]} samples @returns {Map<string, {start: number, end: number}[]>} */
export function spansOf(samples) {
  /** @type {Map<string, {start: number, end: number}[]>} */
  const spans = new Map();
  const gaps = samples.slice(1).map((one, index) => one.timeSeconds - samples[index].timeSeconds).sort((one, other) => one - other);
  const step = gaps[gaps.length >> 1] ?? 0.2;
  for (const sample of samples) {
    for (const label of labelsOf(sample)) {
      const rows = spans.get(label) ?? [];
      spans.set(label, rows);
      const last = rows.at(-1);
      const end = sample.timeSeconds + step;
      if (last && sample.timeSeconds - last.end < step * 0.75) last.end = end;
      else rows.push({ start: sample.timeSeconds, end });
    }
  }
  return spans;
}

/** A line for each finding, for spreadsheets. @param {Sample[]} samples */
export function csvOf(samples) {
  const cell = (/** @type {unknown} */ value) => (/[",\n]/.test(String(value ?? '')) ? `"${String(value).replaceAll('"', '""')}"` : String(value ?? ''));
  const rows = samples.flatMap(({ timeSeconds, frame, detections }) => detections.map((one, index) => [
    timeSeconds, frame, index, one.gesture?.label, one.gesture?.score, one.handedness?.label, one.handedness?.score, one.score,
    one.box?.x, one.box?.y, one.box?.width, one.box?.height,
  ]));
  const head = ['timeSeconds', 'frame', 'index', 'gesture', 'gestureScore', 'handedness', 'handednessScore', 'score', 'x', 'y', 'width', 'height'];
  return [head, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}
