/**
 * @typedef {Record<string, any> & {type: 'result' | 'skipped' | 'error', seq: number}} Answer
 * @typedef {(message: Record<string, any>) => void} Listener
 */
/** The service closed the stream. Codes: 1008 policy, 1009 too large, 1012 restart, 1013 later, 4408 idle. */
export class StreamClosed extends Error {
    /** @param {number} code @param {string} reason @param {boolean} wasReady */
    constructor(code: number, reason: string, wasReady: boolean);
    code: number;
    /** Whether the stream had begun; a handshake that is refused looks like a lost connection to a browser. */
    wasReady: boolean;
    get isTemporary(): boolean;
}
/** Frames over a WebSocket, one at a time. */
export class SocketChannel {
    /**
     * Connect, and wait for the service's greeting.
     * @param {string} url
     * @param {{signal: AbortSignal, WebSocket: typeof WebSocket, answerSeconds: number}} options
     * @returns {Promise<SocketChannel>}
     * @throws {StreamClosed}
     */
    static open(url: string, { signal, WebSocket, answerSeconds }: {
        signal: AbortSignal;
        WebSocket: typeof globalThis.WebSocket;
        answerSeconds: number;
    }): Promise<SocketChannel>;
    /** @param {WebSocket} socket @param {AbortSignal} signal @param {number} answerSeconds */
    constructor(socket: WebSocket, signal: AbortSignal, answerSeconds: number);
    name: string;
    _socket: WebSocket;
    _answerSeconds: number;
    _sent: number;
    _wasReady: boolean;
    /** @type {Error | null} */
    _end: Error | null;
    /** @type {{accepts: Listener, resolve: (message: any) => void, reject: (error: Error) => void} | null} */
    _waiting: {
        accepts: Listener;
        resolve: (message: any) => void;
        reject: (error: Error) => void;
    } | null;
    /** Called with messages that nobody waits for. @type {Listener} */
    onStray: Listener;
    /**
     * Send a frame and return the answer to it.
     * @param {Blob} blob
     * @returns {Promise<Answer>}
     * @throws {StreamClosed | ConnectionProblem}
     */
    exchange(blob: Blob): Promise<Answer>;
    /** @param {Record<string, any>} params */
    configure(params: Record<string, any>): void;
    /** Throw what has ended the channel, if anything has. */
    check(): void;
    /** @param {Error} [reason] */
    close(reason?: Error): void;
    /** @param {(message: Record<string, any>) => boolean} accepts @returns {Promise<any>} */
    _wait(accepts: (message: Record<string, any>) => boolean): Promise<any>;
    /** @param {any} text */
    _take(text: any): void;
    /** @param {Error} error */
    _finish(error: Error): void;
}
/** One request for each frame. */
export class PostChannel {
    /**
     * @param {import('./http.js').Http} http
     * @param {string} task
     * @param {Record<string, any>} params
     * @param {AbortSignal} signal
     */
    constructor(http: import("./http.js").Http, task: string, params: Record<string, any>, signal: AbortSignal);
    name: string;
    _http: import("./http.js").Http;
    _task: string;
    _params: Record<string, any>;
    _signal: AbortSignal;
    _sent: number;
    /** @type {Listener} */
    onStray: Listener;
    /**
     * Send a frame and return the answer; what only concerns this frame, or passes, is an answer of type `error`.
     * @param {Blob} blob
     * @returns {Promise<Answer>}
     * @throws {BallastProblem | ConnectionProblem}
     */
    exchange(blob: Blob): Promise<Answer>;
    /** @param {Record<string, any>} params */
    configure(params: Record<string, any>): void;
    check(): void;
    close(): void;
}
export type Answer = Record<string, any> & {
    type: "result" | "skipped" | "error";
    seq: number;
};
export type Listener = (message: Record<string, any>) => void;
