/** Blob URLs that are all known, so that none of them is left behind. */

/**
 * A registry of blob URLs. Each has a key; a new one under the same key revokes the old one first.
 */
export class BlobUrls {
  /**
   * @param {{
   *   createObjectURL?: (blob: Blob) => string,
   *   revokeObjectURL?: (url: string) => void,
   *   log?: (message: string, error?: unknown) => void,
   * }} [options] what makes and revokes URLs, and where troubles are told; by default the browser's own
   */
  constructor(options = {}) {
    this._createObjectURL = options.createObjectURL ?? ((blob) => URL.createObjectURL(blob));
    this._revokeObjectURL = options.revokeObjectURL ?? ((url) => URL.revokeObjectURL(url));
    this._log = options.log ?? ((message, error) => console.warn(message, error));
    /** @type {Map<string, {url: string, bytes: number}>} */
    this._entries = new Map();
  }

  /** How many URLs are alive. */
  get count() {
    return this._entries.size;
  }

  /** How many bytes they hold. */
  get bytes() {
    let sum = 0;
    for (const entry of this._entries.values()) sum += entry.bytes;
    return sum;
  }

  /** @param {string} key @returns {string | null} */
  get(key) {
    return this._entries.get(key)?.url ?? null;
  }

  /**
   * Make a URL for `blob`; what was there under this key is revoked.
   * @param {string} key
   * @param {Blob} blob
   * @returns {string}
   */
  set(key, blob) {
    this.revoke(key);
    const url = this._createObjectURL(blob);
    this._entries.set(key, { url, bytes: blob.size });
    return url;
  }

  /**
   * Revoke one. A failing revoke is logged and never thrown: cleaning up must not stop what goes on.
   * @param {string} key
   * @returns {boolean} whether there was one
   */
  revoke(key) {
    const entry = this._entries.get(key);
    if (entry === undefined) return false;
    this._entries.delete(key);
    try {
      this._revokeObjectURL(entry.url);
    } catch (error) {
      this._log(`A blob URL of ${megabytes(entry.bytes)} could not be revoked.`, error);
    }
    return true;
  }

  /**
   * Revoke all of them.
   * @returns {{count: number, bytes: number}} what was cleaned
   */
  dispose() {
    const cleaned = { count: this.count, bytes: this.bytes };
    for (const key of [...this._entries.keys()]) this.revoke(key);
    return cleaned;
  }
}

/** @param {number} bytes */
function megabytes(bytes) {
  return `${(bytes / 1048576).toFixed(2)} MiB`;
}
