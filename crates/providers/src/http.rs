//! `Fetch`: requests of HTTP that providers make, all within limits.

mod admit;
mod ask;
mod check;
mod hosts;
mod options;
mod reply;

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Clock, Error, ErrorKind, Result, Timestamp};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use tokio::time::timeout;
use url::Url;

pub use ask::Ask;
pub use check::HttpCheck;
pub use options::FetchOptions;
pub use reply::{Expected, Reply};

pub(crate) use ask::is_sendable;

use crate::{Failure, Reason};
use hosts::{Hosts, Seat};
use options::Limits;

/// How long a connection stays open for the next request: of hosts that strangers name there is no end.
const IDLE: Duration = Duration::from_secs(5);

/// Requests of HTTP, all within limits: of time, of bytes, of redirects, and of what one host is asked at once and in a
/// second. Cloning shares connections and limits, so all providers of a process are best made with one.
///
/// * A host that answers 429 or 503 with `Retry-After` is left alone until then: requests for it fail at once, and their
///   [`Failure::retry_after`] says for how long. One that answers 429 without it is left alone for five seconds.
/// * Answers are read as they come and given up as soon as they are longer than is allowed, whatever length they promise.
///   Compressed ones are neither asked for nor taken.
/// * Redirects are followed to addresses of HTTP only. Secrets of a request stay with the origin that it was made for.
/// * Errors and logs name hosts and statuses, never paths, queries and headers.
/// * Dropping a future ends its request.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use providers::http::{Ask, Expected, Fetch, FetchOptions};
///
/// let fetch = Fetch::new(FetchOptions::new().contact("https://example.org/about"))?;
/// let reply = fetch.fetch(&Ask::get("https://example.org/films.json").expect(Expected::Json)).await?;
/// let films: Vec<String> = reply.json()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Fetch(Arc<Inner>);

struct Inner {
    client: Client,
    limits: Limits,
    hosts: Hosts,
    clock: Arc<dyn Clock>,
}

/// An answer whose body is not read yet, and the seat at its host that is kept until then.
struct Begun {
    response: Response,
    url: Url,
    _seat: Seat,
}

impl Fetch {
    /// Requests within `options`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the options make no client, or when the system has no TLS roots.
    pub fn new(options: FetchOptions) -> Result<Self> {
        let user_agent = options.user_agent();
        let FetchOptions { limits, clock, .. } = options;
        let client = Client::builder()
            // Followed here, where each host is asked within its own limits.
            .redirect(Policy::none())
            .dns_resolver(admit::Admitted(limits.admits))
            .connect_timeout(limits.connect)
            .user_agent(user_agent)
            .no_proxy()
            .http1_only()
            .pool_idle_timeout(IDLE)
            .build();
        let invalid = |error| Error::new(ErrorKind::Invalid, "no HTTP client can be made so").with_source(error);
        let client = client.map_err(invalid)?;
        let hosts = Hosts::new(limits.clone());
        Ok(Self(Arc::new(Inner { client, limits, hosts, clock })))
    }

    /// The answer to `ask`, read to its end.
    ///
    /// # Errors
    /// When there is none within the limits, when it is a refusal, and when it is of another type than expected.
    pub async fn fetch(&self, ask: &Ask) -> Result<Reply, Failure> {
        self.limited(ask, async {
            let begun = self.begin(ask).await?;
            reply::refusal(&begun.response, self.now(), self.0.limits.max_pause)?;
            reply::read(begun.response, &begun.url, ask.expected, self.0.limits.max_bytes).await
        })
        .await
    }

    /// The instant that validities are reckoned from.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// The status of the answer to `ask`, whose body is not read.
    pub(crate) async fn status(&self, ask: &Ask) -> Result<u16, Failure> {
        self.limited(ask, async { Ok(self.begin(ask).await?.response.status().as_u16()) }).await
    }

    async fn limited<T>(&self, ask: &Ask, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        let late = |_| {
            let host = Url::parse(&ask.url).map_or_else(|_| "the host".to_owned(), |url| authority(&url));
            Failure::new(Reason::Timeout, format!("{host} took longer than {:?}", self.0.limits.total))
        };
        timeout(self.0.limits.total, work).await.map_err(late)?
    }

    /// The answer of the last host that `ask` is sent on to.
    async fn begin(&self, ask: &Ask) -> Result<Begun, Failure> {
        let mut url = admit::parsed(&ask.url)?;
        let mut headers = ask.headers()?;
        for _ in 0..=self.0.limits.redirects {
            let begun = self.hop(ask, url.clone(), headers.clone()).await?;
            if !matches!(begun.response.status().as_u16(), 301 | 302 | 303 | 307 | 308) || ask.method == Method::POST {
                return Ok(begun);
            }
            let next = target(&begun)?;
            if next.origin() != url.origin() {
                ask.keep_secrets(&mut headers);
            }
            url = next;
        }
        Err(Failure::new(Reason::Unavailable, format!("{} redirects too often", authority(&url))))
    }

    async fn hop(&self, ask: &Ask, url: Url, headers: HeaderMap) -> Result<Begun, Failure> {
        let (host, limits) = (authority(&url), &self.0.limits);
        if let Some(refusal) = admit::refusal(&url, limits) {
            return Err(refusal);
        }
        let seat = self.0.hosts.enter(&host).await?;
        let mut request = self.0.client.request(ask.method.clone(), url.clone());
        request = request.header(ACCEPT, ask.expected.accept()).header(ACCEPT_ENCODING, "identity").headers(headers);
        if ask.method == Method::POST {
            request = request.body("");
        }
        let answered = timeout(limits.first_byte, request.send()).await;
        let late = || format!("{host} did not begin to answer within {:?}", limits.first_byte);
        let response = answered.map_err(|_| Failure::new(Reason::Timeout, late()))?.map_err(|e| failed(&host, e))?;
        if let Some(pause) = reply::pause(&response, self.now(), limits.max_pause) {
            seat.close(pause, reply::reason(response.status().as_u16()));
        }
        Ok(Begun { response, url, _seat: seat })
    }
}

impl fmt::Debug for Fetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetch").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// Where a redirect leads.
fn target(begun: &Begun) -> Result<Url, Failure> {
    let location = begun.response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let next = location.and_then(|location| begun.url.join(location).ok());
    let next = next.filter(|next| matches!(next.scheme(), "http" | "https") && next.has_host());
    let nowhere = || format!("{} redirects to what is no address of HTTP", authority(&begun.url));
    next.ok_or_else(|| Failure::new(Reason::Malformed, nowhere()))
}

/// The host of `url`, with its port if that is not the scheme's own: all that is shown of an address.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Why a request or a body failed, without the address, which may hold a secret.
fn failed(host: &str, error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut deepest: &(dyn StdError + 'static) = &error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    let reason = if deepest.is::<admit::NotAdmitted>() {
        Reason::Forbidden
    } else if error.is_timeout() {
        Reason::Timeout
    } else if error.is_builder() {
        Reason::Unsupported
    } else {
        Reason::Unavailable
    };
    Failure::new(reason, format!("the request to {host} failed: {deepest}"))
}
