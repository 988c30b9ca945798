//! `Story`: a few writes whose every change of the disk is known, and what a directory may hold after some of them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cache_core::{Backend, Entry, KeyPrefix};
use cache_file::{Durability, FileBackend, FileConfig, IndexOrigin, OpenReport};
use futures_util::{FutureExt, StreamExt};

use crate::Outcome;
use crate::disk::Disk;
use crate::image::{Image, Op, PAGE};
use crate::script::{self, Rng};

/// Keys of a story.
const KEYS: u64 = 20;
/// Pages of a directory beyond index and volumes: tag and mark of an opening.
const FIXTURES: u64 = 2 * PAGE;

/// What a story is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    pub(crate) capacity: u64,
    pub(crate) durability: Durability,
    pub(crate) steps: u64,
    pub(crate) seed: u64,
}

/// Writes, with every change of the disk that they led to.
#[derive(Debug)]
pub(crate) struct Story {
    pub(crate) setting: Setting,
    root: PathBuf,
    pub(crate) start: Image,
    pub(crate) log: Vec<Op>,
    steps: Vec<Step>,
}

/// One write.
#[derive(Debug)]
struct Step {
    key: u64,
    /// What the key holds afterwards.
    after: Option<Entry>,
    /// Changes of the disk before it began.
    begun: usize,
    /// Changes of the disk when it was acknowledged.
    acknowledged: usize,
}

/// What a directory was promised to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// What was acknowledged.
    Acknowledged,
    /// Nothing that was never there.
    NothingWrong,
}

/// What was found in many images.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) tried: u64,
    pub(crate) unopenable: u64,
    pub(crate) lost: u64,
    pub(crate) wrong: u64,
    pub(crate) leaked: u64,
    pub(crate) over_budget: u64,
    /// Bytes beyond the capacity at any moment.
    pub(crate) most_beyond: u64,
    pub(crate) rebuilt: u64,
    pub(crate) dangling: u64,
    /// The first violations, in words.
    pub(crate) complaints: Vec<String>,
}

impl Story {
    /// Lets a backend write under `root`, which is a real directory for its lock alone.
    pub(crate) async fn record(root: &Path, setting: Setting) -> Outcome<Self> {
        let disk = Disk::default();
        let mut story =
            Self { setting, root: root.to_owned(), start: disk.image(), log: Vec::new(), steps: Vec::new() };
        disk.record();
        let backend = FileBackend::open(story.config(&disk)).await?;
        let mut rng = Rng::new(setting.seed);
        let mut version = 0;
        while version < setting.steps {
            story.write(&backend, &disk, &mut rng, &mut version).await?;
        }
        backend.close().await?;
        story.log = disk.take_log();
        Ok(story)
    }

    pub(crate) fn config(&self, disk: &Disk) -> FileConfig {
        FileConfig::new(&self.root)
            .capacity(self.setting.capacity)
            .durability(self.setting.durability)
            .volume_len(256 << 10)
            .fs(Arc::new(disk.clone()))
    }

    async fn write(&mut self, backend: &FileBackend, disk: &Disk, rng: &mut Rng, version: &mut u64) -> Outcome<()> {
        *version += 1;
        let begun = disk.position();
        let number = rng.below(KEYS);
        let key = script::key(number)?;
        let mut done = Vec::new();
        match rng.below(10) {
            0 | 1 => {
                backend.remove(&key).await?;
                done.push((number, None));
            }
            2 | 3 => {
                let Some(present) = self.held(number, usize::MAX) else { return Ok(()) };
                let meta = script::meta(*version);
                if backend.renew(&key, present.meta.stamp, meta.clone()).await? {
                    done.push((number, Some(Entry::new(meta, present.body))));
                }
            }
            4 => {
                let group: Vec<_> = (0..6).map(|at| (number + 3 * at) % KEYS).collect();
                for number in &group {
                    done.push((*number, Some(script::entry(self.setting.seed, *number, *version))));
                }
                let entry = |at: &(u64, Option<Entry>)| Some((script::key(at.0).ok()?, at.1.clone()?));
                let mut entries: Vec<_> = done.iter().filter_map(entry).collect();
                let (first, entry) = entries.swap_remove(0);
                // The first alone, the others together: groups do not depend on how fast which thread is.
                disk.hold();
                let mut first = backend.put(&first, entry);
                let ended = (&mut first).now_or_never();
                disk.await_change();
                let mut others = backend.put_many(entries);
                assert!(ended.is_none() && (&mut others).now_or_never().is_none(), "changes are held");
                disk.let_go();
                first.await?;
                for answer in others.await {
                    answer?;
                }
            }
            _ => {
                let entry = script::entry(self.setting.seed, number, *version);
                backend.put(&key, entry.clone()).await?;
                done.push((number, Some(entry)));
            }
        }
        let acknowledged = disk.position();
        self.steps.extend(done.into_iter().map(|(key, after)| Step { key, after, begun, acknowledged }));
        Ok(())
    }

    /// What the last write acknowledged by then left under a key.
    fn held(&self, key: u64, at: usize) -> Option<Entry> {
        let past = self.steps.iter().filter(|step| step.key == key && step.acknowledged <= at);
        past.last().and_then(|step| step.after.clone())
    }

    /// What a key may hold after the first `at` changes.
    fn allowed(&self, key: u64, at: usize, promise: Promise) -> Vec<Option<Entry>> {
        let of_key = || self.steps.iter().filter(|step| step.key == key);
        let mut allowed: Vec<_> = match promise {
            Promise::NothingWrong => of_key().filter(|step| step.begun < at).map(|step| step.after.clone()).collect(),
            Promise::Acknowledged => {
                let under_way = of_key().filter(|step| step.begun < at && step.acknowledged > at);
                under_way.map(|step| step.after.clone()).chain([self.held(key, at)]).collect()
            }
        };
        if promise == Promise::NothingWrong || self.setting.capacity < script::Arena::Roomy.capacity() {
            allowed.push(None);
        }
        allowed
    }

    /// Compares what is on disk in the middle of everything with the capacity and with what the writes under way replace.
    pub(crate) fn weigh(&self, image: &Image, at: usize, tally: &mut Tally) {
        let under_way = self.steps.iter().filter(|step| step.begun < at && step.acknowledged > at);
        let replaced = under_way.filter_map(|step| self.held(step.key, at)).map(|entry| entry.len() + PAGE).sum();
        let over = image.allocated("").saturating_sub(self.setting.capacity + FIXTURES);
        tally.most_beyond = tally.most_beyond.max(over);
        if over > replaced {
            tally.over_budget = tally.over_budget.max(over - replaced);
            tally.complain(format!("at change {at}: {over} bytes beyond the capacity, {replaced} to be replaced"));
        }
    }

    /// Opens a disk as it was after the first `at` changes, more or less, and compares.
    pub(crate) async fn judge(&self, disk: &Disk, at: usize, promise: Promise, what: &str, tally: &mut Tally) {
        tally.tried += 1;
        let config = self.config(disk);
        let backend = match FileBackend::open(config).await {
            Ok(backend) => backend,
            Err(error) => {
                tally.unopenable += 1;
                return tally.complain(format!("{what}: {error}"));
            }
        };
        self.judge_open(&backend, disk, at, promise, what, tally).await;
        let _ = backend.close().await;
    }

    /// Compares what an open backend serves.
    pub(crate) async fn judge_open(
        &self,
        backend: &FileBackend,
        disk: &Disk,
        at: usize,
        promise: Promise,
        what: &str,
        tally: &mut Tally,
    ) {
        tally.note(backend.report(), promise, what);
        let held = (disk.image().allocated(".vol"), backend.disk().records);
        // Without power there may be holes in what is named.
        if held.0 > held.1 || (held.0 < held.1 && promise == Promise::Acknowledged) {
            tally.leaked += held.0.abs_diff(held.1);
            tally.complain(format!("{what}: {} bytes in volumes for {} of records", held.0, held.1));
        }
        let over = disk.image().allocated("").saturating_sub(self.setting.capacity + FIXTURES);
        tally.over_budget = tally.over_budget.max(over);
        let mut found = BTreeMap::new();
        for number in 0..KEYS {
            let answer = match script::key(number) {
                Ok(key) => backend.get(&key).await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(entry) => drop(found.insert(number, entry)),
                Err(error) => {
                    tally.unopenable += 1;
                    tally.complain(format!("{what}: key {number}: {error}"));
                }
            }
        }
        self.compare(&found, at, promise, what, tally);
        let listed = backend.scan(&KeyPrefix::all()).count().await;
        let there = found.values().flatten().count();
        if listed != there {
            tally.wrong += 1;
            tally.complain(format!("{what}: {listed} listed, {there} there"));
        }
    }

    fn compare(
        &self,
        found: &BTreeMap<u64, Option<Entry>>,
        at: usize,
        promise: Promise,
        what: &str,
        tally: &mut Tally,
    ) {
        for (number, entry) in found {
            let allowed = self.allowed(*number, at, promise);
            if allowed.contains(entry) {
                continue;
            }
            let count = if entry.is_none() { &mut tally.lost } else { &mut tally.wrong };
            *count += 1;
            let stamps = |entry: &Option<Entry>| entry.as_ref().map(|entry| (entry.meta.stamp.as_u64(), entry.len()));
            let allowed: Vec<_> = allowed.iter().map(stamps).collect();
            tally.complain(format!("{what}: key {number} holds {:?}, not one of {allowed:?}", stamps(entry)));
        }
    }
}

impl Tally {
    /// Takes note of what an opening found that promised so much.
    fn note(&mut self, report: OpenReport, promise: Promise, what: &str) {
        let dangling = report.dangling + report.corrupt;
        self.dangling += dangling;
        self.rebuilt += u64::from(report.index == IndexOrigin::Rebuilt);
        if promise == Promise::Acknowledged && (dangling > 0 || report.index == IndexOrigin::Rebuilt) {
            self.complain(format!("{what}: {report:?}"));
        }
    }

    pub(crate) fn complain(&mut self, what: String) {
        self.complaints.push(what);
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.complaints.is_empty() && self.over_budget == 0
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tried, unopenable, lost, wrong, leaked, over_budget, most_beyond, rebuilt, dangling, .. } = self;
        write!(
            f,
            "tried={tried} unopenable={unopenable} lost={lost} wrong={wrong} leaked_bytes={leaked} \
             over_budget_bytes={over_budget} most_beyond_capacity_bytes={most_beyond} dangling={dangling} indexes_rebuilt={rebuilt}"
        )
    }
}
