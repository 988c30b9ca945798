//! The model of one key of a read-through cache: writes win over loads and over what is read meanwhile.

use std::fmt;

use super::{Call, Model, Verdict, check};

/// A call that concerns one key. Every value put or loaded has to be unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyOp {
    /// Writes a value.
    Put(u64),
    /// Takes the value away.
    Remove,
    /// Reads the value; loads nothing.
    Get,
    /// Reads the value or loads it, alone or with others; a refresh is one, too.
    Load,
    /// A loader runs, from its first instruction on, and makes this value.
    Run(u64),
}

/// What a call answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyAnswer {
    /// A put or a loader has ended.
    Done,
    /// A remove has ended; whether there was a value.
    Removed(bool),
    /// A read or load found this.
    Value(Option<u64>),
}

/// Whether some order of `calls` of one key explains their answers, by the rules of a cache of several tiers that
/// evicts nothing and lets nothing expire; at first it holds `initial`.
///
/// * Puts and removes are those of a register, and so are reads that no write overlaps.
/// * A read that a write overlaps may see any value that was not outdated when it began, as with the regular
///   registers of Lamport, "On Interprocess Communication" (1986): tiers do not change at one instant.
/// * A loaded value is kept at one instant between the start of its loader and the first answer with it, unless a
///   write wins over the load: never after a write that began when the loader already ran.
/// * A load is a read, and those whom a write overlaps may be given a value that is not kept.
///
/// A value is outdated when a write both began after its put had ended or its loader had started, and has ended; and
/// for reads that load nothing, also when a later load was answered and no write was near.
///
/// Calls that failed or were dropped are those without an answer: a write among them may take effect at any later
/// time or never. The search is that of [`check`], with its `limit`.
pub fn check_key(initial: Option<u64>, calls: &[Call<KeyOp, KeyAnswer>], limit: usize) -> Verdict {
    let facts = Facts { initial, calls };
    let steps: Vec<Call<Step, KeyAnswer>> = calls.iter().map(|call| facts.step(call)).collect();
    check(&Key(initial), &steps, limit)
}

struct Key(Option<u64>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    value: Option<u64>,
    /// The latest begin of the writes so far; `None` before the first.
    newest_write: Option<u64>,
}

/// A call with what the instants of all calls say about it.
enum Step {
    Write {
        value: Option<u64>,
        begin: u64,
    },
    Read {
        name: &'static str,
        /// Whether the answer is right in every state.
        excused: bool,
    },
    Keep {
        value: u64,
        since: u64,
    },
}

impl Model for Key {
    type State = State;
    type Op = Step;
    type Answer = KeyAnswer;

    fn initial(&self) -> State {
        State { value: self.0, newest_write: None }
    }

    fn step(&self, state: &State, op: &Step, answer: Option<&KeyAnswer>) -> Option<State> {
        let (accepted, after) = match *op {
            Step::Write { value, begin } => {
                let right = match answer {
                    Some(KeyAnswer::Removed(found)) => *found == state.value.is_some(),
                    _ => true,
                };
                (right, State { value, newest_write: state.newest_write.max(Some(begin)) })
            }
            Step::Read { excused, .. } => {
                let right = answer.is_none_or(|answer| *answer == KeyAnswer::Value(state.value));
                (excused || right, state.clone())
            }
            Step::Keep { value, since } => {
                (state.newest_write < Some(since), State { value: Some(value), newest_write: state.newest_write })
            }
        };
        accepted.then_some(after)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write { value: Some(value), .. } => write!(f, "Put({value})"),
            Self::Write { value: None, .. } => f.write_str("Remove"),
            Self::Read { name, .. } => f.write_str(name),
            Self::Keep { value, .. } => write!(f, "Keep({value})"),
        }
    }
}

/// What the instants of the calls say.
struct Facts<'a> {
    initial: Option<u64>,
    calls: &'a [Call<KeyOp, KeyAnswer>],
}

impl Facts<'_> {
    fn step(&self, call: &Call<KeyOp, KeyAnswer>) -> Call<Step, KeyAnswer> {
        let (mut answer, begin, mut end) = (call.answer, call.begin, call.end);
        let op = match call.op {
            KeyOp::Put(value) => Step::Write { value: Some(value), begin },
            KeyOp::Remove => Step::Write { value: None, begin },
            KeyOp::Get => Step::Read { name: "Get", excused: self.is_excused(call) },
            KeyOp::Load => Step::Read { name: "Load", excused: self.is_excused(call) },
            KeyOp::Run(value) => {
                // Whether it is kept is not known, only that it is by the first answer with it.
                (answer, end) = (None, self.loads_of(value).map(|load| load.end).min().unwrap_or(u64::MAX));
                Step::Keep { value, since: begin }
            }
        };
        Call { op, answer, begin, end }
    }

    /// Whether a write overlaps the read, and what it answered was not outdated before.
    fn is_excused(&self, read: &Call<KeyOp, KeyAnswer>) -> bool {
        let Some(KeyAnswer::Value(value)) = read.answer else { return true };
        let overlaps = self.writes().any(|write| write.begin < read.end && read.begin < write.end);
        overlaps
            && self.makers(value).any(|(begin, made)| begin < Some(read.end) && !self.is_outdated(made, value, read))
    }

    /// Whether what was made by the instant `made` had been overwritten when `read` began.
    fn is_outdated(&self, made: Option<u64>, value: Option<u64>, read: &Call<KeyOp, KeyAnswer>) -> bool {
        let by_write = self.writes().any(|write| {
            // One miss is as good as another.
            let same = value.is_none() && write.op == KeyOp::Remove;
            made < Some(write.begin) && write.end < read.begin && !same
        });
        let by_load = || self.kept_loads().any(|(begin, end)| made < Some(begin) && end < read.begin);
        by_write || (read.op == KeyOp::Get && by_load())
    }

    /// When that which makes `value` began, and after which instant a write that begins outdates it; `None` stands for
    /// before all calls.
    fn makers(&self, value: Option<u64>) -> impl Iterator<Item = (Option<u64>, Option<u64>)> {
        let maker = move |call: &Call<KeyOp, KeyAnswer>| match (call.op, value) {
            (KeyOp::Run(made), Some(value)) if made == value => Some((Some(call.begin), Some(call.begin))),
            (KeyOp::Put(made), Some(value)) if made == value => Some((Some(call.begin), Some(call.end))),
            (KeyOp::Remove, None) => Some((Some(call.begin), Some(call.end))),
            _ => None,
        };
        self.calls.iter().filter_map(maker).chain((self.initial == value).then_some((None, None)))
    }

    /// From when to when a load ran that no write can have won over.
    fn kept_loads(&self) -> impl Iterator<Item = (u64, u64)> {
        self.calls.iter().filter_map(|run| {
            let KeyOp::Run(value) = run.op else { return None };
            let begin = self.loads_of(value).map(|load| load.begin).min().filter(|begin| *begin < run.begin)?;
            let end = self.loads_of(value).map(|load| load.end).min()?;
            let alone = !self.writes().any(|write| write.begin < end && begin < write.end);
            alone.then_some((run.begin, end))
        })
    }

    /// The loads that answered with `value`.
    fn loads_of(&self, value: u64) -> impl Iterator<Item = &Call<KeyOp, KeyAnswer>> {
        let answer = Some(KeyAnswer::Value(Some(value)));
        self.calls.iter().filter(move |call| call.op == KeyOp::Load && call.answer == answer)
    }

    fn writes(&self) -> impl Iterator<Item = &Call<KeyOp, KeyAnswer>> {
        self.calls.iter().filter(|call| matches!(call.op, KeyOp::Put(_) | KeyOp::Remove))
    }
}
