/** Pictures as they are wanted: addresses for `<img>`, and the work itself with what it took. */

import { BallastProblem } from './problem.js';

/**
 * Parameters of an image, such as `{width: 400, fit: 'cover', format: 'auto'}`: see `GET /v1/images/operations`.
 * @typedef {Record<string, string | number | boolean | null | undefined>} ImageParams
 * @typedef {{
 *   blob: Blob, url: string, seconds: number,
 *   timing: Record<string, number>, cache: string,
 *   predictedBytes: number | null, peakBytes: number | null, mode: string, faces: number | null,
 * }} MadePicture `seconds`: from here to the last byte; `timing`: milliseconds in the service by step; `faces`: found, where they were looked for
 */

export class Images {
  /** @param {import('./http.js').Http} http */
  constructor(http) {
    this._http = http;
  }

  /**
   * The address of a derived picture of a stored picture, or of a video with `at` (seconds). Where keys are set an `<img>`
   * cannot load it: use `derive` there, or a preset, whose addresses are signed (`item.presets`).
   * @param {{id: string} | string} item @param {ImageParams} [params]
   * @returns {string}
   */
  url(item, params = {}) {
    return this._http.url(`/v1/media/${idOf(item)}/image`, params);
  }

  /**
   * `srcset` for the widths of an `<img>`.
   * @param {{id: string} | string} item @param {number[]} widths @param {ImageParams} [params]
   */
  srcset(item, widths, params = {}) {
    return widths.map((width) => `${this.url(item, { ...params, width })} ${width}w`).join(', ');
  }

  /**
   * Make a derived picture of a stored item, and say what it took.
   * @param {{id: string} | string} item @param {ImageParams} [params] @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<MadePicture>}
   */
  derive(item, params = {}, { signal } = {}) {
    return this._made(this.url(item, params), () => this._http.request('GET', `/v1/media/${idOf(item)}/image`, { query: params, signal }));
  }

  /**
   * Transform a picture that is not stored, and say what it took.
   * @param {Blob} picture @param {ImageParams} [params] @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<MadePicture>}
   */
  transform(picture, params = {}, { signal } = {}) {
    const headers = { 'Content-Type': picture.type || 'application/octet-stream' };
    return this._made(this._http.url('/v1/images', params), () => this._http.request('POST', '/v1/images', { query: params, headers, body: picture, signal }));
  }

  /**
   * Transform a picture and keep the result in the library.
   * @param {Blob | {id: string}} picture a file, or a stored item @param {ImageParams} [params] @param {{name?: string, signal?: AbortSignal}} [options]
   * @returns {Promise<import('./types.js').MediaItem>}
   */
  store(picture, params = {}, { name, signal } = {}) {
    const query = { ...params, store: true, inline: 'never', name };
    if (!(picture instanceof Blob)) return this._http.json('GET', `/v1/media/${picture.id}/image`, { query, signal });
    const headers = { 'Content-Type': picture.type || 'application/octet-stream' };
    return this._http.json('POST', '/v1/images', { query, headers, body: picture, signal });
  }

  /** What can be done to a picture, with the JSON schema of each parameter. @returns {Promise<any>} */
  operations() {
    return this._http.json('GET', '/v1/images/operations');
  }

  /**
   * Format, size, colours, and with `exif: true` what the camera wrote.
   * @param {Blob | {id: string}} picture @param {{exif?: boolean, location?: boolean}} [options] @returns {Promise<any>}
   */
  info(picture, options = {}) {
    if (!(picture instanceof Blob)) return this._http.json('GET', `/v1/media/${picture.id}/info`, { query: options });
    return this._http.json('POST', '/v1/images/info', { query: options, headers: { 'Content-Type': picture.type || 'application/octet-stream' }, body: picture });
  }

  /** @param {string} url @param {() => Promise<Response>} ask @returns {Promise<MadePicture>} */
  async _made(url, ask) {
    const began = performance.now();
    const response = await ask();
    const blob = await response.blob();
    const timing = timingOf(response.headers.get('Server-Timing') ?? '');
    const receipt = Object.fromEntries((response.headers.get('Ballast-Memory') ?? '').split(',').map((part) => part.trim().split('=')));
    const faces = response.headers.get('Ballast-Faces');
    return {
      blob, url, seconds: (performance.now() - began) / 1000, ...timing,
      predictedBytes: receipt.predicted ? Number(receipt.predicted) : null, peakBytes: receipt.peak ? Number(receipt.peak) : null,
      mode: receipt.mode ?? '', faces: faces === null ? null : Number(faces),
    };
  }
}

/** @param {string} header as in `decode;dur=3.1, cache;desc=hit` @returns {{timing: Record<string, number>, cache: string}} */
function timingOf(header) {
  /** @type {Record<string, number>} */
  const timing = {};
  let cache = '';
  for (const entry of header.split(',')) {
    const [name, ...words] = entry.trim().split(';');
    for (const word of words) {
      const [key, value] = word.trim().split('=');
      if (key === 'dur') timing[name] = Number(value);
      if (key === 'desc' && name === 'cache') cache = value.replaceAll('"', '');
    }
  }
  return { timing, cache };
}

/** @param {{id: string} | string} item */
function idOf(item) {
  const id = typeof item === 'string' ? item : item.id;
  if (!id) throw new BallastProblem(0, { code: 'invalid_parameter', detail: 'The item has no id.' });
  return id;
}
