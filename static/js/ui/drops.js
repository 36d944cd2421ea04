/** Files dropped anywhere on the page, or pasted. */

import { h } from './dom.js';

/**
 * @param {(files: File[]) => void} take @param {string} words what dropping does
 * @returns {() => void} what ends it
 */
export function pageDrops(take, words) {
  const ending = new AbortController();
  const { signal } = ending;
  const veil = h('div', { class: 'veil', hidden: true }, h('p', { text: words }));
  document.body.append(veil);
  let depth = 0;
  const show = (/** @type {number} */ change) => {
    depth = Math.max(0, depth + change);
    veil.hidden = depth === 0;
  };
  const hasFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes('Files');
  addEventListener('dragenter', (event) => hasFiles(event) && show(1), { signal });
  addEventListener('dragleave', (event) => hasFiles(event) && show(-1), { signal });
  addEventListener('dragover', (event) => hasFiles(event) && event.preventDefault(), { signal });
  addEventListener('drop', (event) => {
    event.preventDefault();
    show(-depth);
    give(event.dataTransfer?.files);
  }, { signal });
  addEventListener('paste', (event) => give(event.clipboardData?.files), { signal });
  const give = (/** @type {FileList | undefined} */ files) => files && files.length > 0 && take([...files]);
  return () => {
    ending.abort();
    veil.remove();
  };
}
