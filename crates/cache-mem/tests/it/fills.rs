//! `get_or_insert_with`: one initialiser for each key.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use cache_core::{Clock, Limits, ManualClock, Timestamp};
use cache_mem::{MemCache, Terms};

use crate::without_deadlock;

type Cache = MemCache<String, u32>;

fn cache() -> Arc<Cache> {
    Arc::new(MemCache::builder().entries(100).build())
}

/// Starts a thread that fills `key` by `init`, and returns when that runs.
fn lead<T: Send + 'static>(
    cache: &Arc<Cache>,
    key: &'static str,
    init: impl FnOnce() -> Result<(u32, Terms), T> + Send + 'static,
) -> thread::JoinHandle<Result<u32, T>> {
    let (started, runs) = mpsc::channel();
    let cache = cache.clone();
    let leader = thread::spawn(move || {
        cache.get_or_try_insert_with(key, || {
            started.send(()).ok();
            init()
        })
    });
    runs.recv().ok();
    leader
}

#[test]
fn of_many_callers_one_runs_its_initialiser_and_all_get_its_value() {
    without_deadlock(|| {
        let (cache, runs, start) = (cache(), AtomicUsize::new(0), Barrier::new(8));
        thread::scope(|scope| {
            for caller in 0..8 {
                let (cache, runs, start) = (&cache, &runs, &start);
                scope.spawn(move || {
                    for round in 0..200 {
                        start.wait();
                        let key = format!("key {round}");
                        let value = cache.get_or_insert_with(key.as_str(), || {
                            runs.fetch_add(1, Ordering::Relaxed);
                            thread::yield_now();
                            caller
                        });
                        assert_eq!(cache.get(key.as_str()).unwrap_or(value), value);
                    }
                });
            }
        });
        assert_eq!(runs.load(Ordering::Relaxed), 200);
        assert_eq!(cache.validate(), Ok(()));
    });
}

#[test]
fn a_value_present_is_a_hit_and_runs_nothing() {
    let cache = cache();
    cache.insert("k".to_owned(), 1);
    assert_eq!(cache.get_or_insert_with("k", || panic!("it is there")), 1);
}

#[test]
fn waiters_share_a_value_that_was_not_admitted() {
    without_deadlock(|| {
        let cache: Arc<Cache> = Arc::new(MemCache::builder().entries(0).build());
        let (go, gate) = mpsc::channel::<()>();
        let leader = lead(&cache, "k", move || {
            gate.recv().ok();
            Ok::<_, ()>((7, Terms::new()))
        });
        let waiter = thread::spawn({
            let cache = cache.clone();
            move || cache.get_or_insert_with("k", || 8)
        });
        go.send(()).unwrap();
        assert_eq!(leader.join().unwrap(), Ok(7));
        // Whoever comes after the end starts anew, because nothing is held.
        assert!([7, 8].contains(&waiter.join().unwrap()));
        assert!(cache.is_empty());
    });
}

#[test]
fn a_panic_or_an_error_of_an_initialiser_wakes_the_next() {
    without_deadlock(|| {
        for panics in [true, false] {
            let cache = cache();
            let (go, gate) = mpsc::channel::<()>();
            let leader = lead(&cache, "k", move || {
                gate.recv().ok();
                if panics { panic!("no value") } else { Err("no value") }
            });
            let next = thread::spawn({
                let cache = cache.clone();
                move || cache.get_or_insert_with("k", || 2)
            });
            go.send(()).unwrap();
            match leader.join() {
                Ok(answer) => assert_eq!(answer, Err("no value")),
                Err(_) => assert!(panics),
            }
            assert_eq!(next.join().unwrap(), 2);
            assert_eq!((cache.get("k"), cache.validate()), (Some(2), Ok(())));
        }
    });
}

#[test]
fn an_initialiser_may_use_the_cache_even_under_its_own_key() {
    without_deadlock(|| {
        let cache = cache();
        let value = cache.get_or_insert_with("a", || {
            cache.insert("c".to_owned(), 1);
            cache.get_or_insert_with("b", || 2) + cache.get_or_insert_with("a", || 3)
        });
        assert_eq!((value, cache.get("a")), (3, Some(3)), "the inner value came first");
        assert_eq!((cache.get("b"), cache.get("c")), (Some(2), Some(1)));
    });
}

#[test]
fn a_value_inserted_meanwhile_wins() {
    let cache = cache();
    let value = cache.get_or_insert_with("k", || {
        cache.insert("k".to_owned(), 1);
        2
    });
    assert_eq!((value, cache.get("k")), (1, Some(1)));
}

#[test]
fn terms_hold_for_what_an_initialiser_makes() {
    let clock = Arc::new(ManualClock::new(Timestamp::from_millis(1_000)));
    let cache: Cache = MemCache::builder().capacity(10).clock(clock.clone()).build();
    let terms = Terms::new().weight(4).expires(clock.now().after(std::time::Duration::from_millis(1)));
    assert_eq!(cache.get_or_try_insert_with("k", || Ok::<_, ()>((1, terms))), Ok(1));
    assert_eq!(cache.weight(), 4);
    clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(cache.get_or_insert_with("k", || 2), 2);
    let dead = Terms::new().expires(clock.now());
    assert_eq!(cache.get_or_try_insert_with("dead", || Ok::<_, ()>((3, dead))), Ok(3));
    assert!(!cache.contains("dead"), "a lifetime of zero serves those who waited, and nobody else");
}

#[test]
fn a_failure_leaves_nothing_behind() {
    let cache = cache();
    assert_eq!(cache.get_or_try_insert_with("k", || Err("no")), Err("no"));
    assert!(catch_unwind(AssertUnwindSafe(|| cache.get_or_insert_with("k", || panic!("no")))).is_err());
    assert_eq!((cache.get_or_insert_with("k", || 5), cache.stats().inserted), (5, 1));
}

/// Starts a thread that asks for `key`, or makes `value`.
fn ask(cache: &Arc<Cache>, key: &'static str, value: u32) -> thread::JoinHandle<u32> {
    let cache = cache.clone();
    thread::spawn(move || cache.get_or_insert_with(key, || value))
}

#[test]
fn what_was_taken_out_while_it_was_made_is_not_there_afterwards() {
    let ends: [fn(&Cache); 5] = [
        |cache| _ = cache.remove("k"),
        |cache| _ = cache.remove_if("k", |_| true),
        |cache| _ = cache.clear(),
        |cache| _ = cache.insert_with("k".to_owned(), 3, Terms::new().expires(Timestamp::EPOCH)),
        |cache| {
            cache.insert("k".to_owned(), 3);
            cache.resize(Limits::entries(0));
            cache.resize(Limits::entries(100));
        },
    ];
    without_deadlock(move || {
        for end in ends {
            let cache = cache();
            let (go, gate) = mpsc::channel::<()>();
            let leader = lead(&cache, "k", move || {
                gate.recv().ok();
                Ok::<_, ()>((1, Terms::new()))
            });
            end(&cache);
            assert_eq!(
                ask(&cache, "k", 2).join().unwrap(),
                2,
                "who comes afterwards does not wait for what is out of date"
            );
            cache.remove("k");
            go.send(()).unwrap();
            assert_eq!(leader.join().unwrap(), Ok(1));
            assert_eq!(cache.get("k"), None, "what is out of date is not held");
            assert_eq!(ask(&cache, "k", 4).join().unwrap(), 4);
            assert_eq!(cache.validate(), Ok(()));
        }
    });
}

#[test]
fn what_is_made_is_held_whatever_happens_to_other_keys() {
    without_deadlock(|| {
        let cache = cache();
        let other = cache.clone();
        let leader = lead(&cache, "k", move || {
            other.insert("j".to_owned(), 1);
            other.remove("j");
            other.insert_if("k".to_owned(), 5, Terms::new(), |_| false);
            Ok::<_, ()>((1, Terms::new()))
        });
        assert_eq!(leader.join().unwrap(), Ok(1));
        assert_eq!(cache.get("k"), Some(1));
    });
}

/// A value whose second clone, which a leader makes of what it has just inserted, asks for the same key elsewhere.
struct Curious {
    number: u32,
    look: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Clone for Curious {
    fn clone(&self) -> Self {
        if let Some(look) = &self.look {
            look();
        }
        Self { number: self.number, look: None }
    }
}

#[test]
fn who_comes_when_a_value_has_gone_again_is_not_answered_with_it() {
    without_deadlock(|| {
        let cache: Arc<MemCache<u32, Curious>> = Arc::new(MemCache::builder().build());
        let (calls, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let look: Arc<dyn Fn() + Send + Sync> = Arc::new({
            let (cache, calls, answers) = (cache.clone(), calls.clone(), answers.clone());
            move || {
                // The first clone is offered to the cache; the second one answers those who wait.
                if calls.fetch_add(1, Ordering::Relaxed) == 1 {
                    assert_eq!(cache.remove(&1).map(|value| value.number), Some(1));
                    let (cache, answers) = (cache.clone(), answers.clone());
                    let asked = move || cache.get_or_insert_with(&1, || Curious { number: 2, look: None }).number;
                    answers.store(thread::spawn(asked).join().unwrap() as usize, Ordering::Relaxed);
                }
            }
        });
        assert_eq!(cache.get_or_insert_with(&1, || Curious { number: 1, look: Some(look) }).number, 1);
        assert_eq!(answers.load(Ordering::Relaxed), 2, "the first one had been removed");
    });
}
