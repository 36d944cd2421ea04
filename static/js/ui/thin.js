/** Fewer points that still show every peak, and every time in which nothing was measured. */

/**
 * Return no more than `most` points: of each run of neighbours the largest one. What was not measured is left out;
 * `gap` says of the point after it that it has no neighbour on the left.
 * @template {{at: number, bytes: number | null}} P
 * @param {P[]} points @param {number} most
 * @returns {(P & {bytes: number, gap: boolean})[]}
 */
export function thinned(points, most) {
  const measured = withGaps(points);
  if (measured.length <= most || most < 2) return measured;
  const run = Math.ceil((measured.length - 1) / (most - 1));
  const kept = [];
  for (let start = 0; start < measured.length - 1; start += run) {
    const some = measured.slice(start, Math.min(start + run, measured.length - 1));
    kept.push({ ...some.reduce((top, one) => (one.bytes > top.bytes ? one : top)), gap: some.some(({ gap }) => gap) });
  }
  return [...kept, measured[measured.length - 1]]; // the newest is always shown
}

/**
 * @template {{at: number, bytes: number | null}} P
 * @param {P[]} points @returns {(P & {bytes: number, gap: boolean})[]}
 */
function withGaps(points) {
  const measured = [];
  let gap = false;
  for (const point of points) {
    if (point.bytes !== null) measured.push({ .../** @type {P & {bytes: number}} */ (point), gap: gap && measured.length > 0 });
    gap = point.bytes === null;
  }
  return measured;
}
