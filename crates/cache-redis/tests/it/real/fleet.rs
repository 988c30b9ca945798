//! Rules of a fleet: caches of two processes over one server load once, and hear what is out of date.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cache_core::{Backend, Error, Key, Role, Selector};
use cache_mem::MemBackend;
use cache_redis::RedisOptions;
use cache_testkit::eventually;
use cache_testkit::proxy::{Proxy, Weather};
use cache_tiered::{Cache, Load, Tiered};
use futures_util::future::join_all;
use tokio::sync::Notify;

use super::support::{LIMIT, key, open};
use crate::servers::{self, Redis, Said};

const LEASE: Duration = Duration::from_secs(1);

/// A process: its cache, and its memory tier to look into.
struct Node {
    cache: Cache<String>,
    near: Arc<MemBackend>,
}

impl Node {
    /// A process that hears the others.
    async fn new(number: u8, options: RedisOptions) -> Self {
        let near = Arc::new(MemBackend::builder(1 << 20).name("near").build());
        let far = open(options).await;
        let tiers = Tiered::builder().node(number).tier(near.clone()).tier(far).build().unwrap();
        let cache = Cache::builder("strings").lease(LEASE).tiers(tiers).build().unwrap();
        let node = Self { cache, near };
        node.cache.get(&key(0)).await.unwrap();
        node
    }

    async fn pair(options: &RedisOptions) -> [Self; 2] {
        let pair = [Self::new(1, options.clone()).await, Self::new(2, options.clone()).await];
        pair[1].hears(&pair[0]).await;
        pair[0].hears(&pair[1]).await;
        pair
    }

    /// Waits until this process hears of what the other writes: the very first marks may be told before it listens.
    async fn hears(&self, other: &Self) {
        let probe = key(1_000_000);
        let heard = || async {
            self.cache.put(&probe, "probe".to_owned()).await.unwrap();
            other.cache.remove(&probe).await.unwrap();
            self.loses(&probe, Duration::from_millis(200)).await
        };
        assert!(eventually(LIMIT, heard).await);
    }

    async fn holds(&self, key: &Key) -> bool {
        self.near.stat(&stored(key)).await.unwrap().is_some_and(|meta| meta.role == Role::Value)
    }

    async fn loses(&self, key: &Key, limit: Duration) -> bool {
        eventually(limit, || async { !self.holds(key).await }).await
    }

    async fn load(&self, key: &Key, text: &'static str) -> String {
        let hit = self.cache.get_or_load(key, move |_: Load| async move { Ok::<_, Error>(text.to_owned()) }).await;
        (*hit.unwrap().value).clone()
    }

    async fn get(&self, key: &Key) -> Option<String> {
        self.cache.get(key).await.unwrap().map(|hit| (*hit.value).clone())
    }
}

fn stored(key: &Key) -> Key {
    Key::parse(&format!("strings:{key}")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_loads_a_key_once() {
    for options in [servers::redis(), servers::cluster()] {
        let nodes = Node::pair(&options).await;
        let loads = Arc::new(AtomicUsize::new(0));
        let calls = (0..20).map(|call| {
            let loads = loads.clone();
            let loader = move |_: Load| async move {
                loads.fetch_add(1, Ordering::Relaxed);
                // Longer than the lease: it is renewed.
                tokio::time::sleep(2 * LEASE).await;
                Ok::<_, Error>("made".to_owned())
            };
            let node = &nodes[call % 2];
            async move { node.cache.get_or_load(&key(1), loader).await.unwrap().value }
        });
        assert!(join_all(calls).await.iter().all(|value| **value == "made"));
        assert_eq!(loads.load(Ordering::Relaxed), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_on_one_node_empties_the_near_tier_of_the_other() {
    let [one, two] = Node::pair(&servers::redis()).await;
    let film = Key::of("film").part("a").build().unwrap();
    let selectors = [Selector::Pattern("film:*".parse().unwrap()), Selector::tag("tag"), Selector::all()];
    for selector in selectors {
        let tagged = |load: Load| async move {
            load.set_tags(["tag"]);
            Ok::<_, Error>("old".to_owned())
        };
        two.cache.refresh(&film, tagged).await.unwrap();
        assert!(eventually(LIMIT, || two.holds(&film)).await);
        one.cache.invalidate(&selector).await.unwrap();
        assert!(two.loses(&film, LIMIT).await, "{selector}");
        assert_eq!(two.get(&film).await, None);
    }
    assert_eq!(two.load(&film, "new").await, "new");
    // Its stamp is known here from now on, so the put is newer.
    assert!(eventually(LIMIT, || async { one.get(&film).await.as_deref() == Some("new") }).await);
    one.cache.put(&film, "put".to_owned()).await.unwrap();
    let hears = || async { two.get(&film).await.as_deref() == Some("put") };
    assert!(eventually(LIMIT, hears).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_loaded_during_an_invalidation_elsewhere_is_not_kept() {
    for options in [servers::redis(), servers::valkey()] {
        let [one, two] = Node::pair(&options).await;
        let (a, begun, go_on) = (key(1), Arc::new(Notify::new()), Arc::new(Notify::new()));
        let loading = {
            let (begun, go_on) = (begun.clone(), go_on.clone());
            two.cache.get_or_load(&a, move |_: Load| async move {
                begun.notify_one();
                go_on.notified().await;
                Ok::<_, Error>("stale".to_owned())
            })
        };
        let invalidating = async {
            begun.notified().await;
            one.cache.invalidate(&Selector::Key(a.clone())).await.unwrap();
            go_on.notify_one();
        };
        let (loaded, ()) = tokio::join!(loading, invalidating);
        assert_eq!(*loaded.unwrap().value, "stale", "who asked before is served");
        // Once the mark is heard, if that was not before the load had ended.
        let gone = || async { two.get(&a).await.is_none() && one.get(&a).await.is_none() };
        assert!(eventually(LIMIT, gone).await);
        assert_eq!(two.load(&a, "new").await, "new");
        let agree = || async { one.get(&a).await.as_deref() == Some("new") };
        assert!(eventually(LIMIT, agree).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_result_of_a_lost_lease_is_discarded() {
    let redis = Redis::start(&[]);
    let [one, two] = Node::pair(&redis.options()).await;
    let (a, go_on) = (key(1), Arc::new(Notify::new()));
    let outrun = {
        let go_on = go_on.clone();
        one.cache.get_or_load(&a, move |_: Load| async move {
            go_on.notified().await;
            Ok::<_, Error>("outrun".to_owned())
        })
    };
    let taking = async {
        assert!(eventually(LIMIT, || async { one.cache.stats().running == 1 }).await);
        let held = || async { redis.raw().say(&format!("DEL reelcache:=lease:{}", stored(&a))) == Said::Number(1) };
        assert!(eventually(LIMIT, held).await);
        let begun = two.load(&a, "taken over").await;
        assert!(eventually(LIMIT, || async { one.cache.stats().leases_lost == 1 }).await);
        go_on.notify_one();
        begun
    };
    let (outrun, taken) = tokio::join!(outrun, taking);
    assert_eq!((outrun.unwrap().value.as_str(), taken.as_str()), ("taken over", "taken over"));
    assert_eq!(one.get(&a).await.as_deref(), Some("taken over"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invalidation_during_an_outage_is_heard_after_it() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    let one = Node::new(1, redis.options()).await;
    let two = Node::new(2, RedisOptions::single("127.0.0.1", proxy.addr().port())).await;
    two.hears(&one).await;
    assert_eq!(two.load(&key(1), "old").await, "old");
    assert!(eventually(LIMIT, || async { two.holds(&key(1)).await }).await);
    proxy.set(Weather::Refuse);
    one.cache.remove(&key(1)).await.unwrap();
    assert!(two.holds(&key(1)).await, "it cannot know");
    proxy.set(Weather::Clear);
    assert!(two.loses(&key(1), LIMIT).await);
}
