/** The two ways of a frame to the service: a WebSocket, and a request for each frame where there is none. */

import { pause } from './backoff.js';
import { inJson } from './json.js';
import { BallastProblem, ConnectionProblem } from './problem.js';

/**
 * @typedef {Record<string, any> & {type: 'result' | 'skipped' | 'error', seq: number}} Answer
 * @typedef {(message: Record<string, any>) => void} Listener
 */

/** The service closed the stream. Codes: 1008 policy, 1009 too large, 1012 restart, 1013 later, 4408 idle. */
export class StreamClosed extends Error {
  /** @param {number} code @param {string} reason @param {boolean} wasReady */
  constructor(code, reason, wasReady) {
    super(reason || `The stream was closed (${code}).`);
    this.name = 'StreamClosed';
    this.code = code;
    /** Whether the stream had begun; a handshake that is refused looks like a lost connection to a browser. */
    this.wasReady = wasReady;
  }

  get isTemporary() {
    return this.code !== 1008 && this.code !== 1009;
  }
}

/** Frames over a WebSocket, one at a time. */
export class SocketChannel {
  /**
   * Connect, and wait for the service's greeting.
   * @param {string} url
   * @param {{signal: AbortSignal, WebSocket: typeof WebSocket, answerSeconds: number}} options
   * @returns {Promise<SocketChannel>}
   * @throws {StreamClosed}
   */
  static async open(url, { signal, WebSocket, answerSeconds }) {
    const channel = new SocketChannel(new WebSocket(url), signal, answerSeconds);
    await channel._wait((message) => message.type === 'ready');
    channel._wasReady = true;
    return channel;
  }

  /** @param {WebSocket} socket @param {AbortSignal} signal @param {number} answerSeconds */
  constructor(socket, signal, answerSeconds) {
    this.name = 'websocket';
    this._socket = socket;
    this._answerSeconds = answerSeconds;
    this._sent = 0;
    this._wasReady = false;
    /** @type {Error | null} */
    this._end = null;
    /** @type {{accepts: Listener, resolve: (message: any) => void, reject: (error: Error) => void} | null} */
    this._waiting = null;
    /** Called with messages that nobody waits for. @type {Listener} */
    this.onStray = () => {};
    socket.onmessage = (event) => this._take(event.data);
    socket.onclose = (event) => this._finish(new StreamClosed(event.code, event.reason, this._wasReady));
    signal.addEventListener('abort', () => this.close());
  }

  /**
   * Send a frame and return the answer to it.
   * @param {Blob} blob
   * @returns {Promise<Answer>}
   * @throws {StreamClosed | ConnectionProblem}
   */
  async exchange(blob) {
    this.check();
    this._sent += 1;
    const seq = this._sent;
    this._socket.send(blob);
    return this._wait((message) => message.seq === seq);
  }

  /** @param {Record<string, any>} params */
  configure(params) {
    this._socket.send(JSON.stringify({ ...params, type: 'configure' }));
  }

  /** Throw what has ended the channel, if anything has. */
  check() {
    if (this._end) throw this._end;
  }

  /** @param {Error} [reason] */
  close(reason = new StreamClosed(1000, 'closed here', this._wasReady)) {
    this._finish(reason);
    this._socket.onmessage = null;
    this._socket.onclose = null;
    this._socket.close(1000);
  }

  /** @param {(message: Record<string, any>) => boolean} accepts @returns {Promise<any>} */
  _wait(accepts) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.close(new ConnectionProblem(`No answer came in ${this._answerSeconds} s.`)),
        this._answerSeconds * 1000,
      );
      const settle = (/** @type {Function} */ with_) => (/** @type {any} */ value) => {
        clearTimeout(timer);
        this._waiting = null;
        with_(value);
      };
      this._waiting = { accepts, resolve: settle(resolve), reject: settle(reject) };
      if (this._end) this._waiting.reject(this._end);
    });
  }

  /** @param {any} text */
  _take(text) {
    const message = JSON.parse(text);
    if (this._waiting?.accepts(message)) this._waiting.resolve(message);
    else this.onStray(message);
  }

  /** @param {Error} error */
  _finish(error) {
    this._end ??= error;
    this._waiting?.reject(this._end);
  }
}

/** One request for each frame. */
export class PostChannel {
  /**
   * @param {import('./http.js').Http} http
   * @param {string} task
   * @param {Record<string, any>} params
   * @param {AbortSignal} signal
   */
  constructor(http, task, params, signal) {
    this.name = 'http';
    this._http = http;
    this._task = task;
    this._params = params;
    this._signal = signal;
    this._sent = 0;
    /** @type {Listener} */
    this.onStray = () => {};
  }

  /**
   * Send a frame and return the answer; what only concerns this frame, or passes, is an answer of type `error`.
   * @param {Blob} blob
   * @returns {Promise<Answer>}
   * @throws {BallastProblem | ConnectionProblem}
   */
  async exchange(blob) {
    this._sent += 1;
    const seq = this._sent;
    try {
      const document = await this._http.json('POST', `/v1/vision/${this._task}`, {
        query: inJson(this._task, this._params),
        headers: { 'Content-Type': blob.type },
        body: blob,
        signal: this._signal,
      });
      return { type: 'result', seq, dropped: 0, ...document };
    } catch (error) {
      if (!(error instanceof BallastProblem) || (error.status < 500 && !error.isTemporary && error.status !== 422)) throw error;
      if (error.code === 'model_missing') throw error;
      await pause(error.retryAfterSeconds ?? 0, this._signal);
      return { ...error.document, type: 'error', seq, status: error.status, code: error.code, detail: error.message, retryAfterSeconds: error.retryAfterSeconds };
    }
  }

  /** @param {Record<string, any>} params */
  configure(params) {
    this._params = { ...this._params, ...params };
  }

  check() {}

  close() {}
}
