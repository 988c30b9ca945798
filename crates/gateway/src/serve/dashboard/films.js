// Films that are read or fetched, each with a map of its segments.

import { foreign, h, id, put } from './dom.js';
import { bytes, count, span } from './format.js';
import { segmentLegend, segments } from './charts.js';

function film(one) {
  const part = one.len ? ` of ${bytes(one.len)}` : '';
  const facts = `${bytes(one.kept_bytes)}${part} kept, ${count(one.filling.length)} segments being fetched, `
    + `${count(one.readers.length)} readers, open for ${span(one.elapsed_seconds)}`;
  return h('div', { class: 'film' },
    h('div', {}, foreign(one.key)),
    one.segments ? segments(one) : null,
    h('div', { class: 'muted' }, facts),
    one.uncached && h('div', { class: 'bad' }, `Nothing of it is kept: ${one.uncached}.`));
}

export function showFilms(caches) {
  if (caches.films.length === 0) {
    put(id('films'), h('p', { class: 'muted' }, 'None.'));
  } else {
    put(id('films'), segmentLegend(), ...caches.films.map(film));
  }
}
