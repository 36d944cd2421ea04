/** The key of this tab: asked for where one is needed, kept until the tab is closed. */

import { askedKey } from './dialogs.js';

const NAME = 'ballast.key';

/** @returns {string | null} */
export function storedKey() {
  return sessionStorage.getItem(NAME);
}

/** @param {string} key */
export function keepKey(key) {
  sessionStorage.setItem(NAME, key);
}

export class KeyKeeper {
  /** @param {import('../ballast.js').BallastClient} client @param {HTMLElement} button shown as soon as keys are known to be needed */
  constructor(client, button) {
    this._client = client;
    this._button = button;
    this._asking = false;
    this._declined = false;
    this._button.hidden = client.key === null;
  }

  /** Ask for a key as long as one is needed, and none or a wrong one is there. @returns {Promise<boolean>} whether a new one is used */
  async makeSure() {
    if (this._asking || this._declined) return false; // who said "not now" uses the button
    this._asking = true;
    let changed = false;
    try {
      for (let why = ''; await this._isNeeded(); why = 'That key was not accepted. ') {
        this._button.hidden = false;
        const key = await askedKey(why);
        this._declined = key === null;
        if (key === null) break;
        this._use(key);
        changed = true;
      }
    } finally {
      this._asking = false;
    }
    return changed;
  }

  /** Ask for another key; the old one stays unless a new one is accepted. @returns {Promise<boolean>} whether a new one is used */
  async change() {
    if (this._asking) return false;
    this._asking = true;
    const before = this._client.key;
    try {
      for (let why = ''; ; why = 'That key was not accepted. ') {
        const key = await askedKey(why);
        if (key === null) break;
        this._client.key = key;
        if (await this._isNeeded()) continue;
        this._use(key);
        return true;
      }
      this._client.key = before;
      return false;
    } finally {
      this._asking = false;
    }
  }

  async _isNeeded() {
    try {
      await this._client.advice({ bytes: 1 }); // small, needs a key where any is needed, and touches no disk
      return false;
    } catch (error) {
      return /** @type {any} */ (error).status === 401;
    }
  }

  /** The service takes the key again: if it refuses later, that is asked about anew. */
  forgive() {
    this._declined = false;
  }

  /** @param {string} key */
  _use(key) {
    this._client.key = key;
    this._declined = false;
    keepKey(key);
  }
}
