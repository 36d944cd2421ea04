/** What is said of an item of the library. */

import { bytes, moment, seconds } from './format.js';

/** @param {import('../kit/types.js').MediaItem} item */
export function sizesOf({ sizeBytes, width, height, durationSeconds, frameRate, contentType }) {
  return [contentType, bytes(sizeBytes), width && height ? `${width}×${height} px` : '',
    durationSeconds ? seconds(durationSeconds) : '', frameRate ? `${Math.round(frameRate * 100) / 100} frames per s` : '']
    .filter(Boolean).join(' · ');
}

/** @param {import('../kit/types.js').MediaItem} item */
export function timesOf({ createdAt, expiresAt }) {
  return `Stored ${moment(createdAt)}; ${expiresAt ? `kept until ${moment(expiresAt)}` : 'kept until it is deleted'}`;
}
