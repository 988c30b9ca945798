//! Many values of a cache at once: one read of each tier, and the same answers as one by one.

use std::time::Duration;

use cache_core::{Backend, DAY, ErrorKind, Freshness, HOUR, Key, ttl};
use cache_testkit::{Fault, Operation, Plan, eventually};
use cache_tiered::{Cache, Origin};

use crate::kit::{Bed, LONG, key, stored};

fn numbered(n: usize) -> Vec<Key> {
    (0..n).map(|number| key(&number.to_string())).collect()
}

/// A cache of what another one has put.
async fn filled(bed: &Bed, keys: &[Key]) -> Cache<String> {
    let writer = bed.strings().lifetime(ttl(HOUR).stale(DAY)).build().unwrap();
    for key in keys {
        writer.put(key, key.to_string()).await.unwrap();
    }
    writer.close().await.unwrap();
    bed.strings().near(10_000).build().unwrap()
}

#[tokio::test]
async fn a_thousand_values_cost_one_read_of_each_tier_and_then_none() {
    let (bed, keys) = (Bed::new(), numbered(1000));
    let cache = filled(&bed, &keys[..900]).await;
    for key in &keys[500..900] {
        bed.near.inner().remove(&stored(key)).await.unwrap();
    }
    let reads = || [&bed.near, &bed.far].map(|tier| (tier.calls(Operation::GetMany), tier.calls(Operation::Get)));
    let before = reads();
    for (number, (key, hit)) in keys.iter().zip(cache.get_many(&keys).await).enumerate() {
        let hit = hit.unwrap();
        assert_eq!(hit.as_ref().map(|hit| hit.value.as_str()), (number < 900).then_some(key.as_str()));
        let tier = hit.map(|hit| hit.origin.name().to_owned());
        assert_eq!(tier.as_deref(), [Some("near"), Some("far"), None][usize::from(number >= 500) + number / 900]);
    }
    assert_eq!(reads(), before.map(|(many, one)| (many + 1, one)));
    assert_eq!((cache.stats().tier_hits, cache.stats().misses), (900, 100));

    bed.settle().await;
    let before = reads();
    let hits = cache.get_many(&keys[..900]).await;
    assert!(hits.into_iter().all(|hit| hit.unwrap().unwrap().origin == Origin::Near));
    assert_eq!(reads(), before);
}

#[tokio::test]
async fn each_key_is_answered_as_if_it_was_asked_for_alone() {
    let bed = Bed::new();
    let [a, long] = [key("a"), Key::of(&"x".repeat(Key::MAX_BYTES)[..]).build().unwrap()];
    let cache = filled(&bed, std::slice::from_ref(&a)).await;
    let [hit, refused, again] = <[_; 3]>::try_from(cache.get_many(&[a.clone(), long, a.clone()]).await).unwrap();
    assert_eq!(*hit.unwrap().unwrap().value, "a");
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(*again.unwrap().unwrap().value, "a");

    bed.clock.advance(2 * HOUR);
    let hit = cache.get_many(std::slice::from_ref(&a)).await.remove(0).unwrap().unwrap();
    assert_eq!((hit.freshness, hit.age), (Freshness::Stale, 2 * HOUR));
    bed.clock.advance(DAY);
    assert!(cache.get_many(std::slice::from_ref(&a)).await.remove(0).unwrap().is_none());

    for tier in [&bed.near, &bed.far] {
        tier.set_plan(Plan::new().all(Fault::Fail(ErrorKind::Unavailable)));
    }
    let error = cache.get_many(&[key("b")]).await.remove(0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    cache.close().await.unwrap();
    assert_eq!(cache.get_many(&[a]).await.remove(0).unwrap_err().kind(), ErrorKind::Closed);
    assert!(cache.get_many(&[]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_value_that_was_removed_while_it_was_read_is_not_kept_near() {
    let (bed, keys) = (Bed::new(), numbered(2));
    let cache = filled(&bed, &keys).await;
    let old = bed.in_far(&stored(&keys[0])).await.unwrap();
    for key in &keys {
        bed.near.inner().remove(&stored(key)).await.unwrap();
    }
    // The answer is on its way back while the remove runs.
    bed.far.set_plan(Plan::new().each(Operation::GetMany, Fault::Delay(Duration::from_secs(1))));
    let reader = {
        let (cache, keys) = (cache.clone(), keys.clone());
        tokio::spawn(async move { cache.get_many(&keys).await })
    };
    assert!(eventually(LONG, async || bed.far.calls(Operation::GetMany) == 1).await);
    cache.remove(&keys[0]).await.unwrap();
    // As if it had been read before.
    bed.far.inner().put(&stored(&keys[0]), old).await.unwrap();
    assert!(reader.await.unwrap().remove(0).unwrap().is_some());
    assert_eq!(cache.stats().near_entries, 1);
}
