/** Errors of the service (application/problem+json, RFC 9457), and those of the way to it. */

/**
 * Every reason that the service gives (docs/contract.md).
 * @typedef {'bad_request' | 'unauthorized' | 'forbidden' | 'not_found' | 'method_not_allowed' | 'request_timeout' | 'conflict' |
 *   'precondition_failed' | 'payload_too_large' | 'too_many_pixels' | 'memory_exceeds_limit' | 'unsupported_media' |
 *   'range_not_satisfiable' | 'invalid_media' | 'invalid_parameter' | 'locked' | 'queue_full' | 'too_many_requests' |
 *   'checksum_mismatch' | 'worker_failed' | 'internal_error' | 'overloaded' | 'model_missing' | 'processing_timeout' |
 *   'storage_unavailable' | 'storage_full'} ServiceCode
 * Beside those: an answer of a proxy that names no reason, and a job that was cancelled.
 * @typedef {ServiceCode | `http_${number}` | 'cancelled' | 'failed'} ProblemCode
 */

/** Reasons that pass by themselves, for a message that has no status of HTTP (of a stream, or a line of a batch). @type {string[]} */
const PASSING = ['request_timeout', 'locked', 'queue_full', 'too_many_requests', 'overloaded', 'processing_timeout', 'storage_unavailable'];

/**
 * The service refused: `code` says why in one stable word, `message` for people.
 */
export class BallastProblem extends Error {
  /**
   * @param {number} status of HTTP; 0: it did not come as an answer of its own
   * @param {Record<string, any>} document the problem's members; what is missing is filled in
   * @param {number | null} [retryAfterSeconds] when to come back, where the service said so
   */
  constructor(status, document, retryAfterSeconds = null) {
    super(String(document.detail ?? document.title ?? `The service answered ${status}.`));
    this.name = 'BallastProblem';
    this.status = status;
    /** @type {ProblemCode} */
    this.code = document.code ?? `http_${status}`;
    /** @type {string} */
    this.title = document.title ?? '';
    /** @type {string} */
    this.requestId = document.requestId ?? '';
    this.retryAfterSeconds = retryAfterSeconds;
    /** Everything the problem says, such as `neededBytes` and `freeBytes`. */
    this.document = document;
  }

  /** The same as `message`, by the name that it has in the document. */
  get detail() {
    return this.message;
  }

  /** Whether the same request may succeed a little later. */
  get isTemporary() {
    if (this.status === 0) return PASSING.includes(this.code);
    return [408, 423, 429, 502, 503, 504].includes(this.status) && this.code !== 'model_missing';
  }
}

/** The service was not reached, or the connection broke. */
export class ConnectionProblem extends Error {
  /** @param {string} [message] @param {unknown} [cause] */
  constructor(message = 'The service cannot be reached.', cause = undefined) {
    super(message);
    this.name = 'ConnectionProblem';
    this.code = 'unreachable';
    this.cause = cause;
  }

  get isTemporary() {
    return true;
  }
}

/** The problem that a message of a stream, or a line of a batch, is. @param {Record<string, any>} message */
export function problemIn(message) {
  return new BallastProblem(message.status ?? 0, message, message.retryAfterSeconds ?? null);
}

/**
 * Return the problem that an answer's status, text and `Retry-After` make.
 * @param {number} status
 * @param {string} text
 * @param {string | null} retryAfter
 */
export function problemOf(status, text, retryAfter) {
  const seconds = Number.parseFloat(retryAfter ?? '');
  return new BallastProblem(status, parsedObject(text), Number.isFinite(seconds) ? seconds : null);
}

/** @param {string} text @returns {Record<string, any>} */
function parsedObject(text) {
  try {
    const document = JSON.parse(text);
    return document !== null && typeof document === 'object' ? document : {};
  } catch {
    return {};
  }
}
