/** What a picture took that was made, in words. */

import { facts } from './dom.js';
import { bytes, counted, percent, seconds } from './format.js';
import { modeWords } from './levels.js';

const NAMES = ['Size', 'Format', 'Time', 'In the service', 'Cache', 'Memory', 'Quality', 'Faces'];

export class MadeFigures {
  constructor() {
    this._facts = facts(NAMES);
    this.element = this._facts.element;
  }

  /** @param {import('../kit/images.js').MadePicture} made @param {number} before bytes of what it was made of; 0: nothing to compare with */
  write({ blob, seconds: spent, timing, cache, peakBytes, predictedBytes, mode, faces }, before) {
    const steps = Object.entries(timing).map(([step, ms]) => `${step} ${seconds(ms / 1000)}`);
    this._facts.write({
      Size: before > 0 ? `${bytes(blob.size)}: ${percent(blob.size / before)} of ${bytes(before)}` : bytes(blob.size),
      Format: blob.type, Time: seconds(spent), 'In the service': steps.join(', ') || '–', Cache: cache || '–',
      Memory: peakBytes ? `${bytes(peakBytes)} at most, ${bytes(predictedBytes ?? 0)} predicted` : '–', Quality: mode ? modeWords(mode) : '–',
      Faces: faces === null ? 'not looked for' : counted(faces, 'face hidden', 'faces hidden'),
    });
  }
}
