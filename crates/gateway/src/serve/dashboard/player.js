// A player within the page, and how /play decides.

import { foreign, h, id, say } from './dom.js';
import { ask, send, token } from './api.js';

/** A ticket is renewed that ends in less than this, in milliseconds. */
const SPARE = 5000;

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
    return 'The browser cannot play it: its format is not one that it knows.';
  } catch (error) {
    return error.message;
  }
}

/** Where a player that sends no token plays `path`, and until when. */
async function admitted(path) {
  if (!token.get()) return { src: path, ends: Infinity };
  const { path: src, seconds } = await send('POST', '/api/play-ticket', { path });
  return { src, ends: performance.now() + seconds * 1000 - SPARE };
}

/** A player of `path`, which goes on with another ticket when one has ended. */
async function player(path, failed) {
  let { src, ends } = await admitted(path);
  const video = h('video', { controls: true, preload: 'metadata', src, 'aria-label': 'Player' });
  video.addEventListener('error', async () => {
    if (performance.now() < ends) return failed(await reason(path));
    try {
      const { currentTime, paused } = video;
      ({ src, ends } = await admitted(path));
      video.src = src;
      video.currentTime = currentTime;
      if (!paused) await video.play().catch(() => {});
      return undefined;
    } catch (error) {
      return failed(error.message);
    }
  });
  return video;
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
  try {
    const video = await player(source, why => say(status, why, true));
    id('player').append(video);
    video.focus();
    return await video.play().catch(() => {});
  } catch (error) {
    return say(status, error.message, true);
  }
}
