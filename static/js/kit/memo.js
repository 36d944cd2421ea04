/** What is remembered of unfinished uploads, so that they go on after a reload when the same file is chosen again. */

/** @typedef {{path: string, name: string, sizeBytes: number, at: string}} UnfinishedUpload */

const PREFIX = 'ballast.upload:';

export class UploadMemo {
  /** @param {Storage | null} [storage] by default the browser's `localStorage`; null remembers nothing */
  constructor(storage = ownStorage()) {
    this._storage = storage;
  }

  /** @param {string} fingerprint @returns {UnfinishedUpload | null} */
  get(fingerprint) {
    try {
      return JSON.parse(this._storage?.getItem(PREFIX + fingerprint) ?? 'null');
    } catch {
      return null;
    }
  }

  /** @param {string} fingerprint @param {UnfinishedUpload} upload */
  set(fingerprint, upload) {
    try {
      this._storage?.setItem(PREFIX + fingerprint, JSON.stringify(upload));
    } catch {
      // Full or forbidden: the upload goes on, it only cannot be resumed after a reload.
    }
  }

  /** @param {string} fingerprint */
  forget(fingerprint) {
    this._storage?.removeItem(PREFIX + fingerprint);
  }

  /** @returns {(UnfinishedUpload & {fingerprint: string})[]} newest first */
  list() {
    const storage = this._storage;
    if (!storage) return [];
    const names = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '');
    const found = [];
    for (const name of names.filter((one) => one.startsWith(PREFIX))) {
      const fingerprint = name.slice(PREFIX.length);
      const upload = this.get(fingerprint);
      if (upload) found.push({ ...upload, fingerprint });
    }
    return found.sort((one, other) => other.at.localeCompare(one.at));
  }
}

/**
 * Return what tells one file from another without reading it.
 * @param {string} baseUrl @param {string} name @param {Blob} file
 */
export function fingerprintOf(baseUrl, name, file) {
  return [baseUrl, name, file.size, file.type, /** @type {any} */ (file).lastModified ?? 0].join('|');
}

/** @returns {Storage | null} */
function ownStorage() {
  try {
    return globalThis.localStorage ?? null;
  } catch {
    return null; // forbidden, as in some frames
  }
}
