/** How a camera is looked at: which one, how often, mirrored or not, and what is drawn. */

import { Emitter } from '../kit/emitter.js';
import { cameras } from './cameras.js';
import { folded, h } from './dom.js';

const OVERLAYS = { points: 'Points', lines: 'Lines', boxes: 'Boxes', labels: 'Words', mask: 'Mask' };

/** Events: `camera`, `mirror`, `rate` (frames a second), `overlay` (what is drawn). */
export class CameraSettings extends Emitter {
  /** @param {import('./tasks.js').TaskChoice} choice */
  constructor(choice) {
    super();
    /** @type {import('./stage.js').Overlay} */
    this._overlay = {};
    this._camera = h('select', { on: { change: () => this.emit('camera') } }, h('option', { value: '', text: 'as the browser likes' }));
    this._mirror = h('input', { type: 'checkbox', checked: true, on: { change: () => this.emit('mirror') } });
    const more = h('div', { class: 'stack' }, choice.form,
      h('label', { class: 'field' }, h('span', { text: 'Camera' }), this._camera), this._rateField(),
      h('label', { class: 'check' }, this._mirror, 'Mirror the camera'),
      h('fieldset', { class: 'field' }, h('legend', { text: 'Draw' }), h('div', { class: 'row' }, ...this._overlaySwitches())));
    this.element = h('section', { class: 'card stack settings', 'aria-label': 'Settings' }, choice.element, folded('More settings', more));
  }

  /** Id of the chosen camera, '' for whichever the browser prefers. */
  get camera() {
    return this._camera.value;
  }

  get mirror() {
    return this._mirror.checked;
  }

  get maxFps() {
    return Number(this._rate.value);
  }

  /** Offer the cameras that there are now; the chosen one stays. */
  async listCameras() {
    if (!navigator.mediaDevices) return;
    const chosen = this._camera.value;
    const found = await cameras().catch(() => []);
    this._camera.replaceChildren(h('option', { value: '', text: 'as the browser likes' }), ...found.map(({ id, name }) => h('option', { value: id, text: name })));
    this._camera.value = found.some(({ id }) => id === chosen) ? chosen : '';
  }

  _rateField() {
    const text = h('b', { text: '30' });
    this._rate = h('input', { type: 'range', min: 1, max: 60, value: 30 });
    this._rate.addEventListener('input', () => {
      text.textContent = this._rate.value;
      this.emit('rate', this.maxFps);
    });
    return h('label', { class: 'field' }, h('span', {}, 'At most, frames a second: ', text), this._rate);
  }

  _overlaySwitches() {
    return Object.entries(OVERLAYS).map(([name, text]) => {
      const box = h('input', { type: 'checkbox', checked: true });
      box.addEventListener('change', () => {
        this._overlay = { ...this._overlay, [name]: box.checked };
        this.emit('overlay', this._overlay);
      });
      return h('label', { class: 'check' }, box, text);
    });
  }
}
