/** The parts of the memory report, a card each. What this service does not report is said, not left empty. */

import { button, facts, h } from './dom.js';
import { bytes, clock, count, moment, percent, seconds } from './format.js';

/** @typedef {{element: HTMLElement, show: (report: any) => void}} Section */

/** @returns {Section[]} */
export function sections() {
  return [
    ledger(),
    table('Models', ['Task', 'State', 'Resident', 'Idle'], ({ models }) =>
      models?.map((/** @type {any} */ one) => [one.task, one.state, bytes(one.residentBytes), seconds(one.idleSeconds)])),
    table('Processes', ['Process', 'For', 'Resident', 'Own (USS)', 'Peak'], ({ processes }) =>
      processes?.map((/** @type {any} */ one) => [`${one.role} (${one.pid})`, (one.owner ?? '–').replace('model:', ''), bytes(one.rssBytes), one.ussBytes === null ? '–' : bytes(one.ussBytes), bytes(one.peakRssBytes)])),
    figures('Cache', ['Size', 'Entries', 'Hit rate', 'Hits', 'Misses'], ({ cache }) => cache && {
      Size: `${bytes(cache.sizeBytes)} of ${bytes(cache.limitBytes)}`, Entries: count(cache.entries), 'Hit rate': percent(cache.hitRate),
      Hits: count(cache.hits), Misses: count(cache.misses),
    }),
    figures('Streams and uploads', ['Open streams', 'Frames', 'Dropped', 'Skipped', 'Uploads now', 'Uploaded'], ({ streams, uploads }) =>
      streams && uploads && {
        'Open streams': count(streams.active), Frames: count(streams.frames), Dropped: count(streams.dropped), Skipped: count(streams.skipped ?? 0),
        'Uploads now': count(uploads.active), Uploaded: bytes(uploads.bytes),
      }),
    tempFiles(),
    figures('What was done about it', ['Reclaims', 'Freed', 'Last', 'Collections', 'Trims', 'OOM kills', 'Stalled (PSI)'], done),
    table('Forecast against what was used', ['Operation', 'Predicted', 'Observed', 'Observed / predicted'], ({ forecast }) =>
      forecast?.map((/** @type {any} */ one) => [one.operation, bytes(one.predictedBytes), bytes(one.observedBytes), percent(one.ratio)])),
    lastOom(),
  ];
}

/** Holders as bars: what is reserved, and in it what is resident. @returns {Section} */
function ledger() {
  const list = h('ul', { class: 'bars' });
  const element = h('section', { class: 'card half' }, h('h2', { text: 'Ledger: who holds what' }), list,
    h('ul', { class: 'legend' }, h('li', {}, h('span', { class: 'swatch reserved' }), 'Reserved'), h('li', {}, h('span', { class: 'swatch' }), 'Resident')));
  /** @type {Map<string, Bar>} */
  const bars = new Map();
  /** @param {any} report */
  const show = ({ budget, unaccountedBytes }) => {
    const rows = summed(budget.holders);
    rows.push({ owner: 'unaccounted', reservedBytes: 0, residentBytes: Math.max(0, unaccountedBytes) });
    const most = rows.reduce((sum, row) => Math.max(sum, row.reservedBytes, row.residentBytes), 1);
    for (const [owner, bar] of bars) {
      if (rows.some((row) => row.owner === owner)) continue;
      bar.element.remove();
      bars.delete(owner);
    }
    for (const row of rows) {
      const bar = bars.get(row.owner) ?? new Bar(row.owner);
      bars.set(row.owner, bar);
      if (!bar.element.isConnected) list.append(bar.element);
      bar.show(row, most);
    }
  };
  return { element, show };
}

/** Many holders of one name are one row. @param {{owner: string, reservedBytes: number, residentBytes: number}[]} holders */
function summed(holders) {
  /** @type {Map<string, {owner: string, reservedBytes: number, residentBytes: number}>} */
  const byOwner = new Map();
  for (const { owner, reservedBytes, residentBytes } of holders) {
    const row = byOwner.get(owner) ?? { owner, reservedBytes: 0, residentBytes: 0 };
    byOwner.set(owner, { owner, reservedBytes: row.reservedBytes + reservedBytes, residentBytes: row.residentBytes + residentBytes });
  }
  return [...byOwner.values()].sort((one, other) => other.reservedBytes - one.reservedBytes);
}

class Bar {
  /** @param {string} owner */
  constructor(owner) {
    this._numbers = h('span');
    this._reserved = h('div', { class: 'bar-part reserved' });
    this._resident = h('div', { class: 'bar-part resident' });
    this.element = h('li', { data: { owner } }, h('div', { class: 'bar-words' }, h('span', { text: owner }), this._numbers),
      h('div', { class: 'bar' }, this._reserved, this._resident));
  }

  /** @param {{reservedBytes: number, residentBytes: number}} row @param {number} mostBytes what a full bar is */
  show({ reservedBytes, residentBytes }, mostBytes) {
    const reserved = reservedBytes > 0 ? `${bytes(reservedBytes)} reserved, ` : '';
    this._numbers.textContent = `${reserved}${bytes(residentBytes)} resident`;
    this._reserved.style.width = `${(100 * reservedBytes) / mostBytes}%`;
    this._resident.style.width = `${(100 * residentBytes) / mostBytes}%`;
  }
}

/**
 * @param {string} title @param {string[]} names @param {(report: any) => string[][] | undefined} rowsOf
 * @returns {Section}
 */
function table(title, names, rowsOf) {
  const body = h('tbody');
  const heads = names.map((name, index) => h('th', { scope: 'col', text: name, class: index >= names.length - 2 ? 'number' : '' }));
  const grid = h('table', { 'aria-label': title }, h('thead', {}, h('tr', {}, ...heads)), body);
  const none = h('p', { class: 'muted small-text' });
  const element = h('section', { class: 'card half' }, h('h2', { text: title }), h('div', { class: 'scroll', role: 'region', 'aria-label': `${title}, table`, tabIndex: 0 }, grid), none);
  /** @param {any} report */
  const show = (report) => {
    const rows = rowsOf(report);
    grid.hidden = !rows || rows.length === 0;
    none.textContent = rows === undefined ? 'This service does not report it.' : rows.length === 0 ? 'Nothing yet.' : '';
    none.hidden = none.textContent === '';
    body.replaceChildren(...(rows ?? []).map((cells) => h('tr', {}, ...cells.map((text, index) => cell(text, index, cells.length)))));
  };
  return { element, show };
}

/** @param {string} text @param {number} index @param {number} length */
function cell(text, index, length) {
  return index === 0 ? h('th', { scope: 'row', text }) : h('td', { text, class: index >= length - 2 ? 'number' : '' });
}

/**
 * @param {string} title @param {string[]} names @param {(report: any) => Record<string, string> | undefined} valuesOf
 * @returns {Section}
 */
function figures(title, names, valuesOf) {
  const { element: list, write } = facts(names);
  const none = h('p', { class: 'muted small-text', text: 'This service does not report it.' });
  const element = h('section', { class: 'card half' }, h('h2', { text: title }), list, none);
  /** @param {any} report */
  const show = (report) => {
    const values = valuesOf(report);
    list.hidden = !values;
    none.hidden = Boolean(values);
    if (values) write(values);
  };
  return { element, show };
}

/** @returns {Section} */
function tempFiles() {
  return table('Temporary files', ['Source', 'Files', 'Size'], ({ tempFiles: files }) => {
    if (!files) return undefined;
    const rows = Object.entries(files.bySource).map(([name, source]) => [name, count(source.count), bytes(source.totalBytes)]);
    return [...rows, ['all', count(files.count), bytes(files.totalBytes)]];
  });
}

/** @param {any} report */
function done({ reclaimed, gc, oomKills, psi }) {
  return reclaimed && {
    Reclaims: count(reclaimed.runs),
    Freed: bytes(reclaimed.bytes),
    Last: reclaimed.lastAt ? moment(reclaimed.lastAt) : 'never',
    Collections: count(gc?.collections ?? 0),
    Trims: count(gc?.trims ?? 0),
    'OOM kills': count(oomKills ?? 0),
    'Stalled (PSI)': psi ? `${psi.someAvg10.toFixed(1)} % some, ${psi.fullAvg10.toFixed(1)} % full` : 'not reported by the kernel',
  };
}

/** How the run before ended, if that was not in order. @returns {Section} */
function lastOom() {
  const words = h('p');
  const element = h('section', { class: 'card half', hidden: true }, h('h2', { text: 'The run before' }), words);
  /** @param {any} report */
  const show = ({ lastOom: last }) => {
    element.hidden = !last;
    if (!last) return;
    const sure = last.evidence === 'counter' ? 'The kernel ended it: it was out of memory.' : 'It did not end in order; perhaps it was out of memory.';
    const then = last.workingSetBytes ? ` It held ${bytes(last.workingSetBytes)} when it was last seen.` : '';
    words.textContent = `${sure}${then}`;
  };
  return { element, show };
}

/** So many are shown at first. */
const FEW = 8;

/** Changes of level and refusals in the last hour, newest first. */
export function happened() {
  const list = h('ul', { class: 'happened' });
  const none = h('p', { class: 'muted small-text', text: 'Nothing in the last hour: the level did not change, and nothing was refused.' });
  let isWhole = false;
  /** @type {import('./past.js').Mark[]} */
  let known = [];
  const all = button('', () => {
    isWhole = !isWhole;
    show(known);
  }, { class: 'small', hidden: true });
  const element = h('section', { class: 'card half stack' }, h('h2', { text: 'What happened' }), none, list, h('div', { class: 'row' }, all));
  /** @param {import('./past.js').Mark[]} marks */
  const show = (marks) => {
    known = marks;
    none.hidden = marks.length > 0;
    all.hidden = marks.length <= FEW;
    all.textContent = isWhole ? 'Show fewer' : `Show all ${marks.length}`;
    list.replaceChildren(...marks.slice(0, isWhole ? marks.length : FEW).map(({ at, kind, text }) => h('li', {}, h('span', { class: 'muted', text: clock(at) }), h('span', { text, data: { kind } }))));
  };
  return { element, show };
}
