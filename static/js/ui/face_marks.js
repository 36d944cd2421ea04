/** Where the faces of a picture are, marked on a canvas that lies over it. */

import { FrameGrabber } from '../ballast.js';

const LOOKED_AT = { maxWidth: 1280, maxHeight: 1280, quality: 0.9 };

/**
 * Mark the faces; returns how many were marked.
 * @param {import('../ballast.js').BallastClient} client @param {HTMLImageElement} image @param {HTMLCanvasElement} canvas @param {AbortSignal} signal
 */
export async function markFaces(client, image, canvas, signal) {
  await image.decode();
  const grabber = new FrameGrabber(image);
  const { blob } = await grabber.grab(LOOKED_AT);
  grabber.dispose();
  const { detections } = await client.analyze('face-detection', blob, { maxFaces: 64 }, { signal });
  Object.assign(canvas, { width: image.naturalWidth, height: image.naturalHeight });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
  context.lineWidth = Math.max(2, canvas.width / 250);
  context.strokeStyle = '#ffb454';
  for (const { box } of detections) if (box) context.strokeRect(box.x * canvas.width, box.y * canvas.height, box.width * canvas.width, box.height * canvas.height);
  return detections.length;
}

/** @param {HTMLCanvasElement} canvas */
export function clearMarks(canvas) {
  canvas.getContext('2d')?.clearRect(0, 0, canvas.width, canvas.height);
}
