/** The last hour of the service's memory: its own history, and after it what has been seen since. */

const REFETCH_MS = 5000;

/**
 * `bytes` is the most in an interval; null: nothing was measured. `holders` are resident bytes by owner.
 * @typedef {{at: number, bytes: number | null, holders: Record<string, number>}} Point
 * @typedef {{at: number, kind: 'level' | 'shed', text: string, level?: string}} Mark
 */

export class MemoryPast {
  /** @param {import('../ballast.js').BallastClient} client */
  constructor(client) {
    this._client = client;
    /** @type {any} */
    this._history = null;
    this._fetchedAt = -Infinity;
    /** What came after the last fetch. @type {Point[]} */
    this._live = [];
  }

  /** Take the newest report in, and fetch the history again where it is old. @param {any} report */
  async take(report) {
    this._live.push({ at: Date.parse(report.sampledAt), bytes: report.workingSetBytes, holders: heldBy(report) });
    if (this._live.length > 120) this._live.shift(); // a service without a history
    if (performance.now() - this._fetchedAt < REFETCH_MS) return;
    this._fetchedAt = performance.now();
    const history = await this._client.memoryHistory().catch(() => null);
    if (history === null) return;
    this._history = history;
    const end = Date.parse(history.startedAt) + history.workingSetBytes.length * history.intervalSeconds * 1000;
    this._live = this._live.filter(({ at }) => at >= end - history.intervalSeconds * 1000);
  }

  /** @param {number} seconds how far back @returns {Point[]} oldest first */
  points(seconds) {
    const from = this._now - seconds * 1000;
    return [...this._stored(), ...this._live].filter(({ at }) => at >= from);
  }

  /** @param {number} seconds @returns {Mark[]} newest first */
  marks(seconds) {
    const from = this._now - seconds * 1000;
    const marks = (this._history?.marks ?? []).map((/** @type {any} */ mark) => ({ at: Date.parse(mark.at), kind: mark.kind, level: mark.level, text: wordsOf(mark) }));
    return marks.filter((/** @type {Mark} */ { at }) => at >= from).reverse();
  }

  /** By the service's clock: ours may differ. */
  get _now() {
    return this._live.at(-1)?.at ?? Date.now();
  }

  /** @returns {Point[]} */
  _stored() {
    if (!this._history) return [];
    const { startedAt, intervalSeconds, workingSetBytes, holders } = this._history;
    const start = Date.parse(startedAt);
    const rows = Object.entries(holders);
    const end = this._live[0]?.at ?? Infinity;
    return workingSetBytes.map((/** @type {number | null} */ value, /** @type {number} */ index) => ({
      at: start + (index + 0.5) * intervalSeconds * 1000, bytes: value,
      holders: Object.fromEntries(rows.map(([owner, row]) => [owner, Math.max(0, /** @type {any} */ (row)[index] ?? 0)])),
    })).filter((/** @type {Point} */ { at }) => at < end);
  }
}

/** @param {any} report @returns {Record<string, number>} */
function heldBy({ budget }) {
  /** @type {Record<string, number>} */
  const held = {};
  for (const { owner, residentBytes } of budget.holders) {
    const kind = owner.split(' ')[0];
    held[kind] = (held[kind] ?? 0) + residentBytes;
  }
  return held;
}

/** Why requests were refused, by the service's word for it. @type {Record<string, string>} */
const REASONS = {
  timeout: 'their bytes did not become free in time', closed: 'memory was too tight to serve them', queue_full: 'too many were waiting',
  memory_exceeds_limit: 'they could never fit',
};

/** @param {any} mark */
function wordsOf({ kind, level, reasons, reason, count }) {
  if (kind === 'level') return `${level}${reasons?.length ? `: ${reasons.join('; ')}` : ''}`;
  return `${count} refused: ${REASONS[reason] ?? reason}`;
}
