// The tiers: what they hold, how they have answered, answers a second.

import { h, id, put, table } from './dom.js';
import { bytes, count, span, words } from './format.js';
import { bar, lines } from './charts.js';

/** Samples that are kept, one a second. */
const SAMPLES = 120;
const samples = [];

function weights(stats) {
  const rows = stats.tiers.map((tier, i) => {
    const { usage } = tier;
    if (!usage) return [tier.name, 'does not answer', '', '', '', tier.durable ? 'yes' : 'no'];
    const about = usage.exact === false ? 'about ' : '';
    const label = `${tier.name}: ${bytes(usage.bytes)} of ${bytes(usage.capacity)}`;
    return [tier.name, about + count(usage.entries), about + bytes(usage.bytes), bytes(usage.capacity),
      bar(usage.bytes, usage.capacity, i, label), tier.durable ? 'yes' : 'no'];
  });
  return table('Weight against capacity', ['tier', '#entries', '#held', '#budget', 'filled', 'kept after a restart'], rows);
}

function answers(stats) {
  const names = Object.keys(stats.tiers[0]?.outcomes ?? {});
  const rows = stats.tiers.map(tier => [tier.name, ...names.map(name => count(tier.outcomes[name]))]);
  return table('Answers since the server began', ['tier', ...names.map(name => `#${words(name)}`)], rows);
}

function hitShare(stats) {
  const [first] = stats.tiers;
  const asked = Object.values(first?.outcomes ?? {}).reduce((sum, n) => sum + n, 0);
  const hits = stats.tiers.reduce((sum, tier) => sum + (tier.outcomes.hit ?? 0), 0);
  return asked ? `${Math.round(Math.min(1, hits / asked) * 100)} %` : 'none asked';
}

/** Shows `tiles`, pairs of a name and a figure. */
function tiles(node, pairs) {
  put(node, ...pairs.map(([name, figure]) => h('div', {}, h('dt', {}, name), h('dd', {}, figure))));
}

let saved = null;

/** The seconds that the caches of links have saved. */
export function setSaved(seconds) {
  saved = seconds;
}

function remember(stats) {
  const now = performance.now() / 1000;
  if (samples.length && now - samples.at(-1).now < 0.5) return;
  samples.push({ now, tiers: new Map(stats.tiers.map(tier => [tier.name, tier.outcomes])) });
  if (samples.length > SAMPLES + 1) samples.shift();
}

function chart(stats) {
  const field = id('outcome');
  const names = Object.keys(stats.tiers[0]?.outcomes ?? {});
  if (field.options.length === 0) field.append(...names.map(name => h('option', { value: name, selected: name === 'hit' }, words(name))));
  const now = samples.at(-1).now;
  const series = stats.tiers.map(({ name }) => ({
    name,
    points: samples.slice(1).map((sample, i) => {
      const before = samples[i];
      const [after, was] = [sample, before].map(one => one.tiers.get(name)?.[field.value] ?? 0);
      // A server that was started again counts from zero.
      return { at: now - sample.now, value: Math.max(0, after - was) / (sample.now - before.now) };
    }).filter(point => point.at <= SAMPLES),
  }));
  put(id('rate'), ...lines(`Answers a second: ${words(field.value)}`, series, SAMPLES));
}

/** Shows `stats` wherever this page has a place for them. */
export function showTiers(stats) {
  put(id('weights'), weights(stats));
  if (!id('rate')) return;
  remember(stats);
  put(id('version'), stats.version);
  put(id('answers'), answers(stats));
  const entries = stats.tiers.reduce((most, tier) => Math.max(most, tier.usage?.entries ?? 0), 0);
  tiles(id('tiles'), [
    ['Served from a tier', hitShare(stats)],
    ['Entries', count(entries)],
    ['Seconds saved', saved === null ? '…' : span(saved)],
    ['Up for', span(stats.uptime_seconds)],
  ]);
  chart(stats);
}
