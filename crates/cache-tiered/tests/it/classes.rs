//! Classes across nested loads: nobody waits for itself, no bound is exceeded, and who is awaited goes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use cache_core::{DAY, Error, ErrorKind, HOUR, MINUTE, ttl};
use cache_testkit::eventually;
use cache_tiered::{Cache, Class, Phase};
use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::kit::{Bed, LONG, Runs, key, millis, pass};

/// A cache that serves stale values at once, with loads in `class`.
fn stale_at_once(bed: &Bed, class: &Class) -> Cache<String> {
    bed.strings().class(class).soft_timeout(Duration::ZERO).lifetime(ttl(HOUR).stale(DAY)).build().unwrap()
}

/// How many loaders run, and the most that ran at once.
#[derive(Debug, Clone, Default)]
struct Gauge(Arc<(AtomicUsize, AtomicUsize)>);

impl Gauge {
    async fn held_for(self, span: Duration) {
        let (running, most) = &*self.0;
        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        pass(span).await;
        running.fetch_sub(1, Ordering::SeqCst);
    }

    fn most(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// The names of keys in the order in which their loaders began.
#[derive(Debug, Clone, Default)]
struct Turns(Arc<Mutex<Vec<&'static str>>>);

impl Turns {
    /// Asks for `name` in a task, and waits until that has come to the class.
    async fn ask(&self, cache: &Cache<String>, name: &'static str, behind: bool, span: Duration) -> JoinHandle<()> {
        let (cache, turns) = (cache.clone(), self.clone());
        let task = tokio::spawn(async move {
            let key = key(name);
            let request = if behind { cache.request(&key).behind() } else { cache.request(&key) };
            let loader = move |_| async move {
                turns.0.lock().push(name);
                pass(span).await;
                Ok::<_, Error>(name.to_owned())
            };
            request.load(loader).await.unwrap();
        });
        pass(millis(1)).await;
        task
    }
}

#[tokio::test(start_paused = true)]
async fn a_load_that_joins_a_queued_one_of_its_class_lends_it_its_place() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = bed.strings().class(&class).build().unwrap();
    let (whole, part, runs) = (key("whole"), key("part"), Runs::default());
    let (inner, loads) = (cache.clone(), runs.clone());
    let outer = move |_| async move {
        pass(millis(100)).await;
        let part = inner.get_or_load(&key("part"), loads.takes(millis(1), Ok("part"))).await?;
        Ok::<_, Error>(format!("whole of {}", part.value))
    };
    let outsider = async {
        pass(millis(10)).await;
        cache.get_or_load(&part, runs.takes(millis(1), Ok("part"))).await
    };
    let began = Instant::now();
    let (made, joined) = tokio::join!(cache.get_or_load(&whole, outer), outsider);
    assert_eq!((made.unwrap().value.as_str(), joined.unwrap().value.as_str()), ("whole of part", "part"));
    assert_eq!(runs.count(), 1);
    assert!(began.elapsed() < MINUTE, "it waited for itself");
    assert!(eventually(LONG, async || class.running() == 0).await);
}

#[tokio::test(start_paused = true)]
async fn loads_that_ask_crosswise_in_two_classes_both_end() {
    let bed = Bed::new();
    let (left, right) = (Class::new("left", 1), Class::new("right", 1));
    let cache = bed.strings().build().unwrap();
    let ask = |names: [&'static str; 2], class: &Class, other: &Class| {
        let (cache, inner, class, other) = (cache.clone(), cache.clone(), class.clone(), other.clone());
        let loader = move |_| async move {
            pass(millis(10)).await;
            let part = key(names[1]);
            let part = inner.request(&part).class(&other).load(|_| async { Ok::<_, Error>("part".to_owned()) }).await?;
            Ok::<_, Error>(format!("{} of {}", names[0], part.value))
        };
        async move { cache.request(&key(names[0])).class(&class).load(loader).await.unwrap().value.to_string() }
    };
    let began = Instant::now();
    let answers = tokio::join!(ask(["a", "a2"], &left, &right), ask(["b", "b2"], &right, &left));
    assert_eq!(answers, ("a of part".to_owned(), "b of part".to_owned()));
    assert!(began.elapsed() < MINUTE, "they waited for each other");
    assert!(eventually(LONG, async || left.running() + right.running() == 0).await);
}

#[tokio::test(start_paused = true)]
async fn a_lent_place_is_that_of_one_load_however_many_are_asked_for() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = bed.strings().class(&class).build().unwrap();
    let (inner, gauge) = (cache.clone(), Gauge::default());
    let parts = gauge.clone();
    let outer = move |_| async move {
        let calls = (0..20).map(|number| {
            let (inner, gauge) = (inner.clone(), parts.clone());
            async move {
                let loader = |_| async move {
                    gauge.held_for(millis(10)).await;
                    Ok::<_, Error>(String::new())
                };
                inner.get_or_load(&key(&format!("part{number}")), loader).await
            }
        });
        let ended = join_all(calls).await.into_iter().flatten().count();
        Ok::<_, Error>(ended.to_string())
    };
    let hit = cache.get_or_load(&key("whole"), outer).await.unwrap();
    assert_eq!((hit.value.as_str(), gauge.most()), ("20", 1));
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_outlives_the_load_that_asked_for_it_has_a_place_of_its_own() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = stale_at_once(&bed, &class);
    let (part, whole, runs) = (key("part"), key("whole"), Runs::default());
    cache.put(&part, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let (inner, loads) = (cache.clone(), runs.clone());
    let outer = move |_| async move {
        let part = inner.get_or_load(&key("part"), loads.takes(MINUTE, Ok("new"))).await?;
        Ok::<_, Error>(format!("whole of {}", part.value))
    };
    assert_eq!(*cache.get_or_load(&whole, outer).await.unwrap().value, "whole of old");
    pass(millis(100)).await;
    assert_eq!(cache.progress(&part).unwrap().current().phase, Phase::Loading);
    assert_eq!((runs.count(), class.running()), (1, 1));
    assert!(eventually(LONG, async || class.running() == 0).await);
}

#[tokio::test(start_paused = true)]
async fn an_awaited_load_goes_before_the_refresh_of_a_value_served_stale() {
    let bed = Bed::new();
    let class = Class::new("c", 1);
    let cache = stale_at_once(&bed, &class);
    cache.put(&key("stale"), "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let turns = Turns::default();
    let mut tasks = Vec::new();
    for (name, span) in [("busy", MINUTE), ("stale", millis(1)), ("cold", millis(1))] {
        tasks.push(turns.ask(&cache, name, false, span).await);
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(eventually(LONG, async || class.running() + class.waiting() == 0).await);
    assert_eq!(*turns.0.lock(), ["busy", "cold", "stale"]);
}

#[tokio::test(start_paused = true)]
async fn a_queue_full_of_warming_makes_way_for_an_awaited_load() {
    let bed = Bed::new();
    let class = Class::new("c", 1).queue(2);
    let cache = bed.strings().class(&class).build().unwrap();
    let (mut warming, runs) = (Vec::new(), Runs::default());
    for (name, behind) in [("busy", false), ("warm1", true), ("warm2", true)] {
        let (cache, loader) = (cache.clone(), runs.takes(MINUTE, Ok("x")));
        warming.push(tokio::spawn(async move {
            let key = key(name);
            let request = if behind { cache.request(&key).behind() } else { cache.request(&key) };
            request.load(loader).await.map(drop)
        }));
        pass(millis(1)).await;
    }
    assert_eq!(class.waiting(), 2);
    let hit = cache.get_or_load(&key("cold"), runs.takes(millis(1), Ok("cold"))).await.unwrap();
    assert_eq!(*hit.value, "cold");
    let mut refused = Vec::new();
    for task in warming {
        refused.extend(task.await.unwrap().err().map(|error| error.kind()));
    }
    assert_eq!(refused, [ErrorKind::Unavailable], "one of the warming ones made way");
}

#[tokio::test(start_paused = true)]
async fn a_load_behind_the_scenes_moves_up_when_somebody_joins_it() {
    let bed = Bed::new();
    let class = Class::new("c", 1);
    let cache = bed.strings().class(&class).build().unwrap();
    let turns = Turns::default();
    let mut tasks = Vec::new();
    let calls = [("busy", false), ("warm", true), ("warm", false), ("x", false), ("y", false), ("z", false)];
    for (name, behind) in calls {
        let span = if name == "busy" { MINUTE } else { millis(10) };
        tasks.push(turns.ask(&cache, name, behind, span).await);
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*turns.0.lock(), ["busy", "warm", "x", "y", "z"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_loader_that_blocks_past_its_deadline_keeps_its_place_until_it_ends() {
    let bed = Bed::new();
    let class = Class::new("gpu", 1);
    let cache = bed.strings().class(&class).deadline(millis(50)).build().unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let blocking = move |_| async move {
        let _ = blocked.recv_timeout(LONG);
        Ok::<_, Error>("late".to_owned())
    };
    let runs = Runs::default();
    let error = cache.get_or_load(&key("a"), blocking).await.unwrap_err();
    assert_eq!((error.kind(), class.running()), (ErrorKind::Timeout, 1));
    let error = cache.get_or_load(&key("b"), runs.takes(Duration::ZERO, Ok("b"))).await.unwrap_err();
    assert_eq!((error.kind(), runs.count()), (ErrorKind::Timeout, 0), "it had no place to run in");
    release.send(()).unwrap();
    assert!(eventually(LONG, async || class.running() == 0).await);
    assert_eq!(*cache.get_or_load(&key("c"), runs.takes(Duration::ZERO, Ok("c"))).await.unwrap().value, "c");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_may_ask_for_the_value_whose_load_had_asked_for_it_and_has_ended() {
    let bed = Bed::new();
    let cache = bed.strings().soft_timeout(Duration::ZERO).lifetime(ttl(HOUR).stale(DAY)).backoff(Duration::ZERO);
    let cache = cache.build().unwrap();
    let (a, b) = (key("a"), key("b"));
    cache.put(&b, "old".to_owned()).await.unwrap();
    bed.clock.advance(HOUR);
    let (outer, inner) = (cache.clone(), cache.clone());
    let load_b = move |_| async move {
        pass(MINUTE).await;
        let again = inner.get_or_load(&key("a"), |_| async { Ok::<_, Error>("a again".to_owned()) }).await?;
        Ok::<_, Error>(format!("new with {}", again.value))
    };
    let load_a = move |_| async move {
        let b = outer.get_or_load(&key("b"), load_b).await?;
        Ok::<_, Error>(format!("a of {}", b.value))
    };
    assert_eq!(*cache.get_or_load(&a, load_a).await.unwrap().value, "a of old");
    pass(millis(10)).await;
    cache.remove(&a).await.unwrap();
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
    assert_eq!(cache.stats().load_failures, 0);
    assert_eq!(*cache.get(&b).await.unwrap().unwrap().value, "new with a again");
}

/// Ends in time only when a load costs the class a few steps, however many others run in it and wait for it.
#[tokio::test(start_paused = true)]
async fn a_class_takes_thousands_of_loads_also_while_one_waits_for_another() {
    let bed = Bed::new();
    let class = Class::new("c", 500);
    let cache = bed.strings().build().unwrap();
    let (outer, runs) = (cache.clone(), Runs::default());
    let inner = runs.takes(HOUR, Ok("inner"));
    let waiting =
        move |_| async move { outer.get_or_load(&key("inner"), inner).await.map(|hit| hit.value.to_string()) };
    let (asking, gauge) = (cache.clone(), Gauge::default());
    tokio::spawn(async move { asking.get_or_load(&key("outer"), waiting).await });
    pass(millis(1)).await;
    let loads = (0..5_000).map(|number| {
        let (cache, class, gauge) = (cache.clone(), class.clone(), gauge.clone());
        tokio::spawn(async move {
            let key = key(&format!("k{number}"));
            let load = move |_| async move {
                gauge.held_for(millis(10)).await;
                Ok::<_, Error>(String::new())
            };
            cache.request(&key).class(&class).load(load).await
        })
    });
    for load in loads.collect::<Vec<_>>() {
        load.await.unwrap().unwrap();
    }
    assert_eq!((gauge.most(), class.running(), class.waiting()), (500, 0, 0));
}
