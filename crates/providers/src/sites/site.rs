//! `Site`: what the providers of particular sites have in common.

use std::fmt::{self, Write};

use cache_core::{Error, ErrorKind, Result, Timestamp};
use serde::de::DeserializeOwned;
use url::Url;

use crate::canonical::MAX_URL;
use crate::canonical::percent::decoded;
use crate::http::{Ask, Expected, Fetch, Reply};
use crate::{Binding, Failure, Link, LinkKind, LinkRequest, Reason, SourceType, bound_address, link_validity};

/// The most links of an answer: whoever answers with more means no good.
pub(super) const MAX_LINKS: usize = 10_000;

/// A site: its name as a provider, where it is, and what it is asked with.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub(super) name: String,
    pub(super) base: Base,
    /// A hash of where it is: two places of one kind have other links for one identifier.
    pub(super) version: String,
    pub(super) fetch: Fetch,
}

/// What addresses of a site begin with. Its `Debug` shows the host only, because some have a secret in their path.
#[derive(Clone)]
pub(super) struct Base(String);

/// An address with a path and a query, being made.
#[derive(Debug)]
pub(super) struct Address(String);

/// What a request names on a site.
#[derive(Debug)]
pub(super) enum Page {
    /// A page of the web.
    Web {
        /// Scheme, host and port.
        origin: String,
        /// With its port, if that is not the scheme's own.
        host: String,
        /// Decoded.
        segments: Vec<String>,
        fragment: String,
    },
    /// An identifier in the provider's own terms.
    Id(String),
}

impl Site {
    pub(super) fn new(name: &str, base: Base, fetch: &Fetch) -> Self {
        let version = base.hash();
        Self { name: name.to_owned(), base, version, fetch: fetch.clone() }
    }

    /// Moves it to another place.
    pub(super) fn set_base(&mut self, base: Base) {
        self.version = base.hash();
        self.base = base;
    }

    /// What the JSON at `ask` says.
    pub(super) async fn json<T: DeserializeOwned + Send + 'static>(&self, ask: Ask) -> Result<T, Failure> {
        Ok(self.json_reply(ask).await?.0)
    }

    /// The same, and the answer.
    pub(super) async fn json_reply<T: DeserializeOwned + Send + 'static>(
        &self,
        ask: Ask,
    ) -> Result<(T, Reply), Failure> {
        self.fetch.fetch(&ask.expect(Expected::Json)).await?.parsed(Reply::json).await
    }

    /// A link whose text may say whom it is for and until when; its API has `told` an end or not.
    pub(super) fn link(&self, url: impl Into<String>, kind: LinkKind, told: Option<Timestamp>) -> Link {
        let url = url.into();
        let validity = link_validity(&url, &[], told, self.fetch.now());
        let bound = bound_address(&url);
        let mut link = Link::new(url, kind).with_validity(validity);
        if let Some(address) = bound {
            link.bound_to = Binding::Address(address);
        }
        link
    }

    /// Whether a page of `host` is one of this site, which is known as `known` or is where the base says.
    pub(super) fn is_host(&self, host: &str, known: &[&str]) -> bool {
        known.contains(&host) || self.base.host().is_some_and(|own| own == host)
    }
}

impl Base {
    /// # Errors
    /// [`ErrorKind::Invalid`] when `url` is no address of HTTP, or has a query.
    pub(super) fn new(url: &str) -> Result<Self> {
        let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let plain = parsed.filter(|url| url.query().is_none() && url.fragment().is_none());
        let invalid = || Error::new(ErrorKind::Invalid, "the base address of a provider is http(s)://HOST[/PATH]");
        Ok(Self(plain.ok_or_else(invalid)?.as_str().trim_end_matches('/').to_owned()))
    }

    /// One that is known to be right.
    pub(super) fn known(url: &'static str) -> Self {
        Self(url.to_owned())
    }

    /// The address below it whose path has these segments.
    pub(super) fn at(&self, segments: &[&str]) -> Address {
        let path = segments.iter().fold(self.0.clone(), |path, segment| path + "/" + &encoded(segment));
        Address(path)
    }

    /// `reference`, as a page of the site means it.
    pub(super) fn resolve(&self, reference: &str) -> Option<String> {
        Some(Url::parse(&self.0).ok()?.join(reference).ok()?.into())
    }

    /// The base without `end`, if it ends so.
    pub(super) fn without(self, end: &str) -> Self {
        Self(self.0.strip_suffix(end).unwrap_or(&self.0).trim_end_matches('/').to_owned())
    }

    /// What stands for it in keys, because it may have a secret in it.
    fn hash(&self) -> String {
        format!("{:.16}", blake3::hash(self.0.as_bytes()).to_hex())
    }

    /// With its port, if that is not the scheme's own.
    fn host(&self) -> Option<String> {
        authority(&Url::parse(&self.0).ok()?)
    }

    /// Whether `url` is on the same host, port and scheme.
    pub(super) fn is_origin_of(&self, url: &str) -> bool {
        let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        origin(url).is_some_and(|of_url| origin(&self.0) == Some(of_url))
    }
}

impl Address {
    /// With one more parameter.
    pub(super) fn with(mut self, name: &str, value: impl fmt::Display) -> Self {
        let mark = if self.0.contains('?') { '&' } else { '?' };
        // Writing to a string does not fail.
        _ = write!(self.0, "{mark}{}={}", encoded(name), encoded(&value.to_string()));
        self
    }

    pub(super) fn ask(self) -> Ask {
        Ask::get(self.0)
    }

    pub(super) fn text(self) -> String {
        self.0
    }
}

impl Page {
    /// What `request` names; none where that can no longer be told.
    pub(super) fn of(request: &LinkRequest) -> Option<Self> {
        // Identities of sites that are known may look the same.
        let id = request.canonical().id().strip_prefix("id/");
        if let Some(id) = id.filter(|_| request.source_type() == SourceType::Unknown) {
            return Some(Self::Id(id.to_owned()));
        }
        let url = request.url();
        let url = Url::parse(url).ok().filter(Url::has_host).or_else(|| Url::parse(&format!("https://{url}")).ok())?;
        let segments = url.path().split('/').filter(|segment| !segment.is_empty());
        Some(Self::Web {
            origin: url.origin().ascii_serialization(),
            host: authority(&url)?,
            segments: segments.map(|segment| decoded(segment).into_owned()).collect(),
            fragment: url.fragment().unwrap_or_default().to_owned(),
        })
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base({})", self.host().unwrap_or_default())
    }
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// `text` as a segment of a path, or as a name or value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut to = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            to.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            _ = write!(to, "%{byte:02X}");
        }
    }
    to
}

/// `url` as it is fetched, which some write with spaces in it; none where it is not of HTTP or a magnet link, or
/// longer than addresses are.
pub(super) fn fetchable(url: &str) -> Option<String> {
    let is = |url: &String| url.len() <= MAX_URL && Link::new(url.as_str(), LinkKind::Other).is_fetchable();
    let written = Some(url.trim().to_owned()).filter(is);
    written.or_else(|| Url::parse(url).ok().map(String::from).filter(is))
}

/// The failure of a request that names nothing on this site.
pub(super) fn unsupported(wanted: &str) -> Failure {
    Failure::new(Reason::Unsupported, format!("that is not {wanted}"))
}
