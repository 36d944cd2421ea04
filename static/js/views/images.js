/** Images: one picture, what is made of it, and how to have it made again. */

import { button, filePicker, folded, h, saveBlob } from '../ui/dom.js';
import { Before } from '../ui/before.js';
import { Compare } from '../ui/compare.js';
import { pageDrops } from '../ui/drops.js';
import { clearMarks, markFaces } from '../ui/face_marks.js';
import { bytes, seconds } from '../ui/format.js';
import { ImageForm } from '../ui/image_form.js';
import { MadeFigures } from '../ui/made_figures.js';
import { pickedItem } from '../ui/picker.js';
import { ACCEPT, refusalOf } from '../ui/pictures.js';
import { presetsOf } from '../ui/presets.js';
import { Recipe } from '../ui/recipe.js';
import { SendOnce } from '../ui/send_once.js';
import { Notice } from '../ui/trouble.js';

const SOON_MS = 300;
const MAX_BYTES_SETTING = 'BALLAST_IMAGE__MAX_BYTES';

const MARK_HELP = 'Outlines what the face detection finds in the picture before. Hiding looks closer than that, and hides the whole head.';

/** @typedef {import('../kit/types.js').MediaItem} MediaItem */

class Images {
  /** @param {HTMLElement} root @param {import('./index.js').Context} context */
  constructor(root, { client, watch, announce, argument }) {
    this._client = client;
    this._announce = announce;
    this._work = new AbortController();
    /** @type {(File & {name: string}) | null} */
    this._file = null;
    /** @type {MediaItem | null} */
    this._item = null;
    /** @type {import('../kit/images.js').MadePicture | null} */
    this._made = null;
    /** @type {ImageForm | null} */
    this._form = null;
    this._notice = new Notice();
    this._compare = new Compare();
    this._before = new Before(client, this._compare);
    this._sendOnce = new SendOnce(client, (item) => this._takeItem(item));
    this._maxBytes = Infinity;
    this._recipe = new Recipe(client, announce);
    this._figures = new MadeFigures();
    this._build(root);
    this._ends = [
      pageDrops(([file]) => this._takeFile(file), 'Drop a picture'),
      watch.persist(() => this._load(argument), (error) => this._notice.show(error, 'What can be done to pictures is not known yet.')),
    ];
  }

  /** @param {HTMLElement} root */
  _build(root) {
    this._download = button('Download', () => this._made && saveBlob(this._made.blob, this._name), { disabled: true });
    this._keep = button('Keep in the library', () => this._store(), { disabled: true });
    this._at = h('input', { type: 'range', min: 0, max: 1, step: 0.04, value: 0, on: { input: () => this._atWords(), change: () => this._show() } });
    this._atText = h('b');
    this._atField = h('label', { class: 'field', hidden: true }, h('span', {}, 'Frame at: ', this._atText), this._at);
    this._presets = h('select', { 'aria-label': 'Preset', on: { change: () => this._usePreset() } }, h('option', { value: '', text: 'none' }));
    this._mark = h('input', { type: 'checkbox', checked: true, title: MARK_HELP, on: { change: () => this._markFaces() } });
    this._place = h('div', {});
    const actions = h('div', { class: 'row' },
      filePicker('Choose a picture', ACCEPT, false, ([file]) => file && this._takeFile(file)), button('From the library', () => this._pick()), this._download, this._keep);
    const settings = h('section', { class: 'card stack settings', 'aria-label': 'Settings' },
      h('div', { class: 'row' }, h('label', { class: 'field grow' }, h('span', { text: 'Preset' }), this._presets), button('Reset', () => this._reset(), { class: 'small' })),
      this._atField, folded('What to do', this._place), h('label', { class: 'check' }, this._mark, 'Outline faces'));
    root.append(h('div', { class: 'head' }, h('h1', { text: 'Images' }), actions), this._notice.element, this._sendOnce.element,
      h('div', { class: 'with-settings images' }, settings,
        h('div', { class: 'stack' }, h('div', { class: 'live' }, this._compare.element), h('section', { class: 'card live', 'aria-label': 'Result' }, this._figures.element), this._recipe.element)));
  }

  /** @param {string} argument id of an item */
  async _load(argument) {
    const [description, limits] = await Promise.all([this._client.images.operations(), this._client.limits()]);
    this._form = new ImageForm(this._client, description, () => this._changed());
    this._place.replaceChildren(this._form.element);
    this._known = presetsOf(limits);
    this._presets.replaceChildren(h('option', { value: '', text: 'none' }), ...Object.entries(this._known).map(([value, { title }]) => h('option', { value, text: title })));
    this._maxBytes = limits.settings?.find((/** @type {any} */ one) => one.name === MAX_BYTES_SETTING)?.value ?? Infinity;
    this._notice.clear();
    if (argument && !this._item && !this._file) await this._open(argument);
    else this._show(); // a picture was chosen before it was known what can be done
  }

  /** @param {File} file */
  _takeFile(file) {
    const reason = refusalOf(file, this._maxBytes);
    if (reason !== '') {
      this._notice.say(reason, 'orange');
      return;
    }
    this._item = null;
    this._file = file;
    this._begin();
    this._sendOnce.offer(file);
  }

  /** @param {string} id */
  async _open(id) {
    try {
      this._takeItem(await this._client.getMedia(id));
    } catch (error) {
      if (/** @type {any} */ (error).status !== 404) throw error;
      this._tellGone();
    }
  }

  _tellGone() {
    this._notice.say('This picture is not in the library any more.', 'orange');
    this._notice.element.append(button('Choose another one', () => this._pick(), { class: 'small' }));
  }

  async _pick() {
    const item = await pickedItem(this._client, { title: 'Which picture, or which video for a frame of it?', kinds: ['image', 'video'] });
    if (item) this._takeItem(item);
  }

  /** @param {MediaItem} item */
  _takeItem(item) {
    this._file = null;
    this._item = item;
    this._sendOnce.clear();
    this._begin();
  }

  /** Another picture. */
  _begin() {
    const isVideo = this._item?.kind === 'video';
    this._atField.hidden = !isVideo;
    this._at.max = String(this._item?.durationSeconds ?? 1);
    this._at.value = '0';
    this._atWords();
    this._notice.clear();
    this._before.clear();
    this._show();
  }

  _atWords() {
    this._atText.textContent = seconds(Number(this._at.value));
  }

  _usePreset() {
    const preset = this._known?.[this._presets.value];
    this._form?.write(preset?.params ?? {});
    this._show();
  }

  _reset() {
    this._presets.value = '';
    this._form?.write({});
    this._show();
  }

  /** A control was changed: soon, and not with each step of a slider. */
  _changed() {
    clearTimeout(this._soon);
    this._soon = setTimeout(() => this._show(), SOON_MS);
  }

  /** Which frame, of a video. */
  get _frameAt() {
    return this._item?.kind === 'video' ? this._at.value : null;
  }

  get _params() {
    const at = this._frameAt;
    return { ...(at === null ? {} : { at }), ...this._form?.values };
  }

  get _name() {
    const name = (this._item?.name ?? this._file?.name ?? 'picture').replace(/\.[^.]*$/, '');
    return `${name}.${extensionOf(this._made?.blob.type ?? '')}`;
  }

  /** Have it made, and show it. */
  async _show() {
    if (!this._form || (!this._file && !this._item)) return;
    this._work.abort();
    const work = new AbortController();
    this._work = work;
    this._compare.busy = true;
    const { signal } = work;
    const params = this._params;
    try {
      await this._before.show({ file: this._file, item: this._item, at: this._frameAt }, signal);
      const { images } = this._client;
      const made = this._item ? await images.derive(this._item, params, { signal }) : await images.transform(/** @type {File} */ (this._file), params, { signal });
      if (signal.aborted) return;
      this._made = made;
      this._compare.showAfter(this._client.blobs.set('after', made.blob));
      this._notice.clear();
      this._tell(made);
      this._markFaces();
    } catch (error) {
      if (signal.aborted) return;
      if (this._item && /** @type {any} */ (error).status === 404) this._tellGone();
      else this._notice.show(error, 'It was not made.');
    }
    this._compare.busy = false;
  }

  /** @param {import('../kit/images.js').MadePicture} made */
  _tell(made) {
    const { blob, url, seconds: spent } = made;
    this._figures.write(made, this._item?.kind === 'video' ? 0 : (this._item?.sizeBytes ?? this._file?.size ?? 0));
    this._download.disabled = this._keep.disabled = false;
    this._recipe.show(url, this._file, extensionOf(blob.type));
    this._announce(`Made: ${bytes(blob.size)} in ${seconds(spent)}.`);
  }

  /** Outline on the picture as it was what the face detection finds in it; what is hidden is looked for closer, and the whole head. */
  async _markFaces() {
    const { before, marks } = this._compare;
    clearMarks(marks);
    if (!this._mark.checked || !this._made?.faces) return;
    await markFaces(this._client, before, marks, this._work.signal).catch(() => 0); // it is only a hint
  }

  async _store() {
    this._keep.disabled = true;
    try {
      const item = await this._client.images.store(/** @type {any} */ (this._file ?? this._item), this._params, { name: this._name });
      this._notice.say(`${item.name} is in the library (${bytes(item.sizeBytes)}).`);
    } catch (error) {
      this._notice.show(error, 'It was not kept.');
    }
    this._keep.disabled = false;
  }

  close() {
    this._work.abort();
    clearTimeout(this._soon);
    for (const end of this._ends) end();
    this._sendOnce.clear();
    this._before.clear();
    this._client.dispose();
  }
}

/** @param {string} type */
function extensionOf(type) {
  return ({ 'image/jpeg': 'jpg', 'image/png': 'png', 'image/webp': 'webp', 'image/avif': 'avif' })[type] ?? 'bin';
}

/** @type {import('./index.js').Open} */
export function open(root, context) {
  const view = new Images(root, context);
  return () => view.close();
}
