/** Segmentation masks, laid over a picture. */

import { blobOfBase64 } from './base64.js';

const TINT = [55, 208, 164];
const STRENGTH = 0.55;

/**
 * Return the mask of the detections as a tinted picture, or null if there is none. Close it after use.
 * @param {import('./types.js').Detection[]} detections
 * @returns {Promise<ImageBitmap | null>}
 */
export async function tintedMask(detections) {
  const png = detections.find((one) => one.mask?.png)?.mask?.png;
  if (!png) return null;
  const mask = await createImageBitmap(blobOfBase64(png, 'image/png'));
  const canvas = new OffscreenCanvas(mask.width, mask.height);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d', { willReadFrequently: true }));
  context.drawImage(mask, 0, 0);
  mask.close();
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < pixels.data.length; at += 4) {
    const white = pixels.data[at];
    [pixels.data[at], pixels.data[at + 1], pixels.data[at + 2]] = TINT;
    pixels.data[at + 3] = white * STRENGTH;
  }
  context.putImageData(pixels, 0, 0);
  return canvas.transferToImageBitmap();
}

/**
 * Lay a mask over a picture.
 * @param {CanvasRenderingContext2D} context @param {ImageBitmap} mask @param {import('./drawing.js').Place} place
 */
export function drawMask(context, mask, place) {
  context.save();
  if (place.mirrored) {
    context.translate(place.x * 2 + place.width, 0);
    context.scale(-1, 1);
  }
  context.drawImage(mask, place.x, place.y, place.width, place.height);
  context.restore();
}
