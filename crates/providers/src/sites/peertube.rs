//! `PeerTube`: films of an instance of `PeerTube`, or of all that an index knows.

mod video;

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use cache_core::Result;
use serde::Deserialize;

use super::media::{best_first, span_of};
use super::settled::{checked, checked_page, limited};
use super::site::unsupported;
use super::{Base, Page, Site, lenient};
use crate::http::{Ask, Fetch};
use crate::validity::iso_date;
use crate::{
    Binding, Failure, Link, LinkKind, LinkRequest, Links, Provider, Reason, SearchPage, SearchQuery, SearchResult,
    Validity,
};
use video::{Captions, Pass, Video};

const INDEX: &str = "https://sepiasearch.org";
/// How deep a search goes.
const REACH: u64 = 10_000;
/// The longest token of a video, in bytes: it is in each link.
const MAX_TOKEN: usize = 2048;

/// Films of an instance of `PeerTube`, or of all instances that an index such as `SepiaSearch` knows, by the API `v1`.
///
/// * **Search** is asked of the instance or index. Parameters: `nsfw` (`true`, `false`, `both`), `sort`, and others of its
///   API for searches.
/// * **Links** of pages such as `HOST/w/ID` and `HOST/videos/watch/ID`: whole files, playlists of HLS, magnet links and
///   subtitles. An instance is asked about pages of others as well, which it knows by federation; with an index, the
///   instance of the page is asked. An instance also takes the identifier alone.
/// * Videos that are not for everybody need a token, which is asked for in the name of the request's
///   [account](LinkRequest::account): their links end when the token does, and are bound to the account.
/// * Subtitles that cannot be had make the answer partial.
#[derive(Debug, Clone)]
pub struct PeerTube {
    site: Site,
    is_index: bool,
    version: String,
    accounts: BTreeMap<String, PeerTubeAccess>,
}

/// What an account shows to an instance. Its `Debug` shows neither.
#[derive(Clone, Default)]
pub struct PeerTubeAccess {
    token: Option<String>,
    password: Option<String>,
}

impl PeerTube {
    /// The instance at `base_url`, named `peertube`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid) when that is no address of HTTP.
    pub fn instance(fetch: &Fetch, base_url: &str) -> Result<Self> {
        Ok(Self::new(Site::new("peertube", Base::new(base_url)?, fetch), false))
    }

    /// All instances that the index at sepiasearch.org knows, named `sepia`. Whatever instance a request names is asked:
    /// see [`FetchOptions::admit`](crate::http::FetchOptions::admit).
    pub fn sepia(fetch: &Fetch) -> Self {
        Self::new(Site::new("sepia", Base::known(INDEX), fetch), true)
    }

    /// Sets its name as a provider.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.site.name = name.into();
        self
    }

    /// Sets where the instance or index is.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`](cache_core::ErrorKind::Invalid) when that is no address of HTTP.
    pub fn at(mut self, base_url: &str) -> Result<Self> {
        self.site.set_base(Base::new(base_url)?);
        self.set_version();
        Ok(self)
    }

    /// Sets what requests of `account` show to this instance; the empty account is that of requests that name none. No
    /// other host sees it.
    #[must_use]
    pub fn account(mut self, account: impl Into<String>, access: PeerTubeAccess) -> Self {
        self.accounts.insert(account.into(), access);
        self.set_version();
        self
    }

    fn new(site: Site, is_index: bool) -> Self {
        let mut own = Self { site, is_index, version: String::new(), accounts: BTreeMap::new() };
        own.set_version();
        own
    }

    /// Where it is, of which kind, and which accounts show something: what they show is secret, and has no part in it.
    fn set_version(&mut self) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.site.version.as_bytes()).update(&[u8::from(self.is_index)]);
        for (account, access) in &self.accounts {
            let shows = [u8::from(access.token.is_some()), u8::from(access.password.is_some())];
            hasher.update(&(account.len() as u64).to_le_bytes()).update(account.as_bytes()).update(&shows);
        }
        self.version = format!("{:.16}", hasher.finalize().to_hex());
    }

    async fn find(&self, query: &SearchQuery) -> Result<SearchPage, Failure> {
        let start = query.page.as_deref().map_or(Ok(0), str::parse::<u64>);
        let start = start.map_err(|_| unsupported("a page of this search"))?;
        let address = self.site.base.at(&["api", "v1", "search", "videos"]).with("search", &query.text);
        let address = address.with("start", start).with("count", query.limit.unwrap_or(15).clamp(1, 100));
        let own = ["search", "start", "count"];
        let params = query.params.iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let address = params.fold(address, |address, (name, value)| address.with(name, value));
        let found: Found = self.site.json(address.ask()).await?;
        let seen = start.saturating_add(found.data.len() as u64);
        let has_more = !found.data.is_empty() && seen < found.total.unwrap_or(0).min(REACH);
        let mut page = SearchPage::of(found.data.into_iter().filter_map(|video| self.result(video)));
        page.total = found.total;
        page.next = has_more.then(|| seen.to_string());
        Ok(page)
    }

    fn result(&self, video: Video) -> Option<SearchResult> {
        let id = video.short_uuid.as_deref().or(video.uuid.as_deref());
        let own = |id: &str| (!self.is_index).then(|| self.site.base.at(&["w", id]).text());
        let mut result = SearchResult::new(video.name.clone(), video.url.clone().or_else(|| own(id?))?);
        result.kind = Some(if video.is_live { LinkKind::Hls } else { LinkKind::Video });
        result.image_url = video.image(&self.site.base);
        result.duration = video.duration.and_then(span_of);
        result.creator = video.account.and_then(video::Account::shown);
        Some(result)
    }

    async fn resolve(&self, request: &LinkRequest) -> Result<Links, Failure> {
        let (base, id) = self.video(request).ok_or_else(|| unsupported("a video of PeerTube"))?;
        let access = self.access(request);
        let of = |ask: Ask| access.shown(ask);
        let path = ["api", "v1", "videos", &id];
        let video: Video = self.site.json(of(base.at(&path).ask())).await?;
        let captions = self.site.json::<Captions>(of(base.at(&["api", "v1", "videos", &id, "captions"]).ask()));
        let (captions, pass) = tokio::join!(captions, self.pass(&base, &id, &video, access));
        let pass = pass?;
        let texts = captions.as_ref().ok().into_iter().flat_map(|captions| captions.links(&base));
        let texts = texts.map(|(url, language)| {
            let mut link = self.passed(&base, url, LinkKind::Subtitles, pass.as_ref());
            link.language = language;
            link
        });
        let mut links = limited(self.links_of(&base, &video, pass.as_ref()).chain(texts));
        if let Err(failure) = &captions {
            tracing::debug!(provider = %self.site.name, %failure, "the subtitles of a video are missing");
            links = links.partial();
        }
        best_first(&mut links.links);
        links.image_url = video.image(&base);
        links.duration = video.duration.and_then(span_of);
        links.page_url = video.url.or_else(|| Some(base.at(&["w", &id]).text()));
        links.creator = video.account.and_then(video::Account::shown);
        links.title = Some(video.name);
        Ok(links)
    }

    /// The token that the files of `video` need, if they do.
    async fn pass(&self, base: &Base, id: &str, video: &Video, access: Access<'_>) -> Result<Option<Pass>, Failure> {
        if video.is_open() {
            return Ok(None);
        }
        let address = base.at(&["api", "v1", "videos", id, "token"]).text();
        let token: Token = self.site.json(access.shown(Ask::post(address))).await?;
        if token.files.token.len() > MAX_TOKEN {
            return Err(Failure::new(Reason::Malformed, "the token of the video is longer than any should be"));
        }
        Ok(Some(Pass { token: token.files.token, ends: iso_date(&token.files.expires) }))
    }

    fn links_of<'a>(
        &'a self,
        base: &'a Base,
        video: &'a Video,
        pass: Option<&'a Pass>,
    ) -> impl Iterator<Item = Link> + 'a {
        let lists = video.streaming_playlists.iter();
        let playlists = lists.clone().filter_map(|list| list.playlist_url.clone());
        let playlists = playlists.map(move |url| self.passed(base, url, LinkKind::Hls, pass));
        let files = video.files.iter().chain(lists.flat_map(|list| &list.files));
        let described = files.flat_map(move |file| {
            let whole = file.url.clone().map(|url| self.passed(base, url, file.kind(), pass));
            // The swarm is for everybody, and its pieces for those whom the video is for.
            let magnet = file.magnet_uri.as_ref().filter(|_| pass.is_none());
            let magnet = magnet.map(|magnet| self.site.link(magnet, LinkKind::Torrent, None));
            [whole, magnet].into_iter().flatten().map(|mut link| {
                file.describe(&mut link);
                link
            })
        });
        playlists.chain(described)
    }

    /// The link to `url`, with the token that it needs.
    fn passed(&self, base: &Base, url: String, kind: LinkKind, pass: Option<&Pass>) -> Link {
        // Nobody else is shown the token.
        let Some(pass) = pass.filter(|_| base.is_origin_of(&url)) else { return self.site.link(url, kind, None) };
        let mut link = self.site.link(pass.on(&url, kind), kind, pass.ends);
        link.bound_to = Binding::Account;
        if pass.ends.is_none() {
            link.validity = link.validity.and(Validity::once(self.site.fetch.now()));
        }
        link
    }

    /// The instance and the identifier of what `request` names.
    fn video(&self, request: &LinkRequest) -> Option<(Base, String)> {
        let (base, id) = match Page::of(request)? {
            Page::Id(id) => (self.site.base.clone(), (!self.is_index).then_some(id)?),
            Page::Web { origin, segments, .. } => {
                let id = match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
                    ["w", id] | ["videos", "watch" | "embed", id] => id.to_owned(),
                    _ => return None,
                };
                (if self.is_index { Base::new(&origin).ok()? } else { self.site.base.clone() }, id)
            }
        };
        let is_id = id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_id.then_some((base, id))
    }

    /// Instances that an index names are strangers.
    fn access(&self, request: &LinkRequest) -> Access<'_> {
        Access(self.accounts.get(request.account()).filter(|_| !self.is_index))
    }
}

impl PeerTubeAccess {
    /// An account, by its token of `OAuth`.
    pub fn token(token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), password: None }
    }

    /// Whoever knows the password of a video.
    pub fn password(password: impl Into<String>) -> Self {
        Self { token: None, password: Some(password.into()) }
    }
}

#[async_trait]
impl Provider for PeerTube {
    fn name(&self) -> &str {
        &self.site.name
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

impl fmt::Debug for PeerTubeAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerTubeAccess").finish_non_exhaustive()
    }
}

/// What is shown to the instance with each request.
#[derive(Clone, Copy)]
struct Access<'a>(Option<&'a PeerTubeAccess>);

#[derive(Deserialize)]
struct Found {
    #[serde(default, deserialize_with = "lenient::number")]
    total: Option<u64>,
    #[serde(deserialize_with = "lenient::list")]
    data: Vec<Video>,
}

#[derive(Deserialize)]
struct Token {
    files: FileToken,
}

#[derive(Deserialize)]
struct FileToken {
    token: String,
    #[serde(default)]
    expires: String,
}

impl Access<'_> {
    fn shown(self, mut ask: Ask) -> Ask {
        if let Some(token) = self.0.and_then(|access| access.token.as_ref()) {
            ask = ask.secret("authorization", format!("Bearer {token}"));
        }
        if let Some(password) = self.0.and_then(|access| access.password.as_ref()) {
            ask = ask.secret("x-peertube-video-password", password);
        }
        ask
    }
}

impl Pass {
    /// `url` with the token in it.
    fn on(&self, url: &str, kind: LinkKind) -> String {
        let mark = if url.contains('?') { '&' } else { '?' };
        let token = super::site::encoded(&self.token);
        // What a playlist names needs the token as well.
        let onward = if kind == LinkKind::Hls { "&reinjectVideoFileToken=true" } else { "" };
        format!("{url}{mark}videoFileToken={token}{onward}")
    }
}
