//! `/metrics`: the figures of all crates, as Prometheus reads them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use cache_core::{Error, ErrorKind, Result};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};

use super::problem::Problem;
use super::routes::Server;
use crate::jobs::{JobKind, JobState};

/// Scrapes at once.
const MOST_SCRAPES: usize = 2;
/// How often samples of histograms are put into their buckets: between scrapes they take memory.
const UPKEEP: Duration = Duration::from_secs(5);
/// What Prometheus calls its text format.
const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Seconds that calls of backends take: from memory to an object store that is far.
const OF_CALLS: &[f64] = &[1e-6, 1e-5, 1e-4, 1e-3, 5e-3, 0.02, 0.1, 0.5, 2.0, 10.0];
/// Seconds that loads take: from a page to a film.
const OF_LOADS: &[f64] = &[0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Seconds until the head of an answer.
const OF_ANSWERS: &[f64] = &[1e-3, 5e-3, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

const HTTP_REQUESTS: &str = "reelcache_http_requests_total";
const HTTP_DURATION: &str = "reelcache_http_request_duration_seconds";
const HTTP_PANICS: &str = "reelcache_http_panics_total";
const CONNECTIONS: &str = "reelcache_http_connections";
const JOBS: &str = "reelcache_jobs";
const OPEN_BLOBS: &str = "reelcache_open_blobs";
const BLOB_READERS: &str = "reelcache_blob_readers";
const UPTIME: &str = "reelcache_uptime_seconds";
const BUILD: &str = "reelcache_build_info";

/// Requests are counted under these paths,
const ROUTES: &[&str] = &[
    "/",
    "/plain",
    "/play",
    "/providers",
    "/search",
    "/get-videos",
    "/health",
    "/ready",
    "/metrics",
    "/api/entries",
    "/api/entry",
    "/api/explain",
    "/api/sweep",
    "/api/verify",
    "/api/warm",
    "/api/links/report",
    "/api/cache-config",
    "/api/cache-stats",
    "/api/jobs",
    "/api/events",
    "/api/docs",
    "/api/openapi.json",
    "/api/process",
    "/api/caches",
    "/api/play-ticket",
    "/api/popular",
    "/style.css",
    "/test-source-selection",
];
/// and all that are below one of these under it.
const TREES: &[&str] = &["/play", "/api/jobs", "/api/artifacts", "/dashboard"];

/// What gathers the metrics of this process. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Metrics {
    handle: Option<PrometheusHandle>,
    scrapes: Arc<Semaphore>,
}

/// The task that keeps what is gathered small; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Upkeep(JoinHandle<()>);

/// What is gathered from here on.
#[derive(Debug, Clone)]
pub(crate) struct Recorder(PrometheusHandle);

impl Recorder {
    /// Gathers what all crates tell from here on, once in a process.
    ///
    /// # Errors
    /// `Internal` when something gathers already.
    pub(crate) fn install() -> Result<Self> {
        let failed =
            |error| Error::new(ErrorKind::Internal, "cannot gather metrics of this process").with_source(error);
        let buckets = [
            ("reelcache_op_duration_seconds", OF_CALLS),
            ("reelcache_load_duration_seconds", OF_LOADS),
            (HTTP_DURATION, OF_ANSWERS),
        ];
        let builder = buckets.into_iter().try_fold(PrometheusBuilder::new(), |builder, (name, buckets)| {
            builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets)
        });
        let handle = builder.map_err(failed)?.install_recorder().map_err(failed)?;
        cache_tiered::metrics::describe();
        describe();
        Ok(Self(handle))
    }

    /// Keeps what is gathered small, whether or not anybody asks for it.
    pub(crate) fn keep_up(&self) -> Upkeep {
        let handle = self.0.clone();
        Upkeep(tokio::spawn(async move {
            let mut ticks = interval(UPKEEP);
            loop {
                ticks.tick().await;
                handle.run_upkeep();
            }
        }))
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Metrics {
    /// What `recorder` gathers; nothing, where there is none.
    pub(super) fn of(recorder: Option<&Recorder>) -> Self {
        Self { handle: recorder.map(|recorder| recorder.0.clone()), scrapes: Arc::new(Semaphore::new(MOST_SCRAPES)) }
    }
}

/// `GET /metrics`.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, description = "Metrics in the text format of Prometheus", body = String, content_type = "text/plain"), Problem)
)]
pub(super) async fn scrape(State(server): State<Server>) -> Result<Response, Problem> {
    let metrics = &server.metrics;
    let Some(handle) = &metrics.handle else {
        return Err(Problem::new(StatusCode::NOT_FOUND, "this server gathers no metrics"));
    };
    let Ok(_turn) = metrics.scrapes.try_acquire() else {
        return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "others ask for the metrics: try again"));
    };
    publish(&server).await;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], handle.render()).into_response())
}

/// A request, counted and timed under its route when it is answered.
#[derive(Debug)]
pub(super) struct Counted {
    route: &'static str,
    method: &'static str,
    begun: Instant,
}

impl Counted {
    pub(super) fn begin(request: &Request) -> Self {
        Self { route: route(request.uri().path()), method: method(request.method()), begun: Instant::now() }
    }

    pub(super) fn end(self, status: StatusCode) {
        let Self { route, method, begun } = self;
        histogram!(HTTP_DURATION, "route" => route).record(begun.elapsed().as_secs_f64());
        counter!(HTTP_REQUESTS, "route" => route, "method" => method, "status" => status.as_str().to_owned())
            .increment(1);
    }
}

/// A handler has panicked.
pub(super) fn count_panic() {
    counter!(HTTP_PANICS).increment(1);
}

/// A connection has come; dropped, it has gone.
#[derive(Debug)]
pub(super) struct Connected;

impl Connected {
    pub(super) fn count() -> Self {
        gauge!(CONNECTIONS).increment(1.0);
        Self
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        gauge!(CONNECTIONS).decrement(1.0);
    }
}

/// Tells the figures that are counted elsewhere.
async fn publish(server: &Server) {
    let stats = server.stack.tiers.stats().await;
    cache_tiered::metrics::publish_tiers(&stats);
    for cache in server.media.stats() {
        cache_tiered::metrics::publish_cache(&cache);
    }
    let jobs = server.jobs.list();
    for (kind, state) in JobKind::ALL.into_iter().flat_map(|kind| JobState::LIVE.map(|state| (kind, state))) {
        let count = jobs.iter().filter(|job| job.kind == kind && job.state == state).count();
        gauge!(JOBS, "kind" => kind.name(), "state" => state.name()).set(count as f64);
    }
    let blobs = server.player.activity();
    gauge!(OPEN_BLOBS).set(blobs.len() as f64);
    gauge!(BLOB_READERS).set(blobs.iter().map(|blob| blob.readers.len()).sum::<usize>() as f64);
    gauge!(UPTIME).set(server.uptime().as_secs_f64());
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// The route of a path, of which anybody can make up more.
fn route(path: &str) -> &'static str {
    let below = |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    match ROUTES.iter().find(|route| **route == path) {
        Some(route) => route,
        None => TREES.iter().find(|root| below(root)).map_or("other", |root| root),
    }
}

/// The name of a method, of which anybody can make up more.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn describe() {
    describe_counter!(HTTP_REQUESTS, "Requests answered, by route");
    describe_histogram!(HTTP_DURATION, "How long requests waited for the head of their answer");
    describe_counter!(HTTP_PANICS, "Requests that a panic ended");
    describe_gauge!(CONNECTIONS, "Connections that are open");
    describe_gauge!(JOBS, "Jobs that wait or run");
    describe_gauge!(OPEN_BLOBS, "Films that are read or fetched");
    describe_gauge!(BLOB_READERS, "Readers of films");
    describe_gauge!(UPTIME, "How long the server runs");
    describe_gauge!(BUILD, "1, with the version of the server");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_the_docs_names_every_metric_of_the_server() {
        let page = include_str!("../../../../docs/metrics.md");
        let (_, part) = page.split_once("## The server").unwrap();
        let all =
            [HTTP_REQUESTS, HTTP_DURATION, HTTP_PANICS, CONNECTIONS, JOBS, OPEN_BLOBS, BLOB_READERS, UPTIME, BUILD];
        for name in all {
            assert!(part.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn a_path_that_somebody_makes_up_is_no_label() {
        for (path, counted) in [
            ("/play", "/play"),
            ("/play/movie/tt1/0", "/play"),
            ("/api/jobs/19-1", "/api/jobs"),
            ("/player", "other"),
            ("/api/made-up", "other"),
            ("", "other"),
        ] {
            assert_eq!(route(path), counted, "{path}");
        }
    }

    #[test]
    fn every_path_of_the_interface_is_a_label_once() {
        for (path, _) in crate::serve::openapi::described() {
            let counted = route(&path.replace(['{', '}'], ""));
            assert!(path == counted || TREES.contains(&counted), "{path} is counted as {counted}");
        }
        let once: std::collections::BTreeSet<_> = ROUTES.iter().collect();
        assert_eq!(once.len(), ROUTES.len());
    }

    #[test]
    fn a_method_that_somebody_makes_up_is_no_label() {
        assert_eq!(method(&Method::from_bytes(b"MADE-UP").unwrap()), "other");
    }
}
