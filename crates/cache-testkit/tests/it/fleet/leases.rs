//! The contract of `LocalLeases` and its faults.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, ErrorKind, Key, Lease, Leases, ManualClock, Stamp};
use cache_testkit::{Bench, LocalLeases};

const SPAN: Duration = Duration::from_secs(10);
/// One millisecond less.
const ALMOST: Duration = Duration::from_millis(9_999);

fn open() -> (Arc<ManualClock>, LocalLeases) {
    let clock = Bench::default().clock;
    (clock.clone(), LocalLeases::new(clock))
}

fn key(text: &str) -> Key {
    text.parse().unwrap()
}

async fn take(leases: &LocalLeases, name: &str) -> Option<Lease> {
    leases.take(&key(name), Stamp::ZERO, SPAN).await.unwrap()
}

#[tokio::test]
async fn a_held_lease_is_not_given_again_and_another_key_is_free() {
    let (_, leases) = open();
    assert!(take(&leases, "a").await.is_some());
    assert_eq!(take(&leases, "a").await, None);
    assert!(take(&leases, "b").await.is_some());
    assert_eq!(leases.given(), 2);
}

#[tokio::test]
async fn a_lease_ends_at_exactly_the_end_of_its_span() {
    let (clock, leases) = open();
    let lease = take(&leases, "a").await.unwrap();
    clock.advance(ALMOST);
    assert_eq!(take(&leases, "a").await, None);
    clock.advance(Duration::from_millis(1));
    assert!(!leases.is_held(&key("a")));
    assert!(!leases.renew(&lease, SPAN).await.unwrap(), "what has ended cannot be renewed");
    assert!(take(&leases, "a").await.is_some());
}

#[tokio::test]
async fn a_renewed_lease_ends_a_span_after_its_renewal() {
    let (clock, leases) = open();
    let lease = take(&leases, "a").await.unwrap();
    clock.advance(SPAN / 2);
    assert!(leases.renew(&lease, SPAN).await.unwrap());
    clock.advance(ALMOST);
    assert!(leases.is_held(&key("a")));
    clock.advance(Duration::from_millis(1));
    assert!(!leases.is_held(&key("a")));
}

#[tokio::test]
async fn tokens_grow_and_are_not_older_than_asked() {
    let (clock, leases) = open();
    let at_least = Stamp::first_of(clock.now());
    let first = leases.take(&key("a"), at_least, SPAN).await.unwrap().unwrap();
    assert!(first.token >= at_least);
    assert!(leases.release(&first).await.unwrap());
    let second = leases.take(&key("a"), at_least, SPAN).await.unwrap().unwrap();
    assert!(second.token > first.token, "the same at_least gives a newer token");
    leases.expire_all();
    let third = take(&leases, "a").await.unwrap();
    assert!(third.token > second.token);
}

#[tokio::test]
async fn a_lease_is_given_back_once_and_by_its_holder_only() {
    let (_, leases) = open();
    let former = take(&leases, "a").await.unwrap();
    assert!(leases.release(&former).await.unwrap());
    assert!(!leases.release(&former).await.unwrap());
    let present = take(&leases, "a").await.unwrap();
    assert!(!leases.release(&former).await.unwrap());
    assert!(!leases.renew(&former, SPAN).await.unwrap());
    assert!(leases.renew(&present, SPAN).await.unwrap());
}

#[tokio::test]
async fn a_stolen_lease_is_lost_to_its_holder() {
    let (_, leases) = open();
    let holder = take(&leases, "a").await.unwrap();
    let thief = leases.steal(&key("a"), SPAN);
    assert!(thief.token > holder.token);
    assert!(!leases.renew(&holder, SPAN).await.unwrap());
    assert!(leases.renew(&thief, SPAN).await.unwrap());
}

#[tokio::test]
async fn failing_leases_fail_every_call_until_healed() {
    let (_, leases) = open();
    let lease = take(&leases, "a").await.unwrap();
    leases.fail(ErrorKind::Unavailable);
    let failed = [
        leases.take(&key("b"), Stamp::ZERO, SPAN).await.map(|_| ()),
        leases.renew(&lease, SPAN).await.map(|_| ()),
        leases.release(&lease).await.map(|_| ()),
    ];
    assert!(failed.iter().all(|answer| answer.as_ref().unwrap_err().kind() == ErrorKind::Unavailable));
    leases.heal();
    assert!(leases.renew(&lease, SPAN).await.unwrap());
}
