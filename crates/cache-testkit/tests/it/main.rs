//! Tests of the testkit: the suite passes what is right and fails what is broken.

mod bounded;
mod detached;
mod drops;
mod faulty;
mod flawed;
mod fleet;
mod linear;
mod model;
mod noting;
mod policies;
mod servers;
mod suite_fails;
mod suite_passes;
