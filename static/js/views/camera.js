/** Camera, or a video file in its place: what is found, live. */

import { BlobUrls } from '../ballast.js';
import { CameraSettings } from '../ui/camera_settings.js';
import { cameraTrouble, openCamera } from '../ui/cameras.js';
import { button, filePicker, folded, h, saveBlob } from '../ui/dom.js';
import { shown } from '../ui/dialogs.js';
import { pageDrops } from '../ui/drops.js';
import { Findings } from '../ui/findings.js';
import { LiveFigures } from '../ui/live_figures.js';
import { Recorder } from '../ui/recorder.js';
import { Stage } from '../ui/stage.js';
import { TaskChoice } from '../ui/tasks.js';
import { Notice, reasonOf } from '../ui/trouble.js';

/** Without an answer for so long, what is drawn is called old. */
const STALE_SECONDS = 1.5;
const LOOK_SECONDS = 0.4;

class Camera {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, watch, uploads, announce }) {
    this._client = client;
    this._blobs = new BlobUrls();
    /** @type {import('../ballast.js').FrameStream | null} */
    this._stream = null;
    /** @type {MediaStream | null} */
    this._media = null;
    this._turn = 0;
    this._closed = false;
    this._choice = new TaskChoice({ client, watch }, () => this._restart());
    this._stage = new Stage();
    this._figures = new LiveFigures();
    this._findings = new Findings(announce);
    this._notice = new Notice();
    this._settings = new CameraSettings(this._choice);
    this._recorder = new Recorder(uploads, (text) => this._notice.say(text));
    this._build(root);
    this._timer = setInterval(() => this._look(), LOOK_SECONDS * 1000);
    this._endDrops = pageDrops(([file]) => this._startFile(file), 'Drop a video');
    this._listenToSettings();
  }

  /** @param {HTMLElement} root */
  _build(root) {
    this._stopButton = button('Stop', () => this._stop(), { disabled: true });
    const start = button('Start camera', () => this._startCamera(), { class: 'primary' });
    const actions = h('div', { class: 'row' }, start,
      filePicker('Choose a video', 'video/*', false, ([file]) => file && this._startFile(file)), this._stopButton);
    root.append(
      h('div', { class: 'head' }, h('h1', { text: 'Camera' }), actions),
      this._notice.element,
      h('div', { class: 'camera' },
        h('div', { class: 'stack camera-stage' }, this._stage.element, this._tools()),
        this._settings.element,
        h('section', { class: 'card camera-found live' }, h('h2', { text: 'Found' }), this._findings.element),
        h('section', { class: 'card camera-figures live', 'aria-label': 'Figures' }, folded('Figures', this._figures.element))),
    );
  }

  /** What can be done with what is on the stage. */
  _tools() {
    const tools = {
      Fullscreen: () => this._stage.fullscreen().catch((error) => this._notice.show(error, 'No fullscreen.')),
      Snapshot: async () => saveBlob(await this._stage.snapshot(), 'snapshot.jpg'),
      'Show JSON': () => shown('The newest answer', [h('pre', { class: 'code', tabIndex: 0, text: JSON.stringify(this._last, null, 2) })]),
    };
    this._tool = Object.entries(tools).map(([name, press]) => button(name, press, { class: 'small', disabled: true }));
    return h('div', { class: 'row' }, ...this._tool, this._recorder.element);
  }

  /** How it is shown; a change takes effect at once. */
  _listenToSettings() {
    this._settings.on('camera', () => this._media && this._startCamera());
    this._settings.on('mirror', () => this._applyMirror());
    this._settings.on('rate', (maxFps) => this._stream?.configure({ maxFps }));
    this._settings.on('overlay', (overlay) => {
      this._stage.overlay = overlay;
      if (this._last) this._stage.draw(this._last);
    });
    this._settings.listCameras();
  }

  async _startCamera() {
    if (!navigator.mediaDevices) {
      this._notice.say('The browser gives the camera only to pages from this machine (localhost) or over HTTPS. A video file works.', 'orange');
      return;
    }
    const turn = await this._release();
    try {
      const media = await openCamera(this._settings.camera);
      if (turn !== this._turn) return stopTracks(media);
      this._media = media;
      this._stage.video.srcObject = media;
      this._settings.listCameras();
      await this._begin();
    } catch (error) {
      this._notice.say(cameraTrouble(error), 'red');
    }
  }

  /** @param {File} file */
  async _startFile(file) {
    const turn = await this._release();
    this._stage.video.src = this._blobs.set('video', file);
    try {
      if (turn === this._turn) await this._begin();
    } catch (error) {
      this._notice.show(error, file.type.startsWith('video/') ? 'The browser cannot play this file.' : 'This is not a video.');
    }
  }

  async _begin() {
    this._notice.clear();
    this._stage.hint = false;
    this._stopButton.disabled = false;
    this._recorder.source = this._media;
    this._applyMirror();
    const turn = this._turn;
    await Promise.all([this._stage.video.play(), this._choice.known]);
    if (turn === this._turn) this._listen();
  }

  _listen() {
    const { task } = this._choice;
    if (!task || this._closed) return;
    const stream = this._client.stream(task.name, this._media?.getVideoTracks()[0] ?? this._stage.video, { params: this._choice.params, maxFps: this._settings.maxFps });
    this._figures.clear();
    stream.on('result', (result) => this._show(result, stream));
    stream.on('problem', (problem) => this._notice.say(problem.message, 'orange'));
    stream.on('state', ({ state, error }) => this._tell(state, error));
    this._stream = stream.start();
  }

  /** Another task or other parameters: a new stream over the same video. */
  async _restart() {
    if (!this._stream) return;
    await this._endStream();
    if (this._stage.video.srcObject || this._stage.video.src) this._listen();
  }

  async _endStream() {
    const stream = this._stream;
    this._stream = null;
    await stream?.stop();
    this._stage.clear();
    this._findings.clear();
  }

  /** @param {import('../ballast.js').FrameStream['state']} state @param {unknown} error */
  _tell(state, error) {
    if (state === 'streaming') this._notice.clear();
    if (state === 'waiting') this._notice.say(`The stream comes back by itself. ${reasonOf(error)}`, 'orange');
    if (state === 'failed') this._notice.show(error, 'The stream has ended.');
    this._state = state;
  }

  /** @param {any} result @param {import('../ballast.js').FrameStream} stream */
  async _show(result, stream) {
    if (stream !== this._stream) return;
    if (this._figures.answeredAt === null) this._choice.refresh(); // the model is loaded now
    this._figures.add(result);
    this._last = result;
    this._stage.staleSince = null;
    for (const tool of this._tool) tool.disabled = false;
    await this._stage.draw(result);
    if (stream === this._stream) this._findings.show(result.detections);
  }

  /** Write the figures, or say since when there are no new ones. */
  _look() {
    const { answeredAt } = this._figures;
    if (!this._stream || answeredAt === null) return;
    const agoMs = performance.now() - answeredAt;
    const broken = ['waiting', 'failed'].includes(this._state ?? '');
    if (agoMs < STALE_SECONDS * 1000 && !broken) {
      this._figures.show(this._stream);
      return;
    }
    if (this._stage.video.paused) return; // nothing is sent
    this._stage.staleSince = new Date(Date.now() - agoMs);
    this._findings.stale = true;
    this._figures.staleSince = new Date(Date.now() - agoMs);
  }

  _applyMirror() {
    this._stage.mirrored = this._settings.mirror && this._media !== null;
  }

  /** Let go of camera, file and stream. @returns {Promise<number>} the turn that begins with it */
  async _release() {
    this._turn += 1;
    const turn = this._turn;
    const { video } = this._stage;
    this._recorder.source = null;
    if (this._media) stopTracks(this._media);
    this._media = null;
    video.pause();
    video.srcObject = null;
    video.removeAttribute('src');
    video.load();
    this._blobs.dispose();
    for (const tool of this._tool) tool.disabled = true;
    await this._endStream();
    return turn;
  }

  async _stop() {
    await this._release();
    this._stage.hint = true;
    this._stopButton.disabled = true;
    this._notice.clear();
  }

  close() {
    this._closed = true;
    clearInterval(this._timer);
    this._endDrops();
    this._choice.close();
    this._stage.dispose();
    this._release();
  }
}

/** @param {MediaStream} media */
function stopTracks(media) {
  for (const track of media.getTracks()) track.stop();
}

/** @type {import('./index.js').Open} */
export function open(root, context) {
  const view = new Camera(root, context);
  return () => view.close();
}
