import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { BallastClient } from '../../static/js/ballast.js';
import { bodyOf, json, serve } from './server.mjs';

let server;

afterEach(() => server?.close());

async function clientOf(answer) {
  server = await serve(answer);
  return new BallastClient({ baseUrl: server.url });
}

test('an address has what is set and leaves out what is not', () => {
  const { images } = new BallastClient({ baseUrl: 'http://service' });

  assert.equal(images.url({ id: 'a' }, { width: 4, fit: null, format: 'auto', blur: undefined }), 'http://service/v1/media/a/image?width=4&format=auto');
  assert.equal(images.srcset('a', [1, 2]), 'http://service/v1/media/a/image?width=1 1w, http://service/v1/media/a/image?width=2 2w');
  assert.throws(() => images.url({ id: '' }), { code: 'invalid_parameter' });
});

test('a picture that was made says what it took', async () => {
  const headers = {
    'Content-Type': 'image/webp', 'Server-Timing': 'decode;dur=3.1, encode;dur=2.0, cache;desc=hit',
    'Ballast-Memory': 'predicted=200, peak=100, mode=BALANCED', 'Ballast-Faces': '2',
  };
  const client = await clientOf((_, response) => response.writeHead(200, headers).end('made'));

  const made = await client.images.derive('a', { width: 4 });

  const { timing, cache, predictedBytes, peakBytes, mode, faces, blob, url } = made;
  assert.deepEqual([timing, cache, predictedBytes, peakBytes, mode, faces], [{ decode: 3.1, encode: 2 }, 'hit', 200, 100, 'BALANCED', 2]);
  assert.deepEqual([blob.type, await blob.text(), url], ['image/webp', 'made', `${server.url}/v1/media/a/image?width=4`]);
});

test('where nobody looked for faces none are counted', async () => {
  const client = await clientOf((_, response) => response.writeHead(200, { 'Content-Type': 'image/png' }).end('made'));

  const { faces, peakBytes, cache } = await client.images.transform(new Blob(['x'], { type: 'image/png' }));

  assert.deepEqual([faces, peakBytes, cache], [null, null, '']);
});

test('a file is kept as a new item, and so is what is made of an item', async () => {
  const seen = [];
  const client = await clientOf(async (request, response) => {
    seen.push([request.method, request.url, request.headers['content-type'] ?? '', (await bodyOf(request)).toString()]);
    json(response, 201, { id: 'new' });
  });

  const items = [await client.images.store(new Blob(['x'], { type: 'image/png' }), { width: 4 }, { name: 'n' }), await client.images.store({ id: 'a' })];

  assert.deepEqual(items, [{ id: 'new' }, { id: 'new' }]);
  assert.deepEqual(seen, [
    ['POST', '/v1/images?width=4&store=true&inline=never&name=n', 'image/png', 'x'], ['GET', '/v1/media/a/image?store=true&inline=never', '', ''],
  ]);
});
