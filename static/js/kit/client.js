/** Every endpoint of the service, as methods. */

import { blobOfBase64 } from './base64.js';
import { BlobUrls } from './blobs.js';
import { Images } from './images.js';
import { Jobs } from './jobs.js';
import { inJson } from './json.js';
import { linesOf } from './lines.js';
import { problemIn } from './problem.js';
import { ServiceClient } from './service.js';
import { FrameStream } from './stream.js';
import { Upload } from './upload.js';

/**
 * @typedef {import('./types.js').MediaItem} MediaItem
 * @typedef {import('./types.js').Analysis} Analysis
 * @typedef {import('./types.js').Task} Task
 * @typedef {import('./service.js').Waiting} Waiting
 * @typedef {{index: number | null, analysis: Analysis | null, problem: import('./problem.js').BallastProblem | null}} BatchLine
 */

/** Bytes up to which a picture or video is fetched whole where its address cannot be used by itself. */
const FETCH_MAX_BYTES = 50 * 1048576;

/** Media and vision; health and memory are in `ServiceClient`. */
export class BallastClient extends ServiceClient {
  /** Blob URLs that `mediaUrl` has made. */
  blobs = new BlobUrls();

  /** Pictures as they are wanted. */
  images = new Images(this._http);

  /** Work that takes long. */
  jobs = new Jobs(this._http);

  /** Revoke every blob URL. @returns {{count: number, bytes: number}} */
  dispose() {
    return this.blobs.dispose();
  }

  /**
   * Send a file of any size; it begins at once. `await upload.done` gives the item; see `Upload` for progress and pauses.
   * @param {Blob & {name?: string}} file
   * @param {import('./upload.js').UploadOptions} [options]
   */
  upload(file, options) {
    return this.prepareUpload(file, options).start();
  }

  /**
   * The same, not begun yet: listen first, then `start()`.
   * @param {Blob & {name?: string}} file
   * @param {import('./upload.js').UploadOptions} [options]
   */
  prepareUpload(file, options) {
    const resumable = this.has('POST', /^\/v1\/uploads\/?$/);
    return new Upload(this._http, file, { resumable, ...options });
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

  /**
   * An address for `<img>` of a small picture of an item (of a video, the frame near its beginning). Where keys are set it is
   * fetched with the key, and becomes a blob URL.
   * @param {MediaItem} item @param {import('./images.js').ImageParams} params @param {Waiting} [options]
   * @returns {Promise<string>}
   */
  async pictureUrl(item, params, { signal } = {}) {
    const frame = item.kind === 'video' ? { at: Math.min(1, (item.durationSeconds ?? 0) / 10).toFixed(2) } : {};
    const wanted = { ...frame, ...params };
    if (!this.key) return this.images.url(item, wanted);
    const name = this.images.url(item, wanted);
    return this.blobs.get(name) ?? this.blobs.set(name, (await this.images.derive(item, wanted, { signal })).blob);
  }

  /**
   * The item with an address that is still good for so long: signed ones expire.
   * @param {MediaItem} item @param {number} [seconds] @returns {Promise<MediaItem>}
   */
  async freshMedia(item, seconds = 60) {
    const expires = Number(new URL(this._http.url(item.url)).searchParams.get('expires') ?? Infinity);
    return expires * 1000 > Date.now() + seconds * 1000 ? item : this.getMedia(item.id);
  }

  /** Revoke the blob URL of an item, if there is one. @param {{id: string}} item */
  releaseMediaUrl(item) {
    this.blobs.revoke(item.id);
  }

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
   * (null: the request could not be read to its end) and either the analysis or a problem.
   * @param {string} task
   * @param {(Blob | string)[]} pictures files, or ids of media items
   * @param {Record<string, any>} [params]
   * @param {Waiting} [options]
   * @returns {AsyncGenerator<BatchLine, void, undefined>}
   */
  async *batch(task, pictures, params = {}, { signal } = {}) {
    const ids = pictures.filter((one) => typeof one === 'string');
    if (ids.length > 0 && ids.length < pictures.length) throw new TypeError('Give files or ids, not both.');
    const [body, headers] = ids.length > 0 ? [JSON.stringify({ media: ids }), { 'Content-Type': 'application/json' }] : [formOf(pictures), {}];
    const response = await this._http.request('POST', `/v1/vision/${task}/batch`, { query: params, body, headers, signal });
    if (!response.body) return;
    for await (const line of linesOf(response.body)) {
      if (line === '') continue;
      const { index, ...rest } = JSON.parse(line);
      yield rest.code ? { index, analysis: null, problem: problemIn(rest) } : { index, analysis: rest, problem: null };
    }
  }

  /**
   * Send the newest frame of a camera, video or canvas again and again. Call `start()` on what is returned, and `stop()`.
   * @param {string} task
   * @param {import('./frames.js').FrameSource | MediaStreamTrack | null} source
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
