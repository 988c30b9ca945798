//! `HttpClient`: connections that many sources share.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, RequestBuilder, Url};
use tokio::net::lookup_host;

use crate::{BlobError, Result};

/// Options of an [`HttpClient`].
#[derive(Debug, Clone)]
pub struct HttpOptions {
    redirects: usize,
    connect_limit: Duration,
    user_agent: String,
    admits: Admits,
}

/// What may be connected to.
#[derive(Debug, Clone)]
struct Admits {
    address: fn(IpAddr) -> bool,
    ports: Arc<[RangeInclusive<u16>]>,
}

/// Connections to origins, shared by all sources that are made with it and by its clones.
#[derive(Clone)]
pub struct HttpClient {
    client: Client,
    admits: Admits,
}

impl HttpOptions {
    /// Five redirects, 10 s to connect.
    pub fn new() -> Self {
        let user_agent = concat!("reelcache/", env!("CARGO_PKG_VERSION")).to_owned();
        let admits = Admits { address: |_| true, ports: Arc::new([0..=u16::MAX]) };
        Self { redirects: 5, connect_limit: Duration::from_secs(10), user_agent, admits }
    }

    /// Sets how many redirects a request follows.
    #[must_use]
    pub fn redirects(mut self, redirects: usize) -> Self {
        self.redirects = redirects;
        self
    }

    /// Sets how long a connection may take to be made.
    #[must_use]
    pub fn connect_limit(mut self, limit: Duration) -> Self {
        self.connect_limit = limit;
        self
    }

    /// Sets the name that origins see.
    #[must_use]
    pub fn user_agent(mut self, name: impl Into<String>) -> Self {
        self.user_agent = name.into();
        self
    }

    /// Sets which addresses are connected to, whoever names them: links, redirects, the name service. All unless set. A
    /// service that fetches what strangers ask for leaves out its own machine and network. Each connection goes to an
    /// address that was asked about, so a name that changes its mind gets nowhere. An IPv4 address in the form of an IPv6
    /// one is asked about as IPv4.
    #[must_use]
    pub fn admit(mut self, admits: fn(IpAddr) -> bool) -> Self {
        self.admits.address = admits;
        self
    }

    /// Sets which ports are connected to, by links and redirects. All unless set.
    #[must_use]
    pub fn ports(mut self, ports: impl IntoIterator<Item = RangeInclusive<u16>>) -> Self {
        self.admits.ports = ports.into_iter().collect();
        self
    }
}

impl HttpClient {
    /// A client with `options`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when they make none, or when the system has no TLS roots.
    pub fn new(options: HttpOptions) -> cache_core::Result<Self> {
        Self::looking_up(options, ask_system)
    }

    /// As [`new`](Self::new), where `lookup` says which addresses a name has.
    fn looking_up(options: HttpOptions, lookup: Lookup) -> cache_core::Result<Self> {
        let HttpOptions { redirects, admits, .. } = options;
        let redirected = admits.clone();
        let client = Client::builder()
            .redirect(Policy::custom(move |attempt| follow(attempt, redirects, &redirected)))
            .dns_resolver(Resolver { admits: admits.address, lookup })
            .connect_timeout(options.connect_limit)
            .user_agent(options.user_agent)
            // It would be the link before a redirect, with what is secret in it.
            .referer(false)
            .no_proxy()
            .http1_only()
            // Most fetches are left before their end, which ends the connection. Of the others, one would stay open for each
            // host, and whoever names hosts may name ever new ones: the library bounds those of a host, not the hosts.
            .pool_max_idle_per_host(0)
            .build();
        let invalid = |error| Error::new(ErrorKind::Invalid, "no HTTP client can be made so").with_source(error);
        client.map(|client| Self { client, admits }).map_err(invalid)
    }

    /// A request for `url`.
    ///
    /// # Errors
    /// When it names an address that is not connected to.
    pub(super) fn get(&self, url: Url) -> Result<RequestBuilder> {
        match self.admits.refusal(&url) {
            None => Ok(self.client.get(url)),
            Some(refused) => Err(BlobError::lasting(refused.to_string())),
        }
    }
}

impl Admits {
    /// Why `url` is not asked, if so. The addresses of names are left to the resolver.
    fn refusal(&self, url: &Url) -> Option<NotAdmitted> {
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let port = url.port_or_known_default().unwrap_or(0);
        if !host.parse().map_or(true, |address: IpAddr| (self.address)(address.to_canonical())) {
            Some(NotAdmitted::Address)
        } else if !self.ports.iter().any(|ports| ports.contains(&port)) {
            Some(NotAdmitted::Port)
        } else if has_login(url) {
            Some(NotAdmitted::Login)
        } else {
            None
        }
    }
}

/// The addresses of a name, when they are known.
type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
type Lookup = fn(String) -> Found;

fn ask_system(name: String) -> Found {
    Box::pin(async move { Ok(lookup_host((name, 0)).await?.collect()) })
}

/// Names are looked up here, so that what is connected to is what was asked about.
struct Resolver {
    admits: fn(IpAddr) -> bool,
    lookup: Lookup,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (admits, found) = (self.admits, (self.lookup)(name.as_str().to_owned()));
        Box::pin(async move {
            let found = found.await?.into_iter();
            let admitted: Vec<_> = found.filter(|address| admits(address.ip().to_canonical())).collect();
            if admitted.is_empty() {
                return Err(NotAdmitted::Address.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// Why nothing is connected to.
#[derive(Debug)]
enum NotAdmitted {
    Address,
    Port,
    Login,
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "the origin is at an address that is not fetched from",
            Self::Port => "the origin is at a port that is not fetched from",
            Self::Login => "the origin redirects to an address with a user name or a password",
        })
    }
}

impl StdError for NotAdmitted {}

/// Whether an address holds a user name or a password: they would be sent along, and logged with the address.
pub(super) fn has_login(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

fn follow(attempt: Attempt<'_>, redirects: usize, admits: &Admits) -> reqwest::redirect::Action {
    if attempt.previous().len() > redirects {
        return attempt.error("the origin redirects too often");
    }
    match admits.refusal(attempt.url()) {
        None => attempt.follow(),
        Some(refused) => attempt.error(refused),
    }
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// The error of a request or a body, without the address, which may hold a secret.
pub(super) fn failed(error: reqwest::Error) -> BlobError {
    let error = error.without_url();
    let mut deepest: &(dyn StdError + 'static) = &error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let message = format!("the request to the origin failed: {deepest}");
    let is_lasting = error.is_builder() || error.is_redirect() || deepest.is::<NotAdmitted>();
    let failed = if is_lasting { BlobError::lasting(message) } else { BlobError::passing(message) };
    failed.caused(error)
}

#[cfg(test)]
mod tests;
