// Charts as SVG: lines over time, bars of what is full, maps of segments.

import { h, s } from './dom.js';
import { rate } from './format.js';

const WIDTH = 600;
const HEIGHT = 160;
/** Colours that there are; what comes after them begins again. */
const COLOURS = 5;

const colour = index => index % COLOURS;
const swatch = name => h('span', { class: `swatch ${name}`, 'aria-hidden': 'true' });

/** The next of 1, 2, 5, 10, 20 ... that is not below `value`. */
function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map(step => step * power).find(step => step >= value) ?? power;
}

/** Lines over `seconds` of time: `series` are `{ name, points: [{ at, value }] }`, `at` in seconds before now. */
export function lines(label, series, seconds) {
  const most = ceiling(Math.max(1, ...series.flatMap(one => one.points.map(point => point.value))));
  const x = at => (WIDTH * (1 - at / seconds)).toFixed(1);
  const y = value => (HEIGHT * (1 - value / most)).toFixed(1);
  const drawn = series.map(({ points }, i) =>
    s('polyline', { class: `line stroke${colour(i)}`, points: points.map(({ at, value }) => `${x(at)},${y(value)}`).join(' ') }));
  const latest = series.map(({ name, points }) => `${name} ${rate(points.at(-1)?.value ?? 0)}`).join(', ');
  const grid = [0, 0.5, 1].map(part => s('line', { class: 'axis', x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }));
  return [
    h('div', { class: 'plot' },
      h('div', { class: 'y', 'aria-hidden': 'true' }, [most, most / 2, 0].map(value => h('span', {}, rate(value)))),
      s('svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img',
        'aria-label': `${label}; latest: ${latest}` }, grid, drawn),
      h('div', { class: 'x', 'aria-hidden': 'true' }, h('span', {}, `${seconds} s ago`), h('span', {}, 'now'))),
    h('ul', { class: 'legend' }, series.map(({ name, points }, i) =>
      h('li', {}, swatch(`fill${colour(i)}`), `${name} ${rate(points.at(-1)?.value ?? 0)}`))),
  ];
}

/** How much of `whole` is taken; nothing where there is no whole. */
export function bar(part, whole, index, label) {
  if (!whole) return h('span', { class: 'muted' }, 'no budget');
  const share = Math.min(1, part / whole);
  return s('svg', { class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
    s('rect', { class: 'track', width: 100, height: 10 }),
    s('rect', { class: `fill${colour(index)}`, width: (100 * share).toFixed(2), height: 10 }));
}

/** Which segments of a film are kept and fetched, and where it is read. */
export function segments(film) {
  const { segments: all, kept, filling, readers } = film;
  const part = (name, at, width, y, height) => s('rect', { class: name, x: at, width, y, height });
  const thin = Math.max(all / 300, 0.2);
  const told = `${film.kept_segments} of ${all} segments kept, ${filling.length} fetched, ${readers.length} readers`;
  return s('svg', { class: 'map', viewBox: `0 0 ${all} 20`, preserveAspectRatio: 'none', role: 'img', 'aria-label': told },
    part('track', 0, all, 4, 12),
    kept.map(([first, end]) => part('fill0', first, end - first, 4, 12)),
    filling.map(at => part('fill1', at, Math.max(1, thin), 4, 12)),
    readers.map(at => part('reader', Math.min(at + 0.5, all) - thin / 2, thin, 0, 20)));
}

export function segmentLegend() {
  const names = [['fill0', 'kept'], ['fill1', 'being fetched'], ['reader-swatch', 'a reader']];
  return h('ul', { class: 'legend' }, names.map(([name, text]) => h('li', {}, swatch(name), text)));
}
