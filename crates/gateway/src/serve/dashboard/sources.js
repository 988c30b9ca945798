// Source selection: what /play decides for a source, and how the cache fills while it plays.

import { every, follow, get } from './api.js';
import { foreign, h, id, put } from './dom.js';
import { bytes } from './format.js';
import { connection, shell } from './shell.js';
import { showTiers } from './tiers.js';
import { showFilms } from './films.js';
import { decision, play } from './player.js';

const EXAMPLES = [
  ['A film at a direct link', 'https://archive.org/download/BigBuckBunny_124/Content/big_buck_bunny_720p_surround.mp4'],
  ['A film in a torrent (magnet link)', 'magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&dn=Big+Buck+Bunny&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337'],
  ['Another torrent', 'magnet:?xt=urn:btih:08ada5a7a6183aae1e09d831df6748d566095a10&dn=Sintel&tr=udp%3A%2F%2Ftracker.opentrackr.org%3A1337'],
  ['The first stream that an add-on has of a film', 'movie/tt1254207/0'],
  ['The first stream of an episode', 'series/tt0903747/0/1/1'],
];

const WAYS = {
  redirect: 'Redirect: players go to the origin themselves.',
  proxy: 'Proxy: this server fetches it, keeps it, and sends it on.',
  torrent: 'Torrent: this server fetches it from peers, keeps it, and sends it on.',
};

const isLink = address => /^(https?:|magnet:)/i.test(address);

/** Where this server plays `address`. */
function path(address) {
  if (isLink(address)) return `/play?${new URLSearchParams({ url: address })}`;
  return `/play/${address.replace(/^\/?(play\/)?/, '').split('/').map(encodeURIComponent).join('/')}`;
}

function examples() {
  const field = id('source').elements.address;
  id('examples').append(...EXAMPLES.map(([name, address]) => {
    const radio = h('input', { type: 'radio', name: 'example', change: () => { field.value = address; } });
    return h('label', {}, radio, name);
  }));
}

async function decide(address) {
  put(id('decision'), h('p', {}, 'Asking. A torrent may take half a minute.'));
  try {
    const { way, status, type, length } = await decision(path(address));
    put(id('decision'), h('p', {}, h('strong', {}, WAYS[way] ?? way)),
      h('p', { class: 'muted' }, [`status ${status}`, type, length && bytes(length)].filter(Boolean).join(', ')),
      h('p', {}, foreign(address)));
  } catch (error) {
    put(id('decision'), h('p', { class: 'bad' }, error.message));
  }
}

id('source').addEventListener('submit', async event => {
  event.preventDefault();
  const address = event.target.elements.address.value.trim();
  const plays = event.submitter?.name === 'play';
  await decide(address);
  if (plays) await play(path(address), address);
});

shell();
examples();
follow({ state: connection, stats: showTiers, job: () => {}, jobs: () => {} });
every(async () => showFilms(await get('/api/caches')));
