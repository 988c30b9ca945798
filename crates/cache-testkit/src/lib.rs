//! What authors of a [`Backend`](cache_core::Backend) test it with: for this workspace and for everybody else.
//!
//! * [`conformance!`]: one named test for each rule of the contract, through every way to hold a backend
//! * [`NaiveModel`]: a backend too simple to be wrong; with [`workload`] and [`compare`] it is the oracle of
//!   randomised tests
//! * [`Faulty`]: a wrapper that fails, delays, hangs, panics or corrupts as its [`Plan`] says, and counts calls
//! * [`Fleet`], [`LocalLeases`], [`LocalBackplane`]: several processes that share a backend, played in one, with
//!   faults on command
//! * [`linear`]: a checker of linearizability for recorded histories
//! * [`for_each_drop_point`], [`drop_at`]: futures dropped after every poll; [`check_dropped_methods`] does so with all
//!   methods of a backend
//! * [`servers`] and [`proxy`]: real servers as child processes, and a bad network before them
//! * [`check_policy`]: the laws of an eviction policy of one's own; [`check_eviction_listener`]: that a backend tells what left
//! * [`alone`], [`MemoryRise`]: a test in a process of its own, and its memory
//! * [`Rng`], [`body_of`], [`entry`], [`eventually`]: small helpers
//!
//! A backend crate runs the whole suite with one line in its tests:
//!
//! ```
//! use cache_testkit::{Fixture, NaiveModel, conformance};
//!
//! conformance!(naive, |bench| async move { Ok(Fixture::new(NaiveModel::new(bench.clock))) });
//! # fn main() {}
//! ```
//!
//! What has to outlive the backend, such as a temporary directory, is kept with [`Fixture::keep`]. Bounded
//! backends take their budget from [`Bench::limits`].

mod alone;
mod bench;
mod bodies;
mod case;
mod conformance;
mod drops;
mod evictions;
mod faulty;
mod fleet;
pub mod linear;
mod naive;
mod ops;
mod policies;
pub mod proxy;
mod rng;
pub mod servers;
pub mod suite;
mod wait;

pub use alone::{MemoryRise, alone};
pub use bench::{Bench, Conditions, Fixture, Opened, Stamps};
pub use bodies::{body_of, entry, writer_of};
pub use case::Case;
pub use drops::{DropPoint, check_dropped_methods, drop_after, drop_at, for_each_drop_point};
pub use evictions::{EvictionLog, HeardEviction, check_eviction_listener};
pub use faulty::{Fault, Faulty, Operation, Plan};
pub use fleet::{Fleet, LocalBackplane, LocalLeases};
pub use naive::NaiveModel;
pub use ops::{Observation, Op, apply, compare, workload};
pub use policies::check_policy;
pub use rng::Rng;
pub use wait::eventually;

/// What the expansion of [`conformance!`] names; no part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::conformance::{Rule, Verdict, as_arc, as_box, check, direct};
    pub use cache_core::Backend;
}
