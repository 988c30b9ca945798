// What was asked for most, what has gone, what has failed.

import { foreign, id, put, table } from './dom.js';
import { bytes, count, span, time } from './format.js';

export function showRecent(caches) {
  put(id('top'), table('With every half life of an hour a request counts half', ['key', '#requests'],
    caches.top.map(one => [foreign(one.key), (Math.round(one.score * 10) / 10).toFixed(1)])));
  put(id('evictions'), table('The latest first', ['until', 'tier', 'reason', '#entries'],
    caches.evictions.map(one => [time(one.to_ms), one.tier, one.reason, count(one.entries)])));
  put(id('gone'), table('The latest first, of each tier the last', ['at', 'tier', 'reason', 'key', '#weight', '#age'],
    caches.gone.map(one => [time(one.at_ms), one.tier, one.reason, foreign(one.key), bytes(one.bytes), span(one.age_seconds)])));
  put(id('errors'), table('The latest first', ['at', 'asked for', 'status', 'what happened'],
    caches.errors.map(one => [time(one.at_ms), foreign(one.path), String(one.status), foreign(one.detail)])));
}
