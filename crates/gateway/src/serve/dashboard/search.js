// The search box: results, their links, and a player for them.

import { foreign, h, id, say } from './dom.js';
import { get } from './api.js';
import { bytes, span, words } from './format.js';
import { play } from './player.js';

const isWeb = address => /^https?:\/\//i.test(address);

function link(one, title) {
  const facts = [one.resolution, one.size_in_bytes && bytes(one.size_in_bytes), one.language, words(one.type)];
  const button = one.play_url
    && h('button', { type: 'button', click: () => play(one.play_url, title, isWeb(one.url) ? one.url : undefined) }, 'Play');
  const direct = isWeb(one.url) && h('a', { href: one.url, rel: 'noreferrer noopener', target: '_blank' }, 'its address');
  return h('li', {}, button || '', ' ', facts.filter(Boolean).join(', '), ' ', direct || '', ' ', foreign(one.title ?? ''));
}

async function links(hit, list, button) {
  button.disabled = true;
  list.replaceChildren(h('li', { role: 'status' }, 'Looking for links.'));
  try {
    const found = await get(`/get-videos?${new URLSearchParams({ url: hit.url, provider: hit.provider })}`);
    const { hit: wasCached, seconds_saved: saved } = found.cache;
    const origin = wasCached ? `From the cache: ${span(saved)} saved.` : 'Asked for anew.';
    list.replaceChildren(h('li', { role: 'status' }, `${found.results.length} links. ${origin}`),
      ...found.results.map(one => link(one, one.title ?? hit.title)));
  } catch (error) {
    list.replaceChildren(h('li', { class: 'bad', role: 'status' }, error.message));
  } finally {
    button.disabled = false;
    button.focus();
  }
}

function result(hit) {
  const list = h('ul', {});
  const facts = [hit.provider, hit.type && words(hit.type), hit.duration && span(hit.duration)].filter(Boolean).join(', ');
  const button = h('button', { type: 'button' }, 'Links');
  button.addEventListener('click', () => links(hit, list, button));
  return h('li', {}, foreign(hit.title), ' ', h('span', { class: 'muted' }, facts, ' ', hit.creator && foreign(hit.creator)),
    ' ', button, list);
}

async function search(form) {
  const query = new URLSearchParams({ query: form.get('query') });
  if (form.get('provider')) query.set('provider', form.get('provider'));
  say(id('found'), 'Searching.');
  id('results').replaceChildren();
  try {
    const found = await get(`/search?${query}`);
    const silent = found.providers.filter(one => one.error).map(one => `${one.provider}: ${one.error.detail}`);
    say(id('found'), [`${found.results.length} results.`, ...silent].join(' '), silent.length > 0);
    id('results').replaceChildren(...found.results.map(result));
  } catch (error) {
    say(id('found'), error.message, true);
  }
}

/** Fills in the providers, wherever one is chosen. */
export async function providers() {
  const { providers: names } = await get('/providers');
  for (const field of document.querySelectorAll('select[name=provider]')) {
    const [first] = field.options;
    field.replaceChildren(first, ...names.map(name => h('option', { value: name }, name)));
  }
}

export function searching() {
  id('search').addEventListener('submit', event => {
    event.preventDefault();
    search(new FormData(event.target));
  });
}
