/** What was found, drawn on a canvas, and in words. */

/**
 * Which parts are drawn; all of them where nothing is said.
 * @typedef {{lines?: boolean, points?: boolean, boxes?: boolean, labels?: boolean}} Parts
 */

/** @typedef {{x: number, y: number, width: number, height: number, mirrored?: boolean}} Place where the picture lies on the canvas */

const COLOURS = ['#37d0a4', '#ffb454', '#8ab8ff', '#ff8fb1', '#d7f171', '#c9a2ff'];

const HAND = chains([0, 1, 2, 3, 4], [0, 5, 6, 7, 8], [5, 9, 10, 11, 12], [9, 13, 14, 15, 16], [13, 17, 18, 19, 20], [0, 17]);
const BODY = chains(
  [8, 6, 5, 4, 0, 1, 2, 3, 7], [10, 9], [11, 12, 24, 23, 11], [11, 13, 15, 17, 19, 15, 21], [12, 14, 16, 18, 20, 16, 22],
  [23, 25, 27, 29, 31, 27], [24, 26, 28, 30, 32, 28],
);
const FACE = chains(
  [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58,
    132, 93, 234, 127, 162, 21, 54, 103, 67, 109, 10],
  [61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185, 61],
  [263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466, 263],
  [33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246, 33],
  [276, 283, 282, 295, 285], [300, 293, 334, 296, 336], [46, 53, 52, 65, 55], [70, 63, 105, 66, 107],
);

/** Connections by the number of landmarks, which tells what they are of. @type {Record<number, [number, number][]>} */
export const CONNECTIONS = { 21: HAND, 33: BODY, 478: FACE, 468: FACE };

/**
 * Draw detections.
 * @param {CanvasRenderingContext2D} context
 * @param {import('./types.js').Detection[]} detections
 * @param {Place} place
 * @param {Parts} [parts]
 */
export function drawDetections(context, detections, place, { lines = true, points = true, boxes = true, labels = true } = {}) {
  const scale = Math.max(1, Math.min(place.width, place.height) / 240);
  context.lineJoin = context.lineCap = 'round';
  for (const [index, detection] of detections.entries()) {
    const colour = COLOURS[index % COLOURS.length];
    if (lines) drawLines(context, detection.landmarks, place, colour, scale);
    if (points) drawPoints(context, detection.landmarks, place, colour, scale);
    if (boxes && detection.box) drawBox(context, detection.box, place, colour, scale);
    if (labels) drawLabel(context, detection, place, scale);
  }
}

/** Where a picture of this ratio lies in a box when it is fitted in (`object-fit: contain`). @returns {Place} */
export function containedIn(/** @type {number} */ boxWidth, /** @type {number} */ boxHeight, /** @type {number} */ ratio) {
  const width = Math.min(boxWidth, boxHeight * ratio);
  const height = width / ratio;
  return { x: (boxWidth - width) / 2, y: (boxHeight - height) / 2, width, height };
}

/**
 * One line on what a detection is, such as "Right hand 98 %, Thumb Up 87 %".
 * @param {import('./types.js').Detection} detection
 * @returns {string}
 */
export function describe(detection) {
  const { handedness, gesture, score, mask, landmarks, blendshapes } = detection;
  if (mask) return `People on ${percent(mask.coverage)} of the picture`;
  const what = handedness ? `${handedness.label} hand ${percent(handedness.score)}` : named(landmarks.length, score);
  const shows = gesture && gesture.label !== 'None' ? `, ${spoken(gesture.label)} ${percent(gesture.score)}` : '';
  return `${what}${shows}${blendshapes ? `, ${strongest(blendshapes)}` : ''}`;
}

/** @param {number} value 0..1 */
function percent(value) {
  const hundredths = value * 100;
  return `${hundredths.toFixed(Math.abs(hundredths) < 9.95 && hundredths !== 0 ? 1 : 0)} %`;
}

/** A label as the models write it, such as `Thumb_Up`, for people. @param {string} label */
export function spoken(label) {
  return label.replaceAll('_', ' ');
}

/** @param {number} landmarks @param {number | undefined} score */
function named(landmarks, score) {
  const what = landmarks === 33 ? 'Body' : landmarks === 21 ? 'Hand' : 'Face';
  return score === undefined ? what : `${what} ${percent(score)}`;
}

/** @param {Record<string, number>} shapes */
function strongest(shapes) {
  const [name, score] = Object.entries(shapes).filter(([shape]) => shape !== '_neutral').reduce((one, other) => (other[1] > one[1] ? other : one), ['neutral', 0]);
  return `${name} ${percent(score)}`;
}

/** @param {...number[]} lists @returns {[number, number][]} */
function chains(...lists) {
  return lists.flatMap((list) => list.slice(1).map((end, index) => /** @type {[number, number]} */ ([list[index], end])));
}

/** @param {Place} place @param {number} x */
function across(place, x) {
  return place.x + (place.mirrored ? 1 - x : x) * place.width;
}

/** @param {Place} place @param {number} y */
function down(place, y) {
  return place.y + y * place.height;
}

function drawLines(/** @type {any} */ context, /** @type {any[]} */ points, /** @type {Place} */ place, /** @type {string} */ colour, /** @type {number} */ scale) {
  const connections = CONNECTIONS[points.length];
  if (!connections) return;
  context.strokeStyle = colour;
  context.lineWidth = (points.length > 100 ? 0.8 : 2) * scale;
  context.beginPath();
  for (const [from, to] of connections) {
    context.moveTo(across(place, points[from].x), down(place, points[from].y));
    context.lineTo(across(place, points[to].x), down(place, points[to].y));
  }
  context.stroke();
}

function drawPoints(/** @type {any} */ context, /** @type {any[]} */ points, /** @type {Place} */ place, /** @type {string} */ colour, /** @type {number} */ scale) {
  const radius = (points.length > 100 ? 0.6 : 2.4) * scale;
  context.fillStyle = points.length > 100 ? colour : '#ffffff';
  context.beginPath();
  for (const { x, y } of points) {
    context.moveTo(across(place, x) + radius, down(place, y));
    context.arc(across(place, x), down(place, y), radius, 0, 2 * Math.PI);
  }
  context.fill();
}

function drawBox(/** @type {any} */ context, /** @type {any} */ box, /** @type {Place} */ place, /** @type {string} */ colour, /** @type {number} */ scale) {
  const left = across(place, place.mirrored ? box.x + box.width : box.x);
  context.strokeStyle = colour;
  context.lineWidth = 2 * scale;
  context.strokeRect(left, down(place, box.y), box.width * place.width, box.height * place.height);
}

function drawLabel(/** @type {any} */ context, /** @type {any} */ detection, /** @type {Place} */ place, /** @type {number} */ scale) {
  const points = detection.box ? [detection.box] : detection.landmarks;
  if (points.length === 0) return;
  const text = describe(detection);
  const size = Math.round(Math.max(11, 9 * scale));
  context.font = `600 ${size}px system-ui, sans-serif`;
  const width = context.measureText(text).width + size;
  const top = Math.min(...points.map((/** @type {any} */ point) => point.y));
  const left = Math.min(...points.map((/** @type {any} */ point) => across(place, point.x)));
  const x = Math.max(place.x, Math.min(left, place.x + place.width - width));
  const y = Math.max(place.y, down(place, top) - size * 2);
  context.fillStyle = 'rgb(8 14 20 / 78%)';
  context.fillRect(x, y, width, size * 1.7);
  context.fillStyle = '#ffffff';
  context.textBaseline = 'middle';
  context.fillText(text, x + size / 2, y + size * 0.88);
}
