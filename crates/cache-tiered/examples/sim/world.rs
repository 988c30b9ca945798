//! `world`: one simulated fleet, from its start to the last check, as a function of a seed.

mod chaos;
mod client;
mod clock;
mod journal;
mod link;
mod node;
mod oracle;
mod powers;
mod script;
mod settings;
mod weather;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Backend, Clock};
use cache_testkit::{LocalBackplane, LocalLeases, NaiveModel, Rng};
use tokio::time::Instant;

use chaos::Chaos;
use client::Client;
use clock::{NodeClock, pass};
use node::{Node, Shared, Weathers};
use oracle::{Oracle, Way};
use settings::Settings;
use weather::Weather;

/// Processes of the fleet.
const NODES: usize = 2;
/// How long everything may take to settle once all is well.
const CALM: Duration = Duration::from_mins(20);

/// Whether a seed decides all that happens: Tokio wakes some waiters by chance, and only its unstable builds can be told
/// how that falls.
#[expect(unexpected_cfgs, reason = "set by the command that runs the simulation")]
pub(crate) const REPEATABLE: bool = cfg!(tokio_unstable);

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// What came of one world.
#[derive(Debug)]
pub(crate) struct Report {
    /// Of all that happened, in order.
    pub(crate) hash: u64,
    /// How often what happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    /// All that happened, in order.
    pub(crate) log: Vec<String>,
    /// What broke a rule, with what had happened to its key.
    pub(crate) violations: Vec<String>,
}

/// Lives through the world of `seed`.
pub(crate) fn run(seed: u64) -> Outcome<Report> {
    runtime(seed)?.block_on(async {
        let fleet = Fleet::new(Settings::of(seed));
        fleet.oracle.note(None, &format!("{:?}", fleet.settings));
        fleet.live().await?;
        fleet.recover().await?;
        fleet.last_look().await?;
        fleet.close().await;
        Ok(fleet.oracle.with(|state| Report {
            hash: state.journal.hash(),
            log: state.journal.take_log(),
            counts: std::mem::take(&mut state.journal.counts),
            violations: std::mem::take(&mut state.journal.violations),
        }))
    })
}

/// A runtime on paused time.
#[expect(unexpected_cfgs, reason = "set by the command that runs the simulation")]
fn runtime(seed: u64) -> Outcome<tokio::runtime::Runtime> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_time().start_paused(true);
    #[cfg(tokio_unstable)]
    builder.rng_seed(tokio::runtime::RngSeed::from_bytes(&seed.to_le_bytes()));
    #[cfg(not(tokio_unstable))]
    let _ = seed;
    Ok(builder.build()?)
}

struct Fleet {
    settings: Settings,
    nodes: Vec<Arc<Node>>,
    shared: Shared,
    oracle: Oracle,
}

impl Fleet {
    fn new(settings: Settings) -> Self {
        let origin = Instant::now();
        let clock = || Arc::new(NodeClock::new(origin));
        // No node takes for fresh what the shared tier has dropped: it only makes room.
        let late = clock();
        late.set_offset(-clock::MOST_OFFSET);
        let shared = Shared {
            tier: Arc::new(NaiveModel::new(late)),
            leases: Arc::new(LocalLeases::new(clock())),
            backplane: Arc::new(LocalBackplane::new(settings.log)),
        };
        let nodes: Vec<_> = (0..NODES).map(|index| (index, clock(), weathers(&settings, index as u64))).collect();
        let eyes = nodes.iter().map(|(_, clock, weathers)| oracle::Eye {
            clock: clock.clone(),
            lasting: vec![weathers.disk.clone(), weathers.shared.clone()],
        });
        let oracle = Oracle::new(oracle::State::new(origin, eyes.collect(), &settings));
        let node = |(index, clock, weathers)| {
            Arc::new(Node::new(index, clock, weathers, shared.clone(), settings.clone(), oracle.clone()))
        };
        let nodes = nodes.into_iter().map(node).collect();
        Self { settings, nodes, shared, oracle }
    }

    /// The clients do their steps, while things go wrong.
    async fn live(&self) -> Outcome<()> {
        let mut rng = Rng::new(Rng::new(self.settings.seed).next_u64() ^ 1);
        let mut clients = Vec::new();
        for node in &self.nodes {
            if self.settings.jumps {
                node.clock.set_offset(rng.below(200_000).cast_signed() - 100_000);
            }
            node.start()?;
            for _ in 0..self.settings.clients {
                clients.push(tokio::spawn(self.client(node, Rng::new(rng.next_u64())).run()));
            }
        }
        let chaos = Chaos {
            nodes: self.nodes.clone(),
            shared: self.shared.clone(),
            oracle: self.oracle.clone(),
            settings: self.settings.clone(),
            rng: Rng::new(rng.next_u64()),
        };
        let chaos = tokio::spawn(chaos.run());
        for client in clients {
            client.await??;
        }
        chaos.abort();
        // Its end is that of the task, or the abort.
        let _ = chaos.await;
        Ok(())
    }

    fn client(&self, node: &Arc<Node>, rng: Rng) -> Client {
        Client { node: node.clone(), oracle: self.oracle.clone(), settings: self.settings.clone(), rng }
    }

    /// All is mended, and everything gets the time to settle.
    async fn recover(&self) -> Outcome<()> {
        self.oracle.note(None, "all heals");
        self.shared.leases.heal();
        self.oracle.with(|state| state.strike_leases(Some(false)));
        for node in &self.nodes {
            for weather in node.weathers.all() {
                weather.set_rate(0);
                weather.set_outage(None);
            }
            if node.present().is_none() {
                node.start()?;
            }
            if let Some(running) = node.present() {
                running.peer.heal();
                running.peer.release();
            }
        }
        for _ in 0..2 {
            pass(CALM).await;
            for node in &self.nodes {
                if let Some(running) = node.present() {
                    running.tiers.sweep(node.clock.now(), 1_000).await?;
                }
            }
        }
        pass(CALM).await;
        Ok(())
    }

    /// Every key is asked for on every node.
    async fn last_look(&self) -> Outcome<()> {
        self.oracle.note(None, "the last look");
        self.oracle.with(|state| state.settled = true);
        for node in &self.nodes {
            let Some(running) = node.present() else { continue };
            if let Err(error) = running.tiers.settle(CALM).await {
                self.oracle.violation(None, &format!("node {}: does not settle: {error}", node.index));
            }
            let figures = running.cache.stats();
            if figures.running > 0 {
                self.oracle.violation(None, &format!("node {}: still runs: {figures:?}", node.index));
            }
            let mut client = self.client(node, Rng::new(self.settings.seed));
            for number in 0..self.settings.keys {
                client.ask(&running, &client::key(number)?, Way::Get).await;
            }
            for number in 0..self.settings.keys {
                client.ask(&running, &client::key(number)?, Way::Load).await;
            }
        }
        Ok(())
    }

    async fn close(&self) {
        pass(CALM).await;
        for node in &self.nodes {
            let Some(running) = node.present() else { continue };
            for (what, closed) in [("cache", running.cache.close().await), ("tiers", running.tiers.close().await)] {
                if let Err(error) = closed {
                    self.oracle.violation(None, &format!("node {}: the {what} does not close: {error}", node.index));
                }
            }
        }
    }
}

fn weathers(settings: &Settings, node: u64) -> Weathers {
    let mut rng = Rng::new(settings.seed ^ (node << 32));
    let mut weather = |rate| Arc::new(Weather::new(rng.next_u64(), rate, settings.latent));
    Weathers {
        memory: weather(settings.faults),
        disk: weather(settings.faults),
        shared: weather(settings.faults),
        leases: weather(settings.line_faults),
        wire: weather(settings.line_faults),
    }
}
