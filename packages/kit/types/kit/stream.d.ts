/**
 * Events:
 *
 * - `result`: the service's answer, with `lagSeconds` (from the grab to the answer) and `frame` (`width`, `height`, `bytes`).
 * - `skipped`, `{seq, reason}`: the service skips frames on purpose while memory is tight.
 * - `problem`, a BallastProblem (`document.seq` is the frame): one frame was refused; the stream goes on.
 * - `state`, `{state, transport, error}`: `waiting` has lost the service and comes back by itself, `failed` does not.
 */
export class FrameStream extends Emitter {
    /**
     * @param {import('./http.js').Http} http
     * @param {string} task
     * @param {import('./frames.js').FrameSource | MediaStreamTrack | null} source a camera's track needs no video element;
     *   null only with a `grabber` of your own
     * @param {StreamOptions} [options]
     */
    constructor(http: import("./http.js").Http, task: string, source: import("./frames.js").FrameSource | MediaStreamTrack | null, options?: StreamOptions);
    _http: import("./http.js").Http;
    _task: string;
    _options: {
        params?: Record<string, any>;
        maxFps: number;
        maxWidth: number;
        maxHeight: number;
        quality: number;
        type?: string;
        transport?: "auto" | "http";
        answerSeconds: number;
        socketRetrySeconds: number;
        grabber?: import("./tracks.js").Grabber;
        backoff?: Backoff;
        WebSocket?: typeof WebSocket;
    };
    _params: {
        [x: string]: any;
    };
    _grabber: import("./tracks.js").Grabber;
    _waits: Waits;
    _backoff: Backoff;
    /** @type {{maxFps?: number, maxWidth?: number, maxHeight?: number, quality?: number}} */
    _advice: {
        maxFps?: number;
        maxWidth?: number;
        maxHeight?: number;
        quality?: number;
    };
    _socketFailures: number;
    _troubles: number;
    /** @type {SocketChannel | PostChannel | null} */
    _channel: SocketChannel | PostChannel | null;
    _ending: AbortController;
    /** @type {Promise<void>} */
    _running: Promise<void>;
    /** @type {StreamState} */
    state: StreamState;
    counts: {
        sent: number;
        answered: number;
        skipped: number;
        dropped: number;
        problems: number;
        sentBytes: number;
        connections: number;
    };
    /** `websocket`, `http`, or '' while there is no connection. */
    get transport(): string;
    /** @returns {this} */
    start(): this;
    /** Stop for good; resolves when nothing is under way any more. */
    stop(): Promise<void>;
    /**
     * Change the task's parameters while frames go on; `maxFps` too.
     * @param {Record<string, any>} params
     */
    configure(params: Record<string, any>): void;
    /** @param {AbortSignal} signal */
    _run(signal: AbortSignal): Promise<void>;
    /** @param {AbortSignal} signal */
    _ready(signal: AbortSignal): Promise<void>;
    /** @param {AbortSignal} signal */
    _open(signal: AbortSignal): Promise<SocketChannel | PostChannel>;
    /** @param {SocketChannel | PostChannel} channel @param {AbortSignal} signal */
    _pump(channel: SocketChannel | PostChannel, signal: AbortSignal): Promise<void>;
    /** When to leave a channel by itself: requests are only a way out until the WebSocket works. @param {{name: string}} channel */
    _endOf(channel: {
        name: string;
    }): number;
    /** @param {SocketChannel | PostChannel} channel */
    _send(channel: SocketChannel | PostChannel): Promise<void>;
    /** What the caller wants, or less where the service advises it. */
    _limits(): {
        maxWidth: number;
        maxHeight: number;
        quality: number;
    };
    /** @param {Record<string, any>} message */
    _take(message: Record<string, any>): void;
    /** @param {unknown} error */
    _comesBack(error: unknown): boolean;
    /** @param {StreamState} state @param {unknown} [error] */
    _leave(state: StreamState, error?: unknown): void;
    /** @param {StreamState} state @param {unknown} [error] */
    _tell(state: StreamState, error?: unknown): void;
}
export type StreamOptions = {
    params?: Record<string, any>;
    maxFps?: number;
    maxWidth?: number;
    maxHeight?: number;
    quality?: number;
    type?: string;
    transport?: "auto" | "http";
    answerSeconds?: number;
    socketRetrySeconds?: number;
    grabber?: import("./tracks.js").Grabber;
    backoff?: Backoff;
    WebSocket?: typeof WebSocket;
};
export type StreamState = "stopped" | "connecting" | "streaming" | "waiting" | "failed";
import { Emitter } from './emitter.js';
import { Backoff } from './backoff.js';
import { Waits } from './waits.js';
import { SocketChannel } from './channels.js';
import { PostChannel } from './channels.js';
