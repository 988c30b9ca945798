//! `Media`: the configured providers over the tiers, and the streams that they have.

mod allowed;
mod cache_status;
mod choice;
mod configured;
mod guarded;
mod source;
mod torrent_source;
mod torrents;
mod wanted;
mod way;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Error, Freshness, Lifetime, MINUTE, Result, Timestamp, ttl};
use cache_tiered::{Cache, CacheStats, Codec, Progress};
use futures_util::StreamExt;
use futures_util::stream;
use parking_lot::RwLock;
use providers::{
    Answer, AnyProvider, CacheOptions, Extent, Failure, Link, LinkRequest, Links, Provider, Reason, Registry,
};
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use cache_status::CacheStatus;
pub(crate) use choice::{Choice, Place, display_name, is_stream};
pub(crate) use configured::{Providers, fetch};
pub(crate) use source::StreamSource;
pub(crate) use torrent_source::TorrentSource;
pub(crate) use torrents::{Running, Torrents};
#[cfg(test)]
pub(crate) use torrents::{TorrentFile, TorrentLink};
pub(crate) use wanted::{Title, Wanted};
pub(crate) use way::Way;

use crate::config::{Config, Effective};
use crate::stack::Stack;
use configured::{Kept, LINKS};
use way::Terms;

/// Add-ons that are asked at once.
const AT_ONCE: usize = 8;
/// Torrent files that are read at once.
const TORRENT_FILES: usize = 8;
/// The most streams that are listed.
const MAX_STREAMS: usize = 1_000;

/// The configured providers over the tiers, and the streams that they have. Cloning shares it.
#[derive(Clone)]
pub(crate) struct Media(Arc<Inner>);

struct Inner {
    registry: Registry,
    /// How the links of each provider are kept at this moment,
    kept: RwLock<HashMap<String, CacheOptions>>,
    /// and what that follows from.
    terms: HashMap<String, Kept>,
    recheck: Duration,
    /// The providers that know titles, in the order in which their streams are numbered.
    addons: Vec<String>,
    choices: Cache<Choice>,
    torrents: Option<Arc<dyn Torrents>>,
    /// Places for torrent files in memory.
    files: Semaphore,
    /// How long peers may take to tell what a torrent holds.
    patience: Duration,
    clock: Arc<dyn Clock>,
}

/// What a page has, as its provider or the cache says.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) provider: String,
    pub(crate) answer: Answer<Links>,
    /// For how much longer it is handed out, in seconds; negative, if it only stands in.
    pub(crate) ttl: i64,
    /// Whether what was asked for anew is kept.
    pub(crate) is_stored: bool,
}

/// All streams of a title.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) links: Vec<Link>,
    /// Whether an add-on did not answer, so that those after it have no number yet.
    pub(crate) is_partial: bool,
}

impl Media {
    /// The providers that `effective` describes, over `stack`.
    ///
    /// # Errors
    /// As [`Providers::open`]; when torrents cannot be fetched here although they should be.
    pub(crate) async fn open(stack: &Stack, effective: &Effective) -> Result<Self> {
        let providers = Providers::open(stack, effective).await?;
        let torrents = torrents::open(stack, &effective.config).await?;
        Self::over(providers, stack, &effective.config, torrents)
    }

    /// `providers` over `stack`; `torrents` fetches what is behind magnet links.
    ///
    /// # Errors
    /// When the caches cannot be made.
    pub(crate) fn over(
        providers: Providers,
        stack: &Stack,
        config: &Config,
        torrents: Option<Arc<dyn Torrents>>,
    ) -> Result<Self> {
        let choices = Cache::builder("choices").lifetime(played(config)).deadline(2 * MINUTE);
        let choices = choices.codec(Codec::Json).tiers(stack.tiers.clone()).build()?;
        let (patience, clock) = (config.torrents.patience, stack.tiers.clock().clone());
        let Providers { registry, kept: terms, addons } = providers;
        let longest = config.cache.ttl.or(Duration::MAX);
        let kept = terms.iter().map(|(name, terms)| (name.clone(), terms.within(longest, false))).collect();
        let (kept, recheck) = (RwLock::new(kept), config.cache.recheck);
        let files = Semaphore::new(TORRENT_FILES);
        Ok(Self(Arc::new(Inner { registry, kept, terms, recheck, addons, choices, torrents, files, patience, clock })))
    }

    /// Keeps nothing that is looked up from here on for longer than `longest`, and links for as long, unless the table of
    /// their provider says otherwise. What is kept already keeps its deadline.
    pub(crate) fn keep_for(&self, longest: Duration) {
        for provider in self.providers() {
            let Some(terms) = self.0.terms.get(provider.name()) else { continue };
            let options = terms.within(longest, true);
            provider.set_lifetimes(&options);
            self.0.kept.write().insert(provider.name().to_owned(), options);
        }
        let played = played_within(longest, self.0.recheck);
        self.0.choices.set_lifetimes(played, played, played);
    }

    /// What `kept` says of how links of `provider` are kept.
    fn kept(&self, provider: &str, kept: impl Fn(&CacheOptions) -> Duration) -> Duration {
        self.0.kept.read().get(provider).map_or(LINKS, kept)
    }

    /// The providers by name.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// How far each lookup is that runs at this moment.
    pub(crate) fn loads(&self) -> Vec<Progress> {
        let links = self.providers().iter().flat_map(AnyProvider::loads);
        links.chain(self.0.choices.loads()).collect()
    }

    /// The figures of the caches.
    pub(crate) fn stats(&self) -> Vec<CacheStats> {
        let links = self.providers().iter().map(|provider| provider.stats().cache);
        links.chain([self.0.choices.stats()]).collect()
    }

    /// The names of the providers, the default first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.registry.names()
    }

    /// All providers, the default first.
    pub(crate) fn providers(&self) -> &[AnyProvider] {
        self.0.registry.providers()
    }

    /// The provider `name`.
    ///
    /// # Errors
    /// As [`Registry::get`].
    pub(crate) fn provider(&self, name: &str) -> Result<&AnyProvider> {
        self.0.registry.get(name)
    }

    /// What fetches torrents.
    ///
    /// # Errors
    /// [`NoTorrents`], if nothing does.
    pub(crate) fn torrents(&self) -> Result<&Arc<dyn Torrents>> {
        self.0.torrents.as_ref().ok_or_else(|| NoTorrents.into())
    }

    /// A place for a torrent file, waited for in line. Taken before its first byte is asked for and held until it is read, it
    /// bounds the memory that those take, however many ask.
    async fn place_for_torrent_file(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.0.files.acquire().await.ok()
    }

    /// What the provider `name`, or the default one, knows of the page of `request`, cached.
    ///
    /// # Errors
    /// As [`Registry::get_or_default`] and [`CachedProvider::get`](providers::CachedProvider::get).
    pub(crate) async fn videos(&self, name: Option<&str>, request: &LinkRequest) -> Result<Found> {
        let provider = self.0.registry.get_or_default(name)?;
        let answer = provider.get(request).await?;
        Ok(self.found(provider, answer))
    }

    /// What `provider` says in `answer`, and for how long.
    pub(crate) fn found(&self, provider: &AnyProvider, answer: Answer<Links>) -> Found {
        let now = self.0.clock.now();
        let name = provider.name().to_owned();
        let lifetime = self.kept(&name, |kept| fresh_for(kept, &answer.value));
        let until = answer.value.validity().until();
        let fresh = seconds(lifetime) - seconds(answer.age);
        let ttl = if until == Timestamp::NEVER { fresh } else { fresh.min(seconds(until.since(now))) };
        // Links that were kept under longer terms are still fresh.
        let ttl = if answer.freshness == Freshness::Fresh { ttl.max(0) } else { ttl };
        let is_stored = !lifetime.is_zero() && until > now;
        Found { provider: name, answer, ttl, is_stored }
    }

    /// Which stream the number `index` at `place` is, and how it is played: decided once.
    ///
    /// # Errors
    /// A [`Failure`] with [`Reason::NotFound`] when there are fewer, with [`Reason::Unsupported`] when it cannot be played;
    /// those of the providers.
    pub(crate) async fn choice(&self, place: &Place, index: usize) -> Result<Arc<Choice>> {
        let key = place.key(&self.0.addons, index)?;
        let (this, place) = (self.clone(), place.clone());
        let chosen = self.0.choices.get_or_load(&key, move |_| async move { this.choose(&place, index).await }).await;
        chosen.map(|hit| hit.value)
    }

    /// As [`choice`](Self::choice), decided anew: the links of the one before are gone.
    pub(crate) async fn choice_anew(&self, place: &Place, index: usize) -> Result<Arc<Choice>> {
        let key = place.key(&self.0.addons, index)?;
        self.0.choices.remove(&key).await?;
        self.choice(place, index).await
    }

    /// The link that `choice` has at this moment.
    ///
    /// # Errors
    /// Those of the provider; when its stream is gone.
    pub(crate) async fn link(&self, place: &Place, choice: &Choice) -> Result<Link> {
        let answer = self.provider(&choice.provider)?.get(&place.request()?).await?;
        choice.among(place, &answer.value.links).cloned()
    }

    /// All streams of `title`, in the order of their numbers.
    ///
    /// # Errors
    /// When no add-on is configured, and when none answers.
    pub(crate) async fn streams(&self, title: &Title) -> Result<Streams> {
        let place = Place::Title(title.clone());
        let mut streams = Streams { links: Vec::new(), is_partial: false };
        let mut answers = self.answers(&place)?;
        while let Some(found) = answers.next().await {
            match found {
                Ok(found) => streams.links.extend(listed(&found.answer.value).cloned()),
                Err(error) if streams.links.is_empty() => return Err(error),
                Err(_) => {
                    streams.is_partial = true;
                    break;
                }
            }
        }
        streams.links.truncate(MAX_STREAMS);
        Ok(streams)
    }

    /// The torrents at work.
    pub(crate) fn torrents_at_work(&self) -> Vec<Running> {
        self.0.torrents.as_ref().map(|torrents| torrents.running()).unwrap_or_default()
    }

    /// How long peers may take to tell what a torrent holds.
    pub(crate) fn patience(&self) -> Duration {
        self.0.patience
    }

    /// Ends the torrents and the caches; the tiers stay open.
    ///
    /// # Errors
    /// As [`Registry::close`].
    pub(crate) async fn close(&self) -> Result<()> {
        if let Some(torrents) = &self.0.torrents {
            torrents.close().await;
        }
        let closed = self.0.choices.close().await;
        self.0.registry.close().await.and(closed)
    }

    async fn choose(&self, place: &Place, index: usize) -> Result<Choice> {
        let mut before = 0;
        let mut answers = self.answers(place)?;
        while let Some(found) = answers.next().await {
            // Without what an add-on has, those after it have no number.
            let found = found?;
            let links = &found.answer.value;
            let Some(link) = listed(links).nth(index - before) else {
                before += listed(links).count();
                continue;
            };
            let kept = self.kept(&found.provider, |kept| kept.lifetime.fresh_for());
            let loaded =
                Timestamp::from_millis(self.0.clock.now().as_millis().saturating_sub(millis(found.answer.age)));
            let way = way::way(link, Terms { loaded, kept, duration: links.duration })
                .map_err(|why| Failure::new(Reason::Unsupported, why).into_error(&found.provider, "play"))?;
            return Choice::new(place, &found.provider, links, link, way);
        }
        Err(choice::gone(self.0.addons.first().map_or("streams", String::as_str)))
    }

    /// What each provider of `place` says, in their order, asked several at once. One that knows no such thing has none.
    fn answers<'a>(&'a self, place: &Place) -> Result<impl stream::Stream<Item = Result<Found>> + Unpin + Send + 'a> {
        let request = place.request()?;
        let names = match place {
            Place::Title(_) if self.0.addons.is_empty() => {
                let message = "no add-on is configured: describe one of the kind stremio in [providers]";
                return Err(Failure::new(Reason::NotFound, message).into_error("streams", "play"));
            }
            Place::Title(_) => self.0.addons.clone(),
            Place::Page { provider, .. } => vec![provider.clone()],
        };
        let is_page = matches!(place, Place::Page { .. });
        let asked = stream::iter(names).map(move |name| {
            let request = request.clone();
            async move { self.videos(Some(&name), &request).await }
        });
        let is_none = move |error: &Error| {
            let reason = Failure::of(error).map(Failure::reason);
            !is_page && matches!(reason, Some(Reason::Unsupported | Reason::NotFound))
        };
        let answers = asked.buffered(AT_ONCE);
        Ok(answers.filter(move |found| std::future::ready(!found.as_ref().is_err_and(is_none))).boxed())
    }
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Media").field("providers", &self.names().collect::<Vec<_>>()).finish_non_exhaustive()
    }
}

/// Nothing fetches torrents here: the source of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoTorrents;

impl fmt::Display for NoTorrents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream is a torrent, and this server fetches none: choose another stream")
    }
}

impl std::error::Error for NoTorrents {}

impl From<NoTorrents> for Error {
    fn from(none: NoTorrents) -> Self {
        Self::new(cache_core::ErrorKind::Invalid, none.to_string()).with_source(none)
    }
}

/// How long what is played is used without asking where it comes from, and stands in when nobody can be asked.
pub(crate) fn played(config: &Config) -> Lifetime {
    played_within(config.cache.ttl.or(Duration::MAX), config.cache.recheck)
}

fn played_within(longest: Duration, recheck: Duration) -> Lifetime {
    ttl(recheck.min(longest)).stale(longest.saturating_sub(recheck))
}

/// The links of `links` that count where streams are numbered.
fn listed(links: &Links) -> impl Iterator<Item = &Link> {
    links.links.iter().filter(|link| is_stream(link))
}

fn fresh_for(kept: &CacheOptions, links: &Links) -> Duration {
    let lifetime = match links.extent {
        _ if links.is_empty() => kept.empty,
        Extent::Partial => kept.partial,
        _ => kept.lifetime,
    };
    lifetime.fresh_for()
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
