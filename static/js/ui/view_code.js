/** The code of a view, which comes when it is first opened, also when that failed before or the service is a newer one. */

const RELOADED = 'ballast.reloaded';

/** The views' code, each loaded once. */
export class ViewCode {
  constructor() {
    /** @type {Map<string, import('../views/index.js').Open>} */
    this._loaded = new Map();
    this._failures = 0;
  }

  /**
   * Return what opens a view. A browser may keep a failed import for good, so that another attempt asks at another address.
   * @param {import('../views/index.js').Entry} view @returns {Promise<import('../views/index.js').Open>}
   */
  async load(view) {
    const known = this._loaded.get(view.id);
    if (known) return known;
    try {
      const open = await view.load(this._failures === 0 ? '' : `?attempt=${this._failures}`);
      this._loaded.set(view.id, open);
      return open;
    } catch (error) {
      this._failures += 1;
      throw error;
    }
  }
}

/** Where the page's own code came from: a newer service has it at another address. */
function ownCode() {
  return new URL(/** @type {HTMLScriptElement} */ (document.querySelector('script[type="module"]')).src).pathname;
}

/** Whether the service has another version of this page by now. @returns {Promise<boolean>} */
export async function isOutdated() {
  try {
    const response = await fetch(location.pathname, { cache: 'no-store', credentials: 'omit', signal: AbortSignal.timeout(10_000) });
    return response.ok && !(await response.text()).includes(ownCode());
  } catch {
    return false; // it is not there at all
  }
}

/** Reload the page for its new version, the view and all in the address; false: that was done, and did not help. */
export function reloadedOnce() {
  if (sessionStorage.getItem(RELOADED) === ownCode()) return false;
  sessionStorage.setItem(RELOADED, ownCode());
  location.reload();
  return true;
}
