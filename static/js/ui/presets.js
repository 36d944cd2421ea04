/** Presets of images: those of the service, and a few to begin with. */

/** @typedef {{title: string, params: Record<string, any>}} Preset */

/** @type {Record<string, Preset>} */
const BEGINNINGS = {
  '~web': { title: 'For a page: 1600 px', params: { width: 1600, height: 1600, format: 'auto', quality: 70 } },
  '~avatar': { title: 'Avatar: 256 px', params: { width: 256, height: 256, fit: 'cover', gravity: 'faces', format: 'webp' } },
  '~anonymous': { title: 'Faces hidden', params: { anonymize: 'faces' } },
  '~gray': { title: 'Black and white', params: { grayscale: true, contrast: 1.2 } },
};

/** @param {any} limits of `GET /v1/limits` @returns {Record<string, Preset>} */
export function presetsOf(limits) {
  const value = limits?.settings?.find((/** @type {any} */ one) => one.name === 'BALLAST_IMAGE__PRESETS')?.value ?? {};
  const own = Object.entries(value).map(([name, query]) => [name, { title: name, params: paramsOf(query) }]);
  return { ...Object.fromEntries(own), ...BEGINNINGS };
}

/** @param {any} query such as `width=320&fit=cover`, or an object @returns {Record<string, any>} */
function paramsOf(query) {
  if (typeof query !== 'string') return query;
  const typed = (/** @type {string} */ text) => (text === 'true' ? true : text === 'false' ? false : text !== '' && Number.isFinite(Number(text)) ? Number(text) : text);
  return Object.fromEntries([...new URLSearchParams(query)].map(([name, text]) => [name, typed(text)]));
}
