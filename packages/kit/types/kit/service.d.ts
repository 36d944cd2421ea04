/**
 * @typedef {{signal?: AbortSignal}} Waiting
 * @typedef {{kind: string, runsNow: boolean, reason: string | null, predictedBytes: number | null, diskBytes: number | null,
 *   profile: string | null, steps: number | null, chunkSeconds: number | null}} JobAdvice
 * @typedef {{level: import('./levels.js').Level, mode: string, fits: boolean, neededBytes: number, freeBytes: number,
 *   largestGrantBytes: number, workers: number, chunkBytes: number, analysisWidth: number, analysisHeight: number,
 *   frameStride: number, ffmpegProfile: string, job: JobAdvice | null}} Advice
 */
export class ServiceClient {
    /**
     * @param {{baseUrl?: string, key?: string | null, fetch?: typeof fetch}} [options] `baseUrl`: '' is the page's own
     *   origin; `key`: one of the service's keys, where it has any
     */
    constructor({ baseUrl, key, fetch: fetchFunction }?: {
        baseUrl?: string;
        key?: string | null;
        fetch?: typeof fetch;
    });
    _http: Http;
    /** @type {Promise<Set<string>> | null} */
    _operations: Promise<Set<string>> | null;
    /** @param {string | null} key */
    set key(key: string | null);
    get key(): string | null;
    /**
     * Whether the service has an endpoint, by its own description of itself; `path` as there, such as `/v1/media/{media_id}`,
     * or a pattern. True where it does not describe itself.
     * @param {string} method
     * @param {string | RegExp} path
     */
    has(method: string, path: string | RegExp): Promise<boolean>;
    _describe(): Promise<Set<string>>;
    /** Effective settings and the limits derived from them. @returns {Promise<any>} */
    limits(): Promise<any>;
    /** Whether the service takes new work; `reasons` says why not. @returns {Promise<{ready: boolean, reasons: string[]}>} */
    ready(): Promise<{
        ready: boolean;
        reasons: string[];
    }>;
    /** @returns {Promise<{status: string}>} */
    live(): Promise<{
        status: string;
    }>;
    /** The memory report: level, working set, ledger, models, files, processes. @param {Waiting} [options] @returns {Promise<any>} */
    memory(options?: Waiting): Promise<any>;
    /**
     * The last hour of memory: rows of peaks, who held what then, and what happened.
     * @param {{seconds?: number, signal?: AbortSignal}} [options]
     * @returns {Promise<any>}
     */
    memoryHistory({ seconds, signal }?: {
        seconds?: number;
        signal?: AbortSignal;
    }): Promise<any>;
    /** The metrics as Prometheus reads them. */
    metrics(): Promise<string>;
    /**
     * The pressure level, at once and at each change; `close()` it when done.
     * @param {{everySeconds?: number}} [options] and again after so long without a change
     */
    levels(options?: {
        everySeconds?: number;
    }): LevelEvents;
    /** Free what can be freed now. @returns {Promise<{freedBytes: number, reclaimers: any[]}>} */
    reclaim(): Promise<{
        freedBytes: number;
        reclaimers: any[];
    }>;
    /**
     * How a piece of work would be done now; with an item (`media`) and a `kind` of job also whether that would run, in `job`.
     * @param {{bytes?: number, width?: number, height?: number, media?: string, kind?: string}} work
     * @returns {Promise<Advice>}
     */
    advice(work: {
        bytes?: number;
        width?: number;
        height?: number;
        media?: string;
        kind?: string;
    }): Promise<Advice>;
}
export type Waiting = {
    signal?: AbortSignal;
};
export type JobAdvice = {
    kind: string;
    runsNow: boolean;
    reason: string | null;
    predictedBytes: number | null;
    diskBytes: number | null;
    profile: string | null;
    steps: number | null;
    chunkSeconds: number | null;
};
export type Advice = {
    level: import("./levels.js").Level;
    mode: string;
    fits: boolean;
    neededBytes: number;
    freeBytes: number;
    largestGrantBytes: number;
    workers: number;
    chunkBytes: number;
    analysisWidth: number;
    analysisHeight: number;
    frameStride: number;
    ffmpegProfile: string;
    job: JobAdvice | null;
};
import { Http } from './http.js';
import { LevelEvents } from './levels.js';
