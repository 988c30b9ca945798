//! What a simulated fleet promises: the contracts of leases and backplane, and faults that strike as told.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod backplane;
mod leases;

use std::sync::Arc;

use cache_core::{Backend, ErrorKind};
use cache_testkit::{Bench, Fleet, NaiveModel, entry};

#[tokio::test]
async fn closing_one_connection_leaves_the_others_open() {
    let shared = Arc::new(NaiveModel::new(Bench::default().clock));
    let (one, two) = (Fleet::new(shared.clone()), Fleet::new(shared));
    let key = "a".parse().unwrap();
    one.put(&key, entry(1, "body")).await.unwrap();
    one.close().await.unwrap();
    assert_eq!(one.get(&key).await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(two.get(&key).await.unwrap(), Some(entry(1, "body")));
}

#[test]
fn a_connection_is_shared_and_has_the_powers_that_it_is_given() {
    let bench = Bench::default();
    let plain = Fleet::new(NaiveModel::new(bench.clock.clone()));
    assert!(plain.info().shared);
    assert!(plain.leases().is_none() && plain.backplane().is_none());
    let leases = Arc::new(cache_testkit::LocalLeases::new(bench.clock.clone()));
    let backplane = Arc::new(cache_testkit::LocalBackplane::new(1));
    let whole = plain.with_leases(leases).with_backplane(backplane);
    assert!(whole.leases().is_some() && whole.backplane().is_some());
}
