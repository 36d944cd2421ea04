/** Each change sends a file anew; a large one is better sent once, to the library, where that is wanted. */

import { button, h } from './dom.js';
import { bytes, percent } from './format.js';
import { reasonOf } from './trouble.js';

/** A smaller one goes in 20 s at 400 kbit/s. */
const LARGE_BYTES = 1048576;

export class SendOnce {
  /** @param {import('../ballast.js').BallastClient} client @param {(item: import('../kit/types.js').MediaItem) => void} taken */
  constructor(client, taken) {
    this._client = client;
    this._taken = taken;
    /** @type {import('../ballast.js').Upload | null} */
    this._upload = null;
    this._words = h('span', { class: 'grow' });
    this._button = button('Put it into the library', () => this._send(), { class: 'small' });
    this.element = h('div', { class: 'note row', role: 'status', hidden: true }, this._words, this._button);
    /** @type {File | null} */
    this._file = null;
  }

  /** Offer it for a large file. @param {File} file */
  offer(file) {
    this.clear();
    this._file = file;
    this._words.textContent = `This picture has ${bytes(file.size)}, and each change sends it again. In the library it is sent once, and stays until it is deleted there.`;
    this.element.hidden = file.size < LARGE_BYTES;
  }

  clear() {
    this._upload?.abort().catch(() => {});
    this._upload = null;
    this._file = null;
    this._button.disabled = false;
    this.element.hidden = true;
  }

  async _send() {
    if (!this._file) return;
    this._button.disabled = true;
    const upload = this._client.upload(this._file);
    this._upload = upload;
    upload.on('progress', () => (this._words.textContent = `Sending it to the library: ${percent(upload.sentBytes / upload.totalBytes)}`));
    try {
      const item = await upload.done;
      if (upload !== this._upload) return;
      this._upload = null;
      this.clear();
      this._taken(item);
    } catch (error) {
      if (upload !== this._upload) return;
      this._upload = null;
      this._button.disabled = false;
      this._words.textContent = `It did not get into the library. ${reasonOf(error)}`;
    }
  }
}
