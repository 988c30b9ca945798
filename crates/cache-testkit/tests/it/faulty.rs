//! `Faulty`: each fault does what it says, on the calls that the plan names.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, ErrorKind, Key, KeyPrefix, Stamp};
use cache_testkit::{Bench, Fault, Faulty, NaiveModel, Operation, Plan, entry};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout};

const FAIL: Fault = Fault::Fail(ErrorKind::Unavailable);

fn faulty() -> Arc<Faulty<NaiveModel>> {
    Arc::new(Faulty::new(NaiveModel::new(Bench::default().clock)))
}

#[expect(clippy::unwrap_used, reason = "a legal key")]
fn key() -> Key {
    Key::parse("a").unwrap()
}

#[tokio::test]
async fn only_the_nth_call_of_the_operation_fails() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().nth(Operation::Get, 2, FAIL));
    faulty.stat(&key()).await.unwrap();
    faulty.get(&key()).await.unwrap();
    let error = faulty.get(&key()).await.unwrap_err();
    assert_eq!((error.kind(), error.operation(), error.key()), (ErrorKind::Unavailable, Some("get"), Some(&key())));
    faulty.get(&key()).await.unwrap();
    assert_eq!(faulty.faults(), 1);
}

#[tokio::test]
async fn the_nth_call_of_all_counts_every_operation() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().nth_of_all(3, FAIL));
    faulty.stat(&key()).await.unwrap();
    faulty.get(&key()).await.unwrap();
    faulty.remove(&key()).await.unwrap_err();
    faulty.remove(&key()).await.unwrap();
}

#[tokio::test]
async fn a_plan_counts_from_its_setting_and_the_counter_from_the_start() {
    let faulty = faulty();
    faulty.usage().await.unwrap();
    faulty.set_plan(Plan::new().nth(Operation::Usage, 1, FAIL));
    faulty.usage().await.unwrap_err();
    faulty.get_many(&[key(), key()]).await;
    assert_eq!((faulty.calls(Operation::Usage), faulty.calls(Operation::GetMany)), (2, 1));
    assert_eq!((faulty.calls(Operation::Get), faulty.total_calls()), (0, 3));
}

#[tokio::test]
async fn a_healed_backend_has_no_faults() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().all(FAIL));
    faulty.get(&key()).await.unwrap_err();
    faulty.heal();
    faulty.get(&key()).await.unwrap();
}

#[tokio::test]
async fn every_operation_can_fail() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().all(FAIL));
    let failed = [
        faulty.stat(&key()).await.is_err(),
        faulty.get(&key()).await.is_err(),
        faulty.put(&key(), entry(1, "x")).await.is_err(),
        faulty.renew(&key(), Stamp::ZERO, entry(1, "x").meta).await.is_err(),
        faulty.remove(&key()).await.is_err(),
        faulty.usage().await.is_err(),
        faulty.sweep(Bench::START, 1).await.is_err(),
        faulty.close().await.is_err(),
        faulty.scan(&KeyPrefix::all()).next().await.unwrap().is_err(),
    ];
    assert_eq!(failed, [true; 9]);
    let got = faulty.get_many(&[key(), key()]).await;
    assert!(got.len() == 2 && got.iter().all(Result::is_err));
    let put = faulty.put_many(vec![(key(), entry(1, "x")); 3]).await;
    assert!(put.len() == 3 && put.iter().all(Result::is_err));
    assert!(Operation::ALL.iter().all(|operation| faulty.calls(*operation) == 1));
    assert_eq!(faulty.inner().usage().await.unwrap().entries, 0);
}

#[tokio::test]
async fn a_dropped_reply_has_its_effect() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().all(Fault::DropReply));
    let error = faulty.put(&key(), entry(1, "x")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(faulty.inner().get(&key()).await.unwrap(), Some(entry(1, "x")));
    let found: Vec<_> = faulty.scan(&KeyPrefix::all()).collect().await;
    assert!(matches!(&found[..], [Ok(_), Err(_)]), "{found:?}");
}

#[tokio::test]
async fn corruption_of_a_get_leaves_what_is_held_intact() {
    let faulty = faulty();
    for body in ["x", "", "a longer body"] {
        faulty.put(&key(), entry(1, body)).await.unwrap();
        faulty.set_plan(Plan::new().all(Fault::Corrupt));
        let got = faulty.get(&key()).await.unwrap().unwrap();
        let many = faulty.get_many(&[key()]).await.pop().unwrap().unwrap().unwrap();
        faulty.heal();
        assert_ne!(got.body, body);
        assert_eq!(many, got);
        assert_eq!(faulty.get(&key()).await.unwrap(), Some(entry(1, body)));
    }
}

#[tokio::test]
async fn corruption_of_a_put_stays() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().nth(Operation::Put, 1, Fault::Corrupt));
    faulty.put(&key(), entry(1, "abc")).await.unwrap();
    let got = faulty.get(&key()).await.unwrap().unwrap();
    assert_eq!(&got.body[..], [b'a', b'b' ^ 0x40, b'c']);
}

#[tokio::test(start_paused = true)]
async fn a_delay_takes_its_time_and_does_its_work() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(9))));
    let start = Instant::now();
    faulty.put(&key(), entry(1, "x")).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(9));
    assert!(faulty.get(&key()).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_hanging_call_never_answers_and_has_no_effect() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().all(Fault::Hang));
    assert!(timeout(Duration::from_hours(1), faulty.put(&key(), entry(1, "x"))).await.is_err());
    let scan = timeout(Duration::from_hours(1), faulty.scan(&KeyPrefix::all()).try_collect::<Vec<_>>());
    assert!(scan.await.is_err());
    assert_eq!(faulty.inner().usage().await.unwrap().entries, 0);
}

#[tokio::test]
async fn a_planned_panic_panics_and_leaves_the_backend_usable() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().nth(Operation::Get, 1, Fault::Panic));
    let shared = faulty.clone();
    let task = tokio::spawn(async move { shared.get(&key()).await });
    assert!(task.await.unwrap_err().is_panic());
    faulty.get(&key()).await.unwrap();
}

#[tokio::test]
async fn chance_is_reproducible_and_near_its_rate() {
    let strikes = async |seed| {
        let faulty = faulty();
        faulty.set_plan(Plan::new().chance(seed, 1, 10, FAIL));
        let mut struck = Vec::new();
        for call in 0..2_000 {
            if faulty.get(&key()).await.is_err() {
                struck.push(call);
            }
        }
        struck
    };
    let struck = strikes(5).await;
    assert!((150..250).contains(&struck.len()), "{} of 2,000", struck.len());
    assert_eq!(strikes(5).await, struck);
    assert_ne!(strikes(6).await, struck);
}

#[tokio::test]
async fn the_first_line_that_applies_decides() {
    let faulty = faulty();
    faulty.set_plan(Plan::new().nth(Operation::Get, 1, FAIL).all(Fault::Hang));
    assert!(faulty.get(&key()).now_or_never().is_some_and(|answer| answer.is_err()));
    assert!(faulty.get(&key()).now_or_never().is_none());
}
