//! The routes and their handlers.

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};

use super::play::{Player, play};
use super::search::search;
use super::stats::Snapshot;
use super::stream::play_title;
use super::{cors, guard, page, videos};
use crate::config::Serve;
use crate::media::Media;
use crate::stack::Stack;

pub(super) fn router(stack: Stack, player: Player, media: Media, serve: &Serve) -> Router {
    let shared = middleware::from_fn_with_state(serve.reach, cors::share);
    let longest = usize::try_from(serve.max_body.0).unwrap_or(usize::MAX);
    Router::new()
        .route("/", get(first_page))
        .route("/style.css", get(style))
        .route("/health", get(health))
        .route("/api/cache-stats", get(cache_stats))
        .route("/play", get(play).options(cors::preflight).layer(shared.clone()))
        .route("/play/{*path}", get(play_title).options(cors::preflight).layer(shared))
        .route("/providers", get(videos::providers))
        .route("/search", get(search))
        .route("/get-videos", get(videos::get_videos).post(videos::post_videos))
        .route("/api/links/report", post(videos::report))
        .layer(DefaultBodyLimit::max(longest))
        .layer(middleware::from_fn(guard::check))
        .with_state(Server { stack, player, media, started: std::time::Instant::now() })
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    stack: Stack,
    pub(super) player: Player,
    pub(super) media: Media,
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

#[cfg(test)]
mod tests;
