// A player within the page, and how /play decides.

import { foreign, h, id, say } from './dom.js';
import { ask } from './api.js';

/** How /play answers for `path`, without playing it: `{ way, status, type, length }`. */
export async function decision(path) {
  const answer = await ask(path, { method: 'HEAD', redirect: 'manual' });
  // What a redirect leads to is hidden from pages.
  if (answer.type === 'opaqueredirect') return { way: 'redirect', status: 302 };
  const header = name => answer.headers.get(name);
  return { way: header('reelcache-way') ?? 'proxy', status: answer.status, type: header('content-type'), length: header('content-length') };
}

/** Why `path` does not play, as the server says it. */
async function reason(path) {
  try {
    await ask(path, { headers: { Range: 'bytes=0-0' }, redirect: 'manual' });
    return 'The browser cannot play it: its format is not one that it knows, or the server wants a token, which players cannot send.';
  } catch (error) {
    return error.message;
  }
}

/** Plays `path` below the heading `title`. A redirect leaves this server, where pages of it may not follow: then `direct` is played. */
export async function play(path, title, direct) {
  const status = h('p', { role: 'status' }, 'Asking how it is played.');
  id('player').replaceChildren(h('h3', {}, 'Playing ', foreign(title)), status);
  let source = path;
  try {
    const { way } = await decision(path);
    if (way === 'redirect' && direct) source = `/play?${new URLSearchParams({ url: direct })}`;
    else if (way === 'redirect') {
      return say(status, 'It is redirected to its origin, which this page must not ask: open its address in a player.');
    }
    say(status, way === 'redirect'
      ? 'Players are redirected to its origin. Here it is played through the cache.' : `Played from here (${way}).`);
  } catch (error) {
    return say(status, error.message, true);
  }
  const video = h('video', { controls: true, preload: 'metadata', src: source, 'aria-label': 'Player' });
  video.addEventListener('error', async () => say(status, await reason(source), true));
  id('player').append(video);
  video.focus();
  return video.play().catch(() => {});
}
