//! `Request`: one question to a cache with options of its own.

use std::time::Duration;

use cache_core::{Key, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::class::Class;
use super::load::{Load, Loaded};
use super::traffic::Urgency;
use super::trip::{Failure, Loader};
use super::{Cache, Hit, trip};
use crate::Forecast;

/// One question to a [`Cache`], with options of its own instead of the cache's.
///
/// ```
/// # use cache_core::{Key, Result};
/// # use cache_mem::MemBackend;
/// # use cache_tiered::{Cache, Class, Forecast};
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// # let films = Cache::<String>::builder("films").backend(MemBackend::new(1 << 20)).build()?;
/// # let key = Key::of("film").part(7).build()?;
/// let gpu = Class::new("gpu", 1);
/// let hit = films
///     .request(&key)
///     .class(&gpu)
///     .hard_timeout(Duration::from_secs(30))
///     .forecast(Forecast::new().weight(2 << 20))
///     .load(|load| async move {
///         load.progress(0.5, "second half");
///         Ok::<_, std::io::Error>("described".to_owned())
///     })
///     .await?;
/// # assert_eq!(hit.value.as_str(), "described");
/// # films.close().await
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a request does nothing until it is answered"]
pub struct Request<'a, V> {
    cache: &'a Cache<V>,
    key: &'a Key,
    wants: Wants,
}

/// What will do for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    /// A fresh value.
    Fresh,
    /// A value that no refresh is due for.
    Current,
    /// A value that is loaded now.
    Load,
}

/// How a caller wants to be answered.
#[derive(Debug, Clone)]
pub(super) struct Wants {
    pub(super) goal: Goal,
    /// How long a stale value is held back for a fresh one; `None` for as long as it takes.
    pub(super) soft: Option<Duration>,
    pub(super) hard: Option<Duration>,
    pub(super) class: Option<Class>,
    pub(super) forecast: Forecast,
    pub(super) urgency: Urgency,
}

impl<'a, V: Serialize + DeserializeOwned + Send + Sync + 'static> Request<'a, V> {
    pub(super) const fn new(cache: &'a Cache<V>, key: &'a Key, wants: Wants) -> Self {
        Self { cache, key, wants }
    }

    /// Puts the load, if it comes to one, into `class`.
    pub fn class(mut self, class: &Class) -> Self {
        self.wants.class = Some(class.clone());
        self
    }

    /// Sets how long a stale value is held back in the hope of a fresh one; zero serves it at once.
    pub fn soft_timeout(mut self, limit: Duration) -> Self {
        self.wants.soft = Some(limit);
        self
    }

    /// Sets how long this caller waits at most; the load goes on without it.
    pub fn hard_timeout(mut self, limit: Duration) -> Self {
        self.wants.hard = Some(limit);
        self
    }

    /// Says beforehand what is known of the value: tiers that would not take such a value are not asked for it, and
    /// not given it.
    pub fn forecast(mut self, forecast: Forecast) -> Self {
        self.wants.forecast = forecast;
        self
    }

    /// Loads the value although there may be a fresh one, or joins a load under way. A soft timeout is of no use then.
    pub fn refresh(mut self) -> Self {
        self.wants.goal = Goal::Load;
        self.wants.soft = None;
        self
    }

    /// Lets a load wait behind those that somebody waits for: for warming.
    pub fn behind(mut self) -> Self {
        self.wants.urgency = Urgency::Behind;
        self
    }

    /// The answer, with `loader` to make the value if need be. Cancelling it disturbs nobody; the load is stopped when
    /// nobody else waits for it and the cache's [grace](crate::CacheBuilder::grace) has passed.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`].
    pub async fn load<L, F, E>(self, loader: L) -> Result<Hit<V>>
    where
        L: FnOnce(Load) -> F + Send + 'static,
        F: Future<Output = Result<V, E>> + Send + 'static,
        E: Into<Failure>,
    {
        self.answer(trip::boxed(loader)).await
    }

    /// As [`load`](Self::load), with a loader that is given the value before, if the cache still has one, and may
    /// answer that it is still right. It then gets a new lifetime, also in the tiers, where its body stays as it is;
    /// it is valid as long as before unless the loader says otherwise.
    ///
    /// # Errors
    /// As [`Cache::get_or_load`]; [`ErrorKind::Load`](cache_core::ErrorKind::Load) when the loader answers
    /// [`Loaded::NotModified`] without a value before.
    pub async fn revalidate<L, F, E>(self, loader: L) -> Result<Hit<V>>
    where
        L: FnOnce(Load, Option<std::sync::Arc<V>>) -> F + Send + 'static,
        F: Future<Output = Result<Loaded<V>, E>> + Send + 'static,
        E: Into<Failure>,
    {
        let loader: Loader<V> =
            Box::new(|load, previous| Box::pin(async move { loader(load, previous).await.map_err(Into::into) }));
        self.answer(loader).await
    }

    async fn answer(self, loader: Loader<V>) -> Result<Hit<V>> {
        self.cache.0.check_open("load")?;
        self.cache.0.ask(self.key, &self.wants, loader).await
    }
}
