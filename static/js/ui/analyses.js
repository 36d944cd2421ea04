/** Many pictures through one task: as a batch where the service has that, else a few at a time. */

import { shrunkPicture } from '../ballast.js';
import { pause } from '../kit/backoff.js';
import { reasonOf } from './trouble.js';

const AT_A_TIME = 2;
/** Up to so many go one by one: the service answers each of them soon, also when it has no memory; a batch it lets wait. */
const FEW = 8;
/** How long one picture is tried again while the service has no room for it. */
const PATIENCE_SECONDS = 30;

/**
 * @typedef {{index: number, analysis: import('../kit/types.js').Analysis | null, trouble: string, picture: Blob}} Outcome
 */

/**
 * Analyse, and give each outcome as it comes.
 * @param {import('../ballast.js').BallastClient} client
 * @param {import('../kit/types.js').Task} task
 * @param {Blob[]} pictures
 * @param {Record<string, any>} params
 * @param {{maxBytes: number, signal: AbortSignal}} options pictures above `maxBytes` are made smaller here first
 * @returns {AsyncGenerator<Outcome, void, undefined>}
 */
export async function* analyses(client, task, pictures, params, { maxBytes, signal }) {
  const batch = pictures.length > FEW && (await client.has('POST', new RegExp(`^/v1/vision/(${task.name}|\\{\\w+\\})/batch$`)));
  yield* batch ? inOneRequest(client, task, pictures, params, { maxBytes, signal }) : oneByOne(client, task, pictures, params, { maxBytes, signal });
}

/** @type {typeof analyses} */
async function* inOneRequest(client, task, pictures, params, { maxBytes, signal }) {
  const fitting = [];
  for (const picture of pictures) fitting.push(await smallEnough(picture, maxBytes));
  const query = task.name === 'segmentation' ? { ...params, as: undefined } : params;
  for await (const { index, analysis, problem } of client.batch(task.name, fitting, query, { signal })) {
    if (index === null) throw problem ?? new Error('The service could not read all pictures.');
    yield { index, analysis, trouble: problem ? pictureTrouble(problem.code, problem.message) : '', picture: pictures[index] };
  }
}

/** @type {typeof analyses} */
async function* oneByOne(client, task, pictures, params, { maxBytes, signal }) {
  /** @param {number} index @returns {Promise<Outcome>} */
  const outcome = async (index) => {
    const picture = pictures[index];
    try {
      const fitting = await smallEnough(picture, maxBytes);
      const analysis = await patiently(() => client.analyze(task.name, fitting, params, { signal }), signal);
      return { index, analysis, trouble: '', picture };
    } catch (error) {
      return { index, analysis: null, trouble: pictureTrouble(/** @type {any} */ (error).code, reasonOf(error)), picture };
    }
  };
  /** @type {Map<number, Promise<Outcome>>} */
  const running = new Map();
  for (let next = 0; next < pictures.length || running.size > 0; ) {
    while (next < pictures.length && running.size < AT_A_TIME && !signal.aborted) {
      running.set(next, outcome(next));
      next += 1;
    }
    if (running.size === 0) return;
    const one = await Promise.race(running.values());
    running.delete(one.index);
    yield one;
  }
}

/**
 * Try again what may succeed a little later. @template T @param {() => Promise<T>} work @param {AbortSignal} signal @returns {Promise<T>}
 */
async function patiently(work, signal) {
  const end = performance.now() + PATIENCE_SECONDS * 1000;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const { isTemporary, retryAfterSeconds } = /** @type {any} */ (error);
      if (!isTemporary || signal.aborted || performance.now() > end) throw error;
      await pause(Math.min(5, Math.max(1, retryAfterSeconds ?? 1)), signal);
      if (signal.aborted) throw error;
    }
  }
}

/** @param {Blob} picture @param {number} maxBytes */
async function smallEnough(picture, maxBytes) {
  if (picture.size <= maxBytes) return picture;
  return shrunkPicture(picture, { maxWidth: 1280, maxHeight: 1280, quality: 0.85 }).catch(() => picture);
}

/** Say plainly what is wrong with a picture; everything else in the service's own words. @param {string} code @param {string} words */
function pictureTrouble(code, words) {
  return ['unsupported_media', 'invalid_media'].includes(code) ? `This is not a picture, or a broken one. (${words})` : words;
}
