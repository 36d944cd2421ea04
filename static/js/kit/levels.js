/** The memory pressure level, as it changes. */

import { Emitter } from './emitter.js';
import { EventStream } from './events.js';

/**
 * @typedef {'LOW' | 'MODERATE' | 'HIGH' | 'CRITICAL'} Level
 * @typedef {{level: Level, mode: string, pressure: number, workingSetBytes: number, limitBytes: number,
 *   reasons: string[], sampledAt: string}} LevelReport
 */

/** Events: `level` (a LevelReport, the present one at once), `open`, `lost`, `ended` as of EventStream. */
export class LevelEvents extends Emitter {
  /**
   * @param {import('./http.js').Http} http
   * @param {{everySeconds?: number}} [options] `everySeconds` (0.5 to 60): the level comes again after so long without
   *   another one, so that a service that is frozen is noticed: it closes no connection
   */
  constructor(http, { everySeconds } = {}) {
    super();
    /** @type {LevelReport | null} */
    this.last = null;
    this._events = new EventStream(http, everySeconds ? `/v1/memory/events?everySeconds=${everySeconds}` : '/v1/memory/events');
    this._events.on('message', ({ type, data }) => {
      if (type !== 'level') return;
      this.last = data;
      this.emit('level', data);
    });
    for (const type of ['open', 'lost', 'ended']) this._events.on(type, (detail) => this.emit(type, detail));
  }

  /** @returns {this} */
  start() {
    this._events.start();
    return this;
  }

  close() {
    this._events.close();
  }
}
