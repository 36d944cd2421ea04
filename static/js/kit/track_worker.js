/**
 * Runs in a worker: keeps the newest frame of a camera, and compresses it when it is asked for. Frames come here whether
 * anybody sees the tab or not.
 *
 * In: `{frames}` first, a ReadableStream of VideoFrame; then `{number, limits, type}`; `{end}` at last. Out: `{size}` when a frame of another
 * size has come; `{number, blob, width, height}` or `{number, error}`.
 */

import { FrameGrabber } from './frames.js';

/** @type {VideoFrame | null} */
let newest = null;
/** @type {ReadableStreamDefaultReader<VideoFrame> | null} */
let reader = null;
let size = '';
const canvas = new OffscreenCanvas(1, 1);

/** @param {ReadableStream<VideoFrame>} frames */
async function keep(frames) {
  reader = frames.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    newest?.close(); // a camera has few frames, and waits for those that are not given back
    newest = value ?? null;
    const now = newest ? `${newest.displayWidth}x${newest.displayHeight}` : '';
    if (now !== size) postMessage({ size: newest ? { width: newest.displayWidth, height: newest.displayHeight } : null });
    size = now;
    if (done) return;
  }
}

/** @param {{number: number, limits: import('./frames.js').FrameLimits, type: string}} wish */
async function answer({ number, limits, type }) {
  try {
    if (!newest) throw new Error('The camera gives no frames any more.');
    const grabber = new FrameGrabber(newest, { type, canvas });
    const frame = await grabber.grab(limits);
    postMessage({ number, type: grabber.type, ...frame });
  } catch (error) {
    postMessage({ number, error: String(/** @type {any} */ (error)?.message ?? error) });
  }
}

/** Give back what a camera waits for, and end. */
async function end() {
  await reader?.cancel().catch(() => {});
  newest?.close();
  close();
}

onmessage = ({ data }) => (data.end ? end() : data.frames ? keep(data.frames) : answer(data));
