//! Every public future dropped at every point: nothing is left behind, the next call works, nobody waits forever.

use std::sync::Arc;

use cache_core::{Backend, Error, ErrorKind, Key, Result, Selector};
use cache_testkit::{
    Bench, Fault, Faulty, Fixture, NaiveModel, Plan, check_dropped_methods, drop_at, eventually, for_each_drop_point,
};
use cache_tiered::{Cache, Load, Loaded, TierOptions, Tiered};

use crate::kit::{Bed, LONG, Runs, key, millis, pass, stored};

/// The most drop points of one call.
const POINTS: usize = 200;

/// A call of a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Get,
    GetOrLoad,
    Refresh,
    Revalidate,
    Put,
    Remove,
    Invalidate,
    Preview,
}

const CALLS: [Call; 8] = [
    Call::Get,
    Call::GetOrLoad,
    Call::Refresh,
    Call::Revalidate,
    Call::Put,
    Call::Remove,
    Call::Invalidate,
    Call::Preview,
];

/// Where the value is at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Nowhere,
    FarTier,
    Everywhere,
}

const PLACES: [Place; 3] = [Place::Nowhere, Place::FarTier, Place::Everywhere];

/// A bed whose tiers answer late.
fn late_bed() -> Bed {
    let bed = Bed::new();
    bed.near.set_plan(Plan::new().all(Fault::Delay(millis(2))));
    bed.far.set_plan(Plan::new().all(Fault::Delay(millis(5))));
    bed
}

/// A cache that has room for one load or write at a time: one that leaks its place shows at once.
fn narrow(bed: &Bed) -> Cache<String> {
    bed.strings().max_loads(1).build().unwrap()
}

/// A cache that has the value `before` at `place`.
async fn with_value(bed: &Bed, key: &Key, place: Place) -> Cache<String> {
    let cache = narrow(bed);
    if place != Place::Nowhere {
        cache.put(key, "before".to_owned()).await.unwrap();
    }
    if place != Place::FarTier {
        return cache;
    }
    bed.near.inner().remove(&stored(key)).await.unwrap();
    narrow(bed)
}

async fn call(cache: &Cache<String>, key: &Key, call: Call, runs: &Runs) {
    let loader = runs.takes(millis(10), Ok("loaded"));
    match call {
        Call::Get => drop(cache.get(key).await.unwrap()),
        Call::GetOrLoad => drop(cache.get_or_load(key, loader).await.unwrap()),
        Call::Refresh => drop(cache.refresh(key, loader).await.unwrap()),
        Call::Revalidate => drop(cache.request(key).refresh().revalidate(still_right).await.unwrap()),
        Call::Put => cache.put(key, "put".to_owned()).await.unwrap(),
        Call::Remove => drop(cache.remove(key).await.unwrap()),
        Call::Invalidate => drop(cache.invalidate(&Selector::all()).await.unwrap()),
        Call::Preview => drop(cache.preview(&Selector::all()).await.unwrap()),
    }
}

/// A loader that finds the value before still right.
async fn still_right(_: Load, before: Option<Arc<String>>) -> Result<Loaded<String>> {
    pass(millis(10)).await;
    Ok(before.map_or_else(|| Loaded::Value("loaded".to_owned()), |_| Loaded::NotModified))
}

async fn value(cache: &Cache<String>, key: &Key) -> Option<String> {
    cache.get(key).await.unwrap().map(|hit| hit.value.to_string())
}

/// Waits until nothing goes on behind the cache.
async fn quiet(bed: &Bed, cache: &Cache<String>) {
    let idle = eventually(LONG, || async { cache.stats().running == 0 });
    assert!(idle.await, "work goes on forever: {:?}", cache.stats());
    bed.settle().await;
    let promotions = bed.tiers.stats().await.promotions;
    assert_eq!(promotions.queued, 0, "{promotions:?}");
}

/// Asserts that every call of the key does what it should.
async fn assert_usable(bed: &Bed, cache: &Cache<String>, key: &Key) {
    let runs = Runs::default();
    cache.put(key, "after".to_owned()).await.unwrap();
    assert_eq!(value(cache, key).await.as_deref(), Some("after"));
    assert!(cache.remove(key).await.unwrap());
    assert_eq!(value(cache, key).await, None);
    call(cache, key, Call::GetOrLoad, &runs).await;
    quiet(bed, cache).await;
    call(cache, key, Call::Refresh, &runs).await;
    quiet(bed, cache).await;
    assert_eq!((runs.count(), value(cache, key).await.as_deref()), (2, Some("loaded")));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_of_a_cache_leaves_what_was_there_or_what_it_makes_and_nothing_else() {
    let key = &key("a");
    for (what, place) in CALLS.into_iter().flat_map(|call| PLACES.map(|place| (call, place))) {
        let points = for_each_drop_point(POINTS, async |point| {
            let bed = late_bed();
            let cache = with_value(&bed, key, place).await;
            let ended = drop_at(point, call(&cache, key, what, &Runs::default())).await.is_some();
            quiet(&bed, &cache).await;

            let before = (place != Place::Nowhere).then_some("before");
            let made = match what {
                Call::Get | Call::Preview => before,
                Call::GetOrLoad | Call::Revalidate => before.or(Some("loaded")),
                Call::Refresh => Some("loaded"),
                Call::Put => Some("put"),
                Call::Remove | Call::Invalidate => None,
            };
            let found = value(&cache, key).await;
            let right = if ended { vec![made] } else { vec![before, made] };
            assert!(right.contains(&found.as_deref()), "{what:?} of a value {place:?} at {point:?}: {found:?}");
            assert_eq!(value(&narrow(&bed), key).await, found, "the tiers after {what:?} at {point:?}");
            assert_usable(&bed, &cache, key).await;
            ended
        });
        let (points, at_once) =
            (points.await, place == Place::Everywhere && matches!(what, Call::Get | Call::GetOrLoad));
        assert!(points > 2 || at_once, "{what:?} of a value {place:?} had {points} drop points");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_leader_keeps_nobody_waiting_and_costs_no_second_load() {
    let key = &key("a");
    for what in [Call::GetOrLoad, Call::Refresh] {
        for_each_drop_point(POINTS, async |point| {
            let bed = late_bed();
            let (cache, runs) = (narrow(&bed), Runs::default());
            let others = [Call::GetOrLoad, Call::Refresh].map(|other| {
                let (cache, key, runs) = (cache.clone(), key.clone(), runs.clone());
                tokio::spawn(async move { call(&cache, &key, other, &runs).await })
            });
            let ended = drop_at(point, call(&cache, key, what, &runs)).await.is_some();
            for other in others {
                tokio::time::timeout(LONG, other).await.unwrap().unwrap();
            }
            quiet(&bed, &cache).await;
            assert_eq!(runs.count(), 1, "{what:?} at {point:?}");
            ended
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_dropped_while_it_waits_for_its_turn_takes_no_place_and_blocks_nobody() {
    let key = &key("a");
    for what in [Call::Put, Call::Remove] {
        for_each_drop_point(POINTS, async |point| {
            let bed = late_bed();
            let cache = bed.strings().max_loads(2).build().unwrap();
            // The tiers are open then, and the first write takes its turn as soon as it has its place.
            assert_eq!(value(&cache, key).await, None);
            let first = tokio::spawn({
                let (cache, key) = (cache.clone(), key.clone());
                async move { cache.put(&key, "first".to_owned()).await }
            });
            // Until the first write has its turn.
            assert!(eventually(LONG, || async { cache.stats().running == 1 }).await);
            let ended = drop_at(point, call(&cache, key, what, &Runs::default())).await.is_some();
            first.await.unwrap().unwrap();
            quiet(&bed, &cache).await;
            let made = if what == Call::Put { Some("put") } else { None };
            let found = value(&cache, key).await;
            let kept = found.as_deref() == Some("first") && !ended;
            assert!(kept || found.as_deref() == made, "{what:?} at {point:?}: {found:?}");
            assert_usable(&bed, &cache, key).await;
            ended
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_close_leaves_the_cache_closed_and_its_store_under_way() {
    let key = &key("a");
    let points = for_each_drop_point(POINTS, async |point| {
        let bed = late_bed();
        let cache = narrow(&bed);
        let runs = Runs::default();
        let load = runs.takes(millis(1), Ok("loaded"));
        cache.get_or_load(key, load).await.unwrap();
        assert_eq!(cache.stats().running, 1);
        let ended = drop_at(point, cache.close()).await.is_some();
        if point.polls > 0 {
            let refused = cache.put(key, "late".to_owned()).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Closed);
        }
        cache.close().await.unwrap();
        assert_eq!(cache.stats().running, 0);
        assert_eq!(value(&narrow(&bed), key).await.as_deref(), Some("loaded"));
        ended
    });
    assert!(points.await > 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_look_at_progress_misses_nothing_and_leaves_the_load_alone() {
    let key = &key("a");
    let points = for_each_drop_point(POINTS, async |point| {
        let bed = late_bed();
        let cache = narrow(&bed);
        let loader = |load: Load| async move {
            for (fraction, message) in [(0.2, "first"), (0.6, "second")] {
                pass(millis(10)).await;
                load.progress(fraction, message);
            }
            pass(millis(10)).await;
            Ok::<_, Error>("loaded".to_owned())
        };
        let (other, asked) = (cache.clone(), key.clone());
        let call = tokio::spawn(async move { other.get_or_load(&asked, loader).await });
        assert!(eventually(LONG, async || cache.progress(key).is_some()).await);
        let mut watch = cache.progress(key).unwrap();
        let mut undisturbed = watch.clone();
        let ended = drop_at(point, watch.changed()).await.is_some();
        if !ended {
            let (told, expected) = tokio::join!(watch.changed(), undisturbed.changed());
            assert_eq!(told, expected, "at {point:?}");
        }
        while watch.changed().await.is_some() {}
        assert_eq!(*call.await.unwrap().unwrap().value, "loaded");
        quiet(&bed, &cache).await;
        ended
    });
    assert!(points.await > 2);
}

/// A question to a stack: it changes nothing but what it promotes.
#[derive(Debug, Clone, Copy)]
enum Question {
    Lookup,
    LookupMany,
    Stats,
    Settle,
}

async fn ask(tiers: &Tiered, key: &Key, question: Question) {
    match question {
        Question::Lookup => drop(tiers.lookup(key).await),
        Question::LookupMany => drop(tiers.lookup_many(&[key.clone(), key.clone()]).await),
        Question::Stats => drop(tiers.stats().await),
        Question::Settle => tiers.settle(LONG).await.unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_question_to_a_stack_changes_nothing_and_its_promotions_end() {
    let (asked, other) = (&key("a"), &key("b"));
    for question in [Question::Lookup, Question::LookupMany, Question::Stats, Question::Settle] {
        let points = for_each_drop_point(POINTS, async |point| {
            let bed = late_bed();
            let entry = bed.put_far(asked, "body").await;
            bed.put_far(other, "other").await;
            // A promotion is under way meanwhile.
            assert!(bed.tiers.lookup(other).await.found.is_some());
            let ended = drop_at(point, ask(&bed.tiers, asked, question)).await.is_some();
            bed.settle().await;
            assert_eq!(bed.tiers.stats().await.promotions.queued, 0);
            assert!(bed.in_near(other).await.is_some(), "{question:?} at {point:?} lost a promotion");
            assert_eq!(bed.in_far(asked).await.as_ref(), Some(&entry));

            assert_eq!(bed.tiers.get(asked).await.unwrap().as_ref(), Some(&entry));
            bed.settle().await;
            assert_eq!(bed.in_near(asked).await.as_ref(), Some(&entry), "{question:?} at {point:?}");
            assert!(bed.tiers.remove(asked).await.unwrap());
            ended
        });
        assert!(points.await > 2, "{question:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_methods_of_a_stack_leak_nothing() {
    let open = async |bench: Bench| {
        let stack = [("near", 2), ("far", 5)].into_iter().fold(Tiered::builder(), |stack, (name, late)| {
            let faulty = Faulty::new(NaiveModel::new(bench.clock.clone()));
            faulty.set_plan(Plan::new().all(Fault::Delay(millis(late))));
            stack.tier_with(faulty, TierOptions::new().name(name))
        });
        Ok(Fixture::new(stack.clock(bench.clock.clone()).build()?))
    };
    assert!(check_dropped_methods(open).await.unwrap() > 33);
}

#[tokio::test(start_paused = true)]
async fn a_stack_whose_future_of_a_batch_was_dropped_keeps_whole_entries_only() {
    let keys: Vec<Key> = (0..3).map(|number| Key::of(number).build().unwrap()).collect();
    for_each_drop_point(POINTS, async |point| {
        let bed = late_bed();
        let old: Vec<_> = keys.iter().map(|key| (key.clone(), bed.entry("old"))).collect();
        let new: Vec<_> = keys.iter().map(|key| (key.clone(), bed.entry("new"))).collect();
        for answer in bed.tiers.put_many(old).await {
            answer.unwrap();
        }
        let ended = drop_at(point, bed.tiers.put_many(new)).await.is_some();
        // Whatever goes on has ended by then.
        pass(millis(1_000)).await;
        for key in &keys {
            let (near, far) = (bed.in_near(key).await, bed.in_far(key).await);
            assert_eq!(near, far, "{key} after {point:?}");
            let body = near.unwrap().body;
            assert!(body == "new" || (body == "old" && !ended), "{key} has {body:?} after {point:?}");
            assert!(bed.tiers.remove(key).await.unwrap());
        }
        ended
    })
    .await;
}
