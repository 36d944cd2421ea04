/**
 * Follows one address. Events:
 *
 * - `message`, `{type, data, id}`: one event of the server; `data` is parsed JSON.
 * - `open`: connected. `lost`, the error: no connection; the next attempt is under way.
 * - `ended`, the error: the service refuses for good, and no further attempt is made.
 */
export class EventStream extends Emitter {
    /**
     * @param {import('./http.js').Http} http
     * @param {string} path
     * @param {{backoff?: Backoff}} [options]
     */
    constructor(http: import("./http.js").Http, path: string, { backoff }?: {
        backoff?: Backoff;
    });
    _http: import("./http.js").Http;
    _path: string;
    _backoff: Backoff;
    _lastId: string;
    _ending: AbortController;
    _atLeastSeconds: number;
    /** Begin to listen. @returns {this} */
    start(): this;
    /** Stop for good. */
    close(): void;
    _run(): Promise<void>;
    /** @param {AbortSignal} signal @returns {Promise<boolean>} false: nothing more will come (204), as EventSource has it */
    _connect(signal: AbortSignal): Promise<boolean>;
    /** @param {ReadableStream<Uint8Array>} body */
    _read(body: ReadableStream<Uint8Array>): Promise<void>;
    /** @param {{type: string, data: string, id: string}} event @param {string} line */
    _take(event: {
        type: string;
        data: string;
        id: string;
    }, line: string): void;
    /** @param {{type: string, data: string, id: string}} event */
    _deliver({ type, data, id }: {
        type: string;
        data: string;
        id: string;
    }): void;
}
import { Emitter } from './emitter.js';
import { Backoff } from './backoff.js';
