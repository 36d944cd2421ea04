/** Whether nothing more will happen to a job by itself. @param {{state: string}} job */
export function isOver(job: {
    state: string;
}): boolean;
export class Jobs {
    /** @param {import('./http.js').Http} http */
    constructor(http: import("./http.js").Http);
    _http: import("./http.js").Http;
    /**
     * What can be done, with a JSON schema of the parameters; for an item also what each kind would take of it.
     * @param {{input?: string, signal?: AbortSignal}} [options] @returns {Promise<JobKind[]>}
     */
    kinds({ input, signal }?: {
        input?: string;
        signal?: AbortSignal;
    }): Promise<JobKind[]>;
    /** @param {Order} order @returns {Promise<Job>} @throws {BallastProblem} it could not work, or never fit */
    submit(order: Order): Promise<Job>;
    /**
     * What a job would take as it is ordered, or in `problem` why it cannot be done; nothing is kept.
     * @param {Order} order @param {{signal?: AbortSignal}} [options] @returns {Promise<Prediction>}
     */
    predict(order: Order, { signal }?: {
        signal?: AbortSignal;
    }): Promise<Prediction>;
    /** @param {string} id @param {{signal?: AbortSignal}} [options] @returns {Promise<Job>} */
    get(id: string, { signal }?: {
        signal?: AbortSignal;
    }): Promise<Job>;
    /**
     * @param {{state?: string, kind?: string, limit?: number, cursor?: string | null, signal?: AbortSignal}} [options]
     * @returns {Promise<{items: Job[], nextCursor: string | null}>}
     */
    list({ state, kind, limit, cursor, signal }?: {
        state?: string;
        kind?: string;
        limit?: number;
        cursor?: string | null;
        signal?: AbortSignal;
    }): Promise<{
        items: Job[];
        nextCursor: string | null;
    }>;
    /** @param {string} id @returns {Promise<Job>} */
    cancel(id: string): Promise<Job>;
    /** @param {string} id @returns {Promise<Job>} */
    retry(id: string): Promise<Job>;
    /** Forget a finished job. @param {string} id @param {{results?: boolean}} [options] `results`: with what it made */
    delete(id: string, { results }?: {
        results?: boolean;
    }): Promise<void>;
    /** Follow a job: `close()` it when done. @param {string} id */
    events(id: string): JobEvents;
    /**
     * Wait until a job has succeeded.
     * @param {string} id @param {{onProgress?: (job: Job) => void, signal?: AbortSignal}} [options]
     * @returns {Promise<Job>}
     * @throws {JobFailed} it failed, or was cancelled
     */
    wait(id: string, { onProgress, signal }?: {
        onProgress?: (job: Job) => void;
        signal?: AbortSignal;
    }): Promise<Job>;
}
/** A job that did not succeed; `job` is all of it, `code` says why. */
export class JobFailed extends BallastProblem {
    /** @param {Job} job */
    constructor(job: Job);
    job: Job;
}
/** Events: `job` (the newest of what is known of it), `lost` and `open` as of EventStream, `ended` (an error: refused for good). */
export class JobEvents extends Emitter {
    /** @param {import('./http.js').Http} http @param {string} id */
    constructor(http: import("./http.js").Http, id: string);
    /** @type {Partial<Job>} */
    job: Partial<Job>;
    _events: EventStream;
    /** @returns {this} */
    start(): this;
    close(): void;
    /** @param {string} type @param {any} data */
    _take(type: string, data: any): void;
}
export type Job = {
    id: string;
    kind: string;
    state: "queued" | "running" | "paused" | "succeeded" | "failed" | "cancelled";
    input: string | string[];
    inputCount: number;
    params: Record<string, any>;
    priority: number;
    progress: number;
    step: string;
    etaSeconds: number | null;
    createdAt: string;
    startedAt: string | null;
    finishedAt: string | null;
    attempts: number;
    result: {
        media: import("./types.js").MediaItem[];
        summary: Record<string, any>;
    } | null;
    error: Record<string, any> | null;
    memory: {
        predictedBytes: number;
        peakBytes: number;
        profile: string | null;
        retries: number;
    };
    machine: string;
    eventsUrl: string;
    webhook: string | null;
    idempotencyKey: string | null;
};
export type Prediction = {
    predictedBytes: number | null;
    diskBytes: number | null;
    steps: number | null;
    chunkSeconds: number | null;
    profile: string | null;
    problem: Record<string, any> | null;
};
export type JobKind = {
    name: string;
    summary: string;
    maxInputs: number;
    parameters: any;
    prediction: Prediction | null;
};
export type Order = {
    kind: string;
    input: string | string[];
    params?: Record<string, any>;
    priority?: number;
    webhook?: string | null;
    idempotencyKey?: string | null;
};
import { BallastProblem } from './problem.js';
import { Emitter } from './emitter.js';
import { EventStream } from './events.js';
