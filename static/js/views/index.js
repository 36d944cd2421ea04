/**
 * The views, in the order of the tabs. A view is one file that gives `{id, title, open}`: `open(root, context)` fills `root`
 * and returns what closes the view again. Adding a view is adding its file and its line here.
 */

import { camera } from './camera.js';
import { library } from './library.js';
import { memory } from './memory.js';
import { photos } from './photos.js';

/**
 * @typedef {{
 *   client: import('../ballast.js').BallastClient,
 *   watch: import('../ui/watch.js').MemoryWatch,
 *   uploads: import('../ui/uploads.js').UploadList,
 *   announce: (text: string) => void,
 * }} Context
 * @typedef {{id: string, title: string, open: (root: HTMLElement, context: Context) => () => void}} View
 */

/** @type {View[]} */
export const views = [camera, photos, library, memory];
