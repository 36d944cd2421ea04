/**
 * Wait; an abort ends the wait early and quietly (look at `signal.aborted` afterwards).
 * @param {number} seconds
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function pause(seconds: number, signal?: AbortSignal): Promise<void>;
/** Growing waits between attempts, spread by chance so that many clients do not come back at once. */
export class Backoff {
    /**
     * @param {{firstSeconds?: number, maxSeconds?: number, random?: () => number}} [options]
     */
    constructor({ firstSeconds, maxSeconds, random }?: {
        firstSeconds?: number;
        maxSeconds?: number;
        random?: () => number;
    });
    _firstSeconds: number;
    _maxSeconds: number;
    _random: () => number;
    /** Attempts since the last success. */
    failures: number;
    /** Forget the failures: something has worked. */
    reset(): void;
    /**
     * Return how long to wait before the next attempt: half to all of a time that doubles, and never less than asked for.
     * @param {number | null} [atLeastSeconds]
     * @returns {number} seconds
     */
    next(atLeastSeconds?: number | null): number;
}
