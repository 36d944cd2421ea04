/**
 * Return the bytes of a base64 text as a Blob. `atob` over the whole of 50 MB would take several times that at once;
 * in pieces it takes one piece, and the browser may keep the Blob outside the heap.
 * @param {string} text
 * @param {string} [type] content type
 * @returns {Blob}
 */
export function blobOfBase64(text: string, type?: string): Blob;
/**
 * Return the base64 form of a text's UTF-8 bytes, as tus wants it in `Upload-Metadata`.
 * @param {string} text
 */
export function base64OfText(text: string): string;
