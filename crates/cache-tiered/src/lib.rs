//! Tiers composed into one backend, and a typed read-through cache over them.
//!
//! * [`Tiered`]: several backends as one, the nearest asked first; itself a [`Backend`](cache_core::Backend)
//! * [`Cache`]: typed values, loaded once and found again in the nearest tier
//! * [`Popularity`]: which keys are hit most, lately; [`Warmer`]: brings keys up to date before anybody asks
//! * [`Sweeper`]: a task that sweeps a backend, and does other things as regularly; [`metrics`]: figures for a recorder
//!
//! ```
//! use cache_core::{DAY, HOUR, Key, Result, ttl};
//! use cache_mem::MemBackend;
//! use cache_tiered::{Cache, Tiered};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let near = MemBackend::builder(1 << 20).name("near").build();
//! let far = MemBackend::builder(64 << 20).name("far").build();
//! let tiers = Tiered::builder().tier(near).tier(far).build()?;
//! let titles = Cache::<String>::builder("titles").lifetime(ttl(2 * HOUR).stale(DAY)).tiers(tiers.clone()).build()?;
//!
//! let key = Key::of("video").part("a3f4b2c1").build()?;
//! let hit = titles.get_or_load(&key, |_| async { Ok::<_, std::io::Error>("Big Buck Bunny".to_owned()) }).await?;
//! assert_eq!(hit.value.as_str(), "Big Buck Bunny");
//!
//! titles.close().await?;
//! cache_core::Backend::close(&tiers).await
//! # }
//! ```

mod cache;
mod fence;
mod fnv;
mod guard;
mod marks;
pub mod metrics;
mod popularity;
mod sweeper;
mod tiered;
mod warmer;

pub use cache::{
    Cache, CacheBuilder, CacheStats, Class, Codec, Hit, Load, Loaded, Order, Origin, Phase, Progress, ProgressWatch,
    Request,
};
pub use popularity::{Popularity, PopularityBuilder, PopularityStats};
pub use sweeper::{JobStats, Sweeper, SweeperBuilder, SweeperStats};
pub use tiered::{
    Forecast, Found, Invalidation, Lookup, PromotionStats, RecoveryStats, Required, TierCount, TierOptions, TierStats,
    Tiered, TieredBuilder, TieredStats, Unconfirmed, WritePolicy,
};
pub use warmer::{WarmEnd, WarmProgress, WarmReport, Warmed, Warmer, Warming};
