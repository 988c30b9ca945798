//! `Settings`: what a seed decides about its world beforehand.

use std::time::Duration;

use cache_core::{Lifetime, ttl};
use cache_testkit::Rng;
use cache_tiered::WritePolicy;

/// What a seed decides about its world beforehand.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "drawn by chance, each on its own; nobody passes them")]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) keys: u64,
    pub(crate) clients: u64,
    pub(crate) steps: u64,
    pub(crate) lifetime: Lifetime,
    pub(crate) eager: Option<f64>,
    /// Whether stale values are served at once, after a while, or only for failed loads.
    pub(crate) soft: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) deadline: Duration,
    pub(crate) backoff: Duration,
    pub(crate) memory: Option<Duration>,
    pub(crate) lease: Option<Duration>,
    pub(crate) near: u64,
    pub(crate) disk_write: WritePolicy,
    pub(crate) shared_write: WritePolicy,
    pub(crate) shared_durable: bool,
    /// The rate of faults of tiers, of leases and backplane, and of small delays, in a thousand calls.
    pub(crate) faults: u64,
    pub(crate) line_faults: u64,
    pub(crate) latent: u64,
    /// Whether whole outages, crashes and jumps of clocks come.
    pub(crate) outages: bool,
    pub(crate) restarts: bool,
    pub(crate) jumps: bool,
    pub(crate) cuts: bool,
    /// Marks that the backplane remembers.
    pub(crate) log: usize,
    /// The longest pause of a client between two operations.
    pub(crate) pause: Duration,
    pub(crate) patience: Duration,
}

impl Settings {
    /// The world of `seed`.
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::new(Rng::new(seed).next_u64());
        let rng = &mut rng;
        let calm = rng.chance(1, 4);
        let secs = |from: u64, below: u64, rng: &mut Rng| Duration::from_secs(from + rng.below(below));
        let lifetime = match rng.below(3) {
            0 => ttl(secs(5, 60, rng)).stale(secs(0, 60, rng)),
            1 => ttl(secs(60, 600, rng)).stale(secs(0, 600, rng)),
            _ => ttl(Duration::from_hours(4)).stale(Duration::from_hours(1)),
        };
        let policy = |rng: &mut Rng| {
            *rng.pick(&[WritePolicy::Through, WritePolicy::Through, WritePolicy::Through, WritePolicy::Back])
                .unwrap_or(&WritePolicy::Through)
        };
        Self {
            seed,
            keys: 2 + rng.below(4),
            clients: 2 + rng.below(2),
            steps: 50 + rng.below(50),
            lifetime,
            eager: rng.chance(1, 3).then_some(0.5),
            soft: [Some(Duration::ZERO), Some(Duration::from_secs(3)), None][rng.below(3) as usize],
            grace: secs(0, 40, rng),
            deadline: secs(20, 200, rng),
            backoff: secs(1, 20, rng),
            memory: rng.chance(1, 4).then(|| Duration::from_secs(10)),
            lease: rng.chance(3, 4).then(|| Duration::from_secs(9) + Duration::from_secs(rng.below(30))),
            near: if rng.chance(1, 4) { 0 } else { 1_000 },
            disk_write: policy(rng),
            shared_write: policy(rng),
            shared_durable: rng.chance(3, 4),
            faults: if calm { 0 } else { [5, 20, 60, 120][rng.below(4) as usize] },
            line_faults: if calm || rng.chance(1, 2) { 0 } else { [5, 30, 100][rng.below(3) as usize] },
            latent: [0, 300, 900][rng.below(3) as usize],
            outages: !calm && rng.chance(1, 2),
            restarts: rng.chance(2, 3),
            jumps: rng.chance(1, 2),
            cuts: !calm && rng.chance(1, 2),
            log: [4, 64, 1_000][rng.below(3) as usize],
            pause: [Duration::from_millis(50), Duration::from_secs(2), Duration::from_secs(15)][rng.below(3) as usize],
            patience: Duration::from_millis(500 + rng.below(3_000)),
        }
    }
}
