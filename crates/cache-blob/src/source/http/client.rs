//! `HttpClient`: connections that many sources share.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use cache_core::{Error, ErrorKind};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Url};

use crate::BlobError;

/// Options of an [`HttpClient`].
#[derive(Debug, Clone)]
pub struct HttpOptions {
    redirects: usize,
    connect_limit: Duration,
    user_agent: String,
}

/// Connections to origins, shared by all sources that are made with it and by its clones.
#[derive(Clone)]
pub struct HttpClient(Client);

impl HttpOptions {
    /// Five redirects, 10 s to connect.
    pub fn new() -> Self {
        let user_agent = concat!("reelcache/", env!("CARGO_PKG_VERSION")).to_owned();
        Self { redirects: 5, connect_limit: Duration::from_secs(10), user_agent }
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
}

impl HttpClient {
    /// A client with `options`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when they make none, or when the system has no TLS roots.
    pub fn new(options: HttpOptions) -> cache_core::Result<Self> {
        let client = Client::builder()
            .redirect(Policy::limited(options.redirects))
            .connect_timeout(options.connect_limit)
            .user_agent(options.user_agent)
            .no_proxy()
            .http1_only()
            .build();
        let invalid = |error| Error::new(ErrorKind::Invalid, "no HTTP client can be made so").with_source(error);
        client.map(Self).map_err(invalid)
    }

    pub(super) fn get(&self, url: Url) -> RequestBuilder {
        self.0.get(url)
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
    let mut deepest: &dyn StdError = &error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let message = format!("the request to the origin failed: {deepest}");
    let is_lasting = error.is_builder() || error.is_redirect();
    let failed = if is_lasting { BlobError::lasting(message) } else { BlobError::passing(message) };
    failed.caused(error)
}
