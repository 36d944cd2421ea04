/** Growing waits between attempts, spread by chance so that many clients do not come back at once. */

export class Backoff {
  /**
   * @param {{firstSeconds?: number, maxSeconds?: number, random?: () => number}} [options]
   */
  constructor({ firstSeconds = 0.5, maxSeconds = 30, random = Math.random } = {}) {
    this._firstSeconds = firstSeconds;
    this._maxSeconds = maxSeconds;
    this._random = random;
    /** Attempts since the last success. */
    this.failures = 0;
  }

  /** Forget the failures: something has worked. */
  reset() {
    this.failures = 0;
  }

  /**
   * Return how long to wait before the next attempt: half to all of a time that doubles, and never less than asked for.
   * @param {number | null} [atLeastSeconds]
   * @returns {number} seconds
   */
  next(atLeastSeconds = null) {
    const full = Math.min(this._maxSeconds, this._firstSeconds * 2 ** Math.min(this.failures, 20));
    this.failures += 1;
    return Math.max(atLeastSeconds ?? 0, full * (0.5 + 0.5 * this._random()));
  }
}

/**
 * Wait; an abort ends the wait early and quietly (look at `signal.aborted` afterwards).
 * @param {number} seconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(seconds, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) {
      resolve();
      return;
    }
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, seconds * 1000);
    signal?.addEventListener('abort', end);
  });
}
