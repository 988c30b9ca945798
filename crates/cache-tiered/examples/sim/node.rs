//! `Node`: one process of the fleet, with what outlives it.

use std::sync::Arc;

use cache_core::{Backend, BackendInfo, Result};
use cache_testkit::{LocalBackplane, LocalLeases, NaiveModel};
use cache_tiered::{Cache, TierOptions, Tiered, WritePolicy};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::clock::NodeClock;
use super::link::{Line, Link, Seal};
use super::oracle::{CACHE, Life, Oracle};
use super::powers::{LeaseLine, Wire};
use super::settings::Settings;
use super::weather::Weather;

/// One process of the fleet, with what outlives it.
pub(crate) struct Node {
    pub(crate) index: usize,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) weathers: Weathers,
    disk: Arc<NaiveModel>,
    shared: Shared,
    settings: Settings,
    oracle: Oracle,
    alive: watch::Sender<Option<Arc<Running>>>,
    lives: Mutex<u64>,
}

/// The weather of a node's connections.
pub(crate) struct Weathers {
    pub(crate) memory: Arc<Weather>,
    pub(crate) disk: Arc<Weather>,
    pub(crate) shared: Arc<Weather>,
    pub(crate) leases: Arc<Weather>,
    pub(crate) wire: Arc<Weather>,
}

impl Weathers {
    pub(crate) fn all(&self) -> [&Arc<Weather>; 5] {
        [&self.memory, &self.disk, &self.shared, &self.leases, &self.wire]
    }
}

/// What the nodes share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) tier: Arc<NaiveModel>,
    pub(crate) leases: Arc<LocalLeases>,
    pub(crate) backplane: Arc<LocalBackplane>,
}

/// One life of a node.
pub(crate) struct Running {
    pub(crate) life: Life,
    pub(crate) cache: Cache<String>,
    pub(crate) tiers: Tiered,
    pub(crate) peer: Arc<LocalBackplane>,
    seal: Seal,
}

impl Node {
    pub(crate) fn new(
        index: usize,
        clock: Arc<NodeClock>,
        weathers: Weathers,
        shared: Shared,
        settings: Settings,
        oracle: Oracle,
    ) -> Self {
        let disk = Arc::new(NaiveModel::new(clock.clone()));
        let (alive, lives) = (watch::Sender::new(None), Mutex::new(0));
        Self { index, clock, weathers, disk, shared, settings, oracle, alive, lives }
    }

    /// The life of now, once there is one.
    pub(crate) async fn running(&self) -> Option<Arc<Running>> {
        let mut alive = self.alive.subscribe();
        let running = alive.wait_for(Option::is_some).await.ok()?;
        running.clone()
    }

    pub(crate) fn present(&self) -> Option<Arc<Running>> {
        self.alive.borrow().clone()
    }

    /// Waits until `life` has ended.
    pub(crate) async fn ended(&self, life: Life) {
        let mut alive = self.alive.subscribe();
        let other = |running: &Option<Arc<Running>>| running.as_ref().is_none_or(|running| running.life != life);
        let _ = alive.wait_for(other).await;
    }

    /// Begins a life.
    pub(crate) fn start(&self) -> Result<()> {
        let number = {
            let mut lives = self.lives.lock();
            *lives += 1;
            *lives
        };
        let life = Life { node: self.index, number };
        let seal = Seal::default();
        let peer = Arc::new(self.shared.backplane.peer());
        let tiers = self.stack(life, &seal, &peer)?;
        let cache = self.cache(tiers.clone())?;
        self.oracle.with(|state| state.life_begins(life));
        self.oracle
            .note(None, &format!("node {}: begins life {number}, clock {:+} ms", self.index, self.clock.offset()));
        self.alive.send_replace(Some(Arc::new(Running { life, cache, tiers, peer, seal })));
        Ok(())
    }

    /// Ends the life of now without a word: from here on nothing that it does reaches a tier.
    pub(crate) fn crash(&self) {
        let Some(running) = self.alive.send_replace(None) else { return };
        running.seal.close();
        self.oracle.note(None, &format!("node {}: crashes", self.index));
        self.oracle.count("crashes");
        self.oracle.with(|state| state.life_ends(running.life));
        // What goes on of it in this process ends sooner.
        tokio::spawn(async move {
            let _ = running.cache.close().await;
            let _ = running.tiers.close().await;
        });
    }

    /// Ends the life of now in good order.
    pub(crate) async fn stop(&self) {
        let Some(running) = self.alive.send_replace(None) else { return };
        self.oracle.note(None, &format!("node {}: closes", self.index));
        self.oracle.count("closes");
        let cache = running.cache.close().await;
        let tiers = running.tiers.close().await;
        running.seal.close();
        let told = format!("node {}: closed: cache {}, tiers {}", self.index, shown(&cache), shown(&tiers));
        self.oracle.note(None, &told);
        self.oracle.with(|state| state.life_ends(running.life));
    }

    fn line(&self, name: &str, weather: &Arc<Weather>, seal: &Seal) -> Line {
        let name = format!("{}-{name}", self.index);
        Line { name, weather: weather.clone(), seal: seal.clone(), oracle: self.oracle.clone() }
    }

    fn stack(&self, life: Life, seal: &Seal, peer: &Arc<LocalBackplane>) -> Result<Tiered> {
        let empty = Arc::new(NaiveModel::new(self.clock.clone()));
        let memory = self.link("memory", &self.weathers.memory, seal, empty);
        let mut disk = self.link("disk", &self.weathers.disk, seal, self.disk.clone());
        disk.info.durable = true;
        let mut shared = self.link("shared", &self.weathers.shared, seal, self.shared.tier.clone());
        (shared.info.shared, shared.info.durable) = (true, self.settings.shared_durable);
        if self.settings.lease.is_some() {
            let service = self.line("leases", &self.weathers.leases, seal);
            shared.leases = Some(Arc::new(LeaseLine { line: service, inner: self.shared.leases.clone() }));
        }
        let wire = self.line("wire", &self.weathers.wire, seal);
        shared.backplane = Some(Arc::new(Wire { line: wire, node: life.node, life: life.number, inner: peer.clone() }));
        let options = |write: WritePolicy| TierOptions::new().patience(self.settings.patience).write(write);
        Tiered::builder()
            .tier_with(memory, options(WritePolicy::Through))
            .tier_with(disk, options(self.settings.disk_write))
            .tier_with(shared, options(self.settings.shared_write))
            .clock(self.clock.clone())
            .node(u8::try_from(self.index).unwrap_or_default())
            .build()
    }

    fn link(&self, name: &'static str, weather: &Arc<Weather>, seal: &Seal, inner: Arc<dyn Backend>) -> Link {
        let info = BackendInfo::new(name);
        Link { line: self.line(name, weather, seal), info, inner, leases: None, backplane: None }
    }

    fn cache(&self, tiers: Tiered) -> Result<Cache<String>> {
        let settings = &self.settings;
        let mut builder = Cache::builder(CACHE)
            .tiers(tiers)
            .lifetime(settings.lifetime)
            .near(settings.near)
            .grace(settings.grace)
            .deadline(settings.deadline)
            .backoff(settings.backoff);
        builder = match settings.soft {
            Some(soft) => builder.soft_timeout(soft),
            None => builder.stale_on_failure_only(),
        };
        if let Some(share) = settings.eager {
            builder = builder.eager(share);
        }
        if let Some(memory) = settings.memory {
            builder = builder.remember_failures(memory);
        }
        if let Some(lease) = settings.lease {
            builder = builder.lease(lease);
        }
        builder.build()
    }
}

fn shown(answer: &Result<()>) -> String {
    answer.as_ref().map_or_else(ToString::to_string, |()| "well".to_owned())
}
