/** Records a camera, and sends what was recorded to the library. */

import { button } from './dom.js';

const TYPES = ['video/mp4', 'video/webm'];
/** Pieces of a recording are handed over this often: the browser may keep them outside the heap. */
const PIECE_MS = 1000;

/** Closing the tab would lose what is recorded: the browser asks first. @param {BeforeUnloadEvent} event */
function warn(event) {
  event.preventDefault();
}

export class Recorder {
  /** @param {import('./uploads.js').UploadList} uploads @param {(text: string) => void} say */
  constructor(uploads, say) {
    this._uploads = uploads;
    this._say = say;
    /** @type {MediaRecorder | null} */
    this._recorder = null;
    this.element = button('Record', () => (this._recorder ? this._recorder.stop() : this._start()), { class: 'small', disabled: true });
  }

  /** What is recorded; another source ends a recording. @param {MediaStream | null} media */
  set source(media) {
    this._recorder?.stop();
    this._media = media;
    this.element.disabled = media === null || typeof MediaRecorder === 'undefined';
  }

  _start() {
    if (!this._media) return;
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const recorder = new MediaRecorder(this._media, { mimeType });
    /** @type {Blob[]} */
    const pieces = [];
    recorder.ondataavailable = ({ data }) => pieces.push(data);
    recorder.onstop = () => this._finish(pieces, recorder.mimeType);
    recorder.start(PIECE_MS);
    addEventListener('beforeunload', warn);
    this._recorder = recorder;
    this.element.textContent = 'Stop recording';
  }

  /** @param {Blob[]} pieces @param {string} mimeType */
  _finish(pieces, mimeType) {
    this._recorder = null;
    removeEventListener('beforeunload', warn);
    this.element.textContent = 'Record';
    const type = mimeType.split(';')[0];
    const time = new Date().toISOString().slice(0, 19).replaceAll(':', '-');
    this._uploads.send([new File(pieces, `camera-${time}.${type.split('/')[1]}`, { type })]);
    this._say('The recording goes to the library.');
  }
}
