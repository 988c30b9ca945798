//! The loads that run, and whether they may run beside each other.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::{Key, Timestamp};

use super::Oracle;
use super::facts::{Asked, End, Life, Made};
use super::state::State;

/// The loads of a world.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    running: BTreeMap<u64, Run>,
    /// Ends without a value: of which key, on which node, and when.
    failures: Vec<(String, Duration)>,
    /// When a load of a key has last ended.
    ends: BTreeMap<String, (Duration, u64)>,
    /// Whether the fleet has leases.
    leased: bool,
}

#[derive(Debug)]
struct Run {
    key: String,
    life: Life,
    /// When the one asked who has brought the loader: its search began then, or later.
    asked: u64,
    asked_at: Duration,
    /// What its node took for the time then, at least.
    clock: Timestamp,
    /// Loads that began beside it without a reason, and when.
    beside: Vec<(u64, Duration)>,
}

impl Loads {
    pub(super) fn new(leased: bool) -> Self {
        Self { leased, ..Self::default() }
    }

    /// Whether a load of the key runs.
    pub(super) fn is_loading(&self, key: &str) -> bool {
        self.running.values().any(|run| run.key == key)
    }

    /// Whether a load of the key has run at any time since a step.
    pub(super) fn has_loaded(&self, key: &str, since: u64) -> bool {
        self.is_loading(key) || self.ends.get(key).is_some_and(|(_, step)| *step >= since)
    }

    /// Whether a load of the key runs, or has just ended.
    pub(super) fn is_or_was_loading(&self, asked: &Asked) -> bool {
        self.is_loading(&asked.key)
            || self.ends.get(&asked.key).is_some_and(|(last, _)| *last + LOOKS >= asked.began_at)
    }

    /// Whether a load of the key has ended without a value since the question, or shortly before.
    pub(super) fn has_failed(&self, asked: &Asked, memory: Duration) -> bool {
        self.failures.iter().any(|(key, when)| *key == asked.key && *when + memory >= asked.began_at)
    }
}

/// How long a node may not see that a load of another node is over.
const LOOKS: Duration = Duration::from_secs(5);

/// One run of a loader. Dropped before its end, it was stopped.
#[derive(Debug)]
pub(crate) struct Loading {
    oracle: Oracle,
    pub(crate) id: u64,
    key: String,
    open: bool,
}

impl Loading {
    /// A loader begins to run.
    pub(crate) fn begin(oracle: &Oracle, asked: &Asked) -> Self {
        let id = oracle.with(|state| state.load_begins(asked));
        Self { oracle: oracle.clone(), id, key: asked.key.clone(), open: true }
    }

    /// It has made its value, with these deadlines by the clock of its node.
    pub(crate) fn done(mut self, tags: Vec<std::sync::Arc<str>>, stale_until: Timestamp, valid_until: Timestamp) {
        self.open = false;
        self.oracle.with(|state| {
            let elapsed = state.elapsed();
            if let Some(value) = state.values.get_mut(&self.id) {
                (value.tags, value.stale_until, value.valid_until) = (tags, stale_until, valid_until);
                value.ended = Some(elapsed);
            }
            state.load_ends(self.id, &self.key, "has made its value");
        });
    }

    /// It has found the value of this number still right, with these deadlines.
    pub(crate) fn confirmed(mut self, previous: u64, stale_until: Timestamp) {
        self.open = false;
        self.oracle.with(|state| {
            let elapsed = state.elapsed();
            let load = state.values.get(&self.id).map(|value| (value.began, value.lives.clone()));
            if let (Some((began, lives)), Some(value)) = (load, state.values.get_mut(&previous))
                && value.began < began
            {
                (value.began, value.made) = (began, Made::Loaded);
                value.lives.extend(lives);
                value.stamps.clear();
                value.shared_at = None;
            }
            if let Some(value) = state.values.get_mut(&previous) {
                value.stale_until = value.stale_until.max(stale_until);
                value.ended = Some(elapsed);
            }
            state.load_ends(self.id, &self.key, &format!("has found v{previous} still right"));
        });
    }

    /// It fails.
    pub(crate) fn failed(mut self, how: &str) {
        self.open = false;
        self.fail(how);
    }

    fn fail(&self, how: &str) {
        self.oracle.with(|state| {
            let now = state.elapsed();
            state.loads.failures.push((self.key.clone(), now));
            state.load_ends(self.id, &self.key, how);
        });
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        if self.open {
            self.fail("is stopped");
        }
    }
}

impl State {
    fn load_begins(&mut self, asked: &Asked) -> u64 {
        let (key, life) = (asked.key.as_str(), asked.life);
        let id = self.make(key, Made::Loaded, life);
        if self.over.contains(&life) {
            return id;
        }
        self.journal.count("loads");
        self.journal.note(Some(key), &format!("node {}: begins to load v{id} of {key}", life.node));
        let now = self.elapsed();
        let since = now.saturating_sub(asked.began_at).as_millis() as u64;
        let clock = Timestamp::from_millis(self.eyes[life.node].clock.least().as_millis().saturating_sub(since));
        let (asked, asked_at) = (asked.began, asked.began_at);
        let run = Run { key: key.to_owned(), life, asked, asked_at, clock, beside: Vec::new() };
        let others: Vec<u64> = self.loads.running.keys().copied().collect();
        for other in others {
            if self.must_not_run_beside(other, &run)
                && let Some(other) = self.loads.running.get_mut(&other)
            {
                other.beside.push((id, now));
            }
        }
        self.forget_expected(Some(key));
        self.loads.running.insert(id, run);
        id
    }

    fn load_ends(&mut self, id: u64, key: &str, how: &str) {
        let Some(run) = self.loads.running.remove(&id) else { return };
        self.journal.note(Some(key), &format!("node {}: the load of v{id} {how}", run.life.node));
        let now = self.elapsed();
        self.loads.ends.insert(run.key.clone(), (now, self.journal.step()));
        // One that is stopped may end a little after its stop.
        if let Some((beside, _)) = run.beside.iter().find(|(_, when)| *when < now) {
            self.journal.violation(Some(key), &format!("the load of v{beside} began while that of v{id} ran"));
        }
    }

    fn must_not_run_beside(&self, other: u64, new: &Run) -> bool {
        let Some(old) = self.loads.running.get(&other).filter(|old| old.key == new.key) else { return false };
        let same_life = old.life == new.life;
        if old.life.node == new.life.node && !same_life {
            return false;
        }
        if !same_life && (!self.loads.leased || self.has_lease_trouble(old.asked_at.min(new.asked_at))) {
            return false;
        }
        // Writes and invalidations begin new loads, on the node that knows of them.
        !same_life || !self.may_begin_anew(old, new)
    }

    fn may_begin_anew(&self, old: &Run, new: &Run) -> bool {
        let Ok(key) = Key::parse(&new.key) else { return true };
        self.ops.iter().any(|op| {
            let unended =
                op.ended.is_none_or(|(step, end)| step >= old.asked.min(new.asked) || end != End::Acknowledged);
            // Its mark may be found in a tier later, and be ahead of the stamps of the load.
            let may_come_up = op.life != new.life && op.stamp.is_some_and(|stamp| stamp.instant() >= old.clock);
            (unended || may_come_up) && op.selector.selects(&key, &all_tags())
                || op.taken_in.iter().any(|(life, step, _)| *life == new.life && *step >= old.asked.min(new.asked))
        }) || self.gaps.iter().any(|(life, step)| *life == new.life && *step >= old.asked.min(new.asked))
    }

    /// A life has ended, and all its loads.
    pub(crate) fn life_ends(&mut self, life: Life) {
        let now = self.elapsed();
        self.over.push(life);
        let ended: Vec<u64> =
            self.loads.running.iter().filter(|(_, run)| run.life == life).map(|(id, _)| *id).collect();
        for id in ended {
            if let Some(run) = self.loads.running.remove(&id) {
                self.loads.failures.push((run.key, now));
            }
        }
    }
}

/// Every tag that a value may get: nobody knows those of a running load.
pub(crate) fn all_tags() -> Vec<std::sync::Arc<str>> {
    ["red".into(), "blue".into()].to_vec()
}
