//! `ProviderTable`: a provider as configuration describes it.

use std::collections::BTreeMap;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result, ttl};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::http::Fetch;
use crate::{
    CacheOptions, Commons, InternetArchive, PeerTube, PeerTubeAccess, Podcast, Provider, RegistryBuilder, Stremio,
};

/// The kinds that there are.
const KINDS: &[&str] = &[
    "internet-archive",
    "peertube",
    "sepia",
    "commons",
    "podcast",
    "stremio",
    #[cfg(feature = "html")]
    "html",
    #[cfg(feature = "yt-dlp")]
    "yt-dlp",
];
/// What an address in a table has to be.
const ADDRESS: &str = "an address of HTTP without a query";

/// A provider as configuration describes it, in any format that serde reads: its kind, and what that kind wants to know.
///
/// | kind | options |
/// |---|---|
/// | `internet-archive` | `base_url` |
/// | `peertube` | `base_url` of the instance, which has to be there; `accounts`: for each name a `token` or a `password` |
/// | `sepia` | `base_url` |
/// | `commons` | `base_url` |
/// | `podcast` | `base_url` of the directory |
/// | `stremio` | `url` of the manifest, which has to be there |
/// | `html` | the fields of [`HtmlTable`](crate::HtmlTable): `search`, `page`, which has to be there, `follow`, `hosts`, `landmark` |
/// | `yt-dlp` | `program`, a list of `arguments`, `search`, `time_limit_seconds`, `max_bytes`, `processes`, as in [`YtDlpOptions`](crate::YtDlpOptions) |
///
/// Each takes also how its links are kept: `lifetime_seconds`, `empty_seconds`, `partial_seconds`, `deadline_seconds` and
/// `at_once`, as in [`CacheOptions`].
///
/// Its `Debug` shows no values, which may be secret.
#[derive(Clone, Deserialize)]
pub struct ProviderTable {
    kind: String,
    #[serde(flatten)]
    options: Map<String, Value>,
}

/// What is wrong with a [`ProviderTable`]: the source of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TableError {
    /// There is no such kind.
    UnknownKind {
        /// The name of the provider.
        provider: String,
        /// The kind that it is said to be of.
        kind: String,
        /// The kinds that there are.
        known: Vec<String>,
    },
    /// Its kind has no such option.
    UnknownOption {
        /// The name of the provider.
        provider: String,
        /// The option.
        option: String,
        /// The options of its kind.
        known: Vec<String>,
    },
    /// An option is missing, or is something else than it has to be.
    WrongOption {
        /// The name of the provider.
        provider: String,
        /// The option.
        option: String,
        /// What it has to be.
        expected: String,
    },
}

/// The options of a table that are not used yet.
struct Options<'a> {
    provider: &'a str,
    left: Map<String, Value>,
    known: Vec<&'static str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    token: Option<String>,
    password: Option<String>,
}

impl ProviderTable {
    /// The kind that it is said to be of, which there need not be.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The ports that the addresses and hosts in it name, besides those of HTTP and HTTPS: where it is to be asked.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports = Vec::new();
        self.options.values().for_each(|value| add_ports(value, &mut ports));
        ports
    }

    /// The provider called `name` that it describes, and how its links are kept. Of these, `yt-dlp` starts its program to
    /// ask for its version, within its time limit.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with a [`TableError`] as its source; those of [`YtDlp::open`](crate::YtDlp::open).
    pub async fn provider(self, name: &str, fetch: &Fetch) -> Result<(Arc<dyn Provider>, CacheOptions)> {
        self.provider_kept(name, fetch, CacheOptions::default()).await
    }

    /// As [`provider`](Self::provider); its links are kept as `defaults` say where the table says nothing.
    ///
    /// # Errors
    /// As [`provider`](Self::provider).
    #[cfg_attr(not(feature = "yt-dlp"), expect(clippy::unused_async, reason = "one kind waits, if it is there"))]
    pub async fn provider_kept(
        self,
        name: &str,
        fetch: &Fetch,
        defaults: CacheOptions,
    ) -> Result<(Arc<dyn Provider>, CacheOptions)> {
        let mut options = Options { provider: name, left: self.options, known: Vec::new() };
        let cache = cache_options(&mut options, defaults)?;
        let provider: Arc<dyn Provider> = match self.kind.as_str() {
            "internet-archive" => {
                Arc::new(based(InternetArchive::new(fetch), &mut options, InternetArchive::at)?.named(name))
            }
            "peertube" => Arc::new(peertube(&mut options, fetch)?.named(name)),
            "sepia" => Arc::new(based(PeerTube::sepia(fetch), &mut options, PeerTube::at)?.named(name)),
            "commons" => Arc::new(based(Commons::new(fetch), &mut options, Commons::at)?.named(name)),
            "podcast" => Arc::new(based(Podcast::new(fetch), &mut options, Podcast::at)?.named(name)),
            "stremio" => {
                let url = options.needed("url")?;
                Arc::new(Stremio::new(fetch, &url).map_err(|_| options.wrong("url", ADDRESS))?.named(name))
            }
            #[cfg(feature = "html")]
            "html" => Arc::new(html(&mut options, fetch)?.named(name)),
            #[cfg(feature = "yt-dlp")]
            "yt-dlp" => {
                let yt_dlp = yt_dlp(&mut options)?;
                // What is started would be in vain.
                options.end()?;
                return Ok((Arc::new(crate::YtDlp::open(yt_dlp).await?.named(name)), cache));
            }
            kind => {
                let known = KINDS.iter().map(|&kind| kind.to_owned()).collect();
                return Err(TableError::UnknownKind { provider: name.to_owned(), kind: kind.to_owned(), known }.into());
            }
        };
        options.end()?;
        Ok((provider, cache))
    }
}

impl TableError {
    /// What is behind `error`, if it is that.
    pub fn of(error: &Error) -> Option<&Self> {
        crate::failure::behind(error).find_map(|cause| cause.downcast_ref())
    }
}

impl RegistryBuilder {
    /// Adds the providers that `tables` describe, by their names.
    ///
    /// # Errors
    /// As [`ProviderTable::provider`].
    pub async fn tables(
        mut self,
        tables: impl IntoIterator<Item = (String, ProviderTable)>,
        fetch: &Fetch,
    ) -> Result<Self> {
        for (name, table) in tables {
            let (provider, options) = table.provider(&name, fetch).await?;
            self = self.provider_with(provider, options);
        }
        Ok(self)
    }
}

impl fmt::Debug for ProviderTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.options.keys().collect();
        f.debug_struct("ProviderTable").field("kind", &self.kind).field("options", &names).finish()
    }
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownKind { provider, kind, known } => {
                write!(f, "the provider {provider} is of the unknown kind {kind:?}: take one of {}", known.join(", "))
            }
            Self::UnknownOption { provider, option, known } => {
                write!(f, "the provider {provider} has no option {option:?}: it has {}", known.join(", "))
            }
            Self::WrongOption { provider, option, expected } => {
                write!(f, "the option {option} of the provider {provider} has to be {expected}")
            }
        }
    }
}

impl StdError for TableError {}

impl From<TableError> for Error {
    fn from(error: TableError) -> Self {
        Self::new(ErrorKind::Invalid, error.to_string()).with_source(error)
    }
}

impl Options<'_> {
    fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.left.remove(name)
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a text")),
        }
    }

    fn needed(&mut self, name: &'static str) -> Result<String> {
        self.text(name)?.ok_or_else(|| self.wrong(name, "there"))
    }

    fn number(&mut self, name: &'static str) -> Result<Option<u64>> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => value.as_u64().map(Some).ok_or_else(|| self.wrong(name, "a whole number")),
        }
    }

    fn span(&mut self, name: &'static str) -> Result<Option<Duration>> {
        Ok(self.number(name)?.map(Duration::from_secs))
    }

    /// What has a shape of its own.
    #[cfg(any(feature = "html", feature = "yt-dlp"))]
    fn part<T: serde::de::DeserializeOwned>(&mut self, name: &'static str) -> Result<Option<T>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| {
            let error = error.to_string();
            // Of what serde says, these name fields, and others quote values.
            let is_harmless = error.starts_with("missing field") || error.starts_with("unknown field");
            self.wrong(
                name,
                &if is_harmless {
                    format!("of the documented shape ({error})")
                } else {
                    "of the documented shape".to_owned()
                },
            )
        })
    }

    fn wrong(&self, option: &str, expected: &str) -> Error {
        let (option, expected) = (option.to_owned(), expected.to_owned());
        TableError::WrongOption { provider: self.provider.to_owned(), option, expected }.into()
    }

    /// Nothing may be left.
    fn end(self) -> Result<()> {
        let Some((option, _)) = self.left.into_iter().next() else { return Ok(()) };
        let known = self.known.into_iter().map(str::to_owned).collect();
        Err(TableError::UnknownOption { provider: self.provider.to_owned(), option, known }.into())
    }
}

/// Adds the ports that the texts in `value` name.
fn add_ports(value: &Value, ports: &mut Vec<u16>) {
    match value {
        Value::String(text) => {
            let authority = text.split_once("://").map_or(text.as_str(), |(_, rest)| rest);
            let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
            ports.extend(authority.rsplit_once(':').and_then(|(_, port)| port.parse::<u16>().ok()));
        }
        Value::Array(values) => values.iter().for_each(|value| add_ports(value, ports)),
        Value::Object(values) => values.values().for_each(|value| add_ports(value, ports)),
        _ => {}
    }
}

fn cache_options(options: &mut Options<'_>, defaults: CacheOptions) -> Result<CacheOptions> {
    let mut cache = defaults;
    if let Some(span) = options.span("lifetime_seconds")? {
        cache = cache.lifetime(ttl(span));
    }
    if let Some(span) = options.span("empty_seconds")? {
        cache = cache.empty(ttl(span));
    }
    if let Some(span) = options.span("partial_seconds")? {
        cache = cache.partial(ttl(span));
    }
    if let Some(span) = options.span("deadline_seconds")? {
        cache = cache.deadline(span);
    }
    if let Some(requests) = options.number("at_once")? {
        let requests = usize::try_from(requests).ok().filter(|requests| (1..=10_000).contains(requests));
        cache = cache.at_once(requests.ok_or_else(|| options.wrong("at_once", "1 to 10000"))?);
    }
    Ok(cache)
}

/// `provider`, `at` the place that the options name.
fn based<P>(provider: P, options: &mut Options<'_>, at: impl Fn(P, &str) -> Result<P>) -> Result<P> {
    match options.text("base_url")? {
        None => Ok(provider),
        Some(url) => at(provider, &url).map_err(|_| options.wrong("base_url", ADDRESS)),
    }
}

fn peertube(options: &mut Options<'_>, fetch: &Fetch) -> Result<PeerTube> {
    let url = options.needed("base_url")?;
    let provider = PeerTube::instance(fetch, &url).map_err(|_| options.wrong("base_url", ADDRESS))?;
    let Some(accounts) = options.take("accounts") else { return Ok(provider) };
    // What serde says may quote a secret.
    let accounts: Option<BTreeMap<String, Account>> = serde_json::from_value(accounts).ok();
    let accounts = accounts.and_then(|accounts| {
        let access = |account: Account| match (account.token, account.password) {
            (Some(token), None) => Some(PeerTubeAccess::token(token)),
            (None, Some(password)) => Some(PeerTubeAccess::password(password)),
            _ => None,
        };
        accounts.into_iter().map(|(name, account)| Some((name, access(account)?))).collect::<Option<Vec<_>>>()
    });
    let accounts = accounts.ok_or_else(|| options.wrong("accounts", "a table of tables with a token or a password"))?;
    Ok(accounts.into_iter().fold(provider, |provider, (name, access)| provider.account(name, access)))
}

#[cfg(feature = "html")]
fn html(options: &mut Options<'_>, fetch: &Fetch) -> Result<crate::HtmlSite> {
    // Each part by itself, so that what is wrong is named.
    let table = crate::HtmlTable {
        search: options.part("search")?,
        page: options.part("page")?.ok_or_else(|| options.wrong("page", "there"))?,
        follow: options.part("follow")?,
        hosts: options.part("hosts")?.unwrap_or_default(),
        landmark: options.text("landmark")?,
    };
    crate::HtmlSite::new(fetch, &table).map_err(|error| match crate::HtmlError::of(&error) {
        Some(wrong) => options.wrong(wrong.field, wrong.expected),
        None => error,
    })
}

#[cfg(feature = "yt-dlp")]
fn yt_dlp(options: &mut Options<'_>) -> Result<crate::YtDlpOptions> {
    let mut yt_dlp = crate::YtDlpOptions::new();
    if let Some(program) = options.text("program")? {
        yt_dlp = yt_dlp.program(program);
    }
    let arguments: Vec<String> = options.part("arguments")?.unwrap_or_default();
    yt_dlp = arguments.into_iter().fold(yt_dlp, crate::YtDlpOptions::argument);
    if let Some(prefix) = options.text("search")? {
        yt_dlp =
            yt_dlp.search(&prefix).map_err(|_| options.wrong("search", "a prefix of letters, such as ytsearch"))?;
    }
    if let Some(limit) = options.span("time_limit_seconds")? {
        yt_dlp = yt_dlp.time_limit(limit);
    }
    if let Some(bytes) = options.number("max_bytes")? {
        yt_dlp = yt_dlp.max_bytes(bytes);
    }
    if let Some(processes) = options.number("processes")? {
        let processes = usize::try_from(processes).ok().filter(|processes| (1..=1000).contains(processes));
        yt_dlp = yt_dlp.at_once(processes.ok_or_else(|| options.wrong("processes", "1 to 1000"))?);
    }
    Ok(yt_dlp)
}
