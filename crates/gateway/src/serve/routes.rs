//! The routes and their handlers.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router, middleware};

use super::admin::{self, Gate};
use super::play::{Player, play};
use super::search::search;
use super::stats::Snapshot;
use super::stream::play_title;
use super::{cors, guard, page, videos};
use crate::config::{Effective, Secret};
use crate::media::Media;
use crate::stack::Stack;

pub(super) fn router(server: Server, key: Option<&Secret>) -> Router {
    let serve = &server.effective.config.serve;
    let shared = middleware::from_fn_with_state(serve.reach, cors::share);
    let gate = Arc::new(Gate::new(serve, key));
    let hosts = guard::Hosts::new(serve);
    let longest = usize::try_from(serve.max_body.0).unwrap_or(usize::MAX);
    Router::new()
        .route("/", get(first_page))
        .route("/style.css", get(style))
        .route("/play", get(play).options(cors::preflight).layer(shared.clone()))
        .route("/play/{*path}", get(play_title).options(cors::preflight).layer(shared))
        .route("/providers", get(videos::providers))
        .route("/search", get(search))
        .route("/get-videos", get(videos::get_videos).post(videos::post_videos))
        .layer(DefaultBodyLimit::max(longest))
        .layer(middleware::from_fn_with_state(gate.clone(), admin::pass_player))
        .route("/health", get(health))
        .merge(admin::routes(&gate))
        .layer(middleware::from_fn_with_state(hosts, guard::check))
        .with_state(server)
}

#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) stack: Stack,
    pub(super) player: Player,
    pub(super) media: Media,
    pub(super) effective: Arc<Effective>,
    started: std::time::Instant,
}

impl Server {
    pub(super) fn new(stack: Stack, player: Player, media: Media, effective: Effective) -> Self {
        Self { stack, player, media, effective: Arc::new(effective), started: std::time::Instant::now() }
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.stack, self.started.elapsed()).await
    }
}

/// Answers as long as the process can answer; the state of the tiers is in the statistics.
async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") }))
}

async fn first_page(State(server): State<Server>) -> Html<String> {
    Html(page::render(&server.snapshot().await))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/style.css"))
}

#[cfg(test)]
mod tests;
