/** Whether the service is still heard: one that is frozen closes no connection, and only falls silent. */

/** How often the service is asked to say something. */
export const BEAT_SECONDS = 0.5;
/** So much silence is noticed; with the second look, within 2 s of the last word. */
const SILENT_SECONDS = 1.5;
/** A page that was busy itself has words of the service waiting: they are taken before silence is believed. */
const SECOND_LOOK_SECONDS = 0.2;

export class Pulse {
  /** @param {(since: Date) => void} silent called once when nothing was heard for too long, with when the last word came */
  constructor(silent) {
    this._silent = silent;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    /** When something was heard, while more is expected. @type {Date | null} */
    this._heard = null;
    document.addEventListener('visibilitychange', () => this._wait());
  }

  /** Something was heard, and more is expected. */
  beat() {
    this._heard = new Date();
    this._wait();
  }

  /** Nothing is expected for now. */
  rest() {
    this._heard = null;
    clearTimeout(this._timer);
  }

  _wait() {
    clearTimeout(this._timer);
    if (this._heard === null || document.hidden) return; // timers are late in a hidden page, and nobody looks
    this._timer = setTimeout(() => (this._timer = setTimeout(() => this._end(), SECOND_LOOK_SECONDS * 1000)), SILENT_SECONDS * 1000);
  }

  _end() {
    const heard = this._heard;
    this.rest();
    if (heard) this._silent(heard);
  }
}
