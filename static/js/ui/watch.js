/**
 * What is known of the service's memory, in one place for all who show it: the newest report, with the newest level in it,
 * and whether the service can be reached at all.
 */

import { Backoff, ConnectionProblem } from '../ballast.js';
import { pause } from '../kit/backoff.js';
import { Emitter } from '../kit/emitter.js';
import { BEAT_SECONDS, Pulse } from './pulse.js';

const LOST_SECONDS = 1;
const ANSWER_SECONDS = 5;

/**
 * @typedef {import('../kit/levels.js').LevelReport} LevelReport
 */

/**
 * Events: `level` (the newest level report), `report` (a memory report, in which the level is the newest too), `lost`
 * (`{since, error}`: the service cannot be reached), `back` (it can again).
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
    this._pulse = new Pulse((since) => this._fallSilent(since));
    this._turn = 0;
    this._isLooking = false;
    /** @type {LevelReport | null} */
    this.level = null;
    /** @type {any} */
    this.report = null;
    /** Since when the service cannot be reached; null: it can. @type {Date | null} */
    this.lostSince = null;
    document.addEventListener('visibilitychange', () => this._look());
    addEventListener('online', () => this._look());
  }

  /** Begin, or begin anew with another key. */
  start() {
    this._listen();
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

  /**
   * Do what needs the service: now, and if that fails, again until it has worked once: when the service is back, and where
   * it only had no time or memory, as soon as it said or a little later.
   * @param {() => Promise<unknown>} work @param {(error: unknown) => void} [failed]
   * @returns {() => void} what gives up
   */
  persist(work, failed = () => {}) {
    const backoff = new Backoff({ firstSeconds: 1 });
    const ending = new AbortController();
    let turn = 0;
    const attempt = async () => {
      turn += 1;
      const own = turn;
      try {
        await work();
        end();
      } catch (error) {
        if (ending.signal.aborted || own !== turn) return;
        failed(error);
        const problem = /** @type {any} */ (error);
        if (!problem?.isTemporary) return;
        await pause(backoff.next(problem.retryAfterSeconds), ending.signal);
        if (!ending.signal.aborted && own === turn) attempt();
      }
    };
    const stop = this.on('back', attempt);
    const end = () => {
      stop();
      ending.abort();
    };
    attempt();
    return end;
  }

  _listen() {
    this._levels?.close();
    this._pulse.rest();
    this._levels = this._client.levels({ everySeconds: BEAT_SECONDS });
    this._levels.on('level', (level) => this._hear(level));
    // A service that ends closes this connection first: what is shown is looked at again at once.
    this._levels.on('lost', () => {
      this._pulse.rest();
      this._look();
    });
    this._levels.on('ended', (error) => this._miss(error));
  }

  /** @param {LevelReport} level a change of it, or only a sign of life */
  _hear(level) {
    this._pulse.beat();
    if (this.lostSince) {
      if (!this._isLooking) this._look(); // it was only silent
    } else if (level.level !== this.level?.level) this._take(level);
  }

  /** @param {Date} since */
  _fallSilent(since) {
    this._miss(new ConnectionProblem('The service does not answer.'), since);
    this._look();
  }

  /** Ask now, and then again and again, but not for a page that nobody sees. */
  async _look() {
    this._turn += 1;
    const turn = this._turn;
    clearTimeout(this._timer);
    if (document.hidden) {
      this._isLooking = false;
      return;
    }
    this._isLooking = true;
    let isRefused = false;
    try {
      const report = await this._client.memory({ signal: AbortSignal.timeout(ANSWER_SECONDS * 1000) });
      this.report = report;
      this._find();
      this._take(report);
    } catch (error) {
      isRefused = /** @type {any} */ (error)?.status === 401; // only another key helps
      if (turn === this._turn) this._miss(error);
    }
    if (turn !== this._turn) return;
    this._isLooking = false;
    const seconds = this.lostSince && !isRefused ? Math.min(LOST_SECONDS, this._periodSeconds) : this._periodSeconds;
    this._timer = setTimeout(() => this._look(), seconds * 1000);
  }

  /** A level or a whole report has come; they come by different ways, so the time of the sample says which is newer. @param {any} news */
  _take(news) {
    const { level, mode, pressure, workingSetBytes, limitBytes, reasons, sampledAt } = news;
    if (this.level === null || sampledAt >= this.level.sampledAt || this.level.limitBytes !== limitBytes) {
      this.level = { level, mode, pressure, workingSetBytes, limitBytes, reasons, sampledAt };
    }
    if (this.report) this.report = { ...this.report, ...this.level };
    this.emit('level', this.level);
    if (this.report) this.emit('report', this.report);
  }

  /** @param {unknown} error @param {Date} [since] */
  _miss(error, since = new Date()) {
    this.lostSince ??= since;
    this.level = null; // a service that comes back is perhaps another one, with another clock
    this.emit('lost', { since: this.lostSince, error });
  }

  _find() {
    if (this.lostSince === null) return;
    this.lostSince = null;
    this._listen();
    this.emit('back');
  }
}
