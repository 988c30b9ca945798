//! `/health` and `/ready`: whether the process lives, and whether it is to be sent requests.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use parking_lot::Mutex;
use serde::Serialize;
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
#[derive(Debug, Clone, Default)]
pub(super) struct Readiness(Arc<Mutex<Option<Said>>>);

/// When they said it, and what is wrong, if something is.
type Said = (Instant, Option<String>);

/// `GET /health`: answers as long as the process can answer; the state of the tiers is in the statistics.
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// `GET /ready`: whether requests are to be sent here.
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
    unready(reason_of(phase).unwrap_or("the server has just begun to serve: ask again")).into_response()
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

impl Readiness {
    /// Why the tiers are of no use, if so. They are asked once in a second, however many ask here.
    async fn reason(&self, stack: &Stack) -> Option<String> {
        let known = self.0.lock().clone();
        if let Some((_, reason)) = known.filter(|(at, _)| at.elapsed() < KEPT) {
            return reason;
        }
        let reason = ask(stack).await;
        *self.0.lock() = Some((Instant::now(), reason.clone()));
        reason
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
