//! Whatever strangers may send, given to the code that reads it.
//!
//! Each [`Target`] is one body that takes any bytes. It is run in two ways: by the tests of this crate, over the corpus of
//! its name and what a mutator makes of that; and by libFuzzer, for as long as one likes (`cargo xtask fuzz`). Of all of them
//! holds that nothing panics, not even where it is caught, and that memory stays in proportion to the input. What else holds
//! says the body: mostly that what was read is written and read again as the same, or that it agrees with a second, simple
//! reading of the same text.
//!
//! Bodies go through the doors that strangers have: public functions, the backend behind a stored record, a server on loopback
//! that answers with the input.
#![expect(clippy::expect_used, reason = "a body that cannot go on has found something")]

mod bodies;
mod memory;
pub mod mutate;
mod panics;
mod record;
mod runtime;
mod server;
mod target;

pub use bodies::*;
pub use target::{Target, Verdict};
