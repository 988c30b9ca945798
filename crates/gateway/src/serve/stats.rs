//! The figures that the server reports.

use std::time::Duration;

use cache_tiered::TieredStats;
use serde::Serialize;

use crate::stack::Stack;

/// What runs, at one moment.
#[derive(Debug, Serialize)]
pub(super) struct Snapshot {
    pub(super) version: &'static str,
    pub(super) uptime_seconds: u64,
    /// Where each tier keeps its entries: a path that is no text is shown as well as it can be.
    pub(super) places: Vec<String>,
    #[serde(flatten)]
    pub(super) stats: TieredStats,
}

impl Snapshot {
    pub(super) async fn take(stack: &Stack, uptime: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs(),
            places: stack.places.clone(),
            stats: stack.tiers.stats().await,
        }
    }
}
