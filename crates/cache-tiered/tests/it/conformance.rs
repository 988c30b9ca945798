//! The conformance suite, for stacks of several shapes.

use cache_core::{Limits, PolicyKind};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_testkit::{Bench, Fixture, NaiveModel, conformance};
use cache_tiered::{TierOptions, Tiered};

fn mem(bench: &Bench, name: &'static str, parts: u64) -> MemBackend {
    let Limits { weight, entries } = bench.limits;
    let builder = MemBackend::builder(weight / parts).entries(entries / parts).name(name).clock(bench.clock.clone());
    // Which entries stay must not depend on what was there before: tiers are compared by what they hold together.
    builder.policy(PolicyKind::S3Fifo).build()
}

conformance!(one_tier, |bench| async move {
    let stack = Tiered::builder().tier(mem(&bench, "memory", 1)).clock(bench.clock.clone());
    Ok(Fixture::new(stack.build()?))
});

conformance!(two_tiers, |bench| async move {
    let stack = Tiered::builder().tier(mem(&bench, "near", 2)).tier(mem(&bench, "far", 1)).clock(bench.clock.clone());
    Ok(Fixture::new(stack.build()?))
});

conformance!(short_bodies_near, |bench| async move {
    let options = TierOptions::new().max_body(64);
    let stack = Tiered::builder().tier_with(mem(&bench, "near", 1), options).tier(NaiveModel::new(bench.clock.clone()));
    Ok(Fixture::new(stack.clock(bench.clock.clone()).build()?))
});

conformance!(nested, |bench| async move {
    let upper = Tiered::builder().name("upper").tier(mem(&bench, "l1", 4)).tier(mem(&bench, "l2", 2));
    let upper = upper.clock(bench.clock.clone()).build()?;
    let stack = Tiered::builder().tier(upper).tier(mem(&bench, "far", 1)).clock(bench.clock.clone());
    Ok(Fixture::new(stack.build()?))
});

conformance!(memory_over_file, |bench| async move {
    let directory = tempfile::tempdir()?;
    let Limits { weight, entries } = bench.limits;
    let config = FileConfig::new(directory.path()).capacity(weight).entries(entries).clock(bench.clock.clone());
    let file = FileBackend::open(config).await?;
    let stack = Tiered::builder().tier(mem(&bench, "memory", 4)).tier(file).clock(bench.clock.clone());
    Ok(Fixture::new(stack.build()?).keep(directory))
});
