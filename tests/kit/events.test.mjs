import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { Backoff, BallastClient, EventStream } from '../../static/js/ballast.js';
import { json, serve } from './server.mjs';

let server, stream;

afterEach(() => {
  stream?.close();
  return server.close();
});

const quick = () => new Backoff({ firstSeconds: 0.001, maxSeconds: 0.01 });
const next = (emitter, type) => new Promise((resolve) => emitter.on(type, resolve));

async function follow(answer, key = null) {
  server = await serve(answer);
  const client = new BallastClient({ baseUrl: server.url, key });
  stream = new EventStream(client._http, '/events', { backoff: quick() });
  return stream;
}

function begin(response) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream' });
}

test('events come with type, data and id, whatever way the bytes are cut', async () => {
  const events = [];
  await follow(async (_, response) => {
    begin(response);
    for (const piece of ['event: le', 'vel\r\nid: 7\r\ndata: {"level":\r\nda', 'ta: "HIGH"}\r\n\r', '\n: comment\n\ndata: {"n":1}\n\n']) {
      response.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  });
  const two = new Promise((resolve) => stream.on('message', (event) => events.push(event) === 2 && resolve()));

  stream.start();
  await two;

  assert.deepEqual(events, [{ type: 'level', data: { level: 'HIGH' }, id: '7' }, { type: 'message', data: { n: 1 }, id: '7' }]);
});

test('a lost connection is taken up again, with the last id and the key', async () => {
  const seen = [];
  await follow((request, response) => {
    seen.push([request.headers['last-event-id'], request.headers.authorization]);
    begin(response);
    response.end(`id: ${seen.length}\ndata: ${seen.length}\n\n`);
  }, 'k');
  const two = new Promise((resolve) => stream.on('message', ({ data }) => data === 2 && resolve()));

  stream.start();
  await two;

  assert.deepEqual(seen.slice(0, 2), [[undefined, 'Bearer k'], ['1', 'Bearer k']]);
});

test('it does not come back where nothing more will come', async () => {
  let requests = 0;
  await follow((_, response) => {
    requests += 1;
    if (requests > 1) return response.writeHead(204).end();
    begin(response);
    return response.end('id: 1\ndata: 1\n\n');
  });

  await stream._run(); // returns, and so does not try again

  assert.equal(requests, 2);
});

test('a refusal for good ends it', async () => {
  await follow((_, response) => json(response, 401, { code: 'unauthorized' }));
  const ended = next(stream, 'ended');

  stream.start();

  assert.equal((await ended).code, 'unauthorized');
});

test('a refusal that passes does not', async () => {
  let asked = 0;
  await follow((_, response) => {
    asked += 1;
    if (asked === 1) json(response, 503, { code: 'overloaded' });
    else begin(response), response.write('data: 1\n\n');
  });
  const lost = next(stream, 'lost');
  const message = next(stream, 'message');

  stream.start();

  assert.equal((await lost).code, 'overloaded');
  assert.equal((await message).data, 1);
});

test('waits double up to a limit, spread by chance, and obey Retry-After', () => {
  const backoff = new Backoff({ firstSeconds: 1, maxSeconds: 8, random: () => 1 });
  const least = new Backoff({ firstSeconds: 1, maxSeconds: 8, random: () => 0 });

  assert.deepEqual([1, 2, 3, 4, 5].map(() => backoff.next()), [1, 2, 4, 8, 8]);
  assert.equal(least.next(), 0.5);
  assert.equal(least.next(60), 60);
  backoff.reset();
  assert.equal(backoff.next(), 1);
});

test('the level can be asked for again and again, so that silence says something', async () => {
  const asked = [];
  server = await serve((request, response) => {
    asked.push(request.url);
    begin(response);
    response.write('event: level\ndata: {"level":"LOW"}\n\n');
  });
  stream = new BallastClient({ baseUrl: server.url }).levels({ everySeconds: 0.5 });

  const level = await next(stream, 'level');

  assert.equal(level.level, 'LOW');
  assert.deepEqual(asked, ['/v1/memory/events?everySeconds=0.5']);
});
