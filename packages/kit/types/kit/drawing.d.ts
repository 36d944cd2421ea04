/**
 * Draw detections.
 * @param {CanvasRenderingContext2D} context
 * @param {import('./types.js').Detection[]} detections
 * @param {Place} place
 * @param {Parts} [parts]
 */
export function drawDetections(context: CanvasRenderingContext2D, detections: import("./types.js").Detection[], place: Place, { lines, points, boxes, labels }?: Parts): void;
/** Where a picture of this ratio lies in a box when it is fitted in (`object-fit: contain`). @returns {Place} */
export function containedIn(boxWidth: number, boxHeight: number, ratio: number): Place;
/**
 * One line on what a detection is, such as "Right hand 98 %, Thumb Up 87 %".
 * @param {import('./types.js').Detection} detection
 * @returns {string}
 */
export function describe(detection: import("./types.js").Detection): string;
/** A label as the models write it, such as `Thumb_Up`, for people. @param {string} label */
export function spoken(label: string): string;
/** Connections by the number of landmarks, which tells what they are of. @type {Record<number, [number, number][]>} */
export const CONNECTIONS: Record<number, [number, number][]>;
/**
 * Which parts are drawn; all of them where nothing is said.
 */
export type Parts = {
    lines?: boolean;
    points?: boolean;
    boxes?: boolean;
    labels?: boolean;
};
/**
 * where the picture lies on the canvas
 */
export type Place = {
    x: number;
    y: number;
    width: number;
    height: number;
    mirrored?: boolean;
};
