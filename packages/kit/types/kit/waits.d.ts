export class Waits {
    /** @type {Worker | null} */
    _worker: Worker | null;
    /** @type {Map<number, () => void>} what each number of the worker ends */
    _ends: Map<number, () => void>;
    _number: number;
    /**
     * Wait; an abort ends the wait early and quietly. Where there is no worker it is a plain timer.
     * @param {number} seconds
     * @param {AbortSignal} signal
     */
    pause(seconds: number, signal: AbortSignal): Promise<void>;
    /** End the worker; it comes back with the next wait that needs it. */
    dispose(): void;
    _start(): Worker | null;
}
