//! `Script`: what one run of a loader does.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Lifetime, Timestamp, ttl};
use cache_testkit::Rng;
use cache_tiered::{Load, Loaded};

use super::clock::{NodeClock, pass};
use super::oracle::{Asked, Loading, Oracle};
use super::settings::Settings;

/// What one run of a loader does.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    span: Duration,
    outcome: Outcome,
    tags: Vec<Arc<str>>,
    lifetime: Lifetime,
    valid_for: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Value,
    NotModified,
    Fails,
    Panics,
    Hangs,
}

/// What a loader needs of its world.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) oracle: Oracle,
    pub(crate) clock: Arc<NodeClock>,
    pub(crate) asked: Asked,
}

impl Script {
    /// Draws one; it revalidates only if `may_confirm`.
    pub(crate) fn draw(rng: &mut Rng, settings: &Settings, may_confirm: bool) -> Self {
        let span = match rng.below(10) {
            0..3 => Duration::ZERO,
            3..6 => Duration::from_millis(1 + rng.below(2_000)),
            6..9 => Duration::from_secs(1 + rng.below(20)),
            _ => Duration::from_secs(rng.below(300)),
        };
        let outcome = match rng.below(20) {
            0..2 => Outcome::Fails,
            2 => Outcome::Panics,
            3 if rng.chance(1, 2) => Outcome::Hangs,
            4..12 if may_confirm => Outcome::NotModified,
            _ => Outcome::Value,
        };
        let tags = ["red", "blue"].into_iter().filter(|_| rng.chance(1, 2)).map(Arc::from).collect();
        let lifetime = match rng.below(8) {
            0 => ttl(Duration::ZERO),
            1 => ttl(Duration::from_secs(1 + rng.below(10))).stale(Duration::from_secs(rng.below(30))),
            _ => settings.lifetime,
        };
        let valid_for = rng.chance(1, 6).then(|| Duration::from_secs(rng.below(40)));
        Self { span, outcome, tags, lifetime, valid_for }
    }

    /// Runs it where there is nothing to confirm.
    pub(crate) async fn load(self, stage: Stage, load: Load) -> Result<String, String> {
        match self.run(stage, load, None).await? {
            Loaded::Value(value) => Ok(value),
            Loaded::NotModified => Err("nothing to confirm".to_owned()),
        }
    }

    /// Runs it.
    #[expect(clippy::panic, reason = "one of the ways in which loaders end")]
    pub(crate) async fn run(
        self,
        stage: Stage,
        load: Load,
        previous: Option<Arc<String>>,
    ) -> Result<Loaded<String>, String> {
        let Stage { oracle, clock, asked } = stage;
        let loading = Loading::begin(&oracle, &asked);
        if let Some(previous) = &previous {
            oracle.with(|state| state.handed(&asked, previous));
        }
        let valid_until = self.valid_for.map(|span| clock.now().after(span));
        load.progress(0.5, "half-way");
        if !self.span.is_zero() {
            pass(self.span).await;
        }
        load.set_lifetime(self.lifetime);
        let stale_until = clock.most().after(self.lifetime.fresh_for()).after(self.lifetime.stale_for());
        let before = previous.as_deref().map(String::as_str).and_then(super::oracle::number);
        match (self.outcome, before) {
            (Outcome::Fails, _) | (Outcome::NotModified, None) => {
                loading.failed("fails");
                Err("a simulated failure".to_owned())
            }
            (Outcome::Panics, _) => {
                loading.failed("panics");
                panic!("planned panic of a loader")
            }
            (Outcome::Hangs, _) => std::future::pending().await,
            (Outcome::NotModified, Some(before)) if oracle.with(|state| state.is_past(before, &clock)) => {
                loading.failed("has found a value still right that is no longer valid");
                Ok(Loaded::NotModified)
            }
            (Outcome::NotModified, Some(before)) => {
                loading.confirmed(before, stale_until);
                Ok(Loaded::NotModified)
            }
            (Outcome::Value, _) => {
                load.set_tags(self.tags.iter().cloned());
                if let Some(end) = valid_until {
                    load.set_valid_until(end);
                }
                let text = format!("#{}#{}", loading.id, asked.key);
                if valid_until.is_some_and(|end| end <= clock.most()) {
                    loading.failed("has made a value that is no longer valid");
                } else {
                    loading.done(self.tags, stale_until, valid_until.unwrap_or(Timestamp::NEVER));
                }
                Ok(Loaded::Value(text))
            }
        }
    }
}
