/** Workers of the kit, also where the kit comes from another origin than the page. */

/**
 * Return a worker with a module of the kit, or null where there are none. One that cannot be loaded has an `error` event.
 * @param {URL} url
 * @returns {Worker | null}
 */
export function startWorker(url) {
  if (typeof Worker === 'undefined') return null;
  const own = url.origin === globalThis.location?.origin;
  const blob = own ? null : URL.createObjectURL(new Blob([`import ${JSON.stringify(url.href)};`], { type: 'text/javascript' }));
  try {
    return new Worker(blob ?? url, { type: 'module' });
  } catch {
    return null; // the page's policy forbids it
  } finally {
    if (blob) setTimeout(() => URL.revokeObjectURL(blob), 10000); // it is read when the worker starts, a moment later
  }
}
