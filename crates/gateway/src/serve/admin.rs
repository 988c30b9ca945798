//! What programs ask about the cache and do to it: routes below `/api`, and figures elsewhere.

pub(super) mod caches;
pub(super) mod config;
pub(super) mod entries;
pub(super) mod events;
mod gate;
mod guesses;
pub(super) mod jobs;
pub(super) mod upkeep;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};

use super::artifacts;
use super::problem::Problem;
use super::routes::{Server, plain};
use super::videos;
use super::{metrics, openapi};
pub(super) use events::Events;
pub(super) use gate::{Gate, Players, pass_player};

/// The routes, behind the gate.
pub(super) fn routes(gate: &Arc<Gate>) -> Router<Server> {
    Router::new()
        .route("/api/entries", get(entries::list).delete(entries::clear))
        .route("/api/entry", get(entries::get))
        .route("/api/explain", get(entries::explain))
        .route("/api/sweep", post(upkeep::sweep))
        .route("/api/verify", post(upkeep::verify))
        .route("/api/warm", post(upkeep::warm))
        .route("/api/popular", get(upkeep::popular))
        .route("/api/links/report", post(videos::report))
        .route("/api/cache-config", get(config::show).post(config::act))
        .route("/api/cache-stats", get(config::stats))
        .route("/api/caches", get(caches::show))
        .route("/api/process", post(artifacts::process))
        .route("/plain", get(plain))
        .route("/api/jobs", get(jobs::list))
        .route("/api/jobs/{id}", get(jobs::get).delete(jobs::cancel))
        // The gate has a limit of its own.
        .layer(DefaultBodyLimit::disable())
        .layer(middleware::from_fn_with_state(gate.clone(), gate::pass))
        .merge(others(gate))
}

/// What is listened to for long, what is read by many, and what has to be answered when all turns are taken.
fn others(gate: &Arc<Gate>) -> Router<Server> {
    let listened = Router::new().route("/api/events", get(events::listen));
    let listened = listened.layer(middleware::from_fn_with_state(gate.clone(), gate::pass_listener));
    let artifacts = artifacts::reads().layer(middleware::from_fn_with_state(gate.clone(), gate::pass_artifact));
    let others = Router::new().route("/metrics", get(metrics::scrape)).merge(openapi::routes());
    let others = others.layer(middleware::from_fn_with_state(gate.clone(), gate::pass_reader));
    others.merge(listened).merge(artifacts)
}

type Answer<T> = Result<T, Problem>;
