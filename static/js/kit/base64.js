/** Base64 to bytes, a piece at a time. */

/** Characters decoded at a time: a multiple of 4, as base64 makes 4 characters of 3 bytes. */
const PIECE_CHARACTERS = 4 * 65536;

/**
 * Return the bytes of a base64 text as a Blob. `atob` over the whole of 50 MB would take several times that at once;
 * in pieces it takes one piece, and the browser may keep the Blob outside the heap.
 * @param {string} text
 * @param {string} [type] content type
 * @returns {Blob}
 */
export function blobOfBase64(text, type = '') {
  /** @type {Uint8Array<ArrayBuffer>[]} */
  const parts = [];
  for (let start = 0; start < text.length; start += PIECE_CHARACTERS) {
    parts.push(bytesOf(text.slice(start, start + PIECE_CHARACTERS)));
  }
  return new Blob(parts, { type });
}

/** @param {string} piece */
function bytesOf(piece) {
  const characters = atob(piece);
  const bytes = new Uint8Array(characters.length);
  for (let index = 0; index < characters.length; index += 1) bytes[index] = characters.charCodeAt(index);
  return bytes;
}

/**
 * Return the base64 form of a text's UTF-8 bytes, as tus wants it in `Upload-Metadata`.
 * @param {string} text
 */
export function base64OfText(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
