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
export function createUpload(ask: Ask, { name, type, size }: {
    name: string;
    type: string;
    size: number;
}): Promise<string>;
/**
 * @param {Ask} ask
 * @param {string} path
 * @returns {Promise<{offset: number, mediaId: string | null}>}
 * @throws {UploadGone}
 */
export function uploadOffset(ask: Ask, path: string): Promise<{
    offset: number;
    mediaId: string | null;
}>;
/**
 * @param {Ask} ask
 * @param {string} path
 * @param {number} offset
 * @param {Blob} body
 * @param {(bytes: number) => void} onProgress
 * @returns {Promise<{offset: number, mediaId: string | null}>}
 * @throws {UploadGone}
 */
export function sendPiece(ask: Ask, path: string, offset: number, body: Blob, onProgress: (bytes: number) => void): Promise<{
    offset: number;
    mediaId: string | null;
}>;
/**
 * @param {Ask} ask
 * @param {string} path
 * @returns {Promise<boolean>} whether it is gone; not while a piece of it is still being taken in
 */
export function deleteUpload(ask: Ask, path: string): Promise<boolean>;
/** @param {import('./send.js').SendAnswer} answer */
export function check(answer: import("./send.js").SendAnswer): void;
/** The service has no resumable uploads. */
export class NoTus extends Error {
}
/** The service does not know this upload (any more). */
export class UploadGone extends Error {
}
export type Ask = (request: {
    method: string;
    path: string;
    headers: Record<string, string>;
    body?: Blob | null;
    onProgress?: (bytes: number) => void;
}) => Promise<import("./send.js").SendAnswer>;
