//! `/api/jobs`: what the server works on.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::Answer;
use crate::jobs::{Cancelled, JobReport};
use crate::serve::problem::Problem;
use crate::serve::routes::Server;

/// What the server works on, and what it has ended last.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve) struct JobList {
    /// Those that wait or run, then those that have ended, the latest first.
    jobs: Vec<JobReport>,
}

/// `GET /api/jobs`.
pub(super) async fn list(State(server): State<Server>) -> Json<JobList> {
    Json(JobList { jobs: server.jobs.list() })
}

/// `GET /api/jobs/{id}`.
pub(super) async fn get(State(server): State<Server>, Path(id): Path<String>) -> Answer<Json<JobReport>> {
    server.jobs.get(&id).map(Json).ok_or_else(unknown)
}

/// `DELETE /api/jobs/{id}`: asks whoever runs it to end it.
pub(super) async fn cancel(
    State(server): State<Server>,
    Path(id): Path<String>,
) -> Answer<(StatusCode, Json<JobReport>)> {
    match server.jobs.cancel(&id).ok_or_else(unknown)? {
        Cancelled::Told(job) => Ok((StatusCode::ACCEPTED, Json(job))),
        Cancelled::Over(_) => Err(Problem::new(StatusCode::CONFLICT, "the job has ended already")),
        Cancelled::Never(_) => Err(Problem::new(
            StatusCode::CONFLICT,
            "it cannot be cancelled: loads and films end when nobody waits for them any more",
        )),
    }
}

fn unknown() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is no such job: it was of another run of the server, or is long over")
}
