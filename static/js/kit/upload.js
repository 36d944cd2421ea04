/** One file on its way up: resumable (tus 1.0.0) where the service can, else in one go. */

import { Backoff, pause } from './backoff.js';
import { Emitter } from './emitter.js';
import { fingerprintOf, UploadMemo } from './memo.js';
import { BallastProblem } from './problem.js';
import { send } from './send.js';
import { check, createUpload, deleteUpload, NoTus, sendPiece, UploadGone, uploadOffset } from './tus.js';

/**
 * @typedef {'ready' | 'uploading' | 'waiting' | 'paused' | 'done' | 'failed' | 'aborted'} UploadState
 * @typedef {{name?: string, pieceBytes?: number, resumable?: boolean | Promise<boolean>, memo?: UploadMemo, backoff?: Backoff,
 *   send?: typeof send}} UploadOptions
 */

const PIECE_BYTES = 16 * 1048576;
const CREATIONS = 3;
const DELETIONS = 5;
const HOPEFUL_FAILURES = 6;

/**
 * Events: `progress`, `{sentBytes, totalBytes}`; `state`, `{state, error}`. `done` resolves with the media item.
 */
export class Upload extends Emitter {
  /**
   * @param {import('./http.js').Http} http
   * @param {Blob & {name?: string}} file
   * @param {UploadOptions} [options]
   */
  constructor(http, file, options = {}) {
    super();
    this._http = http;
    this.file = file;
    this.name = options.name ?? file.name ?? 'upload';
    this._pieceBytes = options.pieceBytes ?? PIECE_BYTES;
    this._memo = options.memo ?? new UploadMemo();
    this._backoff = options.backoff ?? new Backoff();
    this._sendFunction = options.send ?? send;
    /** What tells this file from others, without reading it. */
    this.fingerprint = fingerprintOf(http.url('/'), this.name, file);
    /** Whether a pause keeps what has been sent; known once the upload has begun. */
    this.resumable = true;
    this._asked = options.resumable ?? true;
    this.totalBytes = file.size;
    this.sentBytes = 0;
    /** Bytes that were there already from an attempt before, such as before a reload. */
    this.resumedBytes = 0;
    /** @type {UploadState} */
    this.state = 'ready';
    /** @type {string | null} */
    this._path = null;
    this._turn = new AbortController();
    /** @type {(item: any) => void} */
    this._resolve = () => {};
    /** @type {(error: unknown) => void} */
    this._reject = () => {};
    /** @type {Promise<any>} */
    this.done = new Promise((resolve, reject) => {
      this._resolve = resolve;
      this._reject = reject;
    });
    this.done.catch(() => {}); // the `state` event tells it too: nobody has to wait for the promise
  }

  /** Begin, or go on after `pause`. @returns {this} */
  start() {
    if (this.state !== 'ready' && this.state !== 'paused') return this;
    this._turn = new AbortController();
    this._run(this._turn.signal);
    return this;
  }

  /** Do not even begin: it is known already that it would fail. @param {unknown} error */
  refuse(error) {
    if (this.state === 'ready') this._fail(error);
  }

  /** Go on after `pause`. */
  resume() {
    this.start();
  }

  /** Stop sending; what the service has, it keeps for some time (without tus the next start begins anew). */
  pause() {
    if (this.state !== 'uploading' && this.state !== 'waiting') return;
    this._turn.abort();
    this._tell('paused');
  }

  /** Give up; the service forgets what it has. */
  async abort() {
    if (['done', 'failed', 'aborted'].includes(this.state)) return;
    this._turn.abort();
    const path = this._path ?? this._memo.get(this.fingerprint)?.path ?? null;
    this._memo.forget(this.fingerprint);
    this._tell('aborted');
    this._reject(new Error('The upload was given up.'));
    if (path !== null) await this._delete(path);
  }

  /** Have the service forget the upload; if that fails, it expires by itself. @param {string} path */
  async _delete(path) {
    const { signal } = new AbortController();
    for (let attempt = 1; attempt <= DELETIONS; attempt += 1) {
      const gone = await deleteUpload((request) => this._ask(request, signal), path).catch(() => true);
      if (gone) return;
      await pause(0.2 * attempt);
    }
  }

  /** @param {AbortSignal} signal */
  async _run(signal) {
    this._tell('uploading');
    for (let creations = 0; !signal.aborted; ) {
      try {
        this._finish(await this._attempt(signal), signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof UploadGone && creations < CREATIONS) {
          creations += 1;
          this._forget();
        } else if (error instanceof NoTus) {
          this.resumable = false;
        } else if (this._mayPass(error)) {
          this._tell('waiting', error);
          await pause(this._backoff.next(/** @type {any} */ (error).retryAfterSeconds), signal);
          if (!signal.aborted) this._tell('uploading');
        } else {
          this._fail(error);
          return;
        }
      }
    }
  }

  /** @param {AbortSignal} signal @returns {Promise<any>} the item */
  async _attempt(signal) {
    this.resumable &&= await this._asked;
    if (!this.resumable) return this._sendWhole(signal);
    const ask = (/** @type {any} */ request) => this._ask(request, signal);
    let { offset, mediaId } = await this._position(ask);
    this._progress(offset);
    while (offset < this.totalBytes) {
      const start = offset;
      const piece = this.file.slice(start, start + this._pieceBytes);
      const path = /** @type {string} */ (this._path);
      ({ offset, mediaId } = await sendPiece(ask, path, start, piece, (bytes) => this._progress(start + bytes)));
      if (offset > start) this._backoff.reset();
      this._progress(offset);
    }
    if (mediaId === null) ({ mediaId } = await uploadOffset(ask, /** @type {string} */ (this._path)));
    return this._http.json('GET', `/v1/media/${mediaId}`, { signal });
  }

  /** Return where to go on: at what the service has of this file, or at the start of a new upload. @param {any} ask */
  async _position(ask) {
    this._path ??= this._memo.get(this.fingerprint)?.path ?? null;
    if (this._path !== null) {
      const position = await uploadOffset(ask, this._path);
      if (this.sentBytes === 0) this.resumedBytes = position.offset;
      return position;
    }
    const { name, file, totalBytes } = this;
    this._path = await createUpload(ask, { name, type: file.type, size: totalBytes });
    this._memo.set(this.fingerprint, { path: this._path, name, sizeBytes: totalBytes, at: new Date().toISOString() });
    return { offset: 0, mediaId: null };
  }

  /** @param {AbortSignal} signal */
  async _sendWhole(signal) {
    const answer = await this._ask(
      {
        method: 'POST',
        path: '/v1/media',
        query: { name: this.name, inline: 'never' },
        headers: { 'Content-Type': this.file.type || 'application/octet-stream' },
        body: this.file,
        onProgress: (/** @type {number} */ bytes) => this._progress(bytes),
      },
      signal,
    );
    check(answer);
    return JSON.parse(answer.text);
  }

  /** @param {any} request @param {AbortSignal} signal */
  _ask({ method, path, query, headers, body = null, onProgress = () => {} }, signal) {
    const send = this._sendFunction;
    const url = this._http.url(path, query);
    return send({ method, url, headers: { ...this._http.credentials, ...headers }, body, signal, onProgress });
  }

  _forget() {
    this._path = null;
    this.sentBytes = 0;
    this._memo.forget(this.fingerprint);
  }

  /** @param {number} sentBytes */
  _progress(sentBytes) {
    this.sentBytes = Math.min(sentBytes, this.totalBytes);
    this.emit('progress', { sentBytes: this.sentBytes, totalBytes: this.totalBytes });
  }

  /** @param {any} item @param {AbortSignal} signal */
  _finish(item, signal) {
    if (signal.aborted) return;
    this._memo.forget(this.fingerprint);
    this._progress(this.totalBytes);
    this._tell('done');
    this._resolve(item);
  }

  /** @param {unknown} error */
  _fail(error) {
    if (!(error instanceof BallastProblem && error.status === 401)) this._memo.forget(this.fingerprint);
    this._tell('failed', error);
    this._reject(error);
  }

  /** Whether to try again: the connection, the load, or (409, 423) a piece still under way. @param {unknown} error */
  _mayPass(error) {
    if (/** @type {any} */ (error)?.isTemporary === true) return true;
    const unclear = error instanceof BallastProblem && (error.status === 409 || error.status === 500);
    return unclear && this._backoff.failures < HOPEFUL_FAILURES;
  }

  /** @param {UploadState} state @param {unknown} [error] */
  _tell(state, error = null) {
    this.state = state;
    this.emit('state', { state, error });
  }
}
