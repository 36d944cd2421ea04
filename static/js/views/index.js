/**
 * The views, in the order of the tabs. A view is one file that exports `open(root, context)`, which fills `root` and returns
 * what closes the view again. It is loaded when it is opened. Adding a view is adding its file and its line here.
 */

/**
 * @typedef {{
 *   client: import('../ballast.js').BallastClient,
 *   watch: import('../ui/watch.js').MemoryWatch,
 *   uploads: import('../ui/uploads.js').UploadList,
 *   announce: (text: string) => void,
 *   argument: string,
 * }} Context `argument`: what follows the name in the address, such as an id
 * @typedef {(root: HTMLElement, context: Context) => () => void} Open
 * @typedef {{id: string, title: string, load: () => Promise<Open>}} Entry
 */

/** @type {Entry[]} */
export const views = [
  { id: 'camera', title: 'Camera', load: async () => (await import('./camera.js')).open },
  { id: 'photos', title: 'Photos', load: async () => (await import('./photos.js')).open },
  { id: 'images', title: 'Images', load: async () => (await import('./images.js')).open },
  { id: 'library', title: 'Library', load: async () => (await import('./library.js')).open },
  { id: 'jobs', title: 'Jobs', load: async () => (await import('./jobs.js')).open },
  { id: 'memory', title: 'Memory', load: async () => (await import('./memory.js')).open },
];
