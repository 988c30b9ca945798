// The dashboard: brings what the server tells to its places.

import { every, follow, get } from './api.js';
import { connection, shell } from './shell.js';
import { setSaved, showTiers } from './tiers.js';
import { showFilms } from './films.js';
import { showJob, showJobs } from './jobs.js';
import { showRecent } from './recent.js';
import { providers, searching } from './search.js';
import { upkeep } from './upkeep.js';

shell();
searching();
upkeep();
showJobs([]);

let hasProviders = false;

async function state(name) {
  connection(name);
  if ((name === 'live' || name === 'polled') && !hasProviders) {
    hasProviders = true;
    await providers().catch(() => { hasProviders = false; });
  }
}

follow({ state, stats: showTiers, job: showJob, jobs: showJobs });
every(async () => {
  const caches = await get('/api/caches');
  setSaved(caches.seconds_saved);
  showFilms(caches);
  showRecent(caches);
});
