//! What a killed process left, compared with what it acknowledged.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cache_core::{Backend, Entry, KeyPrefix};
use cache_file::{FileBackend, IndexOrigin};
use futures_util::StreamExt;
use rustix::fs::{SeekFrom, seek};

use crate::Outcome;
use crate::script::{Arena, KEYS, Script, WRITERS, Write, entry, key, meta};

/// Beyond the capacity: the directories themselves, the lock, the tag.
const FIXTURES: u64 = 64 << 10;

/// What all rounds found.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rounds: u64,
    acknowledged: u64,
    verified: u64,
    lost: u64,
    wrong: u64,
    revived: u64,
    leaked: u64,
    over_budget: u64,
    /// While a group was under way: no violation, but to be seen.
    over_at_kill: u64,
    rebuilt: u64,
    /// Entries that the index named and nothing was there: a body that was not written before its commit.
    dangling: u64,
    reclaimed: u64,
    /// Bytes of bodies acknowledged with little room, and bytes on disk held there at most.
    tight_written: u64,
    tight_held: u64,
    max_open_ms: u128,
}

impl Figures {
    pub(crate) const fn is_clean(&self) -> bool {
        let broken = self.lost + self.wrong + self.revived + self.dangling + self.rebuilt;
        broken + self.leaked + self.over_budget == 0
    }

    /// Whether there was anything to find: writes were acknowledged, and little room was filled.
    pub(crate) fn has_worked(&self) -> bool {
        if self.acknowledged == 0 || self.verified == 0 {
            complain(self.rounds, Arena::Roomy, "nothing was acknowledged or nothing verified");
            return false;
        }
        // Only what was full can show that its bound holds; few writes do not fill it.
        let filled = self.tight_written < 4 * Arena::Tight.capacity() || self.tight_held >= Arena::Tight.capacity() / 2;
        if !filled {
            complain(self.rounds, Arena::Tight, &format!("only {} bytes were held at most", self.tight_held));
        }
        filled
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "rounds={} acknowledged={} verified={} lost={} wrong={} revived={} dangling={} leaked_bytes={} \
             over_budget_bytes={} over_at_kill_bytes={} \
             indexes_rebuilt={} reclaimed_bytes={} tight_written_bytes={} tight_held_bytes={} max_open_ms={}",
            self.rounds,
            self.acknowledged,
            self.verified,
            self.lost,
            self.wrong,
            self.revived,
            self.dangling,
            self.leaked,
            self.over_budget,
            self.over_at_kill,
            self.rebuilt,
            self.reclaimed,
            self.tight_written,
            self.tight_held,
            self.max_open_ms
        )
    }
}

/// The versions of one entry's parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    meta: u64,
    body: u64,
}

impl Held {
    /// What `write` makes of what was held.
    fn after(held: Option<Self>, write: Write) -> Option<Self> {
        match write {
            Write::Put { version, .. } => Some(Self { meta: version, body: version }),
            Write::Renew { version, .. } => held.map(|held| Self { meta: version, ..held }),
            Write::Remove { .. } => None,
        }
    }
}

/// What a directory must hold.
#[derive(Debug)]
pub(crate) struct Model {
    dir: PathBuf,
    arena: Arena,
    seed: u64,
    /// Versions by key.
    held: BTreeMap<u64, Held>,
}

impl Model {
    pub(crate) const fn new(dir: PathBuf, arena: Arena, seed: u64) -> Self {
        Self { dir, arena, seed, held: BTreeMap::new() }
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) const fn arena(&self) -> Arena {
        self.arena
    }

    /// Compares the directory with what was acknowledged in `round`; what was found is what must be there next.
    pub(crate) fn check(&mut self, round: u64, acknowledged: [u64; WRITERS], figures: &mut Figures) -> Outcome<()> {
        let under_way = self.replay(round, acknowledged, figures);
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(self.compare(round, &under_way, figures))
    }

    /// Applies what was acknowledged; the writes that may or may not have happened.
    fn replay(&mut self, round: u64, acknowledged: [u64; WRITERS], figures: &mut Figures) -> BTreeMap<u64, Write> {
        let mut under_way = BTreeMap::new();
        for (writer, count) in acknowledged.into_iter().enumerate() {
            figures.acknowledged += count;
            let mut script = Script::new(self.seed, round, writer);
            for write in script.by_ref().take(count as usize) {
                if let Write::Put { key, version } = write
                    && self.arena == Arena::Tight
                {
                    figures.tight_written += entry(self.seed, key, version).len();
                }
                let before = self.held.remove(&write.key());
                self.held.extend(Held::after(before, write).map(|held| (write.key(), held)));
            }
            under_way.extend(script.next().map(|write| (write.key(), write)));
        }
        under_way
    }

    async fn compare(&mut self, round: u64, under_way: &BTreeMap<u64, Write>, figures: &mut Figures) -> Outcome<()> {
        let left = blocks(&self.dir).unwrap_or(0);
        figures.over_at_kill = figures.over_at_kill.max(left.saturating_sub(self.arena.capacity() + FIXTURES));
        let start = Instant::now();
        let backend = FileBackend::open(self.arena.config(&self.dir)).await?;
        figures.max_open_ms = figures.max_open_ms.max(start.elapsed().as_millis());
        figures.reclaimed += backend.report().reclaimed;
        figures.dangling += backend.report().dangling + backend.report().corrupt;
        if backend.report().index == IndexOrigin::Rebuilt {
            figures.rebuilt += 1;
            complain(round, self.arena, "the index was rebuilt after a mere kill");
        }
        let numbers: Vec<u64> = (0..KEYS * WRITERS as u64).collect();
        let keys = numbers.iter().map(|number| key(*number)).collect::<Result<Vec<_>, _>>()?;
        let mut found = 0;
        for (number, answer) in numbers.into_iter().zip(backend.get_many(&keys).await) {
            let answer = answer?;
            found += u64::from(answer.is_some());
            self.judge(round, number, answer.as_ref(), under_way.get(&number), figures);
        }
        let usage = backend.usage().await?;
        let listed = backend.scan(&KeyPrefix::all()).count().await as u64;
        if usage.entries != found || listed != found || usage.corrupt != 0 {
            figures.wrong += 1;
            complain(round, self.arena, &format!("{found} entries read, {listed} listed, {usage:?}"));
        }
        let (data, disk) = measure(&self.dir)?;
        figures.leaked += data.abs_diff(backend.disk().records);
        figures.over_budget = figures.over_budget.max(disk.saturating_sub(self.arena.capacity() + FIXTURES));
        if self.arena == Arena::Tight {
            figures.tight_held = figures.tight_held.max(backend.disk().total());
        }
        backend.close().await?;
        Ok(())
    }

    fn judge(
        &mut self,
        round: u64,
        number: u64,
        found: Option<&Entry>,
        under_way: Option<&Write>,
        figures: &mut Figures,
    ) {
        let held = self.held.get(&number).copied();
        let Some(found) = found else {
            // A remove may have been under way; with little room it may have been evicted.
            let removed = matches!(under_way, Some(Write::Remove { .. }));
            if held.is_some() && !removed && self.arena == Arena::Roomy {
                figures.lost += 1;
                complain(round, self.arena, &format!("key {number}: {held:x?} is lost"));
            }
            self.held.remove(&number);
            return;
        };
        let version = found.meta.stamp.as_u64();
        let next = under_way.and_then(|write| Held::after(held, *write));
        let possible = [held, next].into_iter().flatten().find(|held| held.meta == version);
        let Some(possible) = possible else {
            let count = if held.is_none() { &mut figures.revived } else { &mut figures.wrong };
            *count += 1;
            complain(round, self.arena, &format!("key {number}: version {version:x} found, {held:x?} held"));
            self.held.remove(&number);
            return;
        };
        if found.meta == meta(version) && found.body == entry(self.seed, number, possible.body).body {
            figures.verified += 1;
        } else {
            figures.wrong += 1;
            complain(round, self.arena, &format!("key {number}: other bytes than were put"));
        }
        self.held.insert(number, possible);
    }
}

/// Bytes of data in volumes, holes left out, and blocks of the whole directory.
fn measure(dir: &Path) -> Outcome<(u64, u64)> {
    let mut data = 0;
    for found in fs::read_dir(dir.join("volumes"))? {
        data += data_len(&File::open(found?.path())?)?;
    }
    Ok((data, blocks(dir)?))
}

/// Bytes that are no holes, in blocks of 4 KiB. Unlike the count of blocks, without the file system's own.
fn data_len(file: &File) -> Outcome<u64> {
    let (mut at, mut data) = (0, 0);
    while let Ok(start) = seek(file, SeekFrom::Data(at)) {
        at = seek(file, SeekFrom::Hole(start))?;
        data += at.next_multiple_of(4096) - start;
    }
    Ok(data)
}

fn blocks(path: &Path) -> Outcome<u64> {
    let meta = fs::symlink_metadata(path)?;
    let mut sum = meta.blocks() * 512;
    if meta.is_dir() {
        for found in fs::read_dir(path)? {
            sum += blocks(&found?.path())?;
        }
    }
    Ok(sum)
}

fn complain(round: u64, arena: Arena, what: &str) {
    let _ = writeln!(std::io::stderr(), "round {round} ({}): {what}", arena.name());
}
