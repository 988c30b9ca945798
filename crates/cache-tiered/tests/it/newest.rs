//! Once a newer value was accepted, the one before it is not served any more.

use std::collections::BTreeMap;
use std::time::Duration;

use cache_core::{Backend, DAY, ErrorKind, HOUR, Stamp, ttl};
use cache_testkit::eventually;
use cache_tiered::{Cache, Codec, Load, Origin, TierOptions, Tiered};

use crate::kit::{Bed, LONG, Runs, key, stored};

const LONG_TEXT: &str = "longer than both tiers take";

/// Tiers that take no body longer than 16 bytes.
fn narrow(bed: &Bed) -> Tiered {
    let options = || TierOptions::new().max_body(16);
    let tiers = Tiered::builder().tier_with(bed.near.clone(), options()).tier_with(bed.far.clone(), options());
    tiers.clock(bed.clock.clone()).build().unwrap()
}

/// Lets the store behind a load end.
async fn stores_end<V>(cache: &Cache<V>)
where
    V: serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    assert!(eventually(LONG, async || cache.stats().running == 0).await);
}

#[tokio::test(start_paused = true)]
async fn a_put_that_no_tier_takes_drops_the_value_before_it() {
    let bed = Bed::new();
    let cache = bed.strings().near(0).tiers(narrow(&bed)).build().unwrap();
    let a = key("a");
    cache.put(&a, "old".to_owned()).await.unwrap();
    let refused = cache.put(&a, LONG_TEXT.to_owned()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::TooLarge);
    assert!(cache.get(&a).await.unwrap().is_none());
    assert_eq!((bed.in_near(&stored(&a)).await, bed.in_far(&stored(&a)).await), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_loaded_value_that_no_tier_takes_drops_the_value_before_it() {
    let bed = Bed::new();
    let cache = bed.strings().tiers(narrow(&bed)).build().unwrap();
    let a = key("a");
    cache.put(&a, "old".to_owned()).await.unwrap();
    let load = Runs::default().takes(Duration::ZERO, Ok(LONG_TEXT));
    assert_eq!(*cache.refresh(&a, load).await.unwrap().value, LONG_TEXT);
    stores_end(&cache).await;
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, LONG_TEXT, "this process has it still");
    let other = bed.strings().tiers(narrow(&bed)).build().unwrap();
    assert!(other.get(&a).await.unwrap().is_none());
    assert_eq!(cache.stats().store_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_loaded_value_that_is_not_to_be_kept_drops_the_value_before_it() {
    for near in [100, 0] {
        let bed = Bed::new();
        let cache = bed.strings().near(near).build().unwrap();
        let a = key("a");
        cache.put(&a, "old".to_owned()).await.unwrap();
        let load = |load: Load| async move {
            load.set_lifetime(ttl(Duration::ZERO));
            Ok::<_, String>("new".to_owned())
        };
        assert_eq!(*cache.refresh(&a, load).await.unwrap().value, "new");
        stores_end(&cache).await;
        assert!(cache.get(&a).await.unwrap().is_none(), "near {near}");
        assert_eq!(bed.far.stat(&stored(&a)).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_loaded_value_that_cannot_be_encoded_drops_the_value_before_it() {
    let bed = Bed::new();
    let cache = Cache::<BTreeMap<Vec<u8>, u8>>::builder("maps").near(0).codec(Codec::Json).tiers(bed.tiers.clone());
    let cache = cache.build().unwrap();
    let a = key("a");
    cache.put(&a, BTreeMap::new()).await.unwrap();
    // No text, so no key in JSON.
    let odd = BTreeMap::from([(vec![7], 7)]);
    let hit = cache.refresh(&a, |_| async { Ok::<_, String>(odd) }).await.unwrap();
    assert_eq!(hit.value.len(), 1);
    stores_end(&cache).await;
    assert!(cache.get(&a).await.unwrap().is_none());
    assert_eq!(cache.stats().store_failures, 1);
}

#[tokio::test(start_paused = true)]
async fn a_loaded_value_wins_over_a_near_one_from_a_clock_far_ahead() {
    let bed = Bed::new();
    let a = key("a");
    bed.strings().build().unwrap().put(&a, "ahead".to_owned()).await.unwrap();
    let mut ahead = bed.in_far(&stored(&a)).await.unwrap();
    ahead.meta.stamp = Stamp::first_of(bed.now().after(365 * DAY));
    bed.tiers.put(&stored(&a), ahead).await.unwrap();
    let cache = bed.strings().build().unwrap();
    assert_eq!(*cache.get(&a).await.unwrap().unwrap().value, "ahead");
    cache.refresh(&a, Runs::default().takes(Duration::ZERO, Ok("new"))).await.unwrap();
    stores_end(&cache).await;
    let hit = cache.get(&a).await.unwrap().unwrap();
    assert_eq!((hit.value.as_str(), hit.origin), ("new", Origin::Near));
}

#[tokio::test(start_paused = true)]
async fn a_remove_ends_the_pause_after_a_failed_load() {
    let bed = Bed::new();
    let cache = bed.strings().near(0).lifetime(ttl(HOUR).stale(DAY)).backoff(HOUR).build().unwrap();
    let (runs, a) = (Runs::default(), key("a"));
    cache.put(&a, "old".to_owned()).await.unwrap();
    let old = bed.in_far(&stored(&a)).await.unwrap();
    bed.clock.advance(HOUR);
    assert_eq!(*cache.get_or_load(&a, runs.takes(Duration::ZERO, Err("down"))).await.unwrap().value, "old");
    assert!(cache.remove(&a).await.unwrap());
    // As if another process had put it back.
    bed.far.inner().put(&stored(&a), old).await.unwrap();
    let hit = cache.get_or_load(&a, runs.takes(Duration::ZERO, Ok("new"))).await.unwrap();
    assert_eq!((hit.value.as_str(), runs.count()), ("new", 2));
}
