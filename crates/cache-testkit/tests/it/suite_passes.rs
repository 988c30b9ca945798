//! The suite on backends of different nature that keep every rule.

use cache_testkit::{Faulty, Fixture, Fleet, NaiveModel, conformance};

use crate::bounded::Bounded;
use crate::detached::Detached;

conformance!(naive, |bench| async move { Ok(Fixture::new(NaiveModel::new(bench.clock))) });

conformance!(faultless, |bench| async move { Ok(Fixture::new(Faulty::new(NaiveModel::new(bench.clock)))) });

conformance!(fleet, |bench| async move { Ok(Fixture::new(Fleet::new(NaiveModel::new(bench.clock)))) });

conformance!(bounded, |bench| async move {
    let limits = bench.limits;
    Ok(Fixture::new(Bounded::new(NaiveModel::new(bench.clock), limits)).keep(String::from("a guard")))
});

conformance!(detached, |bench| async move { Ok(Fixture::new(Detached::new(NaiveModel::new(bench.clock)))) });
