//! What is stored: served by all who read it right, replaced where it cannot be read, kept before the end.

use std::time::Duration;

use cache_core::{Backend, Entry, ErrorKind, Freshness, Key, Meta, Stamp};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, Codec, Origin, TierOptions};
use futures_util::FutureExt;

use crate::kit::{Bed, LONG, Runs, key, millis, stored};

#[tokio::test(start_paused = true)]
async fn a_caller_is_answered_before_the_store_and_close_waits_for_it() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    bed.far.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    cache.get_or_load(&a, runs.takes(millis(10), Ok("x"))).await.unwrap();
    assert_eq!(bed.in_far(&stored(&a)).await, None);
    cache.close().await.unwrap();
    assert!(bed.in_far(&stored(&a)).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn who_comes_during_the_store_is_served_without_a_second_load() {
    let bed = Bed::new();
    let cache = bed.strings().near(0).build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    bed.near.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    bed.far.set_plan(Plan::new().each(Operation::Put, Fault::Delay(Duration::from_secs(1))));
    for expected in [Origin::Loaded, Origin::Joined, Origin::Joined] {
        let hit = cache.get_or_load(&a, runs.takes(millis(10), Ok("x"))).await.unwrap();
        assert_eq!(hit.origin, expected);
    }
    assert_eq!(runs.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn close_stops_loads_and_every_call_after_it_is_closed() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let runs = Runs::default();
    let a = key("a");
    cache.put(&key("b"), "x".to_owned()).await.unwrap();
    let waiting = {
        let (cache, load) = (cache.clone(), runs.takes(LONG, Ok("x")));
        tokio::spawn(async move { cache.get_or_load(&key("a"), load).await })
    };
    assert!(eventually(LONG, async || runs.count() == 1).await);
    cache.close().await.unwrap();
    cache.close().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::Closed);
    let kinds = [
        cache.get(&key("b")).await.map(|_| ()),
        cache.get_or_load(&key("b"), runs.takes(LONG, Ok("x"))).await.map(|_| ()),
        cache.refresh(&a, runs.takes(LONG, Ok("x"))).await.map(|_| ()),
        cache.put(&a, "x".to_owned()).await,
        cache.remove(&a).await.map(|_| ()),
    ];
    assert!(kinds.iter().all(|answer| answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Closed)));
    assert!(bed.tiers.get(&stored(&key("b"))).await.unwrap().is_some(), "the tiers stay open");
}

#[tokio::test]
async fn a_value_too_long_for_the_nearer_tier_is_cached_below() {
    let bed = Bed::with(TierOptions::new().max_body(4), 100);
    let runs = Runs::default();
    let a = key("a");
    let cache = bed.strings().build().unwrap();
    cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("a long value"))).await.unwrap();
    cache.close().await.unwrap();
    assert_eq!(bed.in_near(&stored(&a)).await, None);
    let hit = bed.strings().build().unwrap().get(&a).await.unwrap().unwrap();
    assert_eq!((hit.value.as_str(), hit.origin.name()), ("a long value", "far"));
    assert_eq!(cache.stats().store_failures, 0);
}

#[tokio::test]
async fn an_entry_of_another_schema_codec_or_type_is_a_counted_miss_and_is_replaced() {
    let bed = Bed::new();
    let runs = Runs::default();
    let a = key("a");
    let older = bed.strings().schema(1).build().unwrap();
    let other_codec = bed.strings().schema(2).codec(Codec::Json).build().unwrap();
    let other_type = Cache::<u64>::builder("strings").schema(2).tiers(bed.tiers.clone()).build().unwrap();
    for round in 0..4 {
        match round {
            0 => older.put(&a, "older".to_owned()).await.unwrap(),
            1 => other_codec.put(&a, "json".to_owned()).await.unwrap(),
            2 => other_type.put(&a, 7).await.unwrap(),
            _ => {
                // Written by a clock that is years ahead: no stamp of ours is newer.
                let mut meta = Meta::new(Stamp::from_u64(u64::MAX - 1), bed.now());
                meta.schema = 2;
                bed.tiers.put(&stored(&a), Entry::new(meta, "garbage")).await.unwrap();
            }
        }
        let cache = bed.strings().schema(2).near(0).build().unwrap();
        assert!(cache.get(&a).await.unwrap().is_none(), "round {round}");
        let hit = cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("new"))).await.unwrap();
        assert_eq!(hit.origin, Origin::Loaded, "round {round}");
        cache.close().await.unwrap();
        assert_eq!(cache.stats().undecodable, 2, "round {round}");
        let after = bed.strings().schema(2).build().unwrap();
        assert_eq!(*after.get(&a).await.unwrap().expect("replaced").value, "new", "round {round}");
    }
}

#[tokio::test]
async fn caches_of_different_names_never_collide() {
    let bed = Bed::new();
    let named = |name| Cache::<String>::builder(name).near(0).tiers(bed.tiers.clone()).build().unwrap();
    let pairs = [("a", "b:c"), ("a:b", "c"), ("a%3Ab", "c"), ("a=b", "c"), ("b", "b:c")];
    for (name, text) in pairs {
        named(name).put(&key(text), format!("{name} {text}")).await.unwrap();
    }
    for (name, text) in pairs {
        assert_eq!(*named(name).get(&key(text)).await.unwrap().unwrap().value, format!("{name} {text}"));
    }
}

#[tokio::test]
async fn put_get_and_remove_agree() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    let a = key("a");
    assert!(cache.get(&a).await.unwrap().is_none());
    assert!(!cache.remove(&a).await.unwrap());
    cache.put(&a, "x".to_owned()).await.unwrap();
    let hit = cache.get(&a).await.unwrap().unwrap();
    assert_eq!((hit.value.as_str(), hit.freshness), ("x", Freshness::Fresh));
    assert!(cache.remove(&a).await.unwrap());
    assert!(cache.get(&a).await.unwrap().is_none());
    assert_eq!(cache.stats().misses, 2);
}

#[tokio::test]
async fn an_error_of_all_tiers_is_not_a_miss() {
    let bed = Bed::new();
    let cache = bed.strings().build().unwrap();
    bed.near.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
    assert!(cache.get(&key("a")).await.unwrap().is_none());
    bed.far.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
    assert_eq!(cache.get(&key("a")).await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn a_key_too_long_together_with_the_name_is_refused() {
    let cache = Bed::new().strings().build().unwrap();
    let long = Key::of("x".repeat(Key::MAX_BYTES)).build().unwrap();
    let runs = Runs::default();
    let answer = cache.get_or_load(&long, runs.takes(LONG, Ok("x"))).now_or_never().unwrap();
    assert_eq!(answer.unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn a_cache_needs_one_place_for_its_values() {
    let bed = Bed::new();
    let none = Cache::<String>::builder("x").build();
    let both = bed.strings().backend(bed.near.clone()).build();
    let nameless = Cache::<String>::builder("").tiers(bed.tiers.clone()).build();
    for answer in [none, both, nameless] {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Invalid);
    }
}
