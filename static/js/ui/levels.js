/** Pressure levels in colours: normal, orange, red. */

/** @type {Record<string, 'normal' | 'orange' | 'red'>} */
const TONES = { LOW: 'normal', MODERATE: 'orange', HIGH: 'orange', CRITICAL: 'red' };

/** What each level means for who uses the service. @type {Record<string, string>} */
const MEANINGS = {
  LOW: 'Full quality.',
  MODERATE: 'A little slower: no new trackers, half the cache.',
  HIGH: 'Reduced: analysis at half the size, every second frame, idle models unloaded.',
  CRITICAL: 'Survival: new work is refused until memory is free again.',
};

/** @param {string} level */
export function toneOf(level) {
  return TONES[level] ?? 'normal';
}

/** @param {string} level */
export function meaningOf(level) {
  return MEANINGS[level] ?? '';
}

/** Processing modes in words. @type {Record<string, string>} */
const MODES = { FULL_QUALITY: 'Full quality', BALANCED: 'Balanced', MEMORY_OPTIMIZED: 'Memory saving', SURVIVAL: 'Survival' };

/** @param {string} mode @returns {string} */
export function modeWords(mode) {
  return MODES[mode] ?? mode;
}
