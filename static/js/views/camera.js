/** Camera, or a video file in its place: what is found, live. */

import { BlobUrls } from '../ballast.js';
import { button, facts, filePicker, h } from '../ui/dom.js';
import { containedIn, describe, drawDetections } from '../ui/draw.js';
import { bytes, count, seconds, spoken } from '../ui/format.js';
import { tintedMask } from '../ui/mask.js';
import { TaskChoice } from '../ui/tasks.js';
import { Notice, reasonOf } from '../ui/trouble.js';

const FACTS = ['Lag', 'Answers', 'Sent', 'Frame', 'Dropped', 'Skipped', 'Mode', 'Connection', 'Advice'];
const REMEMBERED = 60;
const QUIET_SECONDS = 3;

class Camera {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, announce }) {
    this._client = client;
    this._announce = announce;
    this._blobs = new BlobUrls();
    /** @type {import('../ballast.js').FrameStream | null} */
    this._stream = null;
    /** @type {MediaStream | null} */
    this._media = null;
    /** Newest last: when an answer came, its lag, the frame's bytes. @type {{at: number, lag: number, bytes: number}[]} */
    this._recent = [];
    this._spokenAt = 0;
    this._spoken = '';
    this._turn = 0;
    this._choice = new TaskChoice(client, () => this._restart());
    this._notice = new Notice();
    this._startButton = button('Start camera', () => this._startCamera(), { class: 'primary' });
    this._stopButton = button('Stop', () => this._stop(), { disabled: true });
    this._facts = facts(FACTS);
    this._build(root);
    this._tasksKnown = this._choice.load();
    this._timer = setInterval(() => this._count(), 500);
  }

  /** @param {HTMLElement} root */
  _build(root) {
    this._video = h('video', { playsInline: true, muted: true, loop: true, 'aria-label': 'What the camera or the file shows' });
    this._canvas = h('canvas', { 'aria-hidden': 'true' });
    this._hint = h('p', { class: 'stage-hint', text: 'Start the camera, or choose a video. The frames go to this service and nowhere else.' });
    this._stage = h('div', { class: 'stage' }, this._video, this._canvas, this._hint);
    this._findings = h('ul', { class: 'findings' });
    this._mirror = h('input', { type: 'checkbox', checked: true, on: { change: () => this._applyMirror() } });
    const actions = h('div', { class: 'row' }, this._startButton,
      filePicker('Choose a video', 'video/*', false, ([file]) => file && this._startFile(file)), this._stopButton);
    root.append(
      h('div', { class: 'head' }, h('h1', { text: 'Camera' }), actions),
      this._notice.element,
      h('div', { class: 'camera' },
        h('div', { class: 'stack' }, this._stage, h('section', { class: 'card', 'aria-label': 'Figures' }, this._facts.element)),
        h('div', { class: 'stack' },
          h('section', { class: 'card' }, h('h2', { text: 'Found' }), this._findings),
          h('section', { class: 'card stack' }, h('h2', { text: 'Settings' }), this._choice.element, this._rateField(),
            h('label', { class: 'check' }, this._mirror, 'Mirror the camera')))),
    );
  }

  _rateField() {
    const shown = h('b', { text: '30' });
    this._rate = h('input', { type: 'range', min: 1, max: 60, value: 30 });
    this._rate.addEventListener('input', () => {
      shown.textContent = this._rate.value;
      this._stream?.configure({ maxFps: Number(this._rate.value) });
    });
    return h('label', { class: 'field' }, h('span', {}, 'At most, frames a second: ', shown), this._rate);
  }

  async _startCamera() {
    if (!navigator.mediaDevices) {
      this._notice.say('The browser gives the camera only to pages from this machine (localhost) or over HTTPS. A video file works.', 'orange');
      return;
    }
    const turn = await this._release();
    try {
      const media = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1280 }, height: { ideal: 720 } }, audio: false });
      if (turn !== this._turn) {
        stopTracks(media);
        return;
      }
      this._media = media;
      this._video.srcObject = media;
      await this._begin();
    } catch (error) {
      this._notice.show(error, 'The camera cannot be used.');
    }
  }

  /** @param {File} file */
  async _startFile(file) {
    const turn = await this._release();
    this._video.src = this._blobs.set('video', file);
    try {
      if (turn === this._turn) await this._begin();
    } catch (error) {
      this._notice.show(error, 'The browser cannot play this file.');
    }
  }

  async _begin() {
    this._notice.clear();
    this._hint.hidden = true;
    this._stopButton.disabled = false;
    this._applyMirror();
    const turn = this._turn;
    await Promise.all([this._video.play(), this._tasksKnown]);
    if (turn === this._turn) this._listen();
  }

  _listen() {
    const { task } = this._choice;
    if (!task || this._stage.dataset.closed) return;
    const stream = this._client.stream(task.name, this._video, { params: this._choice.params, maxFps: Number(this._rate.value) });
    this._recent = [];
    stream.on('result', (result) => this._show(result, stream));
    stream.on('problem', (problem) => this._notice.say(problem.detail, 'orange'));
    stream.on('state', ({ state, error }) => this._tell(state, error));
    this._stream = stream.start();
  }

  /** Another task or other parameters: a new stream over the same video. */
  async _restart() {
    if (!this._stream) return;
    await this._endStream();
    if (this._video.srcObject || this._video.src) this._listen();
  }

  async _endStream() {
    const stream = this._stream;
    this._stream = null;
    await stream?.stop();
    this._clear();
  }

  /** @param {import('../ballast.js').FrameStream['state']} state @param {unknown} error */
  _tell(state, error) {
    if (state === 'streaming') this._notice.clear();
    if (state === 'waiting') this._notice.say(`The stream comes back by itself. ${reasonOf(error)}`, 'orange');
    if (state === 'failed') this._notice.show(error, 'The stream has ended.');
  }

  /** @param {any} result @param {import('../ballast.js').FrameStream} stream */
  async _show(result, stream) {
    if (stream !== this._stream) return;
    if (this._recent.length === 0) this._choice.refresh(); // the model is loaded now
    this._recent.push({ at: performance.now(), lag: result.lagSeconds ?? 0, bytes: result.frame?.bytes ?? 0 });
    if (this._recent.length > REMEMBERED) this._recent.shift();
    this._last = result;
    const mask = await tintedMask(result.detections);
    if (stream === this._stream) this._draw(result, mask);
    mask?.close();
    this._list(result.detections);
  }

  /** @param {any} result @param {ImageBitmap | null} mask */
  _draw(result, mask) {
    const { clientWidth, clientHeight } = this._stage;
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
    if (this._canvas.width !== width || this._canvas.height !== height) Object.assign(this._canvas, { width, height });
    const context = this._canvas.getContext('2d');
    context.clearRect(0, 0, width, height);
    const place = { ...containedIn(width, height, result.width / result.height), mirrored: this._mirrored };
    if (mask) drawMask(context, mask, place);
    else drawDetections(context, result.detections, place);
  }

  /** @param {import('../kit/types.js').Detection[]} detections */
  _list(detections) {
    const lines = detections.map((detection) => describe(detection));
    const rows = this._findings.children;
    while (rows.length > Math.max(1, lines.length)) rows[rows.length - 1].remove();
    while (rows.length < Math.max(1, lines.length)) this._findings.append(h('li'));
    for (let index = 0; index < rows.length; index += 1) setText(rows[index], lines[index] ?? 'Nothing found in the newest frame.');
    this._speak(detections);
  }

  /** Say a gesture when it changes, for those who do not see the picture. @param {import('../kit/types.js').Detection[]} detections */
  _speak(detections) {
    const words = detections.map(({ gesture }) => gesture?.label ?? '').filter((label) => label && label !== 'None').map(spoken).join(', ');
    const now = performance.now();
    if (words === this._spoken || now - this._spokenAt < QUIET_SECONDS * 1000) return;
    this._spoken = words;
    this._spokenAt = now;
    if (words) this._announce(words);
  }

  _count() {
    const stream = this._stream;
    const recent = this._recent;
    if (!stream || recent.length < 2) return;
    const span = (recent[recent.length - 1].at - recent[0].at) / 1000;
    const lags = recent.map(({ lag }) => lag).sort((one, other) => one - other);
    const { frame, mode, advice } = this._last;
    const sent = recent.reduce((sum, one) => sum + one.bytes, 0);
    this._facts.write({
      Lag: `${seconds(lags[lags.length >> 1])} (median)`,
      Answers: `${((recent.length - 1) / span).toFixed(1)} per s`,
      Sent: `${bytes(sent / span)}/s`,
      Frame: frame ? `${frame.width}×${frame.height} px, ${bytes(frame.bytes)}` : '–',
      Dropped: count(stream.counts.dropped),
      Skipped: count(stream.counts.skipped),
      Mode: mode,
      Connection: stream.transport === 'http' ? 'HTTP requests' : 'WebSocket',
      Advice: advice ? `${advice.maxFps} per s, ${advice.maxWidth}×${advice.maxHeight}` : 'none',
    });
  }

  get _mirrored() {
    return this._mirror.checked && this._media !== null;
  }

  _applyMirror() {
    if (this._mirrored) this._stage.dataset.mirrored = '';
    else delete this._stage.dataset.mirrored;
  }

  _clear() {
    this._canvas.getContext('2d').clearRect(0, 0, this._canvas.width, this._canvas.height);
    this._findings.replaceChildren();
  }

  /** Let go of camera, file and stream. @returns {Promise<number>} the turn that begins with it */
  async _release() {
    this._turn += 1;
    const turn = this._turn;
    if (this._media) stopTracks(this._media);
    this._media = null;
    this._video.pause();
    this._video.srcObject = null;
    this._video.removeAttribute('src');
    this._video.load();
    this._blobs.dispose();
    await this._endStream();
    return turn;
  }

  async _stop() {
    await this._release();
    this._hint.hidden = false;
    this._stopButton.disabled = true;
    this._notice.clear();
  }

  close() {
    this._stage.dataset.closed = 'true';
    clearInterval(this._timer);
    this._release();
  }
}

/** @param {CanvasRenderingContext2D} context @param {ImageBitmap} mask @param {import('../ui/draw.js').Place} place */
function drawMask(context, mask, place) {
  context.save();
  if (place.mirrored) {
    context.translate(place.x * 2 + place.width, 0);
    context.scale(-1, 1);
  }
  context.drawImage(mask, place.x, place.y, place.width, place.height);
  context.restore();
}

/** @param {MediaStream} media */
function stopTracks(media) {
  for (const track of media.getTracks()) track.stop();
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @type {import('./index.js').View} */
export const camera = {
  id: 'camera',
  title: 'Camera',
  open(root, context) {
    const view = new Camera(root, context);
    return () => view.close();
  },
};
