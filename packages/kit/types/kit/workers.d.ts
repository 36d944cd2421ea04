/** Workers of the kit, also where the kit comes from another origin than the page. */
/**
 * Return a worker with a module of the kit, or null where there are none. One that cannot be loaded has an `error` event.
 * @param {URL} url
 * @returns {Worker | null}
 */
export function startWorker(url: URL): Worker | null;
