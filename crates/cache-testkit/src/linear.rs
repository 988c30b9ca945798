//! `linear`: whether the answers of concurrent calls can be explained by some order of them.
//!
//! A recorded [`History`] is linearizable when every call can be given one instant between its begin and its answer,
//! so that the calls, taken in the order of these instants, are what a sequential [`Model`] would have answered.
//! [`check`] looks for such an order.
//!
//! ```
//! use cache_testkit::linear::{History, Register, RegisterAnswer, RegisterOp, check};
//!
//! let history = History::new();
//! history.begin(RegisterOp::Put(1)).answered(RegisterAnswer::Done);
//! let remove = history.begin(RegisterOp::Remove);
//! history.begin(RegisterOp::Get).answered(RegisterAnswer::Value(None));
//! history.begin(RegisterOp::Get).answered(RegisterAnswer::Value(Some(1)));
//! remove.answered(RegisterAnswer::Removed(true));
//!
//! // What was seen to be gone was seen again.
//! let verdict = check(&Register::default(), &history.calls(), 1_000);
//! assert!(!verdict.is_linearizable(), "{verdict}");
//! ```

mod history;
mod key;
mod register;
mod search;
mod timeline;

use std::fmt;
use std::hash::Hash;

pub use history::{Call, History, Pending};
pub use key::{KeyAnswer, KeyOp, check_key};
pub use register::{Register, RegisterAnswer, RegisterOp};

use search::{Outcome, Search};

/// A sequential specification: what each call may answer in each state.
pub trait Model {
    /// What the calls before have led to; cloned and compared often, so it should be small.
    type State: Clone + Eq + Hash;
    /// A call.
    type Op: fmt::Debug;
    /// What a call was seen to answer.
    type Answer: fmt::Debug;

    /// The state before the first call.
    fn initial(&self) -> Self::State;

    /// The state after `op` in `state`, if it may have had this answer there.
    ///
    /// Without an answer, what the call told nobody is not known, and any will do.
    fn step(&self, state: &Self::State, op: &Self::Op, answer: Option<&Self::Answer>) -> Option<Self::State>;
}

/// What [`check`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a violation is a failure"]
#[non_exhaustive]
pub enum Verdict {
    /// There is an order that explains all answers.
    Linearizable,
    /// There is none; a picture of the shortest beginning of the history for which there is none.
    Violation(String),
    /// The search was given up after as many steps as it may take.
    Undecided(usize),
}

impl Verdict {
    /// Whether an order was found.
    pub const fn is_linearizable(&self) -> bool {
        matches!(self, Self::Linearizable)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable => f.write_str("linearizable"),
            Self::Violation(picture) => f.write_str(picture),
            Self::Undecided(steps) => write!(f, "undecided after {steps} steps: record shorter histories"),
        }
    }
}

/// Whether some order of `calls` explains their answers.
///
/// A call without an answer may take effect at any instant from its begin on, up to its end if it has one, or never.
/// This is the search of Wing and Gong, "Testing and Verifying Concurrent Objects" (1993), which forgets no pair of
/// calls done and state reached that it has seen, after Lowe, "Testing for Linearizability" (2017). Finding an order
/// is exponential in the number of calls that overlap; the search takes at most `limit` steps, and is
/// [`Undecided`](Verdict::Undecided) then.
pub fn check<M: Model>(model: &M, calls: &[Call<M::Op, M::Answer>], limit: usize) -> Verdict {
    match Search::new(model, calls, u64::MAX, limit).run() {
        Outcome::Order => return Verdict::Linearizable,
        Outcome::GivenUp => return Verdict::Undecided(limit),
        Outcome::NoOrder => {}
    }
    // What goes wrong first says the most: cut off everything after the first answer that no order explains.
    let mut ends: Vec<u64> = calls.iter().filter(|call| call.answer.is_some()).map(|call| call.end).collect();
    ends.sort_unstable();
    let explained = |end: &u64| Search::new(model, calls, *end, limit).run() != Outcome::NoOrder;
    let at = ends.partition_point(explained);
    Verdict::Violation(timeline::draw(calls, ends.get(at).copied().unwrap_or(u64::MAX)))
}
