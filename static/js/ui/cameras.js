/** The cameras of this device, and what to say when they cannot be used. */

/** @param {string} id '' for whichever the browser prefers @returns {Promise<MediaStream>} */
export function openCamera(id) {
  const video = { width: { ideal: 1280 }, height: { ideal: 720 }, ...(id ? { deviceId: { exact: id } } : {}) };
  return navigator.mediaDevices.getUserMedia({ video, audio: false });
}

/** Names are known only after a camera was allowed. @returns {Promise<{id: string, name: string}[]>} */
export async function cameras() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  return devices.filter(({ kind, deviceId }) => kind === 'videoinput' && deviceId !== '')
    .map(({ deviceId, label }, index) => ({ id: deviceId, name: label || `Camera ${index + 1}` }));
}

/** Say why a camera could not be opened, and what can be done. @param {any} error @returns {string} */
export function cameraTrouble(error) {
  const texts = /** @type {Record<string, string>} */ ({
    NotAllowedError: 'The browser does not let this page use the camera. Allow it with the camera or lock sign beside the address (or in the site settings of the browser, and of the system), then press Start camera again. A video file works without.',
    NotFoundError: 'No camera was found. Connect one and press Start camera again; a video file works without.',
    NotReadableError: 'The camera is used by another program. Close that, and press Start camera again.',
    OverconstrainedError: 'That camera is not there any more. Choose another one.',
  });
  return texts[error?.name] ?? `The camera cannot be used. ${error?.message ?? error}`;
}
