//! The suite on backends of different nature that keep every rule.

use std::sync::Arc;

use cache_testkit::{Faulty, Fixture, Fleet, NaiveModel, conformance};

use crate::bounded::Bounded;
use crate::detached::Detached;
use crate::noting::Noting;

conformance!(naive, |bench| async move { Ok(Fixture::new(NaiveModel::new(bench.clock))) });

conformance!(faultless, |bench| async move { Ok(Fixture::new(Faulty::new(NaiveModel::new(bench.clock)))) });

conformance!(fleet, |bench| async move { Ok(Fixture::new(Fleet::new(NaiveModel::new(bench.clock)))) });

conformance!(bounded, |bench| async move {
    let limits = bench.limits;
    Ok(Fixture::new(Bounded::new(NaiveModel::new(bench.clock), limits)).keep(String::from("a guard")))
});

conformance!(direct noting, |bench| async move {
    let backend = Arc::new(Noting::new(&bench));
    let stamps = backend.clone();
    Ok(Fixture::new(backend).notes_removes(move || stamps.stamps.tick()))
});

conformance!(detached, |bench| async move { Ok(Fixture::new(Detached::new(NaiveModel::new(bench.clock)))) });
