// Jobs: what the server works on, how far it is, and a way to end it.

import { foreign, h, id, put, say, table } from './dom.js';
import { send } from './api.js';
import { bytes, count, span } from './format.js';

/** Ended jobs that are shown. */
const ENDED = 10;
/** Jobs that are known at most. */
const KNOWN = 500;
const known = new Map();

const isLive = job => job.state === 'waiting' || job.state === 'running';

const amount = (job, value) => (job.unit === 'bytes' ? bytes(value) : count(value));

function progress(job) {
  if (!job.total) return job.done ? `${amount(job, job.done)} ${job.unit === 'bytes' ? '' : job.unit}` : '';
  const told = `${amount(job, job.done)} of ${amount(job, job.total)} ${job.unit === 'bytes' ? '' : job.unit}`;
  return [h('progress', { max: job.total, value: Math.min(job.done, job.total), 'aria-label': told }), ' ', told];
}

async function cancel(job) {
  try {
    known.set(job.id, await send('DELETE', `/api/jobs/${encodeURIComponent(job.id)}`));
    say(id('connection'), 'The job was asked to end.');
  } catch (error) {
    say(id('connection'), error.message, true);
  }
  show();
}

function row(job) {
  const button = isLive(job) && job.cancellable
    && h('button', { type: 'button', 'data-focus': `job-${job.id}`, click: () => cancel(job) }, 'Cancel',
      h('span', { class: 'muted' }, ` ${job.kind}`));
  const left = isLive(job) && job.eta_seconds ? `, ${span(job.eta_seconds)} left` : '';
  return [job.kind, foreign(job.what), job.state, h('span', {}, progress(job), left), span(job.seconds),
    foreign(job.error ?? job.note ?? ''), button || ''];
}

function show() {
  const all = [...known.values()].sort((a, b) => b.started.localeCompare(a.started));
  const jobs = [...all.filter(isLive), ...all.filter(job => !isLive(job)).slice(0, ENDED)];
  const columns = ['kind', 'what', 'state', 'progress', '#took', 'note', ''];
  put(id('jobs'), table('Jobs that wait or run, and those that ended last', columns, jobs.map(row)));
}

export function showJob(job) {
  known.delete(job.id);
  known.set(job.id, job);
  if (known.size > KNOWN) known.delete([...known.values()].find(one => !isLive(one))?.id ?? known.keys().next().value);
  show();
}

export function showJobs(jobs) {
  known.clear();
  jobs.forEach(job => known.set(job.id, job));
  show();
}
