//! `Ask`: one request of HTTP.

use std::fmt;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION};

use super::Expected;
use crate::{Failure, Reason};

/// Headers that belong to a connection, or that say what a request is: not for others to set.
const OWN: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One request of HTTP. Its `Debug` shows neither query nor headers.
#[derive(Clone)]
pub struct Ask {
    pub(super) url: String,
    pub(super) method: Method,
    pub(super) expected: Expected,
    headers: Vec<(String, String)>,
    secrets: Vec<(String, String)>,
}

impl Ask {
    /// A `GET` of `url`, whatever comes.
    pub fn get(url: impl Into<String>) -> Self {
        Self::with(Method::GET, url.into())
    }

    /// A `POST` to `url` without a body. Its redirects are not followed.
    pub fn post(url: impl Into<String>) -> Self {
        Self::with(Method::POST, url.into())
    }

    /// A `HEAD` of `url`.
    pub fn head(url: impl Into<String>) -> Self {
        Self::with(Method::HEAD, url.into())
    }

    /// Sets what has to come.
    #[must_use]
    pub fn expect(mut self, expected: Expected) -> Self {
        self.expected = expected;
        self
    }

    /// Sends a header, also to the hosts that the request is sent on to. Those for authentication are
    /// [secrets](Self::secret) in any case.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a header to no other origin than that of the address.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.secrets.push((name.into(), value.into()));
        self
    }

    fn with(method: Method, url: String) -> Self {
        Self { url, method, expected: Expected::Anything, headers: Vec::new(), secrets: Vec::new() }
    }

    pub(super) fn headers(&self) -> Result<HeaderMap, Failure> {
        let mut map = HeaderMap::new();
        for (name, value) in self.headers.iter().chain(&self.secrets) {
            let invalid = || Failure::new(Reason::Unsupported, format!("{name:?} or its value is no header of HTTP"));
            let name = HeaderName::try_from(name).map_err(|_| invalid())?;
            let mut value = HeaderValue::try_from(value).map_err(|_| invalid())?;
            value.set_sensitive(true);
            map.insert(name, value);
        }
        Ok(map)
    }

    /// Takes out of `headers` what another origin must not see.
    pub(super) fn keep_secrets(&self, headers: &mut HeaderMap) {
        let own = self.secrets.iter().map(|(name, _)| name.as_str());
        for name in own.chain([AUTHORIZATION.as_str(), COOKIE.as_str(), PROXY_AUTHORIZATION.as_str()]) {
            headers.remove(name);
        }
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = crate::canonical::shown(&self.url);
        f.debug_struct("Ask").field("method", &self.method).field("url", &url).finish_non_exhaustive()
    }
}

/// Whether a header that somebody else names may be sent along with a request.
pub(crate) fn is_sendable(name: &str, value: &str) -> bool {
    let is_own = OWN.iter().any(|own| name.eq_ignore_ascii_case(own));
    !is_own && HeaderName::try_from(name).is_ok() && HeaderValue::try_from(value).is_ok()
}
