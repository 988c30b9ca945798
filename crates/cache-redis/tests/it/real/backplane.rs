//! Rules of the backplane: every mark is heard in its order, or a gap is.

mod gaps;
mod moves;

use std::time::Duration;

use cache_core::{Backend, ErrorKind, Heard, Mark, Position, Result, Selector, Stamp};
use cache_redis::{RedisBackend, RedisOptions};
use cache_testkit::eventually;
use cache_testkit::proxy::{Proxy, Weather};
use futures_util::stream::{BoxStream, StreamExt};
use tokio::time::timeout;

use super::support::{LIMIT, assert_outage, count, hasty, key, open, timed};
use crate::servers::{self, Redis};

fn mark(number: u64) -> Mark {
    Mark { selector: Selector::Key(key(number)), stamp: Stamp::from_u64(number) }
}

async fn tell(backend: &RedisBackend, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        backend.backplane().unwrap().publish(&mark(number)).await.unwrap();
    }
}

/// A subscriber that remembers where it is.
struct Ear {
    heard: BoxStream<'static, Result<Heard>>,
    at: Option<Position>,
}

impl Ear {
    fn after(backend: &RedisBackend, at: Option<Position>) -> Self {
        Self { heard: backend.backplane().unwrap().subscribe(at.clone()), at }
    }

    /// A new one, behind its first gap.
    async fn new(backend: &RedisBackend) -> Self {
        let mut ear = Self::after(backend, None);
        ear.gap().await;
        ear
    }

    async fn next(&mut self) -> Result<Heard> {
        let Ok(next) = timeout(LIMIT, self.heard.next()).await else { panic!("nothing is heard") };
        let heard = next.unwrap_or_else(|| panic!("a stream ends after an error only"))?;
        let (Heard::Mark(_, at) | Heard::Gap(at)) = &heard else { panic!("{heard:?}") };
        self.at = Some(at.clone());
        Ok(heard)
    }

    async fn gap(&mut self) {
        let heard = self.next().await.unwrap();
        assert!(matches!(heard, Heard::Gap(_)), "{heard:?} in place of a gap");
    }

    async fn marks(&mut self, numbers: impl IntoIterator<Item = u64>) {
        for number in numbers {
            let heard = self.next().await.unwrap();
            assert!(matches!(&heard, Heard::Mark(heard, _) if *heard == mark(number)), "{heard:?}, not {number}");
        }
    }

    /// What is heard until mark `last`, subscribing anew after each error: marks, and how many gaps.
    async fn until(&mut self, backend: &RedisBackend, last: u64) -> (Vec<u64>, usize) {
        let (mut marks, mut gaps) = (Vec::new(), 0);
        while marks.last() != Some(&last) {
            match self.next().await {
                Ok(Heard::Mark(mark, _)) => marks.push(mark.stamp.as_u64()),
                Ok(_) => gaps += 1,
                Err(error) => {
                    assert_outage::<()>(&Err(error));
                    assert!(eventually(LIMIT, || async { backend.stat(&key(0)).await.is_ok() }).await);
                    *self = Self::after(backend, self.at.take());
                }
            }
        }
        (marks, gaps)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_subscriber_hears_every_mark_in_its_order() {
    for options in [servers::redis(), servers::valkey(), servers::cluster()] {
        let (one, two) = (open(options.clone()).await, open(options).await);
        tell(&one, 0..3).await;
        let mut ears = Vec::new();
        for number in 0..20 {
            ears.push(Ear::new(if number % 2 == 0 { &one } else { &two }).await);
        }
        tell(&one, 10..200).await;
        tell(&two, 200..400).await;
        for ear in &mut ears {
            ear.marks(10..400).await;
        }
        let mut again = Ear::after(&two, ears[0].at.clone());
        tell(&one, [400]).await;
        again.marks([400]).await;
        assert_eq!(count(&one).await, 0, "the stream is no entry");
    }
}

#[tokio::test]
async fn every_selector_is_heard_as_it_was_told() {
    let backend = open(servers::redis()).await;
    let mut ear = Ear::new(&backend).await;
    let selectors = [
        Selector::all(),
        Selector::tag("caf\u{e9} \r\n"),
        Selector::Pattern("a:*".parse().unwrap()),
        Selector::Prefix(cache_core::KeyPrefix::below(&key(1))),
    ];
    for selector in selectors {
        let told = Mark { selector, stamp: Stamp::from_u64(u64::MAX) };
        backend.backplane().unwrap().publish(&told).await.unwrap();
        assert!(matches!(ear.next().await.unwrap(), Heard::Mark(mark, _) if mark == told));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_connections_are_cut() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let teller = open(redis.options()).await;
    let hearer = open(RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    let mut ear = Ear::new(&hearer).await;
    let telling = async {
        for part in 0..10 {
            tell(&teller, part * 100..(part + 1) * 100).await;
            if part % 3 == 0 {
                proxy.cut_all().await;
            } else {
                // In the middle of what is heard next.
                proxy.set(Weather::CutReplies(1_000));
                tokio::time::sleep(Duration::from_millis(20)).await;
                proxy.set(Weather::Clear);
            }
        }
    };
    let (heard, ()) = tokio::join!(ear.until(&hearer, 999), telling);
    assert_eq!(heard, ((0..1_000).collect(), 0), "all, once, in order, and no gap");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_when_a_server_that_keeps_its_data_is_killed_and_a_gap_says_that_it_was() {
    let mut redis = Redis::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let backend = open(redis.options()).await;
    let mut ear = Ear::new(&backend).await;
    tell(&backend, 0..50).await;
    ear.marks(0..20).await;
    redis.server.kill().unwrap();
    redis.start_again();
    super::support::recovered(&backend).await;
    tell(&backend, 50..100).await;
    assert_eq!(ear.until(&backend, 99).await, ((20..100).collect(), 1));
}

#[tokio::test]
async fn a_hung_server_ends_a_subscription_in_bounded_time() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let backend = open(RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    let mut ear = Ear::new(&backend).await;
    proxy.set(Weather::Hang);
    let ended = timed(ear.next()).await;
    assert_outage(&ended);
    let error = ended.unwrap_err();
    assert_eq!((error.backend(), error.operation()), (Some("redis"), Some("subscribe")));
    assert!(timed(ear.heard.next()).await.is_none(), "nothing follows an error");
    assert!(timed(ear.heard.next()).await.is_none());
    assert_outage(&timed(Ear::after(&backend, ear.at.clone()).next()).await);
    let told = open(redis.options()).await;
    tell(&told, [1]).await;
    proxy.set(Weather::Clear);
    let mut ear = Ear::after(&backend, ear.at);
    assert_eq!(ear.until(&backend, 1).await, (vec![1], 0));
}

#[tokio::test]
async fn telling_without_a_server_is_a_typed_error_in_bounded_time() {
    let mut redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    tell(&backend, [1]).await;
    redis.server.pause().unwrap();
    assert_outage(&timed(backend.backplane().unwrap().publish(&mark(2))).await);
    redis.server.resume().unwrap();
    redis.server.kill().unwrap();
    let told = timed(backend.backplane().unwrap().publish(&mark(3))).await;
    assert_outage(&told);
    assert_eq!(told.unwrap_err().operation(), Some("publish"));
}

#[tokio::test]
async fn a_full_server_refuses_marks_and_says_so() {
    let redis = Redis::start(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]);
    let backend = open(redis.options()).await;
    let error = backend.backplane().unwrap().publish(&mark(1)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Unavailable && error.message().contains("maxmemory"), "{error}");
}

#[tokio::test]
async fn a_dropped_subscription_and_a_closed_backend_end_their_connections() {
    let redis = Redis::start(&[]);
    let backend = open(redis.options()).await;
    let connections = || async {
        let list = redis.raw().say("CLIENT LIST").text();
        // The one that asks is one of them.
        list.lines().count() - 1
    };
    let before = connections().await;
    let ears = [Ear::new(&backend).await, Ear::new(&backend).await];
    assert_eq!(connections().await, before + 2);
    drop(ears);
    assert!(eventually(LIMIT, || async { connections().await == before }).await);
    let mut ear = Ear::new(&backend).await;
    let mut orphan = Ear::new(&backend).await;
    backend.close().await.unwrap();
    assert_eq!(timed(ear.next()).await.unwrap_err().kind(), ErrorKind::Closed);
    drop(backend);
    assert_eq!(timed(orphan.next()).await.unwrap_err().kind(), ErrorKind::Closed);
    assert!(eventually(LIMIT, || async { connections().await == 0 }).await);
}

#[tokio::test]
async fn listening_holds_up_no_other_call() {
    let redis = Redis::start(&[]);
    let backend = RedisBackend::open(hasty(redis.options()).connections(1)).await.unwrap();
    let mut ear = Ear::new(&backend).await;
    let quiet = tokio::spawn(async move { ear.next().await.map(|_| ()) });
    let start = std::time::Instant::now();
    for number in 0..100 {
        backend.get(&key(number)).await.unwrap();
    }
    // One wait for news alone is half the limit of a command.
    assert!(start.elapsed() < Duration::from_secs(5));
    quiet.abort();
}
