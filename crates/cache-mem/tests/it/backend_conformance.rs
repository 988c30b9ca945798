//! The conformance suite on every shape of the memory backend, and random workloads against the naive model.

use cache_core::PolicyKind;
use cache_mem::{MemBackend, MemBackendBuilder};
use cache_testkit::{Bench, Case, Fixture, NaiveModel, compare, conformance, workload};

fn shaped(bench: Bench, shape: impl FnOnce(MemBackendBuilder) -> MemBackendBuilder) -> Fixture<MemBackend> {
    let builder = MemBackend::builder(bench.limits.weight).entries(bench.limits.entries).clock(bench.clock);
    Fixture::new(shape(builder).build())
}

conformance!(with_defaults, |bench| async move { Ok(shaped(bench, |builder| builder)) });
conformance!(with_lru, |bench| async move { Ok(shaped(bench, |builder| builder.policy(PolicyKind::Lru))) });
conformance!(with_fifo, |bench| async move { Ok(shaped(bench, |builder| builder.policy(PolicyKind::Fifo))) });
conformance!(
    with_many_shards,
    |bench| async move { Ok(shaped(bench, |builder| builder.max_body(100_000).shards(16))) }
);

#[tokio::test]
async fn random_workloads_are_answered_as_by_the_naive_model() {
    for seed in 0..300 {
        for policy in PolicyKind::ALL {
            let (ours, theirs) = (Bench::default(), Bench::default());
            let subject = MemBackend::builder(64 << 20).max_body(1 << 20).clock(ours.clock.clone());
            let subject = Case::new(subject.policy(policy).shards(1 + seed as usize % 8).build(), ours.clock);
            let model = Case::new(NaiveModel::new(theirs.clock.clone()), theirs.clock);
            if let Err(difference) = compare(&subject, &model, &workload(seed, 120)).await {
                panic!("seed {seed}, {policy}: {difference}");
            }
        }
    }
}
