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
 * @typedef {{id: string, title: string, load: (query: string) => Promise<Open>}} Entry `query`: '', or what makes another address of it
 */

/** @type {Entry[]} */
export const views = [
  { id: 'camera', title: 'Camera', load: async (query) => (await import(`./camera.js${query}`)).open },
  { id: 'photos', title: 'Photos', load: async (query) => (await import(`./photos.js${query}`)).open },
  { id: 'images', title: 'Images', load: async (query) => (await import(`./images.js${query}`)).open },
  { id: 'library', title: 'Library', load: async (query) => (await import(`./library.js${query}`)).open },
  { id: 'jobs', title: 'Jobs', load: async (query) => (await import(`./jobs.js${query}`)).open },
  { id: 'memory', title: 'Memory', load: async (query) => (await import(`./memory.js${query}`)).open },
];
