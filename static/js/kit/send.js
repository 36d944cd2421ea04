/** One request with a large body, and how much of it has gone: `fetch` cannot tell that, XMLHttpRequest can. */

import { ConnectionProblem } from './problem.js';

/**
 * @typedef {{method: string, url: string, headers: Record<string, string>, body: Blob | null, signal: AbortSignal,
 *   onProgress: (sentBytes: number) => void}} SendRequest
 * @typedef {{status: number, text: string, header: (name: string) => string | null}} SendAnswer
 */

/**
 * Send; every answer is returned, good or not.
 * @param {SendRequest} request
 * @returns {Promise<SendAnswer>}
 * @throws {ConnectionProblem} there was no answer (also after an abort: look at the signal)
 */
export function send(request) {
  return typeof XMLHttpRequest === 'undefined' ? sendByFetch(request) : sendByXhr(request);
}

/** @param {SendRequest} request @returns {Promise<SendAnswer>} */
function sendByXhr({ method, url, headers, body, signal, onProgress }) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    const abort = () => xhr.abort();
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => onProgress(event.loaded);
    xhr.onload = () => resolve({ status: xhr.status, text: xhr.responseText, header: (name) => xhr.getResponseHeader(name) });
    xhr.onerror = xhr.onabort = xhr.ontimeout = () => reject(new ConnectionProblem('The connection broke.'));
    xhr.onloadend = () => signal.removeEventListener('abort', abort);
    signal.addEventListener('abort', abort);
    if (signal.aborted) reject(new ConnectionProblem('The connection broke.'));
    else xhr.send(body);
  });
}

/** @param {SendRequest} request @returns {Promise<SendAnswer>} */
async function sendByFetch({ method, url, headers, body, signal, onProgress }) {
  try {
    const response = await fetch(url, { method, headers, body, signal, credentials: 'omit' });
    const text = await response.text();
    onProgress(body?.size ?? 0);
    return { status: response.status, text, header: (name) => response.headers.get(name) };
  } catch (error) {
    throw new ConnectionProblem('The connection broke.', error);
  }
}
