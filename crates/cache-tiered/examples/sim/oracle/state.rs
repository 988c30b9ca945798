//! All that the oracle knows, and how it comes to know it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{BackendInfo, Entry, Heard, Key, Mark, Role, Selector, Stamp, Timestamp};
use cache_tiered::WritePolicy;
use tokio::time::Instant;

use super::super::clock::NodeClock;
use super::super::journal::Journal;
use super::super::settings::Settings;
use super::super::weather::Weather;
use super::durable::Expected;
use super::facts::{Asked, End, Life, Made, Op, Value, Way};
use super::loads::Loads;
use super::{own_key, own_selector};

/// What the oracle sees of a node.
pub(crate) struct Eye {
    pub(crate) clock: Arc<NodeClock>,
    /// Of the tiers that outlive the node's lives.
    pub(crate) lasting: Vec<Arc<Weather>>,
}

/// All that the oracle knows.
pub(crate) struct State {
    pub(crate) journal: Journal,
    pub(crate) eyes: Vec<Eye>,
    pub(crate) values: BTreeMap<u64, Value>,
    pub(crate) ops: Vec<Op>,
    pub(crate) loads: Loads,
    pub(crate) expected: BTreeMap<String, Expected>,
    /// The last fault of the lease service.
    pub(crate) lease_trouble: Option<Duration>,
    /// Whether it does not work at all.
    pub(crate) lease_down: bool,
    /// When lives began, with the trouble of their node's lasting tiers until then.
    pub(crate) births: Vec<(Life, Duration, Option<u64>)>,
    /// Lives that have crashed or closed.
    pub(crate) over: Vec<Life>,
    /// Questions whose load waited for that of another node until its deadline: of which key, and when.
    pub(crate) timeouts: Vec<(String, Duration)>,
    /// The lives that have taken in a gap of the backplane, and at which step.
    pub(crate) gaps: Vec<(Life, u64)>,
    /// Whether what was published counts as heard by everyone: after all was healed and has settled.
    pub(crate) settled: bool,
    pub(crate) deadline: Duration,
    pub(crate) lease: Duration,
    pub(crate) memory: Duration,
    /// Whether a lasting tier is written in the background.
    pub(super) writes_back: bool,
    origin: Instant,
    next_value: u64,
}

/// When a life has read the marks in the tiers, however often that failed at first.
const OPENED: Duration = Duration::from_mins(3);

impl State {
    pub(crate) fn new(origin: Instant, eyes: Vec<Eye>, settings: &Settings) -> Self {
        let loads = Loads::new(settings.lease.is_some());
        Self {
            journal: Journal::new(origin),
            eyes,
            values: BTreeMap::new(),
            ops: Vec::new(),
            loads,
            expected: BTreeMap::new(),
            lease_trouble: None,
            lease_down: false,
            births: Vec::new(),
            over: Vec::new(),
            timeouts: Vec::new(),
            gaps: Vec::new(),
            settled: false,
            deadline: settings.deadline,
            lease: settings.lease.unwrap_or_default(),
            memory: settings.memory.unwrap_or_default(),
            writes_back: [settings.disk_write, settings.shared_write].contains(&WritePolicy::Back),
            origin,
            next_value: 1,
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.origin.elapsed()
    }

    /// How often the lasting tiers of a node were struck, if they are well.
    pub(crate) fn calm(&self, node: usize) -> Option<u64> {
        let mut struck = 0;
        for weather in &self.eyes[node].lasting {
            let (well, count) = weather.trouble();
            if !well {
                return None;
            }
            struck += count;
        }
        Some(struck)
    }

    pub(crate) fn life_begins(&mut self, life: Life) {
        self.births.push((life, self.elapsed(), self.calm(life.node)));
    }

    /// Whether the marks in the tiers are known to a life: there was no trouble since it began, or it had time.
    pub(super) fn knows_marks(&self, life: Life) -> bool {
        self.births.iter().any(|(born, when, trouble)| {
            let calm = trouble.is_some() && *trouble == self.calm(life.node);
            *born == life && (calm || self.elapsed() > *when + OPENED)
        })
    }

    /// Takes a value in that is being made; its number.
    pub(crate) fn make(&mut self, key: &str, made: Made, life: Life) -> u64 {
        let id = self.next_value;
        self.next_value += 1;
        let value = Value {
            id,
            key: key.to_owned(),
            made,
            lives: vec![life],
            began: self.journal.step(),
            ended: None,
            tags: Vec::new(),
            stale_until: Timestamp::NEVER,
            kept_until: Timestamp::EPOCH,
            valid_until: Timestamp::NEVER,
            stamps: Vec::new(),
            known_stamps: Vec::new(),
            shared_at: None,
        };
        self.values.insert(id, value);
        id
    }

    /// An operation begins; its number.
    pub(crate) fn op_begins(&mut self, what: String, selector: Selector, life: Life, value: Option<u64>) -> usize {
        let key = key_of(&selector);
        let number = self.ops.len();
        let began = self.journal.step();
        self.journal.note(key.as_deref(), &format!("node {}: begins #{number} {what}", life.node));
        let calm = self.calm(life.node);
        self.forget_selected(&selector);
        let op = Op {
            what,
            selector,
            life,
            began,
            ended: None,
            solid: false,
            calm,
            stamp: None,
            value,
            taken_in: Vec::new(),
        };
        self.ops.push(op);
        number
    }

    pub(crate) fn op_ends(&mut self, number: usize, end: End, stamp: Option<Stamp>, told: &str) {
        let step = self.journal.step();
        let calm = self.calm(self.ops[number].life.node);
        let elapsed = self.elapsed();
        let op = &mut self.ops[number];
        op.ended = Some((step, end));
        let calm = op.calm.is_some() && op.calm == calm;
        // What a tier is given in the background may be lost with the life.
        op.solid = end == End::Acknowledged && calm && (op.value.is_none() || !self.writes_back);
        op.stamp = op.stamp.max(stamp);
        let (key, node, what) = (key_of(&op.selector), op.life.node, op.what.clone());
        if let Some(value) = op.value.and_then(|id| self.values.get_mut(&id)) {
            value.ended = Some(if end == End::Dropped { elapsed + LINGERS } else { elapsed });
        }
        self.journal.note(key.as_deref(), &format!("node {node}: #{number} {what}: {told}"));
        self.expect_put(number);
    }

    /// Somebody asks for a key.
    pub(crate) fn ask(&mut self, key: &str, way: Way, life: Life, hard: Option<Duration>) -> Asked {
        let began = self.journal.step();
        self.journal.note(Some(key), &format!("node {}: asks: {way:?} {key}", life.node));
        let calm = self.calm(life.node);
        Asked { key: key.to_owned(), way, life, began, began_at: self.elapsed(), hard, calm }
    }

    pub(super) fn stored(&mut self, info: &BackendInfo, line: &str, key: &Key, entry: &Entry) {
        let step = self.journal.step();
        let (own, stamp) = (own_key(key.as_str()), entry.meta.stamp);
        if info.shared {
            self.leaves_shared(own.as_deref());
        }
        if entry.meta.role != Role::Value {
            let shown = if own.is_some() { key.as_str() } else { "a mark" };
            self.journal.note(own.as_deref(), &format!("{line}: {shown} gets a {:?} {stamp:?}", entry.meta.role));
            return;
        }
        let Some(value) = number_in(&entry.body).and_then(|id| self.values.get_mut(&id)) else {
            self.journal.violation(own.as_deref(), &format!("{line} was given an entry that nobody has made: {key}"));
            return;
        };
        if !value.known_stamps.contains(&stamp) {
            value.stamps.push(stamp);
            value.known_stamps.push(stamp);
        }
        if info.shared {
            value.shared_at.get_or_insert(step);
        }
        let told = format!("{line}: {key} gets v{} of stamp {stamp:?}", value.id);
        self.journal.note(own.as_deref(), &told);
        let id = value.id;
        for op in self.ops.iter_mut().filter(|op| op.value == Some(id)) {
            op.stamp = op.stamp.max(Some(stamp));
        }
    }

    /// The shared tier has something else under a key, or nothing.
    pub(super) fn leaves_shared(&mut self, key: Option<&str>) {
        for value in self.values.values_mut().filter(|value| Some(value.key.as_str()) == key) {
            value.shared_at = None;
        }
    }

    pub(super) fn published(&mut self, node: usize, mark: &Mark) {
        for op in self.ops.iter_mut().filter(|op| op.life.node == node && own_selector(&mark.selector, &op.selector)) {
            if op.stamp.is_none() && op.ended.is_none() {
                op.stamp = Some(mark.stamp);
            }
        }
        let key = key_of(&mark.selector).and_then(|key| own_key(&key));
        self.journal.note(key.as_deref(), &format!("node {node}: publishes {} at {:?}", mark.selector, mark.stamp));
    }

    pub(super) fn taken_in(&mut self, node: usize, life: u64, heard: &Heard) {
        let step = self.journal.step();
        let life = Life { node, number: life };
        let Heard::Mark(mark, _) = heard else {
            self.journal.note(None, &format!("node {node}: knows of a gap"));
            return self.gaps.push((life, step));
        };
        let key = key_of(&mark.selector).and_then(|key| own_key(&key));
        self.journal.note(key.as_deref(), &format!("node {node}: knows of {} {:?}", mark.selector, mark.stamp));
        for op in &mut self.ops {
            let same = op.stamp.is_some_and(|stamp| stamp <= mark.stamp);
            if op.life.node != node && same && own_selector(&mark.selector, &op.selector) {
                op.taken_in.push((life, step, mark.stamp));
            }
        }
        self.forget_marked(&mark.selector);
    }
}

/// How long a write whose caller has left may go on.
const LINGERS: Duration = Duration::from_mins(10);

pub(super) fn key_of(selector: &Selector) -> Option<String> {
    if let Selector::Key(key) = selector { Some(key.to_string()) } else { None }
}

/// The number of the value that a body encodes.
fn number_in(body: &[u8]) -> Option<u64> {
    String::from_utf8_lossy(body).split('#').nth(1)?.parse().ok()
}
