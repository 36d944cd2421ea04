/** Jobs in words. */

import { bytes, percent, seconds } from './format.js';

/** @typedef {import('../kit/jobs.js').Job} Job */

/** @type {Record<string, {text: string, tone: string}>} */
const STATES = {
  queued: { text: 'waiting', tone: '' }, running: { text: 'running', tone: 'normal' }, paused: { text: 'paused', tone: 'orange' },
  succeeded: { text: 'done', tone: 'normal' }, failed: { text: 'failed', tone: 'red' }, cancelled: { text: 'cancelled', tone: 'orange' },
};

/** @type {Record<string, string>} */
const VERBS = {
  analyze: 'Analyse', clip: 'Cut', transcode: 'Convert', thumbnails: 'Thumbnails', timelapse: 'Time-lapse', hls: 'Streaming (HLS)',
  audio: 'Sound', anonymize: 'Anonymise', batch: 'Batch of pictures',
};

/** @param {string} state */
export function stateWords(state) {
  return STATES[state] ?? { text: state, tone: '' };
}

/** What a kind does, as a button says it; a new kind has its own name. @param {string} kind */
export function kindWords(kind) {
  return VERBS[kind] ?? kind;
}

/** How far it is: step, share, time left, memory. @param {Job} job */
export function progressWords({ state, step, progress, etaSeconds, memory, startedAt, finishedAt, attempts }) {
  const parts = [];
  if (state === 'running' || state === 'paused') parts.push(`${step}, ${percent(progress)}`);
  else if (state === 'queued') parts.push(step || 'waiting for its turn');
  if (etaSeconds !== null && state === 'running') parts.push(`${seconds(etaSeconds)} left`);
  if (startedAt && finishedAt) parts.push(`took ${seconds((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000)}`);
  if (memory) parts.push(memoryWords(memory, Boolean(finishedAt)));
  if (attempts > 1) parts.push(`${attempts} attempts`);
  return parts.join(' · ');
}

/** @param {Job['memory']} memory @param {boolean} isOver */
function memoryWords({ predictedBytes, peakBytes, profile, retries }, isOver) {
  const peak = peakBytes ? `, ${bytes(peakBytes)} at most${isOver ? '' : ' so far'}` : '';
  const again = retries > 0 ? `, tried ${retries} times with less` : '';
  return `memory: ${bytes(predictedBytes)} predicted${peak}${profile ? `, profile ${profile.toLowerCase()}` : ''}${again}`;
}
