/**
 * Events: `progress`, `{sentBytes, totalBytes}`; `state`, `{state, error}`. `done` resolves with the media item.
 */
export class Upload extends Emitter {
    /**
     * @param {import('./http.js').Http} http
     * @param {Blob & {name?: string}} file
     * @param {UploadOptions} [options]
     */
    constructor(http: import("./http.js").Http, file: Blob & {
        name?: string;
    }, options?: UploadOptions);
    _http: import("./http.js").Http;
    file: Blob & {
        name?: string;
    };
    name: string;
    _pieceBytes: number;
    _memo: UploadMemo;
    _backoff: Backoff;
    _sendFunction: typeof send;
    /** What tells this file from others, without reading it. */
    fingerprint: string;
    /** Whether a pause keeps what has been sent; known once the upload has begun. */
    resumable: boolean;
    _asked: boolean | Promise<boolean>;
    totalBytes: number;
    sentBytes: number;
    /** Bytes that were there already from an attempt before, such as before a reload. */
    resumedBytes: number;
    /** @type {UploadState} */
    state: UploadState;
    /** @type {string | null} */
    _path: string | null;
    _turn: AbortController;
    /** @type {(item: any) => void} */
    _resolve: (item: any) => void;
    /** @type {(error: unknown) => void} */
    _reject: (error: unknown) => void;
    /** @type {Promise<any>} */
    done: Promise<any>;
    /** Begin, or go on after `pause`. @returns {this} */
    start(): this;
    /** Do not even begin: it is known already that it would fail. @param {unknown} error */
    refuse(error: unknown): void;
    /** Go on after `pause`. */
    resume(): void;
    /** Stop sending; what the service has, it keeps for some time (without tus the next start begins anew). */
    pause(): void;
    /** Give up; the service forgets what it has. */
    abort(): Promise<void>;
    /** Have the service forget the upload; if that fails, it expires by itself. @param {string} path */
    _delete(path: string): Promise<void>;
    /** @param {AbortSignal} signal */
    _run(signal: AbortSignal): Promise<void>;
    /** @param {AbortSignal} signal @returns {Promise<any>} the item */
    _attempt(signal: AbortSignal): Promise<any>;
    /** Return where to go on: at what the service has of this file, or at the start of a new upload. @param {any} ask */
    _position(ask: any): Promise<{
        offset: number;
        mediaId: string | null;
    }>;
    /** @param {AbortSignal} signal */
    _sendWhole(signal: AbortSignal): Promise<any>;
    /** @param {any} request @param {AbortSignal} signal */
    _ask({ method, path, query, headers, body, onProgress }: any, signal: AbortSignal): Promise<import("./send.js").SendAnswer>;
    _forget(): void;
    /** @param {number} sentBytes */
    _progress(sentBytes: number): void;
    /** @param {any} item @param {AbortSignal} signal */
    _finish(item: any, signal: AbortSignal): void;
    /** @param {unknown} error */
    _fail(error: unknown): void;
    /** Whether to try again: the connection, the load, or (409, 423) a piece still under way. @param {unknown} error */
    _mayPass(error: unknown): boolean;
    /** @param {UploadState} state @param {unknown} [error] */
    _tell(state: UploadState, error?: unknown): void;
}
export type UploadState = "ready" | "uploading" | "waiting" | "paused" | "done" | "failed" | "aborted";
export type UploadOptions = {
    name?: string;
    pieceBytes?: number;
    resumable?: boolean | Promise<boolean>;
    memo?: UploadMemo;
    backoff?: Backoff;
    send?: typeof send;
};
import { Emitter } from './emitter.js';
import { UploadMemo } from './memo.js';
import { Backoff } from './backoff.js';
import { send } from './send.js';
