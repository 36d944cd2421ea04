import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CONNECTIONS, containedIn, describe, drawDetections } from '../../static/js/ballast.js';

/** A canvas context that remembers what is drawn on it. */
function contextOf() {
  const calls = [];
  const made = { measureText: () => ({ width: 10 }) };
  const context = new Proxy({}, {
    get: (_, name) => made[name] ?? ((...given) => calls.push([name, ...given])),
    set: () => true,
  });
  return { calls, context };
}

const hand = { landmarks: Array.from({ length: 21 }, (_, index) => ({ x: index / 20, y: 0.5, z: 0 })), box: { x: 0.25, y: 0.5, width: 0.5, height: 0.25 } };

test('a picture is fitted into a box, in its middle', () => {
  assert.deepEqual(containedIn(200, 100, 1), { x: 50, y: 0, width: 100, height: 100 });
  assert.deepEqual(containedIn(100, 200, 2), { x: 0, y: 75, width: 100, height: 50 });
});

test('every connection is between landmarks that there are', () => {
  for (const [count, pairs] of Object.entries(CONNECTIONS)) {
    assert.ok(pairs.length > 0);
    assert.ok(pairs.flat().every((index) => index >= 0 && index < Number(count)));
  }
});

test('a box is drawn where the place says, and mirrored where that is', () => {
  const [plain, mirrored] = [contextOf(), contextOf()];
  const only = { lines: false, points: false, labels: false };

  drawDetections(plain.context, [hand], { x: 10, y: 20, width: 200, height: 100 }, only);
  drawDetections(mirrored.context, [{ ...hand, box: { ...hand.box, x: 0 } }], { x: 0, y: 0, width: 200, height: 100, mirrored: true }, only);

  assert.deepEqual(plain.calls.find(([name]) => name === 'strokeRect'), ['strokeRect', 60, 70, 100, 25]);
  assert.deepEqual(mirrored.calls.find(([name]) => name === 'strokeRect').slice(1, 3), [100, 50]);
});

test('only the parts that are wanted are drawn', () => {
  const { calls, context } = contextOf();

  drawDetections(context, [hand], { x: 0, y: 0, width: 10, height: 10 }, { lines: false, points: false, boxes: false, labels: false });

  assert.deepEqual(calls, []);
});

test('what was found is said in words', () => {
  const words = describe({ landmarks: [], handedness: { label: 'Right', score: 0.98 }, gesture: { label: 'Thumb_Up', score: 0.87 } });

  assert.match(words, /Right hand 98 %.*Thumb Up 87 %/);
});
