//! Rows F7 to F9: a disk that is full, fails, is read-only or has no file handles left, from each of its calls on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cache_core::{Backend, Entry};
use cache_file::{Durability, FileBackend, FileConfig, IndexOrigin};

use crate::Outcome;
use crate::disk::{Calls, Disk, Fault};
use crate::rows::Pace;
use crate::script::{self, Rng};
use crate::story::Tally;

/// Entries there before anything fails.
const BASE: u64 = 12;
/// Writes while it fails.
const WRITES: u64 = 14;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;
const EMFILE: i32 = 24;
const EROFS: i32 = 30;

/// The failures of a row: which, at which calls, how many.
pub(crate) const FULL: &[(i32, Calls, u64)] = &[(ENOSPC, Calls::Growing, 1), (ENOSPC, Calls::Growing, u64::MAX)];
pub(crate) const BROKEN: &[(i32, Calls, u64)] = &[
    (EIO, Calls::Changing, 1),
    (EIO, Calls::Changing, u64::MAX),
    (EIO, Calls::Reading, 1),
    (EIO, Calls::Reading, 5),
    (EIO, Calls::Syncing, 1),
    (EROFS, Calls::Changing, u64::MAX),
];
pub(crate) const HANDLES: &[(i32, Calls, u64)] = &[(EMFILE, Calls::Opening, 1), (EMFILE, Calls::Opening, u64::MAX)];

/// What each key may hold.
#[derive(Debug, Default)]
struct Possible(BTreeMap<u64, Vec<Option<Entry>>>);

impl Possible {
    fn wrote(&mut self, number: u64, value: Option<Entry>, done: bool) {
        let held = self.0.entry(number).or_default();
        if done {
            held.clear();
        } else {
            held.push(None);
        }
        held.push(value);
    }

    /// Compares with what is served; how many reads failed.
    async fn check(&self, backend: &FileBackend, healed: bool, what: &str, tally: &mut Tally) -> Outcome<u64> {
        let mut failed = 0;
        for (number, possible) in &self.0 {
            match backend.get(&script::key(*number)?).await {
                Ok(found) if possible.contains(&found) => {}
                Ok(found) => {
                    let count = if found.is_none() { &mut tally.lost } else { &mut tally.wrong };
                    *count += 1;
                    let meta = found.map(|entry| entry.meta);
                    tally.complain(format!("{what}: key {number} holds {meta:?}"));
                }
                Err(error) if healed => {
                    tally.unopenable += 1;
                    tally.complain(format!("{what}: key {number}: {error}"));
                }
                Err(_) => failed += 1,
            }
        }
        Ok(failed)
    }
}

/// Lets `failures` begin at every call in turn.
pub(crate) async fn sweep(
    root: &Path,
    pace: Pace,
    seed: u64,
    failures: &[(i32, Calls, u64)],
) -> Outcome<(Tally, String)> {
    let (mut tally, mut reads, mut slowest) = (Tally::default(), 0, 0);
    for durability in [Durability::Process, Durability::Power] {
        for (errno, on, count) in failures {
            for first in (1..).step_by(pace.of(2, 1) as usize) {
                let fault = Fault { errno: *errno, first, count: *count, on: *on };
                let (failed, puts, had) = one(root, durability, seed, fault, &mut tally).await?;
                (reads, slowest) = (reads + failed, slowest.max(puts));
                if !had {
                    break;
                }
            }
        }
    }
    Ok((tally, format!("reads_failed={reads} puts_until_one_is_good={slowest}")))
}

/// Writes while `fault` lasts; reads that failed, puts until one was good again, and whether there was a failure.
async fn one(
    root: &Path,
    durability: Durability,
    seed: u64,
    fault: Fault,
    tally: &mut Tally,
) -> Outcome<(u64, u64, bool)> {
    let what = format!("{durability:?}, {fault:?}");
    let disk = Disk::default();
    let config = || {
        let config = FileConfig::new(root).capacity(64 << 20).volume_len(128 << 10);
        config.durability(durability).fs(Arc::new(disk.clone()))
    };
    let mut rng = Rng::new(seed);
    let mut possible = Possible::default();
    let backend = FileBackend::open(config()).await?;
    tally.tried += 1;
    for number in 0..BASE {
        let entry = script::entry(seed, number, 1);
        backend.put(&script::key(number)?, entry.clone()).await?;
        possible.wrote(number, Some(entry), true);
    }
    disk.fail(fault);
    let mut failed = 0;
    for version in 2..2 + WRITES {
        let number = rng.below(BASE + 4);
        let key = script::key(number)?;
        let (value, done) = if rng.below(4) == 0 {
            (None, backend.remove(&key).await.is_ok())
        } else {
            let entry = script::entry(seed, number, version);
            (Some(entry.clone()), backend.put(&key, entry).await.is_ok())
        };
        possible.wrote(number, value, done);
        if fault.errno == ENOSPC {
            // A full disk is answered by evicting.
            possible.0.values_mut().for_each(|held| held.push(None));
        }
        failed += possible.check(&backend, false, &what, tally).await?;
    }
    let had = disk.heal();
    let mut puts = 1;
    let entry = script::entry(seed, 30, 99);
    while backend.put(&script::key(30)?, entry.clone()).await.is_err() && puts < 9 {
        puts += 1;
    }
    possible.wrote(30, Some(entry), fault.errno != ENOSPC);
    possible.check(&backend, true, &what, tally).await?;
    backend.close().await?;
    let backend = FileBackend::open(config()).await?;
    possible.check(&backend, true, &format!("{what}, opened again"), tally).await?;
    if backend.report().index == IndexOrigin::Rebuilt {
        tally.rebuilt += 1;
        tally.complain(format!("{what}: the index was made again"));
    }
    let leaked = disk.image().allocated(".vol").abs_diff(backend.disk().records);
    if leaked > 0 {
        tally.leaked += leaked;
        tally.complain(format!("{what}: {leaked} bytes in volumes that nobody names"));
    }
    backend.close().await?;
    Ok((failed, puts, had))
}
