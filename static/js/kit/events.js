/** Server-sent events that reconnect, and that can send a key: `EventSource` has no headers. */

import { Backoff, pause } from './backoff.js';
import { Emitter } from './emitter.js';
import { linesOf } from './lines.js';
import { BallastProblem } from './problem.js';

/**
 * Follows one address. Events:
 *
 * - `message`, `{type, data, id}`: one event of the server; `data` is parsed JSON.
 * - `open`: connected. `lost`, the error: no connection; the next attempt is under way.
 * - `ended`, the error: the service refuses for good, and no further attempt is made.
 */
export class EventStream extends Emitter {
  /**
   * @param {import('./http.js').Http} http
   * @param {string} path
   * @param {{backoff?: Backoff}} [options]
   */
  constructor(http, path, { backoff = new Backoff() } = {}) {
    super();
    this._http = http;
    this._path = path;
    this._backoff = backoff;
    this._lastId = '';
    this._ending = new AbortController();
    this._atLeastSeconds = 0;
  }

  /** Begin to listen. @returns {this} */
  start() {
    this._run();
    return this;
  }

  /** Stop for good. */
  close() {
    this._ending.abort();
  }

  async _run() {
    const { signal } = this._ending;
    while (!signal.aborted) {
      try {
        if (!(await this._connect(signal))) return;
        this.emit('lost', null);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof BallastProblem && !error.isTemporary) {
          this.emit('ended', error);
          return;
        }
        this.emit('lost', error);
        this._atLeastSeconds = error instanceof BallastProblem ? (error.retryAfterSeconds ?? 0) : this._atLeastSeconds;
      }
      await pause(this._backoff.next(this._atLeastSeconds), signal);
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<boolean>} false: nothing more will come (204), as EventSource has it */
  async _connect(signal) {
    /** @type {Record<string, string>} */
    const headers = { Accept: 'text/event-stream' };
    if (this._lastId) headers['Last-Event-ID'] = this._lastId;
    const response = await this._http.request('GET', this._path, { headers, signal });
    this._backoff.reset();
    this._atLeastSeconds = 0;
    if (response.status === 204) return false;
    this.emit('open');
    if (response.body) await this._read(response.body);
    return true;
  }

  /** @param {ReadableStream<Uint8Array>} body */
  async _read(body) {
    let event = { type: 'message', data: '', id: this._lastId };
    for await (const line of linesOf(body)) {
      if (line === '') {
        if (event.data !== '') this._deliver(event);
        event = { type: 'message', data: '', id: this._lastId };
      } else {
        this._take(event, line);
      }
    }
  }

  /** @param {{type: string, data: string, id: string}} event @param {string} line */
  _take(event, line) {
    const colon = line.indexOf(':');
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (name === 'data') event.data += event.data === '' ? value : `\n${value}`;
    else if (name === 'event') event.type = value;
    else if (name === 'id') event.id = value;
    else if (name === 'retry' && /^\d+$/.test(value)) this._atLeastSeconds = Number(value) / 1000;
  }

  /** @param {{type: string, data: string, id: string}} event */
  _deliver({ type, data, id }) {
    this._lastId = id;
    let document;
    try {
      document = JSON.parse(data);
    } catch {
      return; // not one of ours
    }
    this.emit('message', { type, data: document, id });
  }
}
