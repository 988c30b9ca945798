// Clear, sweep and warm: each counts first, and asks before it does anything.

import { foreign, h, id, say, table } from './dom.js';
import { get, send } from './api.js';
import { confirmed } from './confirm.js';
import { bytes, count } from './format.js';

/** Addresses that one request of a warm-up takes. */
const WARM_STEP = 16;
/** Steps of a sweep that follow each other at most. */
const SWEEP_STEPS = 50;
/** Entries that are looked at to count what has expired. */
const LOOKED_AT = 10000;

const told = (text, isBad) => say(id('upkeep'), text, isBad);

/** Has `form` do `work` when it is sent, and say what came of it. */
function does(form, work) {
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const isDry = event.submitter?.name !== 'real';
    const buttons = [...form.querySelectorAll('button')];
    buttons.forEach(button => { button.disabled = true; });
    try {
      await work(isDry, new FormData(form));
    } catch (error) {
      told(error.message, true);
    } finally {
      buttons.forEach(button => { button.disabled = false; });
      event.submitter?.focus();
    }
  });
}

const cleared = (pattern, isDry) =>
  send('DELETE', `/api/entries?${new URLSearchParams({ pattern, dry_run: String(isDry) })}`);

async function clear(isDry, form) {
  const pattern = form.get('pattern').trim();
  const counted = await cleared(pattern, true);
  const most = Math.max(0, ...counted.tiers.map(tier => tier.entries));
  if (isDry) return told(`${count(most)} entries would go. Nothing was removed.`);
  const rows = counted.tiers.map(tier => [tier.tier, count(tier.entries), foreign(tier.error ?? '')]);
  const text = [h('p', {}, 'All entries whose keys are like ', h('code', {}, foreign(pattern)), ' go from every tier:'),
    table('What goes', ['tier', '#entries', ''], rows)];
  if (!await confirmed('Clear these entries?', text, 'Clear them')) return told('Nothing was removed.');
  const gone = await cleared(pattern, false);
  return told(`${count(Math.max(0, ...gone.tiers.map(tier => tier.entries)))} entries were removed.`);
}

async function expired() {
  const page = await get(`/api/entries?limit=${LOOKED_AT}`);
  const found = page.entries.filter(entry => entry.state === 'expired').length;
  return `${count(found)} of ${page.next ? 'the first ' : ''}${count(page.entries.length)} entries have expired`;
}

async function sweep(isDry) {
  const found = await expired();
  if (isDry) return told(`${found}. Nothing was removed.`);
  const text = [`${found}.`, 'A sweep drops what has expired, in all tiers. Nothing that is served goes.'];
  if (!await confirmed('Sweep the tiers?', text, 'Sweep them')) return told('Nothing was removed.');
  let [entries, weight] = [0, 0];
  for (let step = 0; step < SWEEP_STEPS; step += 1) {
    const dropped = await send('POST', '/api/sweep');
    entries += dropped.expired;
    weight += dropped.bytes;
    if (!dropped.more) break;
  }
  return told(`${count(entries)} entries, ${bytes(weight)}, were dropped.`);
}

async function warm(isDry, form) {
  const addresses = [...new Set(form.get('addresses').split('\n').map(line => line.trim()).filter(Boolean))];
  const provider = form.get('provider') || undefined;
  if (addresses.length === 0) return told('There is no page to look up.', true);
  if (isDry) return told(`${count(addresses.length)} pages would be looked up. Nothing was.`);
  const text = [`${count(addresses.length)} pages are looked up at ${provider ?? 'the default provider'}, and kept:`,
    h('ul', {}, addresses.slice(0, WARM_STEP).map(address => h('li', {}, foreign(address))))];
  if (!await confirmed('Look them up?', text, 'Look them up')) return told('Nothing was looked up.');
  const failed = [];
  for (let at = 0; at < addresses.length; at += WARM_STEP) {
    const part = addresses.slice(at, at + WARM_STEP);
    told(`Looking up ${count(at + 1)} to ${count(at + part.length)} of ${count(addresses.length)}.`);
    failed.push(...(await send('POST', '/api/warm', { provider, addresses: part })).filter(one => one.error));
  }
  const first = failed.length ? `, ${count(failed.length)} failed: ${failed[0].error}` : '';
  return told(`${count(addresses.length)} pages were looked up${first}.`, failed.length > 0);
}

export function upkeep() {
  does(id('clear'), clear);
  does(id('sweep'), sweep);
  does(id('warm'), warm);
}
