//! What programs ask about the cache and do to it: routes below `/api`.

mod config;
mod entries;
mod gate;
mod upkeep;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderValue};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use cache_core::{Error, ErrorKind};
use serde_json::json;

use super::routes::Server;
use super::videos;
pub(super) use gate::{Gate, pass_player};

/// The routes, behind the gate.
pub(super) fn routes(gate: &Arc<Gate>) -> Router<Server> {
    Router::new()
        .route("/api/entries", get(entries::list).delete(entries::clear))
        .route("/api/entry", get(entries::get))
        .route("/api/explain", get(entries::explain))
        .route("/api/sweep", post(upkeep::sweep))
        .route("/api/verify", post(upkeep::verify))
        .route("/api/warm", post(upkeep::warm))
        .route("/api/links/report", post(videos::report))
        .route("/api/cache-config", get(config::show).post(config::act))
        .route("/api/cache-stats", get(config::stats))
        // The gate has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(gate.clone(), gate::pass))
}

/// A failure as JSON: `{"error": ...}`.
#[derive(Debug)]
struct Refusal(StatusCode, String);

type Answer<T> = Result<T, Refusal>;

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        let status = match error.kind() {
            ErrorKind::Invalid => StatusCode::BAD_REQUEST,
            ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Unavailable | ErrorKind::Closed => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self(status, error.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(status, message) = self;
        let mut response = (status, axum::Json(json!({ "error": message }))).into_response();
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"reelcache\""));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}
