/** Numbers for people, always with their unit. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** @param {number} value */
export function bytes(value) {
  let size = Math.abs(value);
  let unit = 0;
  while (size >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : 1;
  return `${value < 0 ? '−' : ''}${size.toFixed(digits)} ${UNITS[unit]}`;
}

/** @param {number | null | undefined} value */
export function seconds(value) {
  if (value === null || value === undefined) return '–';
  if (value < 1) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  if (value < 3600) return `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
  if (value < 172800) return `${Math.floor(value / 3600)} h ${Math.floor((value % 3600) / 60)} min`;
  return `${Math.floor(value / 86400)} days`;
}

/** A share, always written in this one way: in percent, below 10 % with one digit more. @param {number} value 0..1 */
export function percent(value) {
  const hundredths = value * 100;
  return `${hundredths.toFixed(Math.abs(hundredths) < 9.95 && hundredths !== 0 ? 1 : 0)} %`;
}

/** The time of day. @param {Date | number} time */
export function clock(time) {
  return new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });
}

/** @param {number} value */
export function count(value) {
  return value.toLocaleString('en');
}

/** @param {number} value @param {string} one @param {string} [many] */
export function counted(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** @param {string} time RFC 3339 */
export function moment(time) {
  return new Date(time).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
}

/** A time in a video, such as 1:05.2. @param {number} value seconds */
export function clockTime(value) {
  const minutes = Math.floor(value / 60);
  return `${minutes}:${(value % 60).toFixed(1).padStart(4, '0')}`;
}
