/** Events with something in `detail`. `CustomEvent` would do, but is not everywhere that `Event` is. */

export class DetailEvent extends Event {
  /** @param {string} type @param {any} detail */
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}

export class Emitter extends EventTarget {
  /**
   * Call `listener` with the detail of each event of this type; the function that is returned ends it.
   * @param {string} type
   * @param {(detail: any) => void} listener
   * @returns {() => void}
   */
  on(type, listener) {
    /** @param {Event} event */
    const handler = (event) => listener(/** @type {DetailEvent} */ (event).detail);
    this.addEventListener(type, handler);
    return () => this.removeEventListener(type, handler);
  }

  /** @protected @param {string} type @param {any} [detail] */
  emit(type, detail) {
    this.dispatchEvent(new DetailEvent(type, detail));
  }
}
