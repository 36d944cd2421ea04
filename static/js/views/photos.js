/** Photos: one or many through a task, with what was found drawn on them. */

import { describe, drawDetections, tintedMask } from '../ballast.js';
import { analyses } from '../ui/analyses.js';
import { button, filePicker, folded, h } from '../ui/dom.js';
import { shown } from '../ui/dialogs.js';
import { pageDrops } from '../ui/drops.js';
import { bytes, counted, percent, seconds } from '../ui/format.js';
import { modeWords } from '../ui/levels.js';
import { ACCEPT, refusalOf } from '../ui/pictures.js';
import { TaskChoice } from '../ui/tasks.js';
import { Notice } from '../ui/trouble.js';

const CARD_PIXELS = 480;
const VIEWER_PIXELS = 1400;
/** Cards are shown so many at a time: a canvas takes memory, and a thousand of them too much. */
const PAGE = 24;
const MAX_BYTES = 5 * 1048576;
/** Silence is said after so long, and what it is for; at CRITICAL, where the service lets all work wait, sooner. */
const SAY_SILENT_SECONDS = 4;
const SAY_WAITING_SECONDS = 1.5;
/** And there it is given up after so long without an answer. */
const GIVE_UP_SECONDS = 30;

class Photos {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, watch, announce }) {
    this._client = client;
    this._watch = watch;
    this._announce = announce;
    this._ending = new AbortController();
    /** @type {Blob[]} */
    this._pictures = [];
    /** @type {import('../ui/analyses.js').Outcome[]} */
    this._outcomes = [];
    this._shown = 0;
    this._maxBytes = MAX_BYTES;
    this._choice = new TaskChoice({ client, watch }, () => this._again(), 'hands');
    this._notice = new Notice();
    this._stopButton = button('Cancel', () => this._ending.abort(), { class: 'small' });
    this._retryButton = button('Try again', () => this._run(), { class: 'small', hidden: true });
    this._more = button('Show more', () => this._showMore(), { hidden: true });
    this._build(root);
    this._endDrops = pageDrops((files) => this._take(files), 'Drop photos');
    this._readLimit();
  }

  /** @param {HTMLElement} root */
  _build(root) {
    const drop = h('div', { class: 'drop' }, h('p', { text: 'Drop photos anywhere, one or many.' }),
      filePicker('Choose photos', ACCEPT, true, (files) => this._take(files)));
    this._progress = h('progress', { value: 0, max: 1, 'aria-label': 'Photos analysed' });
    this._words = h('span');
    this._line = h('div', { class: 'card progress-line', hidden: true }, this._words, h('div', { class: 'row' }, this._retryButton, this._stopButton), this._progress);
    this._grid = h('div', { class: 'pictures live' });
    root.append(
      h('div', { class: 'head' }, h('h1', { text: 'Photos' })),
      h('div', { class: 'with-settings' },
        h('section', { class: 'card stack settings', 'aria-label': 'Settings' }, this._choice.element, folded('More settings', this._choice.form)),
        h('div', { class: 'stack' }, drop, this._notice.element, this._line, this._grid, this._more)),
    );
  }

  async _readLimit() {
    const limits = await this._client.limits().catch(() => null);
    this._maxBytes = limits?.derived?.maxFrameBytes ?? MAX_BYTES;
  }

  /** @param {File[]} files */
  _take(files) {
    const pictures = files.filter((file) => refusalOf(file) === '');
    const others = files.length - pictures.length;
    if (others === 1) this._notice.say(refusalOf(/** @type {File} */ (files.find((file) => refusalOf(file) !== ''))), 'orange');
    else if (others > 1) this._notice.say(`${others} files are not pictures that this service reads. They are left out.`, 'orange');
    else this._notice.clear();
    if (pictures.length === 0) return;
    this._pictures = pictures;
    this._run();
  }

  /** Another task or other parameters: the same photos once more. */
  _again() {
    if (this._pictures.length > 0) this._run();
  }

  async _run() {
    const { task } = this._choice;
    if (!task) return;
    this._ending.abort();
    const ending = new AbortController();
    this._ending = ending;
    this._outcomes = [];
    this._shown = 0;
    this._grid.replaceChildren();
    const began = performance.now();
    this._line.hidden = false;
    this._stopButton.hidden = false;
    this._retryButton.hidden = true;
    this._notice.clear();
    this._count(began);
    const patience = setInterval(() => this._wait(ending, began), 500);
    this._answeredAt = performance.now();
    try {
      const options = { maxBytes: this._maxBytes, signal: ending.signal };
      for await (const outcome of analyses(this._client, task, this._pictures, this._choice.params, options)) {
        if (ending.signal.aborted) break;
        this._outcomes.push(outcome);
        this._answeredAt = performance.now();
        if (this._outcomes.length <= PAGE) await this._showMore(PAGE - this._shown);
        this._count(began);
      }
    } catch (error) {
      if (!ending.signal.aborted) this._notice.show(error, 'The photos could not be analysed.');
    }
    clearInterval(patience);
    if (ending !== this._ending) return;
    this._stopButton.hidden = true;
    this._retryButton.hidden = this._outcomes.length === this._pictures.length;
    this._more.hidden = this._outcomes.length <= this._shown;
    this._choice.refresh();
    this._announce(this._words.textContent);
  }

  /** Say that it waits for memory, and do not wait for ever. @param {AbortController} ending @param {number} began */
  _wait(ending, began) {
    const waited = (performance.now() - this._answeredAt) / 1000;
    const level = this._watch.level?.level;
    if (level !== 'CRITICAL') {
      if (waited < SAY_SILENT_SECONDS) return;
      this._count(began);
      const waiting = this._watch.report?.budget?.waiting > 0 ? `work waits there until it has the memory (level ${level})` : 'it is sent, or the service works on it or waits until it has the memory';
      this._words.textContent += `. No answer for ${seconds(Math.floor(waited))}: ${waiting}. “Cancel” ends it`;
      return;
    }
    if (waited < SAY_WAITING_SECONDS) return;
    this._count(began);
    this._words.textContent += `. Waiting for memory: the service is at its limit (${seconds(waited)} so far, at most ${GIVE_UP_SECONDS} s)`;
    if (waited < GIVE_UP_SECONDS) return;
    ending.abort();
    this._notice.say(`The service had no memory for ${counted(this._pictures.length - this._outcomes.length, 'photo')} for ${GIVE_UP_SECONDS} s. Nothing waits there any more; try again when the level is lower.`, 'orange');
  }

  /** @param {number} began */
  _count(began) {
    const [done, all] = [this._outcomes.length, this._pictures.length];
    const failed = this._outcomes.filter(({ trouble }) => trouble !== '').length;
    const found = this._outcomes.reduce((sum, { analysis }) => sum + (analysis?.detections.length ?? 0), 0);
    const spent = (performance.now() - began) / 1000;
    this._progress.max = all;
    this._progress.value = done;
    const troubles = failed > 0 ? `, ${failed} not analysed` : '';
    this._words.textContent = `${done} of ${counted(all, 'photo')} in ${seconds(spent)}: ${counted(found, 'finding')}${troubles}`;
  }

  /** @param {number} [most] */
  async _showMore(most = PAGE) {
    const next = this._outcomes.slice(this._shown, this._shown + most);
    this._shown += next.length;
    for (const outcome of next) this._grid.append(await this._card(outcome));
    this._more.hidden = this._outcomes.length <= this._shown;
  }

  /** @param {import('../ui/analyses.js').Outcome} outcome */
  async _card(outcome) {
    const { analysis, trouble, picture } = outcome;
    const name = /** @type {any} */ (picture).name ?? 'Photo';
    const canvas = await drawn(outcome, CARD_PIXELS);
    const lines = (analysis?.detections ?? []).map((detection) => h('p', { class: 'small-text', text: describe(detection) }));
    const words = analysis ? `${counted(analysis.detections.length, 'finding')} in ${seconds(analysis.timing.inferenceSeconds)}, ${modeWords(analysis.mode).toLowerCase()}` : trouble;
    const frame = canvas
      ? h('button', { type: 'button', class: 'picture-frame', 'aria-label': `Show ${name} large`, on: { click: () => this._view(outcome, name) } }, canvas)
      : h('div', { class: 'picture-frame' }, h('span', { class: 'kind', text: 'No preview in this browser' }));
    return h('article', { class: 'picture' }, frame,
      h('div', { class: 'picture-words' }, h('h3', { text: name, title: name }), h('p', { class: 'muted small-text', text: words }), ...lines.slice(0, 4)));
  }

  /** @param {import('../ui/analyses.js').Outcome} outcome @param {string} name */
  async _view(outcome, name) {
    const { analysis, picture } = outcome;
    const canvas = await drawn(outcome, VIEWER_PIXELS);
    const content = canvas ? [canvas] : [];
    if (analysis) {
      const { width, height, analyzedWidth, analyzedHeight, timing, mode } = analysis;
      content.push(h('p', { class: 'muted small-text', text:
        `${width}×${height} px, ${bytes(picture.size)}; analysed at ${analyzedWidth}×${analyzedHeight} px (${modeWords(mode).toLowerCase()}): ` +
        `waited ${seconds(timing.queuedSeconds)}, decoded in ${seconds(timing.decodeSeconds)}, model ${seconds(timing.inferenceSeconds)}.` }));
      content.push(...analysis.detections.map((detection) => details(detection)));
    }
    await shown(name, content);
  }

  close() {
    this._ending.abort();
    this._endDrops();
    this._choice.close();
  }
}

/**
 * The photo with its findings on a canvas no larger than `pixels`; null where the browser cannot read the photo.
 * @param {import('../ui/analyses.js').Outcome} outcome @param {number} pixels
 */
async function drawn({ picture, analysis }, pixels) {
  const bitmap = await createImageBitmap(picture).catch(() => null);
  if (bitmap === null) return null;
  const scale = Math.min(1, pixels / Math.max(bitmap.width, bitmap.height));
  const canvas = h('canvas', { width: Math.round(bitmap.width * scale), height: Math.round(bitmap.height * scale) });
  const place = { x: 0, y: 0, width: canvas.width, height: canvas.height };
  const context = canvas.getContext('2d');
  context.drawImage(bitmap, 0, 0, place.width, place.height);
  bitmap.close();
  const mask = await tintedMask(analysis?.detections ?? []);
  if (mask) context.drawImage(mask, 0, 0, place.width, place.height);
  else drawDetections(context, analysis?.detections ?? [], place);
  mask?.close();
  return canvas;
}

/** @param {import('../kit/types.js').Detection} detection */
function details(detection) {
  const shapes = Object.entries(detection.blendshapes ?? {}).sort((one, other) => other[1] - one[1]).slice(0, 8);
  const rows = shapes.map(([name, score]) => h('li', { text: `${name} ${percent(score)}` }));
  return h('div', {}, h('h3', { text: describe(detection) }),
    detection.landmarks.length > 0 ? h('p', { class: 'muted small-text', text: counted(detection.landmarks.length, 'landmark') }) : null,
    rows.length > 0 ? h('ul', { class: 'legend' }, ...rows) : null);
}

/** @type {import('./index.js').Open} */
export function open(root, context) {
  const view = new Photos(root, context);
  return () => view.close();
}
