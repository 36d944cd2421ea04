import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { BallastClient, BallastProblem, isOver, JobFailed } from '../../static/js/ballast.js';
import { bodyOf, json, serve } from './server.mjs';

let server;

afterEach(() => server?.close());

async function clientOf(answer) {
  server = await serve(answer);
  return new BallastClient({ baseUrl: server.url });
}

const job = (more = {}) => ({ id: 'j1', kind: 'clip', state: 'running', progress: 0, step: 'reading', error: null, ...more });
const event = (type, data, id) => `id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;

/** Answers `/events` with these documents, one a connection, and counts the connections. */
function eventsOf(connections, seen = []) {
  return (request, response) => {
    seen.push({ url: request.url, last: request.headers['last-event-id'] ?? '' });
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    for (const words of connections[Math.min(seen.length, connections.length) - 1]) response.write(words);
    response.end();
  };
}

test('waiting for a job tells each step and ends with the job', async () => {
  const client = await clientOf(eventsOf([[
    event('state', job(), 1), event('progress', { progress: 0.5, step: 'cutting' }, 2), event('state', job({ state: 'succeeded', progress: 1 }), 3),
  ]]));
  const told = [];

  const done = await client.jobs.wait('j1', { onProgress: ({ progress, step }) => told.push([progress, step]) });

  assert.deepEqual(told.slice(0, 2), [[0, 'reading'], [0.5, 'cutting']]);
  assert.deepEqual([done.state, done.progress, isOver(done)], ['succeeded', 1, true]);
});

test('a job that failed is a problem with the job in it', async () => {
  const error = { status: 422, code: 'invalid_media', detail: 'It ends in the middle.' };
  const client = await clientOf(eventsOf([[event('state', job({ state: 'failed', error }), 1)]]));

  await assert.rejects(client.jobs.wait('j1'), (problem) => {
    assert.ok(problem instanceof JobFailed && problem instanceof BallastProblem);
    assert.deepEqual([problem.code, problem.message, problem.status, problem.job.id], ['invalid_media', 'It ends in the middle.', 422, 'j1']);
    return true;
  });
});

test('a job that was cancelled is a problem too', async () => {
  const client = await clientOf(eventsOf([[event('state', job({ state: 'cancelled' }), 1)]]));

  await assert.rejects(client.jobs.wait('j1'), { name: 'JobFailed', code: 'cancelled' });
});

test('events go on after a broken connection with the last one that was heard', async () => {
  const seen = [];
  const client = await clientOf(eventsOf([[event('state', job(), 7)], [event('state', job({ state: 'succeeded' }), 8)]], seen));

  await client.jobs.wait('j1');

  assert.deepEqual(seen, [{ url: '/v1/jobs/j1/events', last: '' }, { url: '/v1/jobs/j1/events', last: '7' }]);
});

test('a job that is not there ends the waiting', async () => {
  const client = await clientOf((_, response) => json(response, 404, { code: 'not_found', detail: 'There is no such job.' }));

  await assert.rejects(client.jobs.wait('j1'), { code: 'not_found', message: 'There is no such job.' });
});

test('whoever waits can give up', async () => {
  const client = await clientOf((_, response) => response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(event('state', job(), 1)));
  const ending = new AbortController();
  const waiting = client.jobs.wait('j1', { signal: ending.signal, onProgress: () => ending.abort(new Error('enough')) });

  await assert.rejects(waiting, { message: 'enough' });
});

test('an order is sent as JSON, and each verb has its address', async () => {
  const seen = [];
  const client = await clientOf(async (request, response) => {
    seen.push([request.method, request.url, (await bodyOf(request)).toString()]);
    if (request.method === 'DELETE') response.writeHead(204).end();
    else json(response, 200, { ...job(), items: [], kinds: [] });
  });

  await client.jobs.submit({ kind: 'clip', input: 'a', params: { x: 1 } });
  await client.jobs.kinds({ input: 'a' });
  await client.jobs.list({ state: 'running', limit: 5 });
  await client.jobs.cancel('j1');
  await client.jobs.retry('j1');
  await client.jobs.delete('j1', { results: true });

  assert.deepEqual(seen, [
    ['POST', '/v1/jobs', '{"kind":"clip","input":"a","params":{"x":1}}'], ['GET', '/v1/jobs/kinds?input=a', ''],
    ['GET', '/v1/jobs?state=running&limit=5', ''], ['POST', '/v1/jobs/j1/cancel', ''], ['POST', '/v1/jobs/j1/retry', ''],
    ['DELETE', '/v1/jobs/j1?results=true', ''],
  ]);
});
