//! `/health` and `/ready`: whether the process lives, and whether it is to be sent requests.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

use super::phase::{At, Phase};
use super::problem::Problem;
use super::routes::Server;
use crate::stack::Stack;

/// How long tiers are waited for, and for how long what they said counts.
const LIMIT: Duration = Duration::from_secs(2);
const KEPT: Duration = Duration::from_secs(1);
/// The pause after which to ask again.
const PAUSE: Duration = Duration::from_secs(2);

/// That all is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    status: &'static str,
    version: &'static str,
}

/// What the tiers said last, and when. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Readiness(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    said: Mutex<Option<Said>>,
    /// Whose turn it is to ask: the others wait for what that one is told.
    turn: Semaphore,
}

/// When the tiers were asked, and why they are of no use, if so.
#[derive(Debug, Clone)]
struct Said {
    at: Instant,
    reason: Option<String>,
}

/// `GET /health`: answers as long as the process can answer; the state of the tiers is in the statistics.
#[utoipa::path(
    get,
    path = "/health",
    tag = "server",
    responses((status = 200, description = "The process answers", body = Health))
)]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// `GET /ready`: whether requests are to be sent here.
#[utoipa::path(
    get,
    path = "/ready",
    tag = "server",
    responses((status = 200, description = "Requests may be sent here", body = Health), Problem)
)]
pub(super) async fn ready(State(server): State<Server>) -> Result<Json<Health>, Problem> {
    if let Some(reason) = reason_of(&server.phase) {
        return Err(unready(reason));
    }
    match server.readiness.reason(&server.stack).await {
        Some(reason) => Err(unready(reason)),
        None => Ok(Json(Health { status: "ready", version: env!("CARGO_PKG_VERSION") })),
    }
}

/// What a server answers that starts or ends.
pub(super) fn while_not_serving(phase: &Phase) -> Router {
    let answer = |State(phase): State<Phase>| async move { refusal(&phase) };
    Router::new().route("/health", get(health)).fallback(answer).with_state(phase.clone())
}

fn refusal(phase: &Phase) -> Response {
    let reason = reason_of(phase).unwrap_or("the server has just begun to serve: ask again");
    let mut response = unready(reason).into_response();
    // By whom a connection is answered is decided when it comes: who asks again has to come anew.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn reason_of(phase: &Phase) -> Option<&'static str> {
    match phase.at() {
        At::Starting => Some("the server is starting: its tiers are being opened"),
        At::Serving => None,
        At::Draining => Some("the server is ending: what runs is let end, and nothing is begun"),
    }
}

fn unready(reason: impl Into<String>) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason).after(PAUSE)
}

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(Shared { said: Mutex::default(), turn: Semaphore::new(1) }))
    }
}

impl Readiness {
    /// Why the tiers are of no use, if so. They are asked once in a second, however many ask here.
    async fn reason(&self, stack: &Stack) -> Option<String> {
        self.told(|| ask(stack)).await
    }

    async fn told<F: Future<Output = Option<String>>>(&self, ask: impl FnOnce() -> F) -> Option<String> {
        if let Some(Said { reason, .. }) = self.known() {
            return reason;
        }
        // It is never closed.
        let _turn = self.0.turn.acquire().await.ok();
        if let Some(Said { reason, .. }) = self.known() {
            return reason;
        }
        let reason = ask().await;
        *self.0.said.lock() = Some(Said { at: Instant::now(), reason: reason.clone() });
        reason
    }

    /// What they said a moment ago.
    fn known(&self) -> Option<Said> {
        self.0.said.lock().clone().filter(|said| said.at.elapsed() < KEPT)
    }
}

/// Why no tier is of any use, if so.
async fn ask(stack: &Stack) -> Option<String> {
    let Ok(stats) = timeout(LIMIT, stack.tiers.stats()).await else {
        return Some(format!("no tier is usable: they did not answer within {} s", LIMIT.as_secs()));
    };
    if stats.tiers.iter().any(|tier| tier.usage.is_some()) {
        return None;
    }
    let names: Vec<&str> = stats.tiers.iter().map(|tier| &*tier.name).collect();
    Some(format!("no tier is usable: {} cannot say what they hold", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_tiers_are_asked_once_in_a_second_however_many_ask() {
        let (readiness, asked) = (Readiness::default(), AtomicUsize::new(0));
        let ask = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::time::advance(LIMIT / 4).await;
            Some("they are away".to_owned())
        };
        for times in 1..3 {
            let told = join_all((0..100).map(|_| readiness.told(ask))).await;
            assert!(told.iter().all(Option::is_some));
            assert_eq!(asked.load(Ordering::Relaxed), times);
            tokio::time::advance(KEPT).await;
        }
    }
}
