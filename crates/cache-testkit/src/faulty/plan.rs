//! `Plan`: which calls a fault strikes.

use std::time::Duration;

use cache_core::ErrorKind;

use crate::Rng;

/// What goes wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It fails with an error of this kind and has no effect.
    Fail(ErrorKind),
    /// It waits on tokio's clock first, then does its work.
    Delay(Duration),
    /// Bodies got or put have one byte flipped, silently; an empty one gains a byte. Other calls are not touched.
    Corrupt,
    /// It never answers and has no effect.
    Hang,
    /// It panics and has no effect.
    Panic,
    /// It does its work, then fails with [`ErrorKind::Timeout`]. A scan yields what it finds before it fails.
    DropReply,
}

/// A method of the backend contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is the method of its name")]
pub enum Operation {
    Stat,
    Get,
    GetMany,
    Put,
    PutMany,
    Renew,
    Remove,
    Scan,
    Usage,
    Sweep,
    Close,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 11] = [
        Self::Stat,
        Self::Get,
        Self::GetMany,
        Self::Put,
        Self::PutMany,
        Self::Renew,
        Self::Remove,
        Self::Scan,
        Self::Usage,
        Self::Sweep,
        Self::Close,
    ];

    /// The name of the method.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::Put => "put",
            Self::PutMany => "put_many",
            Self::Renew => "renew",
            Self::Remove => "remove",
            Self::Scan => "scan",
            Self::Usage => "usage",
            Self::Sweep => "sweep",
            Self::Close => "close",
        }
    }
}

/// Which calls a fault strikes, counted from 1 since the plan was set. The first line that applies decides.
///
/// ```
/// # use cache_core::ErrorKind;
/// # use cache_testkit::{Fault, Operation, Plan};
/// let plan = Plan::new()
///     .nth(Operation::Put, 3, Fault::DropReply)
///     .each(Operation::Usage, Fault::Hang)
///     .chance(42, 1, 20, Fault::Fail(ErrorKind::Unavailable));
/// # let _ = plan;
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a plan has an effect once it is set"]
pub struct Plan(Vec<Line>);

#[derive(Debug, Clone)]
struct Line {
    /// `None` for all of them.
    operation: Option<Operation>,
    when: When,
    fault: Fault,
}

#[derive(Debug, Clone)]
enum When {
    Always,
    Nth(u64),
    Chance { seed: u64, parts: u64, whole: u64 },
}

impl Plan {
    /// No faults.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Strikes the `call`-th call of `operation`.
    pub fn nth(self, operation: Operation, call: u64, fault: Fault) -> Self {
        self.line(Some(operation), When::Nth(call), fault)
    }

    /// Strikes the `call`-th call, counting those of all operations: a sweep over 1, 2, 3, ... strikes each once.
    pub fn nth_of_all(self, call: u64, fault: Fault) -> Self {
        self.line(None, When::Nth(call), fault)
    }

    /// Strikes each call of `operation`.
    pub fn each(self, operation: Operation, fault: Fault) -> Self {
        self.line(Some(operation), When::Always, fault)
    }

    /// Strikes each call of all operations.
    pub fn all(self, fault: Fault) -> Self {
        self.line(None, When::Always, fault)
    }

    /// Strikes `parts` in `whole` calls, of all operations. Which ones is a function of `seed` and the call's
    /// number alone.
    pub fn chance(self, seed: u64, parts: u64, whole: u64, fault: Fault) -> Self {
        self.line(None, When::Chance { seed, parts, whole }, fault)
    }

    fn line(mut self, operation: Option<Operation>, when: When, fault: Fault) -> Self {
        self.0.push(Line { operation, when, fault });
        self
    }

    /// The fault of the call of `operation` that was counted last.
    pub(super) fn fault(&self, operation: Operation, calls: &Calls) -> Option<Fault> {
        let strikes = |line: &&Line| {
            let call = match line.operation {
                Some(only) if only == operation => calls.of(operation),
                Some(_) => return false,
                None => calls.all(),
            };
            match line.when {
                When::Always => true,
                When::Nth(nth) => call == nth,
                When::Chance { seed, parts, whole } => {
                    // Two rounds: neighbouring seeds share no run of calls.
                    let mut rng = Rng::new(Rng::new(seed).next_u64() ^ call);
                    rng.chance(parts, whole)
                }
            }
        };
        self.0.iter().find(strikes).map(|line| line.fault)
    }
}

/// Calls, by operation.
#[derive(Debug, Default)]
pub(super) struct Calls([u64; Operation::ALL.len()]);

impl Calls {
    pub(super) const fn count(&mut self, operation: Operation) {
        self.0[operation as usize] += 1;
    }

    pub(super) const fn of(&self, operation: Operation) -> u64 {
        self.0[operation as usize]
    }

    pub(super) fn all(&self) -> u64 {
        self.0.iter().sum()
    }
}
