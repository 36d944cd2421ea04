/** The lines of an analysis of a video, read without holding more than can be shown. */

import { describe } from '../ballast.js';
import { linesOf } from '../kit/lines.js';

/** So many samples are held: an hour at five a second. */
const MOST = 18000;
/** Seconds: where there is only one sample. */
const USUAL_STEP = 0.2;
/** Seconds: players and files round the time of a frame differently. */
const ROUNDED = 0.02;

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

/** The usual time from one sample to the next. @param {Sample[]} samples */
export function stepOf(samples) {
  const gaps = samples.slice(1).map((one, index) => one.timeSeconds - samples[index].timeSeconds).sort((one, other) => one - other);
  return gaps[gaps.length >> 1] ?? USUAL_STEP;
}

/**
 * The sample that is shown at a time: the nearest before, if it is not too old; null outside of what was looked at.
 * @param {Sample[]} samples in order of time @param {number} seconds @param {number} age the greatest that a sample may have
 * @returns {Sample | null}
 */
export function sampleAt(samples, seconds, age) {
  let [low, high] = [0, samples.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (samples[middle].timeSeconds <= seconds + ROUNDED) low = middle;
    else high = middle - 1;
  }
  const found = samples[low];
  return found && found.timeSeconds <= seconds + ROUNDED && seconds < found.timeSeconds + age ? found : null;
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
  const step = stepOf(samples);
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
