/** The parts of tus 1.0.0 (https://tus.io) that an upload in pieces needs: create, offset, patch, delete. */

import { base64OfText } from './base64.js';
import { problemOf } from './problem.js';

const VERSION = { 'Tus-Resumable': '1.0.0' };
const NO_TUS = [404, 405, 501];
const GONE = [404, 410];

/** The service has no resumable uploads. */
export class NoTus extends Error {}

/** The service does not know this upload (any more). */
export class UploadGone extends Error {}

/**
 * @typedef {(request: {method: string, path: string, headers: Record<string, string>, body?: Blob | null,
 *   onProgress?: (bytes: number) => void}) => Promise<import('./send.js').SendAnswer>} Ask
 */

/**
 * @param {Ask} ask
 * @param {{name: string, type: string, size: number}} file
 * @returns {Promise<string>} the upload's address
 * @throws {NoTus}
 */
export async function createUpload(ask, { name, type, size }) {
  const metadata = [['filename', name], ['filetype', type]]
    .filter(([, value]) => value)
    .map(([key, value]) => `${key} ${base64OfText(value)}`);
  const headers = { ...VERSION, 'Upload-Length': String(size), 'Upload-Metadata': metadata.join(',') };
  const answer = await ask({ method: 'POST', path: '/v1/uploads', headers });
  if (NO_TUS.includes(answer.status)) throw new NoTus();
  check(answer);
  return /** @type {string} */ (answer.header('Location'));
}

/**
 * @param {Ask} ask
 * @param {string} path
 * @returns {Promise<{offset: number, mediaId: string | null}>}
 * @throws {UploadGone}
 */
export async function uploadOffset(ask, path) {
  const answer = await ask({ method: 'HEAD', path, headers: { ...VERSION } });
  if (GONE.includes(answer.status)) throw new UploadGone();
  check(answer);
  return position(answer);
}

/**
 * @param {Ask} ask
 * @param {string} path
 * @param {number} offset
 * @param {Blob} body
 * @param {(bytes: number) => void} onProgress
 * @returns {Promise<{offset: number, mediaId: string | null}>}
 * @throws {UploadGone}
 */
export async function sendPiece(ask, path, offset, body, onProgress) {
  const headers = { ...VERSION, 'Upload-Offset': String(offset), 'Content-Type': 'application/offset+octet-stream' };
  const answer = await ask({ method: 'PATCH', path, headers, body, onProgress });
  if (GONE.includes(answer.status)) throw new UploadGone();
  check(answer);
  return position(answer);
}

/**
 * @param {Ask} ask
 * @param {string} path
 * @returns {Promise<boolean>} whether it is gone; not while a piece of it is still being taken in
 */
export async function deleteUpload(ask, path) {
  const answer = await ask({ method: 'DELETE', path, headers: { ...VERSION } });
  return answer.status !== 423;
}

/** @param {import('./send.js').SendAnswer} answer */
export function check(answer) {
  if (answer.status < 200 || answer.status > 299) throw problemOf(answer.status, answer.text, answer.header('Retry-After'));
}

/** @param {import('./send.js').SendAnswer} answer */
function position(answer) {
  return { offset: Number(answer.header('Upload-Offset')), mediaId: answer.header('Ballast-Media-Id') };
}
