import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { BallastClient, BallastProblem, blobOfBase64, BlobUrls } from '../../static/js/ballast.js';
import { bodyOf, json, serve } from './server.mjs';

let server;

afterEach(() => server?.close());

async function clientOf(answer, options = {}) {
  server = await serve(answer);
  return new BallastClient({ baseUrl: server.url, ...options });
}

const item = (more = {}) => ({ id: 'a1', contentType: 'image/png', sizeBytes: 3, buffer: null, largeFile: false, url: '/v1/media/a1/content', ...more });

test('a problem becomes an error with its code, its members and when to come back', async () => {
  const client = await clientOf((_, response) =>
    json(response, 503, { code: 'overloaded', detail: 'Memory is tight.', neededBytes: 5, requestId: 'r1' }, { 'Retry-After': '2' }));

  await assert.rejects(client.tasks(), (error) => {
    assert.equal(error.name, 'BallastProblem');
    assert.deepEqual([error.status, error.code, error.message, error.requestId], [503, 'overloaded', 'Memory is tight.', 'r1']);
    assert.equal(error.retryAfterSeconds, 2);
    assert.equal(error.document.neededBytes, 5);
    assert.equal(error.isTemporary, true);
    return true;
  });
});

test('an answer that is no problem document is an error all the same', async () => {
  const client = await clientOf((_, response) => response.writeHead(502).end('<html>Bad gateway</html>'));

  await assert.rejects(client.limits(), { status: 502, code: 'http_502', isTemporary: true });
});

test('a service that is not there is unreachable', async () => {
  const client = await clientOf(() => {});
  await server.close();

  await assert.rejects(client.tasks(), { name: 'ConnectionProblem', code: 'unreachable' });
});

test('the key goes in a header, and into the address of a WebSocket', async () => {
  let seen;
  const client = await clientOf((request, response) => json(response, 200, { tasks: [], seen: (seen = request.headers.authorization) }), { key: 'k 1' });

  await client.tasks();

  assert.equal(seen, 'Bearer k 1');
  assert.match(client._http.socketUrl('/v1/vision/hands/stream', { maxHands: 2 }), /^ws:.*\/v1\/vision\/hands\/stream\?maxHands=2&key=k\+1$/);
});

test('a picture is sent as it is, with the parameters in the query', async () => {
  let seen;
  const client = await clientOf(async (request, response) => {
    seen = { url: request.url, type: request.headers['content-type'], body: (await bodyOf(request)).toString() };
    json(response, 200, { detections: [] });
  });

  const answer = await client.analyze('hands', new Blob(['jpeg'], { type: 'image/jpeg' }), { maxHands: 1, minConfidence: undefined });

  assert.deepEqual(answer, { detections: [] });
  assert.deepEqual(seen, { url: '/v1/vision/hands?maxHands=1', type: 'image/jpeg', body: 'jpeg' });
});

test('segmentation is asked for JSON, which its mask would not be', async () => {
  let url;
  const client = await clientOf((request, response) => json(response, 200, { url: (url = request.url) }));

  await client.analyze('segmentation', new Blob(['x']), { inlineMask: true });

  assert.equal(url, '/v1/vision/segmentation?as=json&inlineMask=true');
});

test('a batch gives each line as soon as it is there', async () => {
  let finish;
  const client = await clientOf(async (request, response) => {
    const body = (await bodyOf(request)).toString();
    assert.equal(body.match(/name="file"/g).length, 2);
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson' });
    response.write('{"index":1,"detections":[]}\n{"index":');
    finish = () => response.end('0,"code":"invalid_media","detail":"broken"}\n');
  });
  const lines = client.batch('hands', [new Blob(['a']), new Blob(['b'])]);

  const first = await lines.next();
  finish();
  const second = await lines.next();
  const end = await lines.next();

  assert.deepEqual([first.value.index, first.value.analysis, first.value.problem], [1, { detections: [] }, null]);
  assert.deepEqual([second.value.index, second.value.analysis, end.done], [0, null, true]);
  assert.ok(second.value.problem instanceof BallastProblem);
  assert.deepEqual([second.value.problem.code, second.value.problem.message, second.value.problem.isTemporary], ['invalid_media', 'broken', false]);
});

test('a batch of stored pictures names their ids', async () => {
  let body;
  const client = await clientOf(async (request, response) => {
    body = JSON.parse((await bodyOf(request)).toString());
    response.end('{"index":0}');
  });

  const lines = [];
  for await (const line of client.batch('hands', ['a', 'b'])) lines.push(line);

  assert.deepEqual([body, lines], [{ media: ['a', 'b'] }, [{ index: 0, analysis: {}, problem: null }]]);
});

test('what the service has is read from its own description, once', async () => {
  let asked = 0;
  const client = await clientOf((_, response) => json(response, 200, { paths: { '/v1/vision/hands/batch': { post: {} } }, asked: (asked += 1) }));

  const found = [
    await client.has('POST', '/v1/vision/hands/batch'), await client.has('post', /\/batch$/),
    await client.has('GET', '/v1/vision/hands/batch'), await client.has('POST', '/v1/jobs'),
  ];

  assert.deepEqual([found, asked], [[true, true, false, false], 1]);
});

test('not ready is an answer, not an error', async () => {
  const client = await clientOf((_, response) => json(response, 503, { status: 'not ready', reasons: ['memory is critical'] }));

  assert.deepEqual(await client.ready(), { ready: false, reasons: ['memory is critical'] });
});

test('base64 of any length becomes its bytes', async () => {
  for (const length of [0, 1, 2, 3, 65536 * 3 - 1, 65536 * 3, 65536 * 3 + 1, 700001]) {
    const bytes = Buffer.alloc(length, 'Ballast ');

    const blob = blobOfBase64(bytes.toString('base64'), 'image/png');

    assert.equal(blob.type, 'image/png');
    assert.deepEqual(Buffer.from(await blob.arrayBuffer()), bytes);
  }
});

test('an item with its bytes gets a blob URL, once, and gives it back', async () => {
  const client = new BallastClient({ baseUrl: 'http://service' });
  const withBytes = item({ buffer: 'AAAA' });

  const [url, again] = [await client.mediaUrl(withBytes), await client.mediaUrl(withBytes)];
  const held = [client.blobs.count, client.blobs.bytes];
  const cleaned = client.dispose();

  assert.match(url, /^blob:/);
  assert.equal(again, url);
  assert.deepEqual([held, cleaned, client.blobs.count], [[1, 3], { count: 1, bytes: 3 }, 0]);
});

test('a large item gets the address in which a video can seek', async () => {
  const client = new BallastClient({ baseUrl: 'http://service' });

  assert.equal(await client.mediaUrl(item({ largeFile: true, sizeBytes: 2e9 })), 'http://service/v1/media/a1/content');
});

test('bytes that are no base64 fall back to the address', async (t) => {
  t.mock.method(console, 'warn', () => {});
  const client = new BallastClient({ baseUrl: 'http://service' });

  assert.equal(await client.mediaUrl(item({ buffer: '%%%' })), 'http://service/v1/media/a1/content');
});

test('with a key a signed address is used as it is, and an unsigned one fetched', async () => {
  const client = await clientOf((request, response) => response.end(request.headers.authorization), { key: 'k' });

  const signed = await client.mediaUrl(item({ url: '/v1/media/a1/content?expires=1&sig=s' }));
  const fetched = await client.mediaUrl(item({ id: 'a2' }));

  assert.equal(signed, `${server.url}/v1/media/a1/content?expires=1&sig=s`);
  assert.match(fetched, /^blob:/);
  await assert.rejects(client.mediaUrl(item({ id: 'a3', sizeBytes: 2e9 })), /too large/);
  client.dispose();
});

test('a new blob URL under the same key revokes the old one first', () => {
  const calls = [];
  const urls = new BlobUrls({ createObjectURL: (blob) => (calls.push('create'), `u${blob.size}`), revokeObjectURL: (url) => calls.push(url) });

  urls.set('player', new Blob(['a']));
  urls.set('player', new Blob(['bb']));

  assert.deepEqual([calls, urls.get('player'), urls.count, urls.bytes], [['create', 'u1', 'create'], 'u2', 1, 2]);
});

test('a revoke that fails is told, with the size, and stops nothing', () => {
  const told = [];
  const urls = new BlobUrls({
    createObjectURL: () => 'u', log: (message) => told.push(message),
    revokeObjectURL: () => {
      throw new Error('no');
    },
  });
  urls.set('a', new Blob(['a']));
  urls.set('b', new Blob([new Uint8Array(1048576)]));

  const cleaned = urls.dispose();

  assert.deepEqual([cleaned, urls.count], [{ count: 2, bytes: 1048577 }, 0]);
  assert.deepEqual(told, ['A blob URL of 0.00 MiB could not be revoked.', 'A blob URL of 1.00 MiB could not be revoked.']);
});
