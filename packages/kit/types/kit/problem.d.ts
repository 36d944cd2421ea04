/**
 * Return the problem that an answer's status, text and `Retry-After` make.
 * @param {number} status
 * @param {string} text
 * @param {string | null} retryAfter
 */
export function problemOf(status: number, text: string, retryAfter: string | null): BallastProblem;
/** Errors of the service (application/problem+json, RFC 9457), and those of the way to it. */
/**
 * The service refused: `code` says why in one stable word, `message` for people.
 */
export class BallastProblem extends Error {
    /**
     * @param {number} status
     * @param {Record<string, any>} document the problem's members; what is missing is filled in
     * @param {number | null} [retryAfterSeconds] when to come back, where the service said so
     */
    constructor(status: number, document: Record<string, any>, retryAfterSeconds?: number | null);
    status: number;
    /** @type {string} */
    code: string;
    /** @type {string} */
    title: string;
    /** @type {string} */
    requestId: string;
    retryAfterSeconds: number | null;
    /** Everything the problem says, such as `neededBytes` and `freeBytes`. */
    document: Record<string, any>;
    /** Whether the same request may succeed a little later. */
    get isTemporary(): boolean;
}
/** The service was not reached, or the connection broke. */
export class ConnectionProblem extends Error {
    /** @param {string} [message] @param {unknown} [cause] */
    constructor(message?: string, cause?: unknown);
    code: string;
    cause: unknown;
    get isTemporary(): boolean;
}
