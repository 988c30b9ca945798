//! `HttpClient`: connections that many sources share.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
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

/// Whether an address may be connected to.
type Admits = fn(IpAddr) -> bool;

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
        Self { redirects: 5, connect_limit: Duration::from_secs(10), user_agent, admits: |_| true }
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
    /// address that was asked about, so a name that changes its mind gets nowhere.
    #[must_use]
    pub fn admit(mut self, admits: fn(IpAddr) -> bool) -> Self {
        self.admits = admits;
        self
    }
}

impl HttpClient {
    /// A client with `options`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when they make none, or when the system has no TLS roots.
    pub fn new(options: HttpOptions) -> cache_core::Result<Self> {
        let HttpOptions { redirects, admits, .. } = options;
        let client = Client::builder()
            .redirect(Policy::custom(move |attempt| follow(attempt, redirects, admits)))
            .dns_resolver(Admitted(admits))
            .connect_timeout(options.connect_limit)
            .user_agent(options.user_agent)
            .no_proxy()
            .http1_only()
            .build();
        let invalid = |error| Error::new(ErrorKind::Invalid, "no HTTP client can be made so").with_source(error);
        client.map(|client| Self { client, admits }).map_err(invalid)
    }

    /// A request for `url`.
    ///
    /// # Errors
    /// When it names an address that is not connected to.
    pub(super) fn get(&self, url: Url) -> Result<RequestBuilder> {
        if is_admitted(&url, self.admits) {
            Ok(self.client.get(url))
        } else {
            Err(BlobError::lasting(NotAdmitted.to_string()))
        }
    }
}

/// Names are looked up here, so that what is connected to is what was asked about.
struct Admitted(Admits);

impl Resolve for Admitted {
    fn resolve(&self, name: Name) -> Resolving {
        let admits = self.0;
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<_> = found.filter(|address| admits(address.ip())).collect();
            if admitted.is_empty() {
                return Err(NotAdmitted.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

/// Why nothing is connected to.
#[derive(Debug)]
struct NotAdmitted;

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the origin is at an address that is not fetched from")
    }
}

impl StdError for NotAdmitted {}

/// Addresses in place of names do not come by the resolver.
fn is_admitted(url: &Url, admits: Admits) -> bool {
    let host = url.host_str().unwrap_or_default();
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.parse().map_or(true, admits)
}

fn follow(attempt: Attempt<'_>, redirects: usize, admits: Admits) -> reqwest::redirect::Action {
    if attempt.previous().len() > redirects {
        attempt.error("the origin redirects too often")
    } else if is_admitted(attempt.url(), admits) {
        attempt.follow()
    } else {
        attempt.error(NotAdmitted)
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
