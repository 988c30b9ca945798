//! `YtDlp`: links of whatever page the program yt-dlp understands.

mod complaint;
mod cookies;
mod options;
mod output;
mod process;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use cache_core::{Clock, Error, ErrorKind, Result};
use tokio::task::spawn_blocking;
use url::Url;

pub use options::YtDlpOptions;

use super::Page;
use super::settled::{checked, checked_page};
use super::site::unsupported;
use crate::canonical::percent::decoded;
use crate::{Canonical, Failure, LinkRequest, Links, Provider, Reason, SearchPage, SearchQuery};
use output::Told;
use process::{Output, Program};

/// What is asked each time: nothing is downloaded, no file of settings is read, and playlists are not resolved.
const ALWAYS: &[&str] =
    &["-J", "--ignore-config", "--no-warnings", "--no-progress", "--no-playlist", "--flat-playlist"];
/// The most entries of a playlist.
const ENTRIES: usize = 2000;
/// What the route of a video begins with that has no page of its own, behind the address of the page it is on.
const ROUTE: &str = "/item/";
/// How the program is told headers and places to ask in an address.
const SMUGGLED: &str = "__youtubedl_smuggle";
/// From here on, reading what was said would keep others waiting.
const LONG: usize = 256 << 10;
/// Longer than anybody searches for.
const MAX_QUERY: usize = 1000;

/// Links of whatever page the program [yt-dlp](https://github.com/yt-dlp/yt-dlp) understands, which is started for each
/// answer and takes a second or more.
///
/// * **Links** of a page are its formats, each with the headers that it needs, and its subtitles. A format that needs
///   cookies has them as a header, and its link is bound to the session. Those of a playlist are
///   entries, the first 2000, with the answer partial if there are more; an address that names a video and a playlist means the
///   video. A video without a page of its own has the address of the page that it is on, with `#/item/N`. Formats that
///   only a particular player opens are left out.
/// * **Search** is off unless [`YtDlpOptions::search`] says where to search.
/// * **The version** of the program and its arguments are part of the key of its links.
/// * The program is started with a list of arguments, never by a shell, and no address is taken for an option. It is
///   killed with all processes that it has started at the time limit, when it writes too much, and when nobody waits
///   for it any more.
/// * It fetches whatever page of HTTP a request names, within no limits of [`Fetch`](crate::http::Fetch): who lets strangers
///   ask keeps it from the addresses of the own network, by a proxy for instance.
#[derive(Debug, Clone)]
pub struct YtDlp {
    name: String,
    version: String,
    options: YtDlpOptions,
    program: Arc<Program>,
}

/// The program yt-dlp is not there: the source of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct YtDlpNotFound {
    /// What was looked for.
    pub program: PathBuf,
}

impl YtDlp {
    /// Starts the program once, to ask for its version. It is named `yt-dlp`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with [`YtDlpNotFound`] as its source when it is not there; a [`Failure`] when it does not tell its
    /// version within the time limit.
    pub async fn open(options: YtDlpOptions) -> Result<Self> {
        let program = Program::new(&options);
        let told = program.run(["--ignore-config".as_ref(), "--version".as_ref()]).await;
        let told = told.map_err(|error| not_started(&options, error))?;
        let told = told.map_err(|failure| failure.into_error("yt-dlp", "version"))?;
        let version = version(&told).map_err(|failure| failure.into_error("yt-dlp", "version"))?;
        let version = options.version(version);
        Ok(Self { name: "yt-dlp".to_owned(), version, options, program: Arc::new(program) })
    }

    /// Sets its name as a provider.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, Failure> {
        let Some(prefix) = &self.options.search else {
            return Err(Failure::new(Reason::Unsupported, "yt-dlp is not set to search: name a place to search in"));
        };
        let text: String = query.text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_QUERY).collect();
        let results = query.limit.unwrap_or(10).clamp(1, 50);
        let told = self.ask(&[], &format!("{prefix}{results}:{}", text.trim())).await?;
        Ok(told.page())
    }

    async fn resolve(&self, request: &LinkRequest) -> Result<Links, Failure> {
        let (page, number) = page(request)?;
        let items = number.map_or_else(|| format!(":{ENTRIES}"), |number| number.to_string());
        let told = self.ask(&["--playlist-items", &items], page.as_str()).await?;
        let now = self.options.clock.now();
        match number {
            None => Ok(told.links(page.as_str(), now)),
            Some(_) => told.only().map(|video| video.links(page.as_str(), now)),
        }
    }

    /// What the program says of `what`.
    async fn ask(&self, args: &[&str], what: &str) -> Result<Told, Failure> {
        let own = self.options.arguments.iter().map(AsRef::as_ref);
        let asked = args.iter().map(AsRef::as_ref);
        // Behind the two dashes nothing is an option.
        let args = ALWAYS.iter().map(AsRef::as_ref).chain(own).chain(asked).chain(["--".as_ref(), what.as_ref()]);
        let gone = |error: io::Error| {
            Failure::new(Reason::Unavailable, format!("yt-dlp cannot be started any more: {}", error.kind()))
        };
        let output = self.program.run(args).await.map_err(gone)??;
        if !output.status.success() {
            return Err(complaint::failure(&output));
        }
        if output.stdout.len() <= LONG {
            return Told::read(&output.stdout);
        }
        let read = spawn_blocking(move || Told::read(&output.stdout)).await;
        read.unwrap_or_else(|_| Err(Failure::new(Reason::Unavailable, "what yt-dlp said could not be read")))
    }
}

impl YtDlpNotFound {
    /// What is behind `error`, if it is that.
    pub fn of(error: &Error) -> Option<&Self> {
        crate::failure::behind(error).find_map(|cause| cause.downcast_ref())
    }
}

#[async_trait]
impl Provider for YtDlp {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    async fn search(&self, query: &SearchQuery) -> Result<SearchPage> {
        self.find(query).await.map(checked_page).map_err(|failure| failure.into_error(self.name(), "search"))
    }

    async fn links(&self, request: &LinkRequest) -> Result<Links> {
        self.resolve(request).await.map(checked).map_err(|failure| failure.into_error(self.name(), "links"))
    }
}

impl fmt::Display for YtDlpNotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.program.display();
        write!(f, "there is no program {program}: install yt-dlp (`pip install yt-dlp`), or name where it is")
    }
}

impl StdError for YtDlpNotFound {}

fn not_started(options: &YtDlpOptions, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::NotFound {
        let source = YtDlpNotFound { program: options.program.clone() };
        return Error::new(ErrorKind::Invalid, source.to_string()).with_source(source);
    }
    let message = format!("{} cannot be started", options.program.display());
    Error::new(ErrorKind::Invalid, message).with_source(error)
}

fn version(told: &Output) -> Result<&str, Failure> {
    let version = str::from_utf8(&told.stdout).ok().map(str::trim).filter(|_| told.status.success());
    let is_version = |text: &&str| {
        matches!(text.len(), 1..=64)
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+@/".contains(&byte))
    };
    let other = || Failure::new(Reason::Malformed, "the program does not tell its version: is it yt-dlp?");
    version.filter(is_version).ok_or_else(other)
}

/// The page that `request` names, and the number of a video on it.
fn page(request: &LinkRequest) -> Result<(Url, Option<u32>), Failure> {
    let no_page = || unsupported("a page of the web");
    if !matches!(Page::of(request), Some(Page::Web { .. })) {
        return Err(no_page());
    }
    let url = Url::parse(request.url()).ok().filter(Url::has_host);
    let url = url.or_else(|| Url::parse(&format!("https://{}", request.url())).ok());
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = url.ok_or_else(no_page)?;
    if decoded(url.as_str()).contains(SMUGGLED) {
        return Err(no_page());
    }
    // What two requests of one key differ in does not reach the program.
    if url.fragment().is_some() && !is_known_by_fragment(request, &url) {
        url.set_fragment(None);
    }
    let video = url.fragment().and_then(numbered);
    if let Some((fragment, number)) = video.map(|(fragment, number)| (fragment.map(str::to_owned), number)) {
        url.set_fragment(fragment.as_deref());
        return Ok((url, Some(number).filter(|number| *number > 0)));
    }
    Ok((url, None))
}

/// The fragment of a page and the number of a video on it, if `fragment` says one.
fn numbered(fragment: &str) -> Option<(Option<&str>, u32)> {
    let (of_page, number) = fragment.rsplit_once(ROUTE)?;
    // That of the page, if it has one, is before it.
    let of_page = if of_page.is_empty() { None } else { Some(of_page.strip_suffix('#')?) };
    Some((of_page, number.parse().ok()?))
}

/// Whether the identity of `request` would be another one without the fragment of `url`.
fn is_known_by_fragment(request: &LinkRequest, url: &Url) -> bool {
    let mut whole = url.clone();
    whole.set_fragment(None);
    Canonical::of(whole.as_str()).is_ok_and(|whole| whole != *request.canonical())
}
