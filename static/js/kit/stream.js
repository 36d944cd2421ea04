/** A stream of frames to a vision task: the newest frame is sent when the last one is answered, so nothing piles up. */

import { Backoff } from './backoff.js';
import { PostChannel, SocketChannel, StreamClosed } from './channels.js';
import { Emitter } from './emitter.js';
import { BallastProblem, problemIn } from './problem.js';
import { grabberOf } from './tracks.js';
import { Waits } from './waits.js';

/**
 * @typedef {{
 *   params?: Record<string, any>,
 *   maxFps?: number,
 *   maxWidth?: number,
 *   maxHeight?: number,
 *   quality?: number,
 *   type?: string,
 *   transport?: 'auto' | 'http',
 *   answerSeconds?: number,
 *   socketRetrySeconds?: number,
 *   grabber?: import('./tracks.js').Grabber,
 *   backoff?: Backoff,
 *   WebSocket?: typeof WebSocket,
 * }} StreamOptions
 * @typedef {'stopped' | 'connecting' | 'streaming' | 'waiting' | 'failed'} StreamState
 */

const SOCKET_TRIES = 2;
const LOOK_AGAIN_SECONDS = 0.1;
const CODE_IDLE = 4408;

/**
 * Events:
 *
 * - `result`: the service's answer, with `lagSeconds` (from the grab to the answer) and `frame` (`width`, `height`, `bytes`).
 * - `skipped`, `{seq, reason}`: the service skips frames on purpose while memory is tight.
 * - `problem`, a BallastProblem (`document.seq` is the frame): one frame was refused; the stream goes on.
 * - `state`, `{state, transport, error}`: `waiting` has lost the service and comes back by itself, `failed` does not.
 */
export class FrameStream extends Emitter {
  /**
   * @param {import('./http.js').Http} http
   * @param {string} task
   * @param {import('./frames.js').FrameSource | MediaStreamTrack | null} source a camera's track needs no video element;
   *   null only with a `grabber` of your own
   * @param {StreamOptions} [options]
   */
  constructor(http, task, source, options = {}) {
    super();
    this._http = http;
    this._task = task;
    this._options = { maxFps: 30, maxWidth: 640, maxHeight: 480, quality: 0.7, answerSeconds: 20, socketRetrySeconds: 30, ...options };
    this._params = { ...options.params };
    this._grabber = options.grabber ?? grabberOf(/** @type {any} */ (source), { type: options.type });
    this._waits = new Waits();
    this._backoff = options.backoff ?? new Backoff();
    /** @type {{maxFps?: number, maxWidth?: number, maxHeight?: number, quality?: number}} */
    this._advice = {};
    this._socketFailures = 0;
    this._troubles = 0;
    /** @type {SocketChannel | PostChannel | null} */
    this._channel = null;
    this._ending = new AbortController();
    /** @type {Promise<void>} */
    this._running = Promise.resolve();
    /** @type {StreamState} */
    this.state = 'stopped';
    this.counts = { sent: 0, answered: 0, skipped: 0, dropped: 0, problems: 0, sentBytes: 0, connections: 0 };
  }

  /** `websocket`, `http`, or '' while there is no connection. */
  get transport() {
    return this._channel?.name ?? '';
  }

  /** @returns {this} */
  start() {
    this._running = this._run(this._ending.signal);
    return this;
  }

  /** Stop for good; resolves when nothing is under way any more. */
  async stop() {
    this._ending.abort();
    await this._running;
  }

  /**
   * Change the task's parameters while frames go on; `maxFps` too.
   * @param {Record<string, any>} params
   */
  configure(params) {
    const { maxFps, ...others } = params;
    if (maxFps !== undefined) this._options.maxFps = maxFps;
    this._params = { ...this._params, ...others };
    if (Object.keys(others).length > 0) this._channel?.configure(others);
  }

  /** @param {AbortSignal} signal */
  async _run(signal) {
    while (!signal.aborted) {
      try {
        await this._ready(signal);
        this._tell('connecting');
        this._channel = await this._open(signal);
        await this._pump(this._channel, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (!this._comesBack(error)) {
          this._leave('failed', error);
          return;
        }
        this._leave('waiting', error);
        await this._waits.pause(this._backoff.next(retryAfter(error)), signal);
      }
      this._channel?.close();
    }
    this._leave('stopped');
  }

  /** @param {AbortSignal} signal */
  async _ready(signal) {
    while (!this._grabber.ready && !signal.aborted) await this._waits.pause(LOOK_AGAIN_SECONDS, signal);
  }

  /** @param {AbortSignal} signal */
  async _open(signal) {
    if (this._options.transport === 'http' || this._socketFailures >= SOCKET_TRIES) {
      this._socketFailures = SOCKET_TRIES - 1; // the next time it is tried once more
      return new PostChannel(this._http, this._task, this._params, signal);
    }
    const url = this._http.socketUrl(`/v1/vision/${this._task}/stream`, this._params);
    const channel = await SocketChannel.open(url, {
      signal,
      WebSocket: this._options.WebSocket ?? globalThis.WebSocket,
      answerSeconds: this._options.answerSeconds,
    });
    this._socketFailures = 0;
    return channel;
  }

  /** @param {SocketChannel | PostChannel} channel @param {AbortSignal} signal */
  async _pump(channel, signal) {
    const until = this._endOf(channel);
    channel.onStray = (message) => this._take(message);
    this.counts.connections += 1;
    this._tell('streaming');
    while (!signal.aborted && performance.now() < until) {
      channel.check();
      if (!this._grabber.ready) {
        await this._waits.pause(LOOK_AGAIN_SECONDS, signal);
        continue;
      }
      const due = performance.now() + 1000 / Math.min(this._options.maxFps, this._advice.maxFps ?? Infinity);
      await this._send(channel);
      const restSeconds = this._troubles === 0 ? 0 : Math.min(1, 0.05 * 2 ** this._troubles);
      await this._waits.pause(Math.max(restSeconds, (due - performance.now()) / 1000), signal);
    }
  }

  /** When to leave a channel by itself: requests are only a way out until the WebSocket works. @param {{name: string}} channel */
  _endOf(channel) {
    const wayOut = channel.name === 'http' && this._options.transport !== 'http';
    return wayOut ? performance.now() + this._options.socketRetrySeconds * 1000 : Infinity;
  }

  /** @param {SocketChannel | PostChannel} channel */
  async _send(channel) {
    const began = performance.now();
    const { blob, width, height } = await this._grabber.grab(this._limits());
    this.counts.sent += 1;
    this.counts.sentBytes += blob.size;
    const answer = await channel.exchange(blob);
    this._backoff.reset();
    answer.lagSeconds = (performance.now() - began) / 1000;
    answer.frame = { width, height, bytes: blob.size };
    this._take(answer);
  }

  /** What the caller wants, or less where the service advises it. */
  _limits() {
    const { maxWidth, maxHeight, quality } = this._options;
    return {
      maxWidth: Math.min(maxWidth, this._advice.maxWidth ?? Infinity),
      maxHeight: Math.min(maxHeight, this._advice.maxHeight ?? Infinity),
      quality: Math.min(quality, this._advice.quality ?? 1),
    };
  }

  /** @param {Record<string, any>} message */
  _take(message) {
    if (message.type === 'result') {
      this.counts.answered += 1;
      this._troubles = 0;
      this.counts.dropped = message.dropped;
      this._advice = message.advice ?? {};
      this.emit('result', message);
    } else if (message.type === 'skipped') {
      this.counts.skipped += 1;
      this.emit('skipped', message);
    } else if (message.type === 'error') {
      this.counts.problems += 1;
      this._troubles += 1;
      this.emit('problem', problemIn(message));
    }
  }

  /** @param {unknown} error */
  _comesBack(error) {
    if (error instanceof StreamClosed) {
      if (!error.wasReady && error.code !== 1013 && error.code !== 1012) this._socketFailures += 1;
      if (error.code === CODE_IDLE) this._backoff.reset();
      return error.isTemporary;
    }
    return error instanceof BallastProblem ? error.isTemporary : /** @type {any} */ (error)?.isTemporary === true;
  }

  /** @param {StreamState} state @param {unknown} [error] */
  _leave(state, error) {
    this._channel?.close();
    this._channel = null;
    if (state !== 'waiting') {
      this._grabber.dispose();
      this._waits.dispose();
    }
    this._tell(state, error);
  }

  /** @param {StreamState} state @param {unknown} [error] */
  _tell(state, error = null) {
    this.state = state;
    this.emit('state', { state, transport: this.transport, error });
  }
}

/** @param {unknown} error */
function retryAfter(error) {
  if (error instanceof StreamClosed && error.code === 1013) return 1;
  return error instanceof BallastProblem ? error.retryAfterSeconds : null;
}
