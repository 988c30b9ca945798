//! Faults of writes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cache_core::{Backend, ErrorKind};

use super::{LIMIT, SLACK, World, entry};
use crate::fake::{Answer, End};

#[tokio::test]
async fn a_put_whose_answer_is_lost_is_in_effect_once_and_succeeds() {
    let is_first = AtomicBool::new(true);
    let world = World::with(move |request, answer| {
        let fails = request.method == "PUT" && is_first.swap(false, Ordering::SeqCst);
        if fails { Answer::error(500, "InternalError") } else { answer }
    })
    .await;
    world.backend.put(&world.key, entry(2, 100)).await.unwrap();
    assert_eq!(world.backend.get(&world.key).await.unwrap(), Some(entry(2, 100)));
    assert_eq!(world.backend.usage().await.unwrap().entries, 1);
}

/// The first write takes effect, and its answer is lost.
async fn with_a_lost_answer() -> World {
    let world = World::new().await;
    assert_eq!(world.backend.usage().await.unwrap().entries, 1);
    let is_first = AtomicBool::new(true);
    world.fake.fault(move |request, answer| {
        let fails = request.method == "PUT" && is_first.swap(false, Ordering::SeqCst);
        if fails { Answer::error(500, "InternalError") } else { answer }
    });
    world
}

#[tokio::test]
async fn a_put_whose_answer_is_lost_is_counted_once() {
    let world = with_a_lost_answer().await;
    let other = cache_core::Key::parse("other").unwrap();
    world.backend.put(&other, entry(1, 100)).await.unwrap();
    assert_eq!(world.backend.usage().await.unwrap().entries, 2);
    assert_eq!(world.fake.requests(), 4, "a look, the lost one, the refused one, a look");
}

#[tokio::test]
async fn a_renewal_whose_answer_is_lost_says_that_it_took_effect() {
    let world = with_a_lost_answer().await;
    let meta = entry(2, 0).meta;
    assert!(world.backend.renew(&world.key, world.entry.meta.stamp, meta.clone()).await.unwrap());
    assert_eq!(world.backend.stat(&world.key).await.unwrap(), Some(meta));
}

#[tokio::test]
async fn a_put_that_hangs_is_a_timeout_and_frees_its_key() {
    let world =
        World::with(|request, answer| if request.method == "PUT" { answer.ends(End::Silent) } else { answer }).await;
    let begin = Instant::now();
    let error = world.backend.put(&world.key, entry(2, 100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error}");
    assert!(begin.elapsed() < LIMIT + SLACK);
    world.fake.fault(|_, answer| answer);
    world.backend.put(&world.key, entry(3, 100)).await.unwrap();
    assert_eq!(world.backend.get(&world.key).await.unwrap(), Some(entry(3, 100)));
}

#[tokio::test]
async fn a_put_that_others_always_outrun_ends() {
    let world = World::with(|request, mut answer| {
        if request.method == "PUT" {
            return Answer::error(412, "PreconditionFailed");
        }
        // What is there is never what was put.
        answer.body[42] ^= 1;
        answer
    })
    .await;
    let error = world.backend.put(&world.key, entry(2, 100)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(world.fake.requests() <= 20, "{} requests", world.fake.requests());
}

#[tokio::test]
async fn an_object_that_does_not_verify_is_replaced_and_removed() {
    let world = World::new().await;
    let flip = |request: &crate::fake::Request, mut answer: Answer| {
        if request.method == "GET" && answer.status < 300 {
            answer.body[42] ^= 1;
        }
        answer
    };
    world.fake.fault(flip);
    world.backend.put(&world.key, entry(0, 100)).await.unwrap();
    world.fake.fault(|_, answer| answer);
    let found = world.backend.get(&world.key).await.unwrap();
    assert!(found == Some(entry(0, 100)), "even an older stamp is better");
    world.fake.fault(flip);
    assert!(!world.backend.remove(&world.key).await.unwrap(), "nobody knows what was there");
    world.fake.fault(|_, answer| answer);
    assert_eq!(world.backend.get(&world.key).await.unwrap(), None);
}
