/**
 * Return the mask of the detections as a tinted picture, or null if there is none. Close it after use.
 * @param {import('./types.js').Detection[]} detections
 * @returns {Promise<ImageBitmap | null>}
 */
export function tintedMask(detections: import("./types.js").Detection[]): Promise<ImageBitmap | null>;
/**
 * Lay a mask over a picture.
 * @param {CanvasRenderingContext2D} context @param {ImageBitmap} mask @param {import('./drawing.js').Place} place
 */
export function drawMask(context: CanvasRenderingContext2D, mask: ImageBitmap, place: import("./drawing.js").Place): void;
