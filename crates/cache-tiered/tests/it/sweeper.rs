//! The sweeper: when it ticks, how much it does, how it fails, and how it ends.

use std::collections::HashSet;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Clock, ErrorKind, Hlc, MINUTE, ManualClock, Meta, Result, ttl};
use cache_testkit::{Bench, Fault, Faulty, NaiveModel, Operation, Plan, eventually};
use cache_tiered::{Sweeper, SweeperBuilder};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::kit::{LONG, Runs, key, millis, pass};

const SECOND: Duration = Duration::from_secs(1);

/// A backend whose entries expire after a minute, and its clock, which a test moves.
struct Yard {
    clock: Arc<ManualClock>,
    backend: Arc<Faulty<NaiveModel>>,
}

impl Yard {
    async fn holding(entries: usize) -> Self {
        let clock = Arc::new(ManualClock::new(Bench::START));
        let backend = Arc::new(Faulty::new(NaiveModel::new(clock.clone())));
        let stamps = Hlc::new(clock.clone());
        for number in 0..entries {
            let meta = Meta::new(stamps.tick(), clock.now()).with_lifetime(ttl(MINUTE));
            backend.put(&key(&number.to_string()), cache_core::Entry::new(meta, "x")).await.unwrap();
        }
        clock.advance(MINUTE);
        Self { clock, backend }
    }

    /// A sweeper that ticks every second on the dot.
    fn sweeper(&self) -> SweeperBuilder {
        Sweeper::builder(self.backend.clone()).clock(self.clock.clone()).period(SECOND).jitter(0.0)
    }

    fn sweeps(&self) -> u64 {
        self.backend.calls(Operation::Sweep)
    }

    fn fail(&self, fault: Fault) {
        self.backend.set_plan(Plan::new().each(Operation::Sweep, fault));
    }
}

/// Lets `seconds` ticks of a sweeper pass, and what they do.
async fn ticks(seconds: u64) {
    pass(Duration::from_secs(seconds)).await;
    pass(millis(1)).await;
}

/// A job that counts its runs.
fn counting(runs: &Runs) -> impl Fn() -> std::future::Ready<Result<()>> + Send + Sync + 'static {
    let runs = runs.clone();
    move || {
        runs.begin();
        std::future::ready(Ok(()))
    }
}

#[tokio::test(start_paused = true)]
async fn it_sweeps_once_a_period_and_not_at_once() {
    let yard = Yard::holding(3).await;
    let sweeper = yard.sweeper().start().unwrap();
    pass(millis(999)).await;
    assert_eq!(yard.sweeps(), 0);
    pass(millis(2)).await;
    assert_eq!((yard.sweeps(), sweeper.stats().expired), (1, 3));
    ticks(4).await;
    assert_eq!((yard.sweeps(), sweeper.stats().ticks), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn a_tick_goes_on_while_there_is_more_and_no_further_than_its_budget() {
    let yard = Yard::holding(25).await;
    let sweeper = yard.sweeper().batch(4).batches(3).start().unwrap();
    ticks(1).await;
    assert_eq!((yard.sweeps(), sweeper.stats().expired), (3, 12));
    ticks(1).await;
    assert_eq!((yard.sweeps(), sweeper.stats().expired), (6, 24));
    ticks(1).await;
    assert_eq!((yard.sweeps(), sweeper.stats().expired), (7, 25));
    assert!(sweeper.stats().bytes > 0);
}

#[tokio::test(start_paused = true)]
async fn failures_are_counted_and_followed_by_ever_longer_rests() {
    let yard = Yard::holding(1).await;
    yard.fail(Fault::Fail(ErrorKind::Unavailable));
    let sweeper = yard.sweeper().start().unwrap();
    let mut tried = Vec::new();
    for tick in 1..=100 {
        let before = yard.sweeps();
        ticks(1).await;
        tried.extend((yard.sweeps() > before).then_some(tick));
    }
    assert_eq!(tried, [1, 3, 7, 15, 31, 63, 95]);
    let job = &sweeper.stats().jobs[0];
    assert_eq!((&*job.name, job.runs, job.failures), ("sweep", 7, 7));
    assert!(job.last_error.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_success_ends_the_rests() {
    let yard = Yard::holding(1).await;
    yard.backend.set_plan(Plan::new().nth(Operation::Sweep, 1, Fault::Fail(ErrorKind::Unavailable)));
    let sweeper = yard.sweeper().start().unwrap();
    ticks(2).await;
    assert_eq!(yard.sweeps(), 1);
    ticks(3).await;
    assert_eq!((yard.sweeps(), sweeper.stats().expired), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_hangs_or_panics_disturbs_no_other() {
    for fault in [Fault::Fail(ErrorKind::Unavailable), Fault::Hang, Fault::Panic] {
        let (yard, runs) = (Yard::holding(1).await, Runs::default());
        yard.fail(fault);
        let also = counting(&runs);
        let sweeper = yard.sweeper().patience(millis(100)).also("count", also).start().unwrap();
        pass(Duration::from_millis(2_900)).await;
        assert_eq!((runs.count(), sweeper.stats().jobs[0].failures), (2, 1), "{fault:?}");
        assert_eq!((&*sweeper.stats().jobs[1].name, sweeper.stats().jobs[1].runs), ("count", 2));
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_as_it_is_stopped_ends_no_sweeper() {
    let (yard, runs) = (Yard::holding(1).await, Runs::default());
    let hang = || async {
        let _bomb = Bomb;
        pending().await
    };
    let sweeper = yard.sweeper().patience(millis(100)).also("hang", hang).also("count", counting(&runs));
    let sweeper = sweeper.start().unwrap();
    pass(millis(5_900)).await;
    let stats = sweeper.stats();
    assert_eq!((stats.running, stats.ticks, runs.count()), (true, 5, 5));
    assert!(stats.jobs[1].failures > 0, "{stats:?}");
    sweeper.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_carries_one_more_ends_no_sweeper() {
    let yard = Yard::holding(1).await;
    let job = || async { std::panic::panic_any(Bomb) };
    let sweeper = yard.sweeper().also("job", job).start().unwrap();
    ticks(5).await;
    let stats = sweeper.stats();
    assert_eq!((stats.running, stats.ticks), (true, 5));
    assert!(stats.jobs[1].failures > 0, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn a_jitter_that_is_no_number_is_none() {
    let yard = Yard::holding(1).await;
    let sweepers = [f64::NAN, f64::NEG_INFINITY].map(|jitter| yard.sweeper().jitter(jitter).start().unwrap());
    ticks(5).await;
    assert!(sweepers.iter().all(|sweeper| sweeper.stats().ticks == 5));
}

#[tokio::test(start_paused = true)]
async fn the_figures_tell_whether_the_task_goes_on() {
    let yard = Yard::holding(1).await;
    let [closed, given_up] = [(); 2].map(|()| yard.sweeper().start().unwrap());
    assert!(closed.stats().running && given_up.stats().running);
    closed.close().await.unwrap();
    assert!(!closed.stats().running && given_up.stats().running);
    yard.backend.close().await.unwrap();
    ticks(2).await;
    assert!(!given_up.stats().running);
}

#[tokio::test(start_paused = true)]
async fn a_closed_backend_is_given_up_and_the_other_jobs_go_on() {
    let (yard, runs) = (Yard::holding(1).await, Runs::default());
    let sweeper = yard.sweeper().also("count", counting(&runs)).start().unwrap();
    yard.backend.close().await.unwrap();
    ticks(50).await;
    assert_eq!((yard.sweeps(), runs.count()), (1, 50));
    sweeper.close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pauses_vary_within_the_jitter_so_that_processes_do_not_tick_together() {
    let (yard, at) = (Yard::holding(0).await, Arc::new(Mutex::new(Vec::new())));
    let began = Instant::now();
    let many: Vec<_> = (0..100)
        .map(|_| {
            let at = at.clone();
            let note = move || {
                at.lock().push(began.elapsed());
                std::future::ready(Ok(()))
            };
            yard.sweeper().jitter(0.5).also("note", note).start().unwrap()
        })
        .collect();
    pass(millis(1_502)).await;
    let first: Vec<_> = at.lock().iter().copied().take(100).collect();
    assert!(first.iter().all(|at| (millis(500)..=millis(1_501)).contains(at)), "{first:?}");
    assert!(first.iter().collect::<HashSet<_>>().len() > 20, "{first:?}");
    assert!(many.iter().all(|sweeper| sweeper.stats().ticks >= 1));
}

#[tokio::test(start_paused = true)]
async fn close_ends_it_between_batches_and_twice_is_fine() {
    let yard = Yard::holding(10).await;
    yard.fail(Fault::Delay(millis(100)));
    let sweeper = yard.sweeper().batch(1).start().unwrap();
    pass(millis(1_050)).await;
    assert_eq!(yard.sweeps(), 1);
    sweeper.close().await.unwrap();
    sweeper.close().await.unwrap();
    ticks(10).await;
    assert_eq!((yard.sweeps(), sweeper.stats().expired), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn close_during_a_pause_does_not_wait_for_the_tick() {
    let yard = Yard::holding(1).await;
    let sweeper = yard.sweeper().start().unwrap();
    let began = Instant::now();
    sweeper.close().await.unwrap();
    assert!(began.elapsed() < SECOND);
    ticks(10).await;
    assert_eq!(yard.sweeps(), 0);
}

#[tokio::test(start_paused = true)]
async fn close_waits_half_a_minute_for_a_job_and_stops_it_then() {
    let yard = Yard::holding(1).await;
    yard.fail(Fault::Hang);
    let sweeper = yard.sweeper().patience(LONG).start().unwrap();
    ticks(1).await;
    let began = Instant::now();
    assert_eq!(sweeper.close().await.unwrap_err().kind(), ErrorKind::Timeout);
    assert!(began.elapsed() < Duration::from_secs(31));
    sweeper.close().await.unwrap();
    assert!(eventually(LONG, async || Arc::strong_count(&yard.backend) == 1).await, "the task is gone");
}

#[tokio::test(start_paused = true)]
async fn a_close_given_up_half_way_ends_it_all_the_same() {
    let yard = Yard::holding(10).await;
    yard.fail(Fault::Delay(millis(100)));
    let sweeper = yard.sweeper().batch(1).start().unwrap();
    pass(millis(1_050)).await;
    assert!(tokio::time::timeout(millis(1), sweeper.close()).await.is_err());
    ticks(10).await;
    assert_eq!(yard.sweeps(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_stops_it_at_once() {
    let yard = Yard::holding(10).await;
    yard.fail(Fault::Delay(millis(100)));
    let sweeper = yard.sweeper().batch(1).start().unwrap();
    pass(millis(1_050)).await;
    drop(sweeper);
    assert!(eventually(LONG, async || Arc::strong_count(&yard.backend) == 1).await, "the task is gone");
    assert_eq!((yard.sweeps(), yard.backend.inner().usage().await.unwrap().entries), (1, 10));
}

#[test]
fn outside_a_runtime_it_is_refused() {
    let refused = Sweeper::builder(NaiveModel::new(Arc::new(ManualClock::new(Bench::START)))).start();
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
}
