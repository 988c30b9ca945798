//! The routes and their handlers.

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router, middleware};

use super::play::{Player, play};
use super::stats::Snapshot;
use super::{cors, guard, page};
use crate::reach::Reach;
use crate::stack::Stack;

pub(super) fn router(stack: Stack, player: Player, reach: Reach) -> Router {
    let shared = middleware::from_fn_with_state(reach, cors::share);
    Router::new()
        .route("/", get(first_page))
        .route("/style.css", get(style))
        .route("/health", get(health))
        .route("/api/cache-stats", get(cache_stats))
        .route("/play", get(play).options(cors::preflight).layer(shared))
        .layer(middleware::from_fn(guard::check))
        .with_state(Server { stack, player, started: std::time::Instant::now() })
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    stack: Stack,
    pub(super) player: Player,
    started: std::time::Instant,
}

impl Server {
    async fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.stack, self.started.elapsed()).await
    }
}

/// Answers as long as the process can answer; the state of the tiers is in the statistics.
async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn cache_stats(State(server): State<Server>) -> Json<Snapshot> {
    Json(server.snapshot().await)
}

async fn first_page(State(server): State<Server>) -> Html<String> {
    Html(page::render(&server.snapshot().await))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/style.css"))
}
