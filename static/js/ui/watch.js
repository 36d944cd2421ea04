/** What is known of the service's memory: the level as it changes, reports from time to time, and the last minutes. */

import { Emitter } from '../kit/emitter.js';

const HISTORY = 600;

/**
 * Events: `level` (a level report), `report` (a memory report), `trouble` (an error: there is no report now).
 */
export class MemoryWatch extends Emitter {
  /** @param {import('../ballast.js').BallastClient} client @param {number} periodSeconds */
  constructor(client, periodSeconds) {
    super();
    this._client = client;
    this._calmSeconds = periodSeconds;
    this._periodSeconds = periodSeconds;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    /** @type {import('../ballast.js').LevelEvents | null} */
    this._levels = null;
    /** Newest last: time in ms, bytes. A ring would save nothing: 600 entries are 20 KB. @type {{at: number, bytes: number}[]} */
    this.history = [];
    /** @type {any} */
    this.report = null;
    document.addEventListener('visibilitychange', () => this._look());
  }

  /** Begin, or begin anew with another key. */
  start() {
    this._levels?.close();
    this._levels = this._client.levels();
    this._levels.on('level', (report) => this.emit('level', report));
    this._levels.on('lost', (error) => error && this.emit('trouble', error));
    this._levels.on('ended', (error) => this.emit('trouble', error));
    this._look();
  }

  /** Ask more often while somebody looks; the function that is returned ends that. @param {number} seconds */
  quicken(seconds) {
    this._periodSeconds = seconds;
    this._look();
    return () => {
      this._periodSeconds = this._calmSeconds;
    };
  }

  /** Ask now, and then again and again, but not for a page that nobody sees. */
  async _look() {
    clearTimeout(this._timer);
    if (document.hidden) return;
    try {
      this._take(await this._client.memory());
    } catch (error) {
      this.emit('trouble', error);
    }
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this._look(), this._periodSeconds * 1000);
  }

  /** @param {any} report */
  _take(report) {
    this.report = report;
    this.history.push({ at: Date.now(), bytes: report.workingSetBytes });
    if (this.history.length > HISTORY) this.history.shift();
    this.emit('report', report);
  }
}
