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
  constructor(status, document, retryAfterSeconds = null) {
    super(String(document.detail ?? document.title ?? `The service answered ${status}.`));
    this.name = 'BallastProblem';
    this.status = status;
    /** @type {string} */
    this.code = document.code ?? `http_${status}`;
    /** @type {string} */
    this.title = document.title ?? '';
    /** @type {string} */
    this.requestId = document.requestId ?? '';
    this.retryAfterSeconds = retryAfterSeconds;
    /** Everything the problem says, such as `neededBytes` and `freeBytes`. */
    this.document = document;
  }

  /** Whether the same request may succeed a little later. */
  get isTemporary() {
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
