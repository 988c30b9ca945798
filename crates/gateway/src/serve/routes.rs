//! The routes and their handlers.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router, middleware};
use providers::Registry;
use tokio::sync::OnceCell;

use super::admin::{self, Gate};
use super::play::{Player, play};
use super::stats::Snapshot;
use super::{cors, guard, page};
use crate::config::{Effective, Secret};
use crate::ops;
use crate::stack::Stack;

pub(super) fn router(server: Server, key: Option<&Secret>) -> Router {
    let serve = &server.effective.config.serve;
    let shared = middleware::from_fn_with_state(serve.reach, cors::share);
    let gate = Arc::new(Gate::new(serve, key));
    let hosts = guard::Hosts::new(serve);
    Router::new()
        .route("/", get(first_page))
        .route("/style.css", get(style))
        .route("/play", get(play).options(cors::preflight).layer(shared))
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
    pub(super) effective: Arc<Effective>,
    started: std::time::Instant,
    /// Set up when somebody first asks.
    registry: Arc<OnceCell<Registry>>,
}

impl Server {
    pub(super) fn new(stack: Stack, player: Player, effective: Effective) -> Self {
        Self {
            stack,
            player,
            effective: Arc::new(effective),
            started: std::time::Instant::now(),
            registry: Arc::default(),
        }
    }

    /// The providers. Where one cannot be set up, the next question tries again.
    pub(super) async fn registry(&self) -> cache_core::Result<&Registry> {
        self.registry.get_or_try_init(|| ops::registry(&self.stack, &self.effective.config)).await
    }

    /// Ends what it has set up; the tiers stay open.
    pub(super) async fn close(&self) -> cache_core::Result<()> {
        match self.registry.get() {
            Some(registry) => registry.close().await,
            None => Ok(()),
        }
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
