/** Events with something in `detail`. `CustomEvent` would do, but is not everywhere that `Event` is. */
export class DetailEvent extends Event {
    /** @param {string} type @param {any} detail */
    constructor(type: string, detail: any);
    detail: any;
}
export class Emitter extends EventTarget {
    /**
     * Call `listener` with the detail of each event of this type; the function that is returned ends it.
     * @param {string} type
     * @param {(detail: any) => void} listener
     * @returns {() => void}
     */
    on(type: string, listener: (detail: any) => void): () => void;
    /** @protected @param {string} type @param {any} [detail] */
    protected emit(type: string, detail?: any): void;
}
