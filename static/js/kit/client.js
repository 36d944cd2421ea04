/** Every endpoint of the service, as methods. */

import { blobOfBase64 } from './base64.js';
import { BlobUrls } from './blobs.js';
import { Http } from './http.js';
import { inJson } from './json.js';
import { LevelEvents } from './levels.js';
import { linesOf } from './lines.js';
import { FrameStream } from './stream.js';
import { Upload } from './upload.js';

/**
 * @typedef {{
 *   id: string, timestampKey: string, name: string, contentType: string, kind: 'image' | 'video' | 'audio' | 'other',
 *   sizeBytes: number, sha256: string | null, width: number | null, height: number | null,
 *   durationSeconds: number | null, frameRate: number | null, largeFile: boolean, buffer: string | null,
 *   path: string, url: string, createdAt: string, expiresAt: string | null, filePath?: string,
 * }} MediaItem
 * @typedef {{x: number, y: number, z: number, visibility?: number}} Landmark
 * @typedef {{label: string, score: number}} Label
 * @typedef {{
 *   landmarks: Landmark[], worldLandmarks?: Landmark[], handedness?: Label, gesture?: Label,
 *   box?: {x: number, y: number, width: number, height: number}, score?: number, blendshapes?: Record<string, number>,
 *   mask?: {width: number, height: number, coverage: number, png?: string},
 * }} Detection
 * @typedef {{
 *   task: string, width: number, height: number, analyzedWidth: number, analyzedHeight: number, mode: string,
 *   detections: Detection[], timing: {queuedSeconds: number, decodeSeconds: number, inferenceSeconds: number},
 * }} Analysis
 * @typedef {{name: string, summary: string, state: 'unloaded' | 'loading' | 'ready' | 'missing',
 *   residentBytes: number, idleSeconds: number | null, parameters: Record<string, any>}} Task
 * @typedef {{signal?: AbortSignal}} Waiting
 */

/** Bytes up to which a picture or video is fetched whole where its address cannot be used by itself. */
const FETCH_MAX_BYTES = 50 * 1048576;

export class BallastClient {
  /**
   * @param {{baseUrl?: string, key?: string | null, fetch?: typeof fetch}} [options] `baseUrl`: '' is the page's own
   *   origin; `key`: one of the service's keys, where it has any
   */
  constructor({ baseUrl = '', key = null, fetch: fetchFunction } = {}) {
    this._http = new Http(baseUrl, key, fetchFunction ?? ((input, init) => globalThis.fetch(input, init)));
    /** Blob URLs that `mediaUrl` has made. */
    this.blobs = new BlobUrls();
    /** @type {Promise<Set<string>> | null} */
    this._operations = null;
  }

  get key() {
    return this._http.key;
  }

  /** @param {string | null} key */
  set key(key) {
    this._http.key = key;
    this._operations = null;
  }

  /** Revoke every blob URL. @returns {{count: number, bytes: number}} */
  dispose() {
    return this.blobs.dispose();
  }

  // --- what there is -------------------------------------------------------------------------------------------------

  /**
   * Whether the service has an endpoint, by its own description of itself; `path` as there, such as `/v1/media/{media_id}`,
   * or a pattern. True where it does not describe itself.
   * @param {string} method
   * @param {string | RegExp} path
   */
  async has(method, path) {
    this._operations ??= this._describe();
    const operations = await this._operations;
    if (operations.size === 0) return true;
    const verb = `${method.toUpperCase()} `;
    return [...operations].some((one) => {
      const known = one.slice(verb.length);
      return one.startsWith(verb) && (typeof path === 'string' ? known === path : path.test(known));
    });
  }

  async _describe() {
    try {
      const { paths } = await this._http.json('GET', '/openapi.json');
      const names = Object.entries(paths).map(([path, item]) => Object.keys(item).map((verb) => `${verb.toUpperCase()} ${path}`));
      return new Set(names.flat());
    } catch {
      this._operations = null; // asked again the next time
      return /** @type {Set<string>} */ (new Set());
    }
  }

  /** Effective settings and the limits derived from them. @returns {Promise<any>} */
  limits() {
    return this._http.json('GET', '/v1/limits');
  }

  // --- health and memory ---------------------------------------------------------------------------------------------

  /** Whether the service takes new work; `reasons` says why not. @returns {Promise<{ready: boolean, reasons: string[]}>} */
  async ready() {
    try {
      const { reasons } = await this._http.json('GET', '/health/ready');
      return { ready: true, reasons: reasons ?? [] };
    } catch (error) {
      const document = /** @type {any} */ (error).document;
      if (!document?.reasons) throw error;
      return { ready: false, reasons: document.reasons };
    }
  }

  /** @returns {Promise<{status: string}>} */
  live() {
    return this._http.json('GET', '/health/live');
  }

  /** The memory report: level, working set, ledger, models, files, processes. @param {Waiting} [options] @returns {Promise<any>} */
  memory(options) {
    return this._http.json('GET', '/metrics/memory', options);
  }

  /** The metrics as Prometheus reads them. */
  async metrics() {
    return (await this._http.request('GET', '/metrics')).text();
  }

  /** The pressure level, at once and at each change; `close()` it when done. */
  levels() {
    return new LevelEvents(this._http).start();
  }

  /** Free what can be freed now. @returns {Promise<{freedBytes: number, reclaimers: any[]}>} */
  reclaim() {
    return this._http.json('POST', '/v1/memory/reclaim');
  }

  /**
   * How a piece of work would be done now.
   * @param {{bytes?: number, width?: number, height?: number}} work
   * @returns {Promise<any>}
   */
  advice(work) {
    return this._http.json('GET', '/v1/memory/advice', { query: work });
  }

  // --- media ---------------------------------------------------------------------------------------------------------

  /**
   * Send a file of any size; it begins at once. `await upload.done` gives the item; see `Upload` for progress and pauses.
   * @param {Blob & {name?: string}} file
   * @param {import('./upload.js').UploadOptions} [options]
   */
  upload(file, options) {
    return new Upload(this._http, file, options).start();
  }

  /**
   * Send a small file in one request; with `inline: 'auto'` the answer carries it back in `buffer`.
   * @param {Blob & {name?: string}} file
   * @param {{name?: string, inline?: 'auto' | 'never', signal?: AbortSignal}} [options]
   * @returns {Promise<MediaItem>}
   */
  createMedia(file, { name = file.name, inline = 'auto', signal } = {}) {
    const headers = { 'Content-Type': file.type || 'application/octet-stream' };
    return this._http.json('POST', '/v1/media', { query: { name, inline }, headers, body: file, signal });
  }

  /**
   * Items, newest first; give `nextCursor` as `cursor` for the next page.
   * @param {{limit?: number, cursor?: string | null, kind?: string | null, signal?: AbortSignal}} [options]
   * @returns {Promise<{items: MediaItem[], nextCursor: string | null}>}
   */
  listMedia({ limit, cursor, kind, signal } = {}) {
    return this._http.json('GET', '/v1/media', { query: { limit, cursor, kind }, signal });
  }

  /**
   * @param {string} id
   * @param {{inline?: 'auto' | 'never', signal?: AbortSignal}} [options]
   * @returns {Promise<MediaItem>}
   */
  getMedia(id, { inline, signal } = {}) {
    return this._http.json('GET', `/v1/media/${id}`, { query: { inline }, signal });
  }

  /** @param {string} id */
  async deleteMedia(id) {
    await this._http.request('DELETE', `/v1/media/${id}`);
  }

  /**
   * The bytes of an item, whole or from `start` to `end` (both included).
   * @param {{url: string}} item
   * @param {{start?: number, end?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<Blob>}
   */
  async content(item, { start, end, signal } = {}) {
    /** @type {Record<string, string>} */
    const headers = start === undefined && end === undefined ? {} : { Range: `bytes=${start ?? 0}-${end ?? ''}` };
    return (await this._http.request('GET', item.url, { headers, signal })).blob();
  }

  /**
   * Return an address for `<img>`, `<video>` and `<audio>`. Bytes in `buffer` become a blob URL (`releaseMediaUrl` gives
   * its memory back); else it is the item's own address, in which a video can seek. Where keys are set and that address
   * is not signed, small items are fetched with the key.
   * @param {MediaItem} item
   * @param {Waiting} [options]
   * @returns {Promise<string>}
   * @throws {Error} the address needs a signature, and the item is too large to be fetched whole
   */
  async mediaUrl(item, { signal } = {}) {
    const known = this.blobs.get(item.id);
    if (known !== null) return known;
    if (item.buffer) {
      try {
        return this.blobs.set(item.id, blobOfBase64(item.buffer, item.contentType));
      } catch (error) {
        console.warn('The bytes in the answer could not be used; the address of the item is.', error);
      }
    }
    const url = this._http.url(item.url);
    if (!this.key || new URL(url).searchParams.has('sig')) return url;
    if (item.sizeBytes > FETCH_MAX_BYTES) throw new Error('Its address is not signed, and it is too large to be fetched whole.');
    return this.blobs.set(item.id, await this.content(item, { signal }));
  }

  /** Revoke the blob URL of an item, if there is one. @param {{id: string}} item */
  releaseMediaUrl(item) {
    this.blobs.revoke(item.id);
  }

  // --- vision --------------------------------------------------------------------------------------------------------

  /** The tasks and the state of their models. @returns {Promise<Task[]>} */
  async tasks() {
    return (await this._http.json('GET', '/v1/vision')).tasks;
  }

  /**
   * Analyse one picture. (`segmentation` gives its mask in `detections` with `inlineMask: true`.)
   * @param {string} task
   * @param {Blob} picture
   * @param {Record<string, any>} [params]
   * @param {Waiting} [options]
   * @returns {Promise<Analysis>}
   */
  async analyze(task, picture, params = {}, { signal } = {}) {
    return (await this._analyze(task, picture, inJson(task, params), signal)).json();
  }

  /**
   * Analyse one picture and return a picture: the drawing on it (`annotate: true`), or the mask of `segmentation`.
   * @param {string} task
   * @param {Blob} picture
   * @param {Record<string, any>} [params]
   * @param {Waiting} [options]
   * @returns {Promise<Blob>}
   */
  async analyzeToPicture(task, picture, params = {}, { signal } = {}) {
    return (await this._analyze(task, picture, params, signal)).blob();
  }

  /** @param {string} task @param {Blob} picture @param {Record<string, any>} query @param {AbortSignal | undefined} signal */
  _analyze(task, picture, query, signal) {
    const headers = { 'Content-Type': picture.type || 'application/octet-stream' };
    return this._http.request('POST', `/v1/vision/${task}`, { query, headers, body: picture, signal });
  }

  /**
   * Analyse many pictures in one request; answers come in the order of completion, each with the `index` of its picture
   * and either the analysis or a problem.
   * @param {string} task
   * @param {(Blob | string)[]} pictures files, or ids of media items
   * @param {Record<string, any>} [params]
   * @param {Waiting} [options]
   * @returns {AsyncGenerator<any, void, undefined>}
   */
  async *batch(task, pictures, params = {}, { signal } = {}) {
    const ids = pictures.filter((one) => typeof one === 'string');
    if (ids.length > 0 && ids.length < pictures.length) throw new TypeError('Give files or ids, not both.');
    const [body, headers] = ids.length > 0 ? [JSON.stringify({ media: ids }), { 'Content-Type': 'application/json' }] : [formOf(pictures), {}];
    const response = await this._http.request('POST', `/v1/vision/${task}/batch`, { query: params, body, headers, signal });
    if (!response.body) return;
    for await (const line of linesOf(response.body)) {
      if (line !== '') yield JSON.parse(line);
    }
  }

  /**
   * Send the newest frame of a camera, video or canvas again and again. Call `start()` on what is returned, and `stop()`.
   * @param {string} task
   * @param {import('./frames.js').FrameSource | null} source
   * @param {import('./stream.js').StreamOptions} [options]
   */
  stream(task, source, options) {
    return new FrameStream(this._http, task, source, options);
  }
}

/** @param {(Blob | string)[]} pictures */
function formOf(pictures) {
  const form = new FormData();
  for (const picture of pictures) form.append('file', /** @type {Blob} */ (picture));
  return form;
}
