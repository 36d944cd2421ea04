/** The items of the library as far as they are known, searched and in the order that is wanted. */

const PAGE = 48;
const ALL_PAGE = 200;

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */

/** @type {Record<string, {text: string, compare: ((one: MediaItem, other: MediaItem) => number) | null}>} */
export const ORDERS = {
  newest: { text: 'Newest first', compare: null },
  oldest: { text: 'Oldest first', compare: (one, other) => one.createdAt.localeCompare(other.createdAt) },
  name: { text: 'By name', compare: (one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }) },
  size: { text: 'Largest first', compare: (one, other) => other.sizeBytes - one.sizeBytes },
  length: { text: 'Longest first', compare: (one, other) => (other.durationSeconds ?? 0) - (one.durationSeconds ?? 0) },
};

export class Shelf {
  /** @param {import('../ballast.js').BallastClient} client */
  constructor(client) {
    this._client = client;
    /** Newest first. @type {Map<string, MediaItem>} */
    this._items = new Map();
    this._turn = 0;
    /** @type {string | null} */
    this._cursor = null;
    this.kind = '';
    this.search = '';
    this.order = 'newest';
    /** Whether there is nothing more to ask for. */
    this.isComplete = false;
  }

  /** What is wanted, of what is known. @returns {MediaItem[]} */
  get items() {
    const words = this.search.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...this._items.values()].filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
    const { compare } = ORDERS[this.order];
    return compare ? found.sort(compare) : found;
  }

  /** Whether all items have to be known, because they are searched or ordered. */
  get needsAll() {
    return this.search !== '' || this.order !== 'newest';
  }

  /** @param {string} id */
  get(id) {
    return this._items.get(id);
  }

  /** Forget what is known, and ask again. @param {AbortSignal} signal @param {() => void} [told] called after each page */
  async reload(signal, told = () => {}) {
    this._turn += 1;
    this._items.clear();
    this._cursor = null;
    this.isComplete = false;
    await this.more(signal, told);
  }

  /** Ask for the next page, or for all where all are needed. @param {AbortSignal} signal @param {() => void} [told] called after each page */
  async more(signal, told = () => {}) {
    const turn = this._turn;
    do {
      if (this.isComplete) return;
      const limit = this.needsAll ? ALL_PAGE : PAGE;
      const page = await this._client.listMedia({ limit, cursor: this._cursor, kind: this.kind || null, signal });
      if (turn !== this._turn) return;
      for (const item of page.items) this._items.set(item.id, item);
      this._cursor = page.nextCursor;
      this.isComplete = page.nextCursor === null;
      told();
    } while (this.needsAll);
  }

  /** @param {MediaItem} item */
  add(item) {
    if (this.kind !== '' && this.kind !== item.kind) return;
    this._items = new Map([[item.id, item], ...this._items]);
  }

  /** @param {string} id */
  remove(id) {
    this._items.delete(id);
  }
}
