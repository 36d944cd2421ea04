/** Waits that a hidden tab does not stretch: there browsers run a page's own timers once a second, later once a minute. */

import { pause } from './backoff.js';
import { startWorker } from './workers.js';

export class Waits {
  constructor() {
    /** @type {Worker | null} */
    this._worker = null;
    /** @type {Map<number, () => void>} what each number of the worker ends */
    this._ends = new Map();
    this._number = 0;
  }

  /**
   * Wait; an abort ends the wait early and quietly. Where there is no worker it is a plain timer.
   * @param {number} seconds
   * @param {AbortSignal} signal
   */
  async pause(seconds, signal) {
    if (!globalThis.document?.hidden) return pause(seconds, signal);
    const over = new AbortController();
    const end = () => over.abort();
    this._number += 1;
    const number = this._number;
    this._ends.set(number, end);
    signal.addEventListener('abort', end);
    this._worker ??= this._start();
    this._worker?.postMessage({ number, seconds });
    if (!signal.aborted) await pause(seconds, over.signal); // the page's timer too, should the worker have none
    signal.removeEventListener('abort', end);
    this._ends.delete(number);
  }

  /** End the worker; it comes back with the next wait that needs it. */
  dispose() {
    this._worker?.terminate();
    this._worker = null;
  }

  _start() {
    const worker = startWorker(new URL('./timer_worker.js', import.meta.url));
    if (worker === null) return null;
    worker.onmessage = ({ data }) => this._ends.get(data)?.();
    worker.onerror = () => this.dispose();
    return worker;
  }
}
