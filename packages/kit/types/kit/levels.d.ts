/**
 * @typedef {'LOW' | 'MODERATE' | 'HIGH' | 'CRITICAL'} Level
 * @typedef {{level: Level, mode: string, pressure: number, workingSetBytes: number, limitBytes: number,
 *   reasons: string[], sampledAt: string}} LevelReport
 */
/** Events: `level` (a LevelReport, the present one at once), `open`, `lost`, `ended` as of EventStream. */
export class LevelEvents extends Emitter {
    /**
     * @param {import('./http.js').Http} http
     * @param {{everySeconds?: number}} [options] `everySeconds` (0.5 to 60): the level comes again after so long without
     *   another one, so that a service that is frozen is noticed: it closes no connection
     */
    constructor(http: import("./http.js").Http, { everySeconds }?: {
        everySeconds?: number;
    });
    /** @type {LevelReport | null} */
    last: LevelReport | null;
    _events: EventStream;
    /** @returns {this} */
    start(): this;
    close(): void;
}
export type Level = "LOW" | "MODERATE" | "HIGH" | "CRITICAL";
export type LevelReport = {
    level: Level;
    mode: string;
    pressure: number;
    workingSetBytes: number;
    limitBytes: number;
    reasons: string[];
    sampledAt: string;
};
import { Emitter } from './emitter.js';
import { EventStream } from './events.js';
