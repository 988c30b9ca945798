//! `Endpoint`: a server that speaks the API of `OpenAI`.

mod gate;
mod options;
mod reply;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result, Retry};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

pub use options::EndpointOptions;

use crate::blocking;
use gate::Gate;
use reply::{Refusal, Trouble};

/// A model on a server that speaks the API of `OpenAI`: a service on the net, or llama.cpp, vLLM, Ollama and the like here.
/// Cloning shares connections and limits.
///
/// * No more requests are under way, and no more are begun in a minute, than its options say.
/// * A request that fails for a passing reason, with 408, 429 or 5xx, for want of a connection or of an answer in time, is
///   made again after a pause that doubles. `Retry-After` holds for everybody who shares this; one that is longer than
///   allowed fails all requests at once until then.
/// * Answers are read as they come, and given up when they are longer than allowed. Redirects are not followed.
/// * Errors, logs and `Debug` name the host and the model, never the key, paths, or what was sent and answered.
#[derive(Clone)]
pub struct Endpoint(Arc<Inner>);

struct Inner {
    client: Client,
    base: Url,
    headers: HeaderMap,
    gate: Gate,
    options: EndpointOptions,
}

/// The first pause before a request is made again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// From here on, reading an answer would keep others waiting.
const LONG: usize = 128 << 10;

impl Endpoint {
    /// The endpoint that `options` describe.
    ///
    /// # Errors
    /// `Invalid` for an address that is none of HTTP, or that holds a name or password, and for a key that no header holds.
    pub fn new(options: EndpointOptions) -> Result<Self> {
        let invalid = |what: &str| Error::new(ErrorKind::Invalid, what.to_owned()).with_operation("set up an endpoint");
        let base = Url::parse(&options.base).map_err(|_| invalid("its address is no URL"))?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(invalid("its address is none of HTTP: give one like http://localhost:8080/v1"));
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(invalid("its address holds a name or password: give a key instead"));
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &options.key {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.shown()));
            let mut value = value.map_err(|_| invalid("its key holds what no header may: is a line break in it?"))?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(options.connect)
            .no_proxy()
            .http1_only()
            .build()
            .map_err(|error| invalid("no HTTP client can be made").with_source(error))?;
        let gate = Gate::new(options.at_once, options.gap, options.longest_wait);
        Ok(Self(Arc::new(Inner { client, base, headers, gate, options })))
    }

    /// The model that is asked.
    pub fn model(&self) -> &str {
        &self.0.options.model
    }

    /// What changes when the model is another one under the same name; empty unless told.
    pub fn revision(&self) -> &str {
        &self.0.options.revision
    }

    pub(crate) fn at_once(&self) -> usize {
        self.0.options.at_once
    }

    /// The host, with its port if that is not the scheme's own: all that is shown of the address.
    pub(crate) fn host(&self) -> String {
        let host = self.0.base.host_str().unwrap_or_default();
        self.0.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The answer to `question`, posted to `path` below the address; after several tries, if need be.
    ///
    /// # Errors
    /// `Timeout` when there is none in time; `Unavailable` when the server cannot be reached, is too busy or does not know
    /// the key, the model or the path; [`ErrorKind::Load`] when it refuses the question or answers with something else.
    pub(crate) async fn ask<A: DeserializeOwned + Send + 'static>(
        &self,
        path: &str,
        question: &impl Serialize,
    ) -> Result<A> {
        let body = serde_json::to_vec(question)
            .map_err(|error| Error::new(ErrorKind::Internal, "a question is no JSON").with_source(error))?;
        let body = bytes::Bytes::from(body);
        let limit = self.0.options.limit;
        let answer = timeout(limit, self.tries(path, &body)).await.unwrap_or_else(|_| {
            Err(self.error(ErrorKind::Timeout, &format!("gave no answer within {limit:?}, all tries together")))
        })?;
        self.read(answer).await
    }

    async fn tries(&self, path: &str, body: &bytes::Bytes) -> Result<Vec<u8>> {
        let (mut pause, most) = (FIRST_PAUSE, self.0.options.tries.max(1));
        for tried in 1.. {
            let trouble = match self.once(path, body).await {
                Ok(answer) => return Ok(answer),
                Err(Refusal::Final(error)) => return Err(error),
                Err(Refusal::Passing(trouble)) => trouble,
            };
            if tried >= most || trouble.pause.is_some_and(|pause| pause > self.0.options.longest_wait) {
                return Err(self.given_up(&trouble, tried));
            }
            tracing::debug!(host = %self.host(), tried, why = %trouble.what, "a request is made again");
            sleep(pause.max(trouble.pause.unwrap_or_default())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Err(self.error(ErrorKind::Internal, "was not asked"))
    }

    async fn once(&self, path: &str, body: &bytes::Bytes) -> Result<Vec<u8>, Refusal> {
        let inner = &*self.0;
        let _seat = inner.gate.enter().await.map_err(|wait| {
            let what = format!("asks to be left alone for another {} s", wait.as_secs().max(1));
            Refusal::Final(self.error(ErrorKind::Unavailable, &what))
        })?;
        let mut url = inner.base.clone();
        url.set_path(&format!("{}/{path}", inner.base.path().trim_end_matches('/')));
        let request = inner.client.post(url).headers(inner.headers.clone()).body(body.clone());
        let within = inner.options.attempt;
        let answered = timeout(within, async {
            let response = request.send().await.map_err(|error| reply::broken(&error))?;
            reply::read(response, inner.options.max_bytes).await
        });
        let answered = answered.await.unwrap_or_else(|_| Err(Trouble::late(within).into()));
        answered.map_err(|refusal| match refusal {
            Refusal::Passing(trouble) => {
                if let Some(pause) = trouble.pause {
                    inner.gate.pause(pause);
                }
                Refusal::Passing(trouble)
            }
            Refusal::Final(error) => {
                Refusal::Final(self.error(error.kind(), error.message()).with_retry(error.retry()))
            }
        })
    }

    async fn read<A: DeserializeOwned + Send + 'static>(&self, answer: Vec<u8>) -> Result<A> {
        let len = answer.len();
        let parse = move || {
            // Its own text may quote the answer.
            let place = |error: serde_json::Error| {
                let what = if error.is_eof() { "ends too early" } else { "is not what was expected" };
                let (line, column) = (error.line(), error.column());
                Error::new(ErrorKind::Load, format!("answered with JSON that {what} (line {line}, column {column})"))
            };
            serde_json::from_slice(&answer).map_err(place)
        };
        let parsed = if len <= LONG { parse() } else { blocking::run(parse).await };
        parsed.map_err(|error| self.error(error.kind(), error.message()))
    }

    fn given_up(&self, trouble: &Trouble, tries: u32) -> Error {
        let what = &trouble.what;
        let kind = if trouble.is_late { ErrorKind::Timeout } else { ErrorKind::Unavailable };
        self.error(kind, &format!("{what}; tried {tries} times")).with_retry(Retry::Later)
    }

    /// An error that names the host and the model.
    pub(crate) fn error(&self, kind: ErrorKind, what: &str) -> Error {
        Error::new(kind, format!("{} (model {:?}) {what}", self.host(), self.model()))
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("host", &self.host()).field("model", &self.model()).finish_non_exhaustive()
    }
}
