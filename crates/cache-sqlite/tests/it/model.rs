//! Any sequence of calls is answered as by a model too simple to be wrong.

use std::future::Future;

use cache_core::Backend;
use cache_sqlite::{SqliteBackend, SqliteConfig};
use cache_testkit::{Bench, Case, NaiveModel, compare, workload};
use proptest::prelude::*;

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

async fn agrees(seed: u64) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let (ours, models) = (Bench::default().clock, Bench::default().clock);
    let config = SqliteConfig::new(dir.path().join("cache.db")).clock(ours.clone());
    let subject = Case::new(SqliteBackend::open(config).await.unwrap(), ours);
    let model = Case::new(NaiveModel::new(models.clone()), models);
    let ops = workload(seed, 400);
    let (before, after) = ops.split_at(200);
    compare(&subject, &model, before).await?;
    subject.backend.close().await.unwrap();
    // A second life on the same file, begun at the instant at which the first one ended.
    let config = SqliteConfig::new(dir.path().join("cache.db")).clock(subject.clock.clone());
    let subject = Case::new(SqliteBackend::open(config).await.unwrap(), subject.clock.clone());
    compare(&subject, &model, after).await
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_answers_as_the_model_does_in_two_lives(seed in any::<u64>()) {
        run(agrees(seed)).map_err(TestCaseError::fail)?;
    }
}
