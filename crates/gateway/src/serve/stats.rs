//! The figures that the server reports.

use std::time::Duration;

use cache_tiered::TieredStats;
use serde::Serialize;

use crate::stack::Stack;

/// What runs, at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Snapshot {
    pub(crate) version: &'static str,
    pub(crate) uptime_seconds: u64,
    /// Where each tier keeps its entries: a path that is no text is shown as well as it can be.
    pub(crate) places: Vec<String>,
    #[serde(flatten)]
    pub(crate) stats: TieredStats,
}

impl Snapshot {
    pub(crate) async fn take(stack: &Stack, uptime: Duration) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs(),
            places: stack.places.clone(),
            stats: stack.tiers.stats().await,
        }
    }
}
