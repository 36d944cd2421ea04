import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';

import { Backoff, BallastClient, fitInside, FrameGrabber } from '../../static/js/ballast.js';
import { bodyOf, json, serve } from './server.mjs';

let stream, server;

afterEach(async () => {
  await stream?.stop();
  await server?.close();
  stream = server = undefined;
});

/** A service behind a WebSocket, as a script: `script(socket)` answers. */
function socketClass(script) {
  return class FakeSocket {
    static opened = [];
    constructor(url) {
      this.url = url;
      this.sent = [];
      this.closed = false;
      FakeSocket.opened.push(this);
      setTimeout(() => script(this, FakeSocket.opened.length), 0);
    }
    tell(message) {
      setTimeout(() => this.onmessage?.({ data: JSON.stringify(message) }), 0);
    }
    end(code, reason = '') {
      setTimeout(() => this.onclose?.({ code, reason }), 0);
    }
    send(data) {
      this.sent.push(data);
      this.onframe?.(data, this.sent.length);
    }
    close() {
      this.closed = true;
    }
  };
}

function greeted(socket, answer) {
  socket.onframe = (_, seq) => answer(seq, socket);
  socket.tell({ type: 'ready', task: 'hands' });
}

class FakeGrabber {
  ready = true;
  grabbed = [];
  underWay = 0;
  most = 0;
  disposed = false;
  async grab(limits) {
    this.grabbed.push(limits);
    return { blob: new Blob(['frame'], { type: 'image/webp' }), width: 640, height: 360 };
  }
  dispose() {
    this.disposed = true;
  }
}

function open(WebSocket, options = {}, baseUrl = 'http://service', key = null) {
  const grabber = new FakeGrabber();
  const client = new BallastClient({ baseUrl, key });
  const backoff = new Backoff({ firstSeconds: 0.001, maxSeconds: 0.01 });
  stream = client.stream('hands', null, { grabber, WebSocket, backoff, maxFps: 1000, ...options });
  return grabber;
}

const results = (wanted) =>
  new Promise((resolve) => {
    const found = [];
    stream.on('result', (result) => found.push(result) === wanted && resolve(found));
  });
const next = (type, test = () => true) => new Promise((resolve) => stream.on(type, (detail) => test(detail) && resolve(detail)));
const result = (seq, more = {}) => ({ type: 'result', seq, dropped: 0, mode: 'FULL_QUALITY', detections: [], ...more });

test('frames fit 640x480 with their ratio kept, and are never enlarged', () => {
  assert.deepEqual(fitInside(1920, 1080, 640, 480), { width: 640, height: 360 });
  assert.deepEqual(fitInside(1080, 1920, 640, 480), { width: 270, height: 480 });
  assert.deepEqual(fitInside(320, 200, 640, 480), { width: 320, height: 200 });
  assert.deepEqual(fitInside(10000, 1, 640, 480), { width: 640, height: 1 });
});

test('one frame is in flight at a time', async () => {
  let waiting = 0;
  let most = 0;
  open(socketClass((socket) => greeted(socket, (seq) => {
    waiting += 1;
    most = Math.max(most, waiting);
    setTimeout(() => ((waiting -= 1), socket.tell(result(seq))), 3);
  })));

  const found = results(5);
  stream.start();
  const answers = await found;

  assert.equal(most, 1);
  assert.deepEqual(answers.map(({ seq }) => seq), [1, 2, 3, 4, 5]);
  assert.deepEqual(answers[0].frame, { width: 640, height: 360, bytes: 5 });
  assert.ok(answers[0].lagSeconds >= 0.003);
});

test('parameters and key are in the address', async () => {
  const Socket = socketClass((socket) => greeted(socket, (seq) => socket.tell(result(seq))));
  open(Socket, { params: { maxHands: 1 } }, 'http://service', 'k');

  const found = results(1);
  stream.start();
  await found;

  assert.equal(Socket.opened[0].url, 'ws://service/v1/vision/hands/stream?maxHands=1&key=k');
});

test('advice is followed, but never beyond what was asked for', async () => {
  const advice = { maxFps: 500, maxWidth: 320, maxHeight: 240, quality: 0.9 };
  const grabber = open(socketClass((socket) => greeted(socket, (seq) => socket.tell(result(seq, { advice })))));

  const found = results(3);
  stream.start();
  await found;

  assert.deepEqual(grabber.grabbed[0], { maxWidth: 640, maxHeight: 480, quality: 0.7 });
  assert.deepEqual(grabber.grabbed[2], { maxWidth: 320, maxHeight: 240, quality: 0.7 });
});

test('a frame that is skipped or refused is told, and the next one goes', async () => {
  open(socketClass((socket) => greeted(socket, (seq) => {
    if (seq === 1) socket.tell({ type: 'skipped', seq, reason: 'mode MEMORY_OPTIMIZED' });
    else if (seq === 2) socket.tell({ type: 'error', seq, code: 'invalid_media', detail: 'broken' });
    else socket.tell(result(seq));
  })));
  const skipped = next('skipped');
  const problem = next('problem');
  const found = results(1);

  stream.start();

  assert.equal((await skipped).reason, 'mode MEMORY_OPTIMIZED');
  const refused = await problem;
  assert.equal(refused.name, 'BallastProblem');
  assert.deepEqual([refused.code, refused.message, refused.isTemporary, refused.document.seq], ['invalid_media', 'broken', false, 2]);
  assert.equal((await found)[0].seq, 3);
  assert.deepEqual([stream.counts.skipped, stream.counts.problems], [1, 1]);
});

for (const code of [1012, 1013, 1006, 4408]) {
  test(`closed with ${code} it comes back`, async () => {
    const Socket = socketClass((socket, time) => greeted(socket, (seq) => (time === 1 && seq === 2 ? socket.end(code) : socket.tell(result(seq)))));
    open(Socket);
    const states = [];
    stream.on('state', ({ state }) => states.push(state));

    const found = results(3);
    stream.start();
    await found;

    assert.equal(Socket.opened.length, 2);
    assert.deepEqual(states, ['connecting', 'streaming', 'waiting', 'connecting', 'streaming']);
  });
}

test('closed for a reason that stays, it does not come back', async () => {
  const Socket = socketClass((socket) => socket.end(1008, 'origin'));
  const grabber = open(Socket);

  const failed = next('state', ({ state }) => state === 'failed');
  stream.start();

  assert.equal((await failed).error.message, 'origin');
  assert.equal(Socket.opened.length, 1);
  assert.equal(grabber.disposed, true);
});

test('without an answer the connection is given up and opened again', async () => {
  const Socket = socketClass((socket, time) => greeted(socket, (seq) => time > 1 && socket.tell(result(seq))));
  open(Socket, { answerSeconds: 0.02 });

  const found = results(1);
  stream.start();
  await found;

  assert.equal(Socket.opened[0].closed, true);
});

test('where no WebSocket opens, frames go as requests, and the WebSocket is tried again later', async () => {
  const seen = [];
  server = await serve(async (request, response) => {
    seen.push([request.url, request.headers['content-type'], (await bodyOf(request)).toString()]);
    json(response, 200, { detections: [], mode: 'BALANCED' });
  });
  const Socket = socketClass((socket, time) => (time < 3 ? socket.end(1006) : greeted(socket, (seq) => socket.tell(result(seq)))));
  open(Socket, { params: { maxHands: 1 }, socketRetrySeconds: 0.05 }, server.url);
  const transports = [];
  stream.on('state', ({ state, transport }) => state === 'streaming' && transports.push(transport));

  const first = results(1);
  const back = next('state', ({ transport }) => transport === 'websocket');
  stream.start();
  const [answer] = await first;
  await back;

  assert.deepEqual(seen[0], ['/v1/vision/hands?maxHands=1', 'image/webp', 'frame']);
  assert.equal(answer.mode, 'BALANCED');
  assert.deepEqual(transports, ['http', 'websocket']);
});

test('a request that is refused for good ends the stream with the problem', async () => {
  server = await serve((_, response) => json(response, 401, { code: 'unauthorized', detail: 'A key is needed.' }));
  open(socketClass((socket) => socket.end(1006)), {}, server.url);

  const failed = next('state', ({ state }) => state === 'failed');
  stream.start();

  assert.equal((await failed).error.code, 'unauthorized');
});

test('parameters change while it streams', async () => {
  const Socket = socketClass((socket) => greeted(socket, (seq) => socket.tell(result(seq))));
  open(Socket);
  const found = results(1);
  stream.start();
  await found;

  stream.configure({ maxHands: 2, maxFps: 100 });

  const words = Socket.opened[0].sent.find((one) => typeof one === 'string');
  assert.deepEqual(JSON.parse(words), { type: 'configure', maxHands: 2 });
});

test('stopped, it sends nothing more and gives everything back', async () => {
  const Socket = socketClass((socket) => greeted(socket, (seq) => socket.tell(result(seq))));
  const grabber = open(Socket);
  const found = results(2);
  stream.start();
  await found;

  await stream.stop();
  const sent = Socket.opened[0].sent.length;
  await new Promise((resolve) => setTimeout(resolve, 20));

  assert.deepEqual([Socket.opened[0].sent.length, Socket.opened[0].closed, grabber.disposed, stream.state], [sent, true, true, 'stopped']);
});

test('nothing is opened while there is nothing to see', async () => {
  const Socket = socketClass((socket) => greeted(socket, (seq) => socket.tell(result(seq))));
  const grabber = open(Socket);
  grabber.ready = false;
  stream.start();
  await new Promise((resolve) => setTimeout(resolve, 20));
  const before = Socket.opened.length;

  grabber.ready = true;
  await results(1);

  assert.equal(before, 0);
});

class FakeCanvas {
  width = 0;
  height = 0;
  sizes = [];
  constructor(types) {
    this.types = types;
  }
  getContext() {
    return { drawImage: (_source, _x, _y, width, height) => this.sizes.push([width, height]) };
  }
  async convertToBlob({ type, quality }) {
    return new Blob([String(quality)], { type: this.types.includes(type) ? type : 'image/png' });
  }
}

test('one canvas is used for all frames, and WebP on request', async () => {
  const canvas = new FakeCanvas(['image/webp', 'image/jpeg']);
  const grabber = new FrameGrabber({ videoWidth: 1920, videoHeight: 1080, readyState: 4, paused: false, ended: false }, { canvas, type: 'image/webp' });

  const frames = [await grabber.grab({ maxWidth: 640, maxHeight: 480, quality: 0.7 }), await grabber.grab({ maxWidth: 320, maxHeight: 240, quality: 0.6 })];
  const sizes = canvas.sizes;
  grabber.dispose();

  assert.deepEqual(frames.map(({ blob, width, height }) => [blob.type, width, height]), [['image/webp', 640, 360], ['image/webp', 320, 180]]);
  assert.deepEqual([sizes, canvas.width], [[[640, 360], [320, 180]], 0]);
});

test('JPEG where the browser cannot write WebP', async () => {
  const canvas = new FakeCanvas(['image/jpeg']);
  const grabber = new FrameGrabber({ width: 100, height: 50 }, { canvas, type: 'image/webp' });

  const { blob } = await grabber.grab({ maxWidth: 640, maxHeight: 480, quality: 0.7 });

  assert.deepEqual([blob.type, grabber.type], ['image/jpeg', 'image/jpeg']);
});

test('a video that is paused has no new frames', () => {
  const video = { videoWidth: 640, videoHeight: 480, readyState: 4, paused: true, ended: false };
  const grabber = new FrameGrabber(video, { canvas: new FakeCanvas([]) });

  const paused = grabber.ready;
  video.paused = false;

  assert.deepEqual([paused, grabber.ready], [false, true]);
});
