/** Requests to one service: its address, the key, and answers that are problems. */

import { ConnectionProblem, problemOf } from './problem.js';

/**
 * @typedef {Record<string, string | number | boolean | null | undefined>} Query
 * @typedef {{query?: Query, headers?: Record<string, string>, body?: BodyInit | null, signal?: AbortSignal}} RequestOptions
 */

export class Http {
  /**
   * @param {string} baseUrl '' for the page's own origin
   * @param {string | null} key
   * @param {typeof fetch} fetchFunction
   */
  constructor(baseUrl, key, fetchFunction) {
    this.baseUrl = baseUrl.replace(/\/+$/, '');
    this.key = key;
    this._fetch = fetchFunction;
  }

  /**
   * Return the absolute address of a path of the service (or of a URL that the service gave).
   * @param {string} path
   * @param {Query} [query] what is null or undefined is left out
   */
  url(path, query = {}) {
    const base = this.baseUrl || globalThis.location?.origin || '';
    const url = /^https?:/.test(path) ? new URL(path) : new URL(base + path);
    for (const [name, value] of Object.entries(query)) {
      if (value !== null && value !== undefined && value !== '') url.searchParams.set(name, String(value));
    }
    return url.href;
  }

  /**
   * Return the address of a WebSocket, with the key in it where there is one: browsers send no headers there.
   * @param {string} path
   * @param {Query} [query]
   */
  socketUrl(path, query = {}) {
    return this.url(path, { ...query, key: this.key }).replace(/^http/, 'ws');
  }

  /** The headers that say who asks. @returns {Record<string, string>} */
  get credentials() {
    return this.key ? { Authorization: `Bearer ${this.key}` } : {};
  }

  /**
   * Ask, and return the answer, which is good.
   * @param {string} method
   * @param {string} path
   * @param {RequestOptions} [options]
   * @returns {Promise<Response>}
   * @throws {BallastProblem} the service refused
   * @throws {ConnectionProblem} it was not reached
   */
  async request(method, path, { query, headers, body = null, signal } = {}) {
    let response;
    const send = this._fetch; // as a method of this object the browser's own would refuse
    try {
      response = await send(this.url(path, query), {
        method,
        headers: { ...this.credentials, ...headers },
        body,
        signal,
        credentials: 'omit',
        cache: 'no-store',
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ConnectionProblem(undefined, error);
    }
    if (response.ok) return response;
    throw problemOf(response.status, await response.text(), response.headers.get('Retry-After'));
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {RequestOptions} [options]
   * @returns {Promise<any>}
   */
  async json(method, path, options) {
    return (await this.request(method, path, options)).json();
  }
}
