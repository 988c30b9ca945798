// Requests to this server, with the token of this tab; events, or polls where there are none.

const TOKEN = 'reelcache-token';
const POLL = 2000;
const AGAIN = 10000;
/** The longest that the connection may be silent, in milliseconds. */
const SILENCE = 30000;

export const token = {
  get: () => sessionStorage.getItem(TOKEN) ?? '',
  set: value => (value ? sessionStorage.setItem(TOKEN, value) : sessionStorage.removeItem(TOKEN)),
};

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** Asks for `path`; fails with what the server says is wrong. */
export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token.get()) headers.set('Authorization', `Bearer ${token.get()}`);
  const answer = await fetch(path, { cache: 'no-store', credentials: 'omit', ...options, headers });
  if (answer.ok || answer.type === 'opaqueredirect') return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail ?? `the server answers with ${answer.status}`);
}

export const get = async path => (await ask(path)).json();

export const send = async (method, path, body) => {
  const json = body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
  return (await ask(path, { method, ...json })).json();
};

export const pause = span => new Promise(resolve => setTimeout(resolve, span));

/** Reads events of `response` until it ends. */
async function read(response, silence, told) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    silence.reset();
    const parts = (rest + value).split('\n\n');
    rest = parts.pop();
    for (const part of parts) {
      const lines = part.split('\n');
      const field = name => lines.find(line => line.startsWith(`${name}: `))?.slice(name.length + 2);
      const data = field('data');
      if (data) told[field('event')]?.(JSON.parse(data));
    }
  }
}

/** Aborts what is silent for too long. */
function watch() {
  const controller = new AbortController();
  let timer;
  const reset = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(), SILENCE);
  };
  reset();
  return { signal: controller.signal, reset, end: () => clearTimeout(timer) };
}

async function listen(told) {
  const silence = watch();
  try {
    const response = await ask('/api/events', { signal: silence.signal });
    told.state('live');
    // What has ended is told to nobody who comes later.
    told.jobs((await get('/api/jobs')).jobs);
    await read(response, silence, told);
  } finally {
    silence.end();
  }
}

async function poll(told) {
  const end = performance.now() + AGAIN;
  while (performance.now() < end) {
    const [stats, jobs] = await Promise.all([get('/api/cache-stats'), get('/api/jobs')]);
    told.state('polled');
    told.stats(stats);
    told.jobs(jobs.jobs);
    await pause(POLL);
  }
}

/** Tells of figures and jobs for as long as the page is open: `told` has `stats`, `job`, `jobs` and `state`. */
export async function follow(told) {
  for (;;) {
    for (const way of [listen, poll]) {
      try {
        await way(told);
      } catch (error) {
        if (error.status === 401) {
          told.state('locked');
          await token.changed();
          break;
        }
        if (way === poll) told.state('lost');
        await pause(POLL / 4);
      }
    }
  }
}

const waiting = new Set();
token.changed = () => new Promise(resolve => waiting.add(resolve));

/** Takes `value` as the token; whoever waits for one goes on. */
export function unlock(value) {
  token.set(value);
  waiting.forEach(resolve => resolve());
  waiting.clear();
}

/** Does `work` every two seconds, one at a time, while the page is seen. */
export async function every(work) {
  for (;;) {
    if (!document.hidden) await work().catch(() => {});
    await pause(POLL);
  }
}
