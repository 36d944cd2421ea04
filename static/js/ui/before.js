/** The picture as it was, shown beside what is made of it: had once for each picture, and for each frame of a video. */

const LARGEST = { width: 1920, height: 1440, format: 'webp' };

/** @typedef {{file: Blob | null, item: import('../kit/types.js').MediaItem | null, at: string | null}} Source `at`: of a video, seconds */

export class Before {
  /** @param {import('../ballast.js').BallastClient} client @param {import('./compare.js').Compare} compare */
  constructor(client, compare) {
    this._client = client;
    this._compare = compare;
    /** @type {unknown} */
    this._shown = null;
  }

  /** Show it, unless it is shown already. @param {Source} source @param {AbortSignal} signal */
  async show({ file, item, at }, signal) {
    const name = file ?? `${item?.id} ${at}`;
    if (name === this._shown) return;
    const url = file ? await this._readable(file) : null;
    const { images, blobs } = this._client;
    const made = url ?? blobs.set('before', (await (file ? images.transform(file, LARGEST, { signal }) : images.derive(/** @type {any} */ (item), { ...(at === null ? {} : { at }), ...LARGEST }, { signal }))).blob);
    if (signal.aborted) return;
    this._compare.showBefore(made);
    this._shown = name;
  }

  clear() {
    this._shown = null;
    this._compare.clear();
  }

  /** The address of a file that this browser can show; null: it cannot (HEIC and TIFF, in most). @param {Blob} file */
  async _readable(file) {
    const url = this._client.blobs.set('before', file);
    const probe = new Image();
    probe.src = url;
    try {
      await probe.decode();
      return url;
    } catch {
      return null;
    }
  }
}
