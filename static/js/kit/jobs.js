/** Work that takes long: submitted, followed, cancelled, and there still after a restart of the service. */

import { Emitter } from './emitter.js';
import { EventStream } from './events.js';
import { BallastProblem } from './problem.js';

/**
 * @typedef {{
 *   id: string, kind: string, state: 'queued' | 'running' | 'paused' | 'succeeded' | 'failed' | 'cancelled',
 *   input: string | string[], inputCount: number, params: Record<string, any>, priority: number, progress: number, step: string,
 *   etaSeconds: number | null, createdAt: string, startedAt: string | null, finishedAt: string | null, attempts: number,
 *   result: {media: import('./types.js').MediaItem[], summary: Record<string, any>} | null, error: Record<string, any> | null,
 *   memory: {predictedBytes: number, peakBytes: number, profile: string | null, retries: number}, machine: string,
 *   eventsUrl: string, webhook: string | null, idempotencyKey: string | null,
 * }} Job
 * @typedef {{predictedBytes: number | null, diskBytes: number | null, steps: number | null, chunkSeconds: number | null,
 *   profile: string | null, problem: Record<string, any> | null}} Prediction
 * @typedef {{name: string, summary: string, maxInputs: number, parameters: any, prediction: Prediction | null}} JobKind
 * @typedef {{kind: string, input: string | string[], params?: Record<string, any>, priority?: number, webhook?: string | null,
 *   idempotencyKey?: string | null}} Order
 */

const OVER = ['succeeded', 'failed', 'cancelled'];

/** Whether nothing more will happen to a job by itself. @param {{state: string}} job */
export function isOver(job) {
  return OVER.includes(job.state);
}

export class Jobs {
  /** @param {import('./http.js').Http} http */
  constructor(http) {
    this._http = http;
  }

  /**
   * What can be done, with a JSON schema of the parameters; for an item also what each kind would take of it.
   * @param {{input?: string, signal?: AbortSignal}} [options] @returns {Promise<JobKind[]>}
   */
  async kinds({ input, signal } = {}) {
    return (await this._http.json('GET', '/v1/jobs/kinds', { query: { input }, signal })).kinds;
  }

  /** @param {Order} order @returns {Promise<Job>} @throws {BallastProblem} it could not work, or never fit */
  submit(order) {
    return this._http.json('POST', '/v1/jobs', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(order) });
  }

  /**
   * What a job would take as it is ordered, or in `problem` why it cannot be done; nothing is kept.
   * @param {Order} order @param {{signal?: AbortSignal}} [options] @returns {Promise<Prediction>}
   */
  predict(order, { signal } = {}) {
    return this._http.json('POST', '/v1/jobs/prediction', { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(order), signal });
  }

  /** @param {string} id @param {{signal?: AbortSignal}} [options] @returns {Promise<Job>} */
  get(id, { signal } = {}) {
    return this._http.json('GET', `/v1/jobs/${id}`, { signal });
  }

  /**
   * @param {{state?: string, kind?: string, limit?: number, cursor?: string | null, signal?: AbortSignal}} [options]
   * @returns {Promise<{items: Job[], nextCursor: string | null}>}
   */
  list({ state, kind, limit, cursor, signal } = {}) {
    return this._http.json('GET', '/v1/jobs', { query: { state, kind, limit, cursor }, signal });
  }

  /** @param {string} id @returns {Promise<Job>} */
  cancel(id) {
    return this._http.json('POST', `/v1/jobs/${id}/cancel`);
  }

  /** @param {string} id @returns {Promise<Job>} */
  retry(id) {
    return this._http.json('POST', `/v1/jobs/${id}/retry`);
  }

  /** Forget a finished job. @param {string} id @param {{results?: boolean}} [options] `results`: with what it made */
  async delete(id, { results = false } = {}) {
    await this._http.request('DELETE', `/v1/jobs/${id}`, { query: { results: results || undefined } });
  }

  /** Follow a job: `close()` it when done. @param {string} id */
  events(id) {
    return new JobEvents(this._http, id).start();
  }

  /**
   * Wait until a job has succeeded.
   * @param {string} id @param {{onProgress?: (job: Job) => void, signal?: AbortSignal}} [options]
   * @returns {Promise<Job>}
   * @throws {JobFailed} it failed, or was cancelled
   */
  wait(id, { onProgress = () => {}, signal } = {}) {
    return new Promise((resolve, reject) => {
      const events = this.events(id);
      const end = (/** @type {() => void} */ settle) => {
        events.close();
        settle();
      };
      events.on('job', (job) => {
        onProgress(job);
        if (isOver(job)) end(() => (job.state === 'succeeded' ? resolve(job) : reject(new JobFailed(job))));
      });
      events.on('ended', (error) => end(() => reject(error)));
      signal?.addEventListener('abort', () => end(() => reject(signal.reason)));
      if (signal?.aborted) end(() => reject(signal.reason));
    });
  }
}

/** A job that did not succeed; `job` is all of it, `code` says why. */
export class JobFailed extends BallastProblem {
  /** @param {Job} job */
  constructor(job) {
    super(job.error?.status ?? 0, job.error ?? { code: job.state, detail: `The job was ${job.state}.` });
    this.name = 'JobFailed';
    this.job = job;
  }
}

/** Events: `job` (the newest of what is known of it), `lost` and `open` as of EventStream, `ended` (an error: refused for good). */
export class JobEvents extends Emitter {
  /** @param {import('./http.js').Http} http @param {string} id */
  constructor(http, id) {
    super();
    /** @type {Partial<Job>} */
    this.job = { id };
    this._events = new EventStream(http, `/v1/jobs/${id}/events`);
    this._events.on('message', ({ type, data }) => this._take(type, data));
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

  /** @param {string} type @param {any} data */
  _take(type, data) {
    if (type !== 'state' && type !== 'progress') return;
    this.job = { ...this.job, ...data };
    if (isOver(/** @type {any} */ (this.job))) this._events.close(); // the service ends it too: do not connect again
    this.emit('job', this.job);
  }
}
