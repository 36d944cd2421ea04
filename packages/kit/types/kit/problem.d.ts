/** The problem that a message of a stream, or a line of a batch, is. @param {Record<string, any>} message */
export function problemIn(message: Record<string, any>): BallastProblem;
/**
 * Return the problem that an answer's status, text and `Retry-After` make.
 * @param {number} status
 * @param {string} text
 * @param {string | null} retryAfter
 */
export function problemOf(status: number, text: string, retryAfter: string | null): BallastProblem;
/**
 * The service refused: `code` says why in one stable word, `message` for people.
 */
export class BallastProblem extends Error {
    /**
     * @param {number} status of HTTP; 0: it did not come as an answer of its own
     * @param {Record<string, any>} document the problem's members; what is missing is filled in
     * @param {number | null} [retryAfterSeconds] when to come back, where the service said so
     */
    constructor(status: number, document: Record<string, any>, retryAfterSeconds?: number | null);
    status: number;
    /** @type {ProblemCode} */
    code: ProblemCode;
    /** @type {string} */
    title: string;
    /** @type {string} */
    requestId: string;
    retryAfterSeconds: number | null;
    /** Everything the problem says, such as `neededBytes` and `freeBytes`. */
    document: Record<string, any>;
    /** The same as `message`, by the name that it has in the document. */
    get detail(): string;
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
/**
 * Beside those: an answer of a proxy that names no reason, and a job that was cancelled.
 */
export type ServiceCode = "bad_request" | "unauthorized" | "forbidden" | "not_found" | "method_not_allowed" | "request_timeout" | "conflict" | "precondition_failed" | "payload_too_large" | "too_many_pixels" | "memory_exceeds_limit" | "unsupported_media" | "range_not_satisfiable" | "invalid_media" | "invalid_parameter" | "locked" | "queue_full" | "too_many_requests" | "checksum_mismatch" | "worker_failed" | "internal_error" | "overloaded" | "model_missing" | "processing_timeout" | "storage_unavailable" | "storage_full";
/**
 * Every reason that the service gives (docs/contract.md).
 */
export type ProblemCode = ServiceCode | `http_${number}` | "cancelled" | "failed";
