//! The warmer: its pace, what it leaves alone, how it fails, and how it is stopped.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cache_core::{Error, ErrorKind, HOUR, Key, MINUTE, Result, ttl};
use cache_tiered::{Load, Popularity, WarmEnd, Warmed, Warmer, Warming};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kit::{Bed, LONG, Runs, key, millis, pass};

const SECOND: Duration = Duration::from_secs(1);

fn keys(count: usize) -> Vec<Key> {
    (0..count).map(|number| key(&format!("k{number}"))).collect()
}

/// What a refresh does with each key, and when each began.
#[derive(Clone)]
struct Refresh {
    began: Instant,
    log: Arc<Mutex<Vec<(Key, Duration)>>>,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Refresh {
    fn new() -> Self {
        Self { began: Instant::now(), log: Arc::default(), under_way: Arc::default(), most: Arc::default() }
    }

    /// Takes `span`, then gives what `answer` says of the key.
    fn takes(
        &self,
        span: Duration,
        answer: impl Fn(&Key) -> Result<Warmed> + Clone + Send + Sync + 'static,
    ) -> impl Fn(Key) -> BoxFuture<'static, Result<Warmed>> + Send + Sync + 'static {
        let this = self.clone();
        move |key| {
            let (this, answer) = (this.clone(), answer.clone());
            this.log.lock().push((key.clone(), this.began.elapsed()));
            async move {
                let now = this.under_way.fetch_add(1, Ordering::SeqCst) + 1;
                this.most.fetch_max(now, Ordering::SeqCst);
                pass(span).await;
                this.under_way.fetch_sub(1, Ordering::SeqCst);
                answer(&key)
            }
            .boxed()
        }
    }

    fn starts(&self) -> Vec<u64> {
        self.log.lock().iter().map(|(_, at)| at.as_millis() as u64).collect()
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is one of the answers of a refresh")]
fn refreshed(_: &Key) -> Result<Warmed> {
    Ok(Warmed::Refreshed)
}

fn fails(_: &Key) -> Result<Warmed> {
    Err(Error::new(ErrorKind::Load, "no"))
}

#[tokio::test(start_paused = true)]
async fn keys_are_begun_evenly_spread_and_no_faster_than_the_rate() {
    let refresh = Refresh::new();
    let warming = Warmer::new().rate(4, SECOND).start(keys(5), refresh.takes(millis(1), refreshed)).unwrap();
    let report = warming.report().await;
    assert_eq!(refresh.starts(), [0, 250, 500, 750, 1_000]);
    assert_eq!((report.end, report.total, report.refreshed), (WarmEnd::Complete, 5, 5));
    assert!(report.took >= SECOND);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_fresh_do_not_count_against_the_rate() {
    let refresh = Refresh::new();
    let all_but_one = |key: &Key| if key.as_str() == "k9" { Ok(Warmed::Refreshed) } else { Ok(Warmed::Fresh) };
    let warmer = Warmer::new().rate(1, MINUTE).at_once(1);
    let report = warmer.start(keys(11), refresh.takes(millis(1), all_but_one)).unwrap().report().await;
    assert_eq!((report.refreshed, report.skipped), (1, 10));
    let starts = refresh.starts();
    assert!(starts[9] < 1_000 && starts[10] >= 60_000, "{starts:?}");
}

#[tokio::test(start_paused = true)]
async fn keys_found_fresh_late_give_no_turns_back() {
    let began = Instant::now();
    let log: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let refresh = {
        let log = log.clone();
        move |key: Key| {
            let log = log.clone();
            let number: u64 = key.as_str()[1..].parse().unwrap();
            async move {
                if number < 20 {
                    pass((began + Duration::from_secs(100) + millis(number)).duration_since(Instant::now())).await;
                    return Ok(Warmed::Fresh);
                }
                log.lock().push(began.elapsed());
                Ok(Warmed::Refreshed)
            }
        }
    };
    Warmer::new().rate(1, SECOND).at_once(20).start(keys(40), refresh).unwrap().report().await;
    let log = log.lock();
    assert_eq!(log.len(), 20);
    assert!(log.windows(2).all(|pair| pair[1] >= pair[0] + SECOND), "{log:?}");
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_than_allowed_and_they_are_named() {
    let refresh = Refresh::new();
    let warmer = Warmer::new().rate(1_000, SECOND).at_once(3);
    let warming = warmer.start(keys(10), refresh.takes(SECOND, refreshed)).unwrap();
    pass(millis(500)).await;
    assert_eq!(warming.progress().current, keys(3));
    warming.report().await;
    assert_eq!(refresh.most.load(Ordering::SeqCst), 3);
    assert_eq!(warming.progress().current, []);
}

#[tokio::test(start_paused = true)]
async fn progress_tells_how_far_it_is_and_how_long_the_rest_takes() {
    let refresh = Refresh::new();
    let answer = |key: &Key| match key.as_str() {
        "k1" => Ok(Warmed::Fresh),
        "k2" => fails(key),
        _ => Ok(Warmed::Refreshed),
    };
    let warmer = Warmer::new().rate(1_000, SECOND).at_once(1);
    let warming = warmer.start(keys(8), refresh.takes(SECOND, answer)).unwrap();
    assert_eq!((warming.progress().eta, warming.progress().end), (None, None));
    pass(millis(4_100)).await;
    let progress = warming.progress();
    assert_eq!((progress.total, progress.refreshed, progress.skipped, progress.failed), (8, 2, 1, 1));
    let eta = progress.eta.unwrap();
    assert!(eta > Duration::from_secs(4) && eta < Duration::from_secs(5), "{eta:?}");
    warming.report().await;
    assert_eq!((warming.progress().eta, warming.progress().end), (Some(Duration::ZERO), Some(WarmEnd::Complete)));
}

#[tokio::test(start_paused = true)]
async fn failures_stop_nothing_unless_told_to() {
    let fast = Warmer::new().rate(1_000, SECOND).at_once(1);
    let report = fast.start(keys(40), Refresh::new().takes(millis(1), fails)).unwrap().report().await;
    assert_eq!((report.end, report.failed, report.failures.len()), (WarmEnd::Complete, 40, 16));
    assert_eq!((&report.failures[0].0, report.failures[0].1.kind()), (&key("k0"), ErrorKind::Load));

    let refresh = Refresh::new();
    let report = fast.max_failures(2).start(keys(40), refresh.takes(millis(1), fails)).unwrap().report().await;
    assert_eq!((report.end, report.failed, refresh.starts().len()), (WarmEnd::TooManyFailures, 3, 3));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_panics_or_hangs_is_a_failure_like_others() {
    let refresh = |key: Key| -> BoxFuture<'static, Result<Warmed>> {
        match key.as_str() {
            "k0" => panic!("before it is a future"),
            "k1" => async { panic!("within it") }.boxed(),
            "k2" => pending().boxed(),
            _ => ready(Ok(Warmed::Refreshed)).boxed(),
        }
    };
    let report = Warmer::new().patience(MINUTE).start(keys(4), refresh).unwrap().report().await;
    let kinds: Vec<_> = report.failures.iter().map(|(_, error)| error.kind()).collect();
    assert_eq!(kinds, [ErrorKind::Internal, ErrorKind::Internal, ErrorKind::Timeout]);
    assert_eq!((report.end, report.refreshed), (WarmEnd::Complete, 1));
}

#[tokio::test(start_paused = true)]
async fn cancelling_drops_what_is_under_way_and_begins_nothing_more() {
    let refresh = Refresh::new();
    let warming = Warmer::new().rate(2, SECOND).start(keys(100), refresh.takes(LONG, refreshed)).unwrap();
    pass(millis(600)).await;
    warming.cancel();
    let report = warming.report().await;
    assert_eq!((report.end, report.total, report.refreshed, refresh.starts().len()), (WarmEnd::Cancelled, 100, 0, 2));
    assert_eq!(Arc::strong_count(&refresh.log), 1, "the refreshes are gone");
    warming.cancel();
    pass(LONG).await;
    assert_eq!((refresh.starts().len(), warming.report().await.end), (2, WarmEnd::Cancelled));
}

#[test]
fn a_refresh_may_cancel_the_warming_as_it_is_dropped() {
    /// Cancels the warming when it is dropped.
    struct Canceller(Arc<OnceLock<Warming>>);

    impl Drop for Canceller {
        fn drop(&mut self) {
            if let Some(warming) = self.0.get() {
                warming.cancel();
            }
        }
    }

    let (done, end) = std::sync::mpsc::channel();
    // A thread of its own: a deadlock would hold up the runtime, and any limit within it.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let cell = Arc::new(OnceLock::new());
            let canceller = cell.clone();
            let refresh = move |_| {
                let canceller = Canceller(canceller.clone());
                async move {
                    let _canceller = canceller;
                    pending().await
                }
            };
            let warming = cell.get_or_init(|| Warmer::new().start(keys(3), refresh).unwrap());
            while warming.progress().current.is_empty() {
                tokio::task::yield_now().await;
            }
            warming.cancel();
            done.send(warming.report().await.end).unwrap();
        });
    });
    assert_eq!(end.recv_timeout(Duration::from_secs(10)), Ok(WarmEnd::Cancelled));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_panics_as_it_is_dropped_is_a_failure_like_others() {
    let refresh = |key: Key| async move {
        if key.as_str() == "k0" {
            let _bomb = Bomb;
            pending::<()>().await;
        }
        Ok(Warmed::Refreshed)
    };
    let warmer = Warmer::new().rate(1_000, SECOND).at_once(2).patience(SECOND);
    let report = warmer.start(keys(10), refresh).unwrap().report().await;
    assert_eq!((report.end, report.refreshed, report.failed), (WarmEnd::Complete, 9, 1));
    assert_eq!(report.failures[0].1.kind(), ErrorKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn cancelling_drops_every_refresh_although_each_panics_at_that() {
    let alive = Arc::new(());
    let refresh = {
        let alive = alive.clone();
        move |_| {
            let alive = alive.clone();
            async move {
                let (_bomb, _alive) = (Bomb, alive);
                pending().await
            }
        }
    };
    let warming = Warmer::new().rate(1_000, SECOND).at_once(3).start(keys(10), refresh).unwrap();
    pass(millis(100)).await;
    assert_eq!(warming.progress().current.len(), 3);
    warming.cancel();
    assert_eq!((warming.report().await.end, Arc::strong_count(&alive)), (WarmEnd::Cancelled, 1));
}

#[tokio::test(start_paused = true)]
async fn dropping_it_cancels_it() {
    let refresh = Refresh::new();
    drop(Warmer::new().start(keys(100), refresh.takes(millis(1), refreshed)).unwrap());
    pass(LONG).await;
    assert_eq!((refresh.starts().len(), Arc::strong_count(&refresh.log)), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_report_given_up_disturbs_nothing() {
    let warming = Warmer::new().start(keys(10), Refresh::new().takes(SECOND, refreshed)).unwrap();
    assert!(tokio::time::timeout(millis(1), warming.report()).await.is_err());
    assert_eq!(warming.report().await.refreshed, 10);
}

#[tokio::test(start_paused = true)]
async fn no_keys_are_done_at_once_and_a_key_given_twice_is_warmed_once() {
    let refresh = Refresh::new();
    let report = Warmer::new().start([], refresh.takes(SECOND, refreshed)).unwrap().report().await;
    assert_eq!((report.end, report.total), (WarmEnd::Complete, 0));
    let twice = [keys(2), keys(2)].concat();
    assert_eq!(Warmer::new().start(twice, refresh.takes(SECOND, refreshed)).unwrap().report().await.total, 2);
}

#[tokio::test(start_paused = true)]
async fn the_most_popular_keys_are_warmed_first() {
    let popularity = Popularity::builder().build();
    for (name, hits) in [("k0", 1), ("k1", 3), ("k2", 2)] {
        (0..hits).for_each(|_| popularity.hit(&key(name)));
    }
    let refresh = Refresh::new();
    let top = popularity.top(2).into_iter().map(|(key, _)| key);
    Warmer::new().start(top, refresh.takes(millis(1), refreshed)).unwrap().report().await;
    let order: Vec<_> = refresh.log.lock().iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(order, [key("k1"), key("k2")]);
}

#[tokio::test(start_paused = true)]
async fn of_a_cache_what_is_fresh_is_left_alone_and_the_rest_is_loaded() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(MINUTE).stale(HOUR)).build().unwrap();
    let [absent, stale, fresh] = ["absent", "stale", "fresh"].map(key);
    cache.put(&stale, "old".to_owned()).await.unwrap();
    bed.clock.advance(2 * MINUTE);
    cache.put(&fresh, "new".to_owned()).await.unwrap();

    let runs = Runs::default();
    let load = {
        let runs = runs.clone();
        move |load: Load| {
            runs.begin();
            ready(Ok::<_, std::io::Error>(format!("loaded {}", load.key())))
        }
    };
    let all = [&absent, &stale, &fresh].map(Clone::clone);
    let report = Warmer::new().start_cache(&cache, all, load).unwrap().report().await;
    assert_eq!((report.refreshed, report.skipped, report.failed, runs.count()), (2, 1, 0, 2));
    assert_eq!(cache.get(&stale).await.unwrap().unwrap().value.as_str(), "loaded stale");
    assert_eq!(cache.get(&fresh).await.unwrap().unwrap().value.as_str(), "new");
}

#[tokio::test(start_paused = true)]
async fn of_a_cache_a_load_that_fails_is_a_failure_although_a_stale_value_stands_in() {
    let bed = Bed::new();
    let cache = bed.strings().lifetime(ttl(MINUTE).stale(HOUR)).build().unwrap();
    cache.put(&key("stale"), "old".to_owned()).await.unwrap();
    bed.clock.advance(2 * MINUTE);
    let load = |_: Load| ready(Err::<String, _>("the source is down"));
    let both = [key("absent"), key("stale")];
    let report = Warmer::new().start_cache(&cache, both, load).unwrap().report().await;
    assert_eq!((report.end, report.failed), (WarmEnd::Complete, 2));
    assert!(report.failures.iter().all(|(_, error)| error.kind() == ErrorKind::Load), "{report:?}");
}

#[test]
fn outside_a_runtime_it_is_refused() {
    let refused = Warmer::new().start(keys(1), |_| ready(Ok(Warmed::Fresh)));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
}
