//! Layers of Reelcache: backends that add one behaviour around another backend.
//!
//! | layer | adds |
//! |---|---|
//! | [`Timeout`] | a limit on the time of each call |
//! | [`Breaker`] | a backend that fails again and again is left alone for a while |
//! | [`Concurrency`] | a limit on the calls at once, with a bounded queue |
//! | [`Compressed`] | bodies kept compressed with zstd or LZ4, media left alone (features `zstd`, `lz4`) |
//! | [`Signed`] | entries that others wrote into a shared backend are not believed (feature `signed`) |
//! | [`Prefixed`] | keys below a prefix: several users of one backend |
//! | [`ReadOnly`] | reads pass, writes are refused |
//! | [`Metered`] | counters, durations and spans (feature `metrics`) |
//!
//! Each is a [`Backend`](cache_core::Backend) around a [`Backend`](cache_core::Backend), keeps the whole contract, and
//! forwards what it does not change. Leases and backplane pass through unguarded: `Timeout`, `Breaker`, `Concurrency` and
//! `Metered` concern the methods of the contract alone. Layers stack in any order; read from the inside out, this one
//! serves a remote backend well:
//!
//! * `Timeout` inside `Breaker`, so that a backend that hangs opens it,
//! * `Concurrency` outside both, so that a rush of callers is not taken for a failure of the backend,
//! * `Compressed` outside them, so that its work takes none of the backend's time, and `Signed` inside of it, so that nothing
//!   is unpacked that nobody signed,
//! * `Metered` outermost, so that it counts what callers see, refusals included.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use cache_core::{Backend, BackendExt, Clock, Entry, Hlc, Key, Meta, SystemClock};
//! use cache_layers::{Breaker, BreakerState, Compressed, Concurrency, Metered, Prefixed, Timeout};
//! use cache_mem::MemBackend;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> cache_core::Result<()> {
//! let remote = Arc::new(MemBackend::new(64 << 20)); // stands for one that is far away
//! let guarded = remote
//!     .clone()
//!     .layer(|inner| Timeout::new(inner, Duration::from_millis(500)))
//!     .layer(|inner| Breaker::new(inner).failures(5).span(Duration::from_secs(1)));
//! let guarded = Arc::new(guarded);
//! let mine = Key::of("alice").build()?;
//! let backend = guarded
//!     .clone()
//!     .layer(|inner| Concurrency::new(inner, 32).queue(200))
//!     .layer(|inner| Prefixed::new(inner, mine))
//!     .layer(Compressed::new)
//!     .layer(|inner| Metered::named(inner, "remote"));
//!
//! let clock = Arc::new(SystemClock::new());
//! let stamps = Hlc::new(clock.clone());
//! let key = Key::of("video").part("a3f4b2c1").part("transcript").build()?;
//! let mut meta = Meta::new(stamps.tick(), clock.now());
//! meta.content_type = Some("text/vtt".into());
//! let entry = Entry::new(meta, "00:00.000 --> 00:04.000\nla la la\n\n".repeat(100));
//! backend.put(&key, entry.clone()).await?;
//! assert_eq!(backend.get(&key).await?, Some(entry.clone()));
//!
//! let kept = remote.get(&Key::parse("alice:video:a3f4b2c1:transcript")?).await?;
//! assert!(kept.is_some_and(|kept| kept.len() < entry.len() / 10));
//! assert_eq!(guarded.state(), BreakerState::Closed);
//! # Ok(())
//! # }
//! ```

mod around;
mod batch;
mod breaker;
#[cfg(any(feature = "zstd", feature = "lz4"))]
mod compressed;
mod concurrency;
#[cfg(feature = "metrics")]
mod metered;
#[cfg(any(feature = "zstd", feature = "lz4", feature = "signed"))]
mod offload;
mod prefixed;
mod read_only;
#[cfg(feature = "signed")]
mod signed;
mod timeout;

pub use breaker::{Breaker, BreakerState, BreakerStats};
#[cfg(any(feature = "zstd", feature = "lz4"))]
pub use compressed::{Algorithm, Compressed};
pub use concurrency::Concurrency;
#[cfg(feature = "metrics")]
pub use metered::Metered;
pub use prefixed::Prefixed;
pub use read_only::ReadOnly;
#[cfg(feature = "signed")]
pub use signed::{Signed, SigningKey};
pub use timeout::Timeout;
