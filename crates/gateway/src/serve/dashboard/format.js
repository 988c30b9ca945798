// Figures as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(count) {
  if (count === null || count === undefined) return 'none';
  let unit = 0;
  let value = Number(count);
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

export function count(value) {
  return Math.round(Number(value ?? 0)).toLocaleString('en');
}

export function rate(value) {
  return value >= 10 ? count(value) : String(Math.round(value * 10) / 10);
}

export function span(seconds) {
  if (seconds === null || seconds === undefined) return '';
  const whole = Math.floor(seconds);
  if (whole < 60) return whole < 10 ? `${Math.round(seconds * 10) / 10} s` : `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(whole / 86400)} days`;
}

export const time = millis => new Date(millis).toLocaleTimeString('en', { hour12: false });

export const words = name => String(name).replaceAll('_', ' ');
