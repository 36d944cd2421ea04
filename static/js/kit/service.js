/** What a service says of itself: what it has, its health, its memory. */

import { Http } from './http.js';
import { LevelEvents } from './levels.js';

/**
 * @typedef {{signal?: AbortSignal}} Waiting
 * @typedef {{kind: string, runsNow: boolean, reason: string | null, predictedBytes: number | null, diskBytes: number | null,
 *   profile: string | null, steps: number | null, chunkSeconds: number | null}} JobAdvice
 * @typedef {{level: import('./levels.js').Level, mode: string, fits: boolean, neededBytes: number, freeBytes: number,
 *   largestGrantBytes: number, workers: number, chunkBytes: number, analysisWidth: number, analysisHeight: number,
 *   frameStride: number, ffmpegProfile: string, job: JobAdvice | null}} Advice
 */

export class ServiceClient {
  /**
   * @param {{baseUrl?: string, key?: string | null, fetch?: typeof fetch}} [options] `baseUrl`: '' is the page's own
   *   origin; `key`: one of the service's keys, where it has any
   */
  constructor({ baseUrl = '', key = null, fetch: fetchFunction } = {}) {
    this._http = new Http(baseUrl, key, fetchFunction ?? ((input, init) => globalThis.fetch(input, init)));
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

  /**
   * The last hour of memory: rows of peaks, who held what then, and what happened.
   * @param {{seconds?: number, signal?: AbortSignal}} [options]
   * @returns {Promise<any>}
   */
  memoryHistory({ seconds, signal } = {}) {
    return this._http.json('GET', '/v1/memory/history', { query: { seconds }, signal });
  }

  /** The metrics as Prometheus reads them. */
  async metrics() {
    return (await this._http.request('GET', '/metrics')).text();
  }

  /**
   * The pressure level, at once and at each change; `close()` it when done.
   * @param {{everySeconds?: number}} [options] and again after so long without a change
   */
  levels(options) {
    return new LevelEvents(this._http, options).start();
  }

  /** Free what can be freed now. @returns {Promise<{freedBytes: number, reclaimers: any[]}>} */
  reclaim() {
    return this._http.json('POST', '/v1/memory/reclaim');
  }

  /**
   * How a piece of work would be done now; with an item (`media`) and a `kind` of job also whether that would run, in `job`.
   * @param {{bytes?: number, width?: number, height?: number, media?: string, kind?: string}} work
   * @returns {Promise<Advice>}
   */
  advice(work) {
    return this._http.json('GET', '/v1/memory/advice', { query: work });
  }
}
