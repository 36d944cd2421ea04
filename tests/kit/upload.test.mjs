import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import { Backoff, BallastClient } from '../../static/js/ballast.js';
import { UploadMemo } from '../../static/js/kit/memo.js';
import { bodyOf, json, serve, TusServer } from './server.mjs';

const CONTENT = Buffer.from(Array.from({ length: 1000 }, (_, index) => index % 251));

class MemoryStorage {
  entries = new Map();
  get length() { return this.entries.size; }
  key(index) { return [...this.entries.keys()][index] ?? null; }
  getItem(name) { return this.entries.get(name) ?? null; }
  setItem(name, value) { this.entries.set(name, value); }
  removeItem(name) { this.entries.delete(name); }
}

let tus, server, client, memo;

const file = () => Object.assign(new Blob([CONTENT], { type: 'video/mp4' }), { name: 'clip ä.mp4', lastModified: 7 });
const options = (more = {}) => ({ pieceBytes: 300, memo, resumable: true, backoff: new Backoff({ firstSeconds: 0.001, maxSeconds: 0.01 }), ...more });
/** Wait for so many bytes, once. */
const sent = (upload, bytes) =>
  new Promise((resolve) => {
    const end = upload.on('progress', ({ sentBytes }) => sentBytes >= bytes && (end(), resolve()));
  });
const settled = () => new Promise((resolve) => setTimeout(resolve, 30));
const patches = () => tus.requests.filter((one) => one.startsWith('PATCH')).length;

beforeEach(async () => {
  tus = new TusServer();
  server = await serve((request, response) => tus.handle(request, response));
  client = new BallastClient({ baseUrl: server.url });
  memo = new UploadMemo(new MemoryStorage());
});

afterEach(() => server.close());

test('an upload goes up in pieces and becomes an item', async () => {
  const progress = [];
  const upload = client.upload(file(), options());
  upload.on('progress', ({ sentBytes }) => progress.push(sentBytes));

  const item = await upload.done;

  assert.equal(item.id, 'm-u1');
  assert.deepEqual(tus.uploads.get('u1').data, CONTENT);
  assert.equal(patches(), 4);
  assert.equal(progress.at(-1), 1000);
  assert.equal(memo.list().length, 0);
});

test('name and type go along, in UTF-8', async () => {
  await client.upload(file(), options()).done;

  const words = Object.fromEntries(tus.uploads.get('u1').metadata.split(',').map((one) => one.split(' ')));
  assert.equal(Buffer.from(words.filename, 'base64').toString(), 'clip ä.mp4');
  assert.equal(Buffer.from(words.filetype, 'base64').toString(), 'video/mp4');
});

test('a connection that breaks is taken up again where it was', async () => {
  const cut = (request) => request.method === 'PATCH' && request.headers['upload-offset'] === '300' && request.destroy() === request;
  tus.faults.push(cut, cut);

  await client.upload(file(), options()).done;

  assert.deepEqual(tus.uploads.get('u1').data, CONTENT);
  assert.equal(tus.uploads.size, 1);
  assert.equal(tus.requests.filter((one) => one.startsWith('HEAD')).length, 2);
});

test('paused, it sends nothing; resumed, it sends only the rest', async () => {
  const upload = client.upload(file(), options());
  await sent(upload, 600);
  upload.pause();
  assert.equal(upload.state, 'paused');
  await settled();
  const before = tus.uploads.get('u1').data.length;

  upload.resume();
  await upload.done;

  assert.ok(before < 1000);
  assert.deepEqual(tus.uploads.get('u1').data, CONTENT);
});

test('after a reload the same file goes on where it was', async () => {
  const first = client.upload(file(), options());
  await sent(first, 300);
  first.pause();
  await settled();
  assert.equal(memo.list()[0].name, 'clip ä.mp4');

  const second = new BallastClient({ baseUrl: server.url }).upload(file(), options());
  await second.done;

  assert.ok(second.resumedBytes >= 300);
  assert.equal(tus.uploads.size, 1);
  assert.deepEqual(tus.uploads.get('u1').data, CONTENT);
});

test('an upload that the service has forgotten begins anew', async () => {
  const first = client.upload(file(), options());
  await sent(first, 300);
  first.pause();
  await settled();
  tus.uploads.delete('u1');

  first.resume();
  await first.done;

  assert.deepEqual([...tus.uploads.values()][0].data, CONTENT);
});

test('given up, it is deleted there and forgotten here', async () => {
  const upload = client.upload(file(), options());
  await sent(upload, 300);

  await upload.abort();

  await assert.rejects(upload.done, /given up/);
  assert.equal(tus.uploads.size, 0);
  assert.equal(memo.list().length, 0);
});

test('a full store ends it with the reason', async () => {
  tus.faults.push((request, response) => request.method === 'PATCH' && (json(response, 507, { code: 'storage_full', detail: 'No space is left.' }), true));

  await assert.rejects(client.upload(file(), options()).done, { code: 'storage_full', status: 507, message: 'No space is left.' });
});

test('a service that is overloaded is asked again', async () => {
  tus.faults.push((request, response) => request.method === 'POST' && (json(response, 503, { code: 'overloaded' }, { 'Retry-After': '0' }), true));
  const states = [];
  const upload = client.upload(file(), options());
  upload.on('state', ({ state }) => states.push(state));

  await upload.done;

  assert.ok(states.includes('waiting'));
});

test('without resumable uploads there it goes in one request', async () => {
  await server.close();
  let received;
  server = await serve(async (request, response) => {
    const body = await bodyOf(request);
    if (!request.url.startsWith('/v1/media')) json(response, 404, { code: 'not_found' });
    else json(response, 201, { id: 'whole', received: (received = { url: request.url, body, type: request.headers['content-type'] }) && 1 });
  });

  const upload = new BallastClient({ baseUrl: server.url }).upload(file(), options());
  const item = await upload.done;

  assert.equal(item.id, 'whole');
  assert.equal(upload.resumable, false);
  assert.deepEqual(received.body, CONTENT);
  assert.equal(received.type, 'video/mp4');
  assert.equal(received.url, '/v1/media?name=clip+%C3%A4.mp4&inline=never');
});

test('the service says by its description that it has no tus, and is not asked for it', async () => {
  await server.close();
  const asked = [];
  server = await serve(async (request, response) => {
    asked.push(`${request.method} ${request.url.split('?')[0]}`);
    await bodyOf(request);
    if (request.url === '/openapi.json') json(response, 200, { paths: { '/v1/media': { post: {} } } });
    else json(response, 201, { id: 'whole' });
  });

  await new BallastClient({ baseUrl: server.url }).upload(file(), { memo }).done;

  assert.deepEqual(asked, ['GET /openapi.json', 'POST /v1/media']);
});
