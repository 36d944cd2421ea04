/** Fewer points that still show every peak. */

/**
 * Return no more than `most` points: of each run of neighbours the largest one. What was not measured is left out.
 * @template {{at: number, bytes: number | null}} P
 * @param {P[]} points @param {number} most
 * @returns {(P & {bytes: number})[]}
 */
export function thinned(points, most) {
  const measured = /** @type {(P & {bytes: number})[]} */ (points.filter(({ bytes }) => bytes !== null));
  if (measured.length <= most || most < 2) return measured;
  const run = Math.ceil((measured.length - 1) / (most - 1));
  const kept = [];
  for (let start = 0; start < measured.length - 1; start += run) {
    const some = measured.slice(start, Math.min(start + run, measured.length - 1));
    kept.push(some.reduce((top, one) => (one.bytes > top.bytes ? one : top)));
  }
  return [...kept, measured[measured.length - 1]]; // the newest is always shown
}
