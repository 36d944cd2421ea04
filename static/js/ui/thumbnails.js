/** Small pictures of items, made by the service, loaded when they come into sight. The originals are never loaded for them. */

import { h } from './dom.js';
import { kindSign } from './kind_sign.js';

/** One width for all cards and screens, so that the service makes and keeps one picture an item. */
const PARAMS = { width: 480, height: 360, format: 'auto' };

/** How long to wait before a picture is asked for again that did not come: the service may be short of memory. */
const AGAIN_SECONDS = [2, 5, 15, 30];

export class Thumbnails {
  /** @param {import('../ballast.js').BallastClient} client @param {AbortSignal} signal */
  constructor(client, signal) {
    this._client = client;
    this._signal = signal;
    /** @type {WeakMap<Element, import('../kit/types.js').MediaItem>} */
    this._items = new WeakMap();
    this._observer = new IntersectionObserver((entries) => entries.forEach((entry) => entry.isIntersecting && this._load(entry.target)), { rootMargin: '300px' });
    signal.addEventListener('abort', () => this._observer.disconnect());
  }

  /** Fill a frame, now or when it is seen. @param {HTMLElement} frame @param {import('../kit/types.js').MediaItem} item */
  fill(frame, item) {
    frame.replaceChildren(kindSign(item));
    if (item.kind !== 'image' && item.kind !== 'video') return;
    this._items.set(frame, item);
    this._observer.observe(frame);
  }

  /** @param {Element} frame @param {number} [failures] so far */
  async _load(frame, failures = 0) {
    this._observer.unobserve(frame);
    const item = this._items.get(frame);
    if (!item) return;
    const kind = frame.firstElementChild;
    try {
      const src = await this._client.pictureUrl(item, PARAMS, { signal: this._signal });
      if (this._signal.aborted) return;
      const again = () => {
        picture.remove();
        if (failures < AGAIN_SECONDS.length) setTimeout(() => frame.isConnected && this._load(frame, failures + 1), AGAIN_SECONDS[failures] * 1000);
      };
      const picture = h('img', { alt: '', decoding: 'async', on: { load: () => kind?.remove(), error: again }, src });
      frame.append(picture);
      if (item.kind === 'video' && !frame.querySelector('.play')) frame.append(h('span', { class: 'play', 'aria-hidden': 'true', text: '▶' }));
    } catch {
      // the sign of its kind stays: the preview is a convenience
    }
  }
}
