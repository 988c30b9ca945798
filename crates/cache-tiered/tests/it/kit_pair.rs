//! What the tests of a fleet share: caches of two processes over one shared tier.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, HOUR, Key, ttl};
use cache_mem::MemBackend;
use cache_testkit::{Faulty, Fleet, LocalBackplane, LocalLeases, NaiveModel, eventually};
use cache_tiered::{Cache, CacheBuilder, Tiered};

use crate::kit::{LONG, Paused, key, stored};

/// How long a lease lasts that is not renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// Two processes with a memory tier each, over one shared tier.
pub(crate) struct Pair {
    pub(crate) shared: Arc<NaiveModel>,
    /// The shared tier as each process reaches it.
    pub(crate) links: [Arc<Faulty<Arc<NaiveModel>>>; 2],
    pub(crate) leases: Arc<LocalLeases>,
    pub(crate) planes: [Arc<LocalBackplane>; 2],
    pub(crate) nodes: [Cache<String>; 2],
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self::with([|builder| builder, |builder| builder])
    }

    /// A pair whose caches are built by `builds`.
    pub(crate) fn with(builds: [impl FnOnce(CacheBuilder<String>) -> CacheBuilder<String>; 2]) -> Self {
        let clock = Arc::new(Paused::new());
        let shared = Arc::new(NaiveModel::new(clock.clone()));
        let leases = Arc::new(LocalLeases::new(clock.clone()));
        let first = LocalBackplane::new(100);
        let planes = [Arc::new(first.peer()), Arc::new(first)];
        let links = [(); 2].map(|()| Arc::new(Faulty::new(shared.clone())));
        let mut ways = links.iter().zip(&planes);
        let nodes = builds.map(|build| {
            let (link, plane) = ways.next().unwrap();
            let fleet = Fleet::new(link.clone()).with_leases(leases.clone()).with_backplane(plane.clone());
            let memory = MemBackend::builder(1 << 20).name("memory").clock(clock.clone()).build();
            let tiers = Tiered::builder().tier(memory).tier(fleet).clock(clock.clone()).build().unwrap();
            let builder = Cache::builder("strings").lease(LEASE).lifetime(ttl(HOUR).stale(HOUR));
            build(builder.stale_on_failure_only().tiers(tiers)).build().unwrap()
        });
        Self { shared, links, leases, planes, nodes }
    }

    /// Both processes have begun to listen.
    pub(crate) async fn listening(self) -> Self {
        for node in &self.nodes {
            node.get(&key("warm-up")).await.unwrap();
        }
        assert!(eventually(LONG, async || self.planes.iter().all(|plane| plane.subscribers() > 0)).await);
        self
    }

    pub(crate) async fn idle(&self) {
        for node in &self.nodes {
            assert!(eventually(LONG, async || node.stats().running == 0).await);
        }
    }

    pub(crate) async fn in_shared(&self, key: &Key) -> Option<String> {
        let entry = self.shared.get(&stored(key)).await.unwrap()?;
        let text: String = String::from_utf8_lossy(&entry.body).into_owned();
        Some(text.trim_start_matches(|first: char| !first.is_ascii_alphanumeric()).to_owned())
    }
}
