/** Which pictures the service takes, told before a byte is sent; one list for every view. */

import { bytes } from './format.js';

/** Content types that the service reads, and how their names end where a browser knows no type. */
const TYPES = ['jpeg', 'png', 'webp', 'avif', 'gif', 'heic', 'heif', 'tiff', 'bmp'].map((name) => `image/${name}`);
const ENDINGS = ['.heic', '.heif', '.tif', '.tiff', '.avif'];

/** For a picker of files. */
export const ACCEPT = [...TYPES, ...ENDINGS].join(',');

/** Other names for the same. */
const ALSO = ['image/jpg', 'image/pjpeg', 'image/x-png', 'image/x-ms-bmp', 'image/x-bmp', 'image/vnd.mozilla.apng', 'image/apng'];

/**
 * Why a file is not sent; '': it is. What has no type is left to the service, which looks into it.
 * @param {Blob & {name?: string}} file @param {number} maxBytes
 */
export function refusalOf(file, maxBytes = Infinity) {
  const name = file.name ?? 'The file';
  if (file.type !== '' && !file.type.startsWith('image/')) return `${name} is not a picture. Nothing was sent.`;
  if (file.type !== '' && !TYPES.includes(file.type) && !ALSO.includes(file.type)) {
    return `${name} is a picture that this service does not read (${file.type}). Nothing was sent.`;
  }
  if (file.size === 0) return `${name} is empty. Nothing was sent.`;
  if (file.size > maxBytes) return `${name} has ${bytes(file.size)}, and this service takes pictures of at most ${bytes(maxBytes)} here. Nothing was sent.`;
  return '';
}
