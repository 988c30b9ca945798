//! The routes and their handlers.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use axum::{Router, middleware};

use super::admin::{self, Events, Gate, Players};
use super::guard::Hosts;
use super::metrics::{Metrics, Recorder};
use super::outer::Outer;
use super::phase::Phase;
use super::play::{Player, play};
use super::problem::Problem;
use super::ready::{self, Readiness};
use super::recent::Recent;
use super::search::search;
use super::stats::Snapshot;
use super::stream::play_title;
use super::ticket::{self, Tickets};
use super::{cors, dashboard, page, videos};
use crate::config::{Effective, Secret, Serve};
use crate::jobs::{JobReport, Jobs};
use crate::media::Media;
use crate::popular::Popular;
use crate::processing::Processing;
use crate::stack::Stack;

/// What is answered by `server`; `key` allows everything.
pub(super) fn while_serving(server: Server, key: Option<&Secret>) -> Outer {
    let hosts = Hosts::new(&server.effective.config.serve);
    Outer::new(hosts, Some(server.recent.clone()), routes(server, key))
}

fn routes(server: Server, key: Option<&Secret>) -> Router {
    let serve = &server.effective.config.serve;
    let shared = middleware::from_fn_with_state(serve.reach, cors::share);
    let gate = Arc::new(Gate::new(serve, key));
    let players = Arc::new(Players { gate: gate.clone(), tickets: server.tickets.clone() });
    Router::new()
        .route("/style.css", get(style))
        .route("/play", get(play).options(cors::preflight).layer(shared.clone()))
        .route("/play/{*path}", get(play_title).options(cors::preflight).layer(shared))
        .route("/providers", get(videos::providers))
        .route("/search", get(search))
        .route("/get-videos", get(videos::get_videos).post(videos::post_videos))
        .route("/api/play-ticket", post(ticket::issue))
        .layer(middleware::from_fn_with_state(players, admin::pass_player))
        .route("/health", get(ready::health))
        .route("/ready", get(ready::ready))
        .merge(dashboard::routes())
        .merge(admin::routes(&gate))
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .with_state(server)
}

/// What is answered by a server that starts or ends.
pub(super) fn while_not_serving(serve: &Serve, phase: &Phase) -> Outer {
    Outer::new(Hosts::new(serve), None, ready::while_not_serving(phase))
}

async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here: docs/commands.md lists what there is")
}

async fn not_so() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this is not asked for with that method: Allow names those that it knows",
    )
}

/// What handlers answer from. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Server(Arc<Parts>);

impl Deref for Server {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

/// What a server is made of.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) stack: Stack,
    pub(super) player: Player,
    pub(super) media: Media,
    pub(super) effective: Arc<Effective>,
    pub(super) jobs: Jobs,
    pub(super) events: Events,
    pub(super) metrics: Metrics,
    pub(super) phase: Phase,
    pub(super) readiness: Readiness,
    pub(super) recent: Recent,
    pub(super) popular: Popular,
    pub(super) tickets: Tickets,
    /// What makes artifacts, where it does.
    pub(super) processing: Option<Processing>,
    started: std::time::Instant,
}

impl Parts {
    pub(super) fn new(stack: Stack, player: Player, media: Media, effective: Effective) -> Self {
        let jobs = Jobs::new(stack.tiers.clock().clone());
        tell_of_what_is_fetched(&jobs, &player, &media);
        let started = std::time::Instant::now();
        let (effective, phase) = (Arc::new(effective), Phase::default());
        let (events, metrics, readiness) = (Events::new(&phase), Metrics::of(None), Readiness::default());
        let recent = player.recent().clone();
        let popular = Popular::new(stack.tiers.clock().clone());
        let tickets = Tickets::new(None, stack.tiers.clock().clone());
        Self {
            stack,
            player,
            media,
            effective,
            jobs,
            events,
            metrics,
            phase,
            readiness,
            recent,
            popular,
            tickets,
            processing: None,
            started,
        }
    }

    /// Serves and ends as `phase` says.
    pub(super) fn in_phase(self, phase: Phase) -> Self {
        Self { events: Events::new(&phase), phase, ..self }
    }

    /// Tells what `recorder` gathers.
    pub(super) fn measured_by(self, recorder: &Recorder) -> Self {
        Self { metrics: Metrics::of(Some(recorder)), ..self }
    }

    /// Makes artifacts and tells of them.
    pub(super) fn processing(self, processing: Processing) -> Self {
        Self { processing: Some(processing), ..self }
    }

    pub(super) fn server(self) -> Server {
        Server(Arc::new(self))
    }

    /// Lets players play by tickets that `key` seals.
    pub(super) fn with_tickets(self, key: Option<&Secret>) -> Self {
        Self { tickets: Tickets::new(key, self.stack.tiers.clock().clone()), ..self }
    }

    pub(super) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    pub(super) async fn snapshot(&self) -> Snapshot {
        Snapshot::take(&self.stack, self.uptime()).await
    }
}

/// Has `jobs` tell of loads, torrents and films as well.
fn tell_of_what_is_fetched(jobs: &Jobs, player: &Player, media: &Media) {
    let (clock, loads) = (jobs.clone(), media.clone());
    jobs.also(move || loads.loads().iter().map(|load| JobReport::of_load(load, clock.now())).collect());
    let (clock, torrents) = (jobs.clone(), media.clone());
    jobs.also(move || {
        let at_work = torrents.torrents_at_work();
        at_work.iter().filter_map(|torrent| JobReport::of_torrent(torrent, clock.now())).collect()
    });
    let (clock, player) = (jobs.clone(), player.clone());
    jobs.also(move || {
        let activity = player.activity();
        let fetched = activity.iter().filter(|blob| blob.is_fetching());
        fetched.map(|blob| JobReport::of_blob(blob, clock.now())).collect()
    });
}

/// `GET /plain`: the figures as a page without scripts.
pub(super) async fn plain(State(server): State<Server>) -> Html<String> {
    Html(page::render(&server.snapshot().await))
}

async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("page/style.css"))
}

#[cfg(test)]
mod tests;
