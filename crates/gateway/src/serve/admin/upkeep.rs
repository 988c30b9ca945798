//! Sweeping, verifying and warming, step by step.

#![expect(unused_qualifications, reason = "utoipa writes parameters out in full")]

use axum::Json;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::StatusCode;
use cache_core::Key;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Answer;
use super::entries::asked_for;
use crate::jobs::{Job, JobKind};
use crate::ops::{self, Cursor, Dropped, Verified, Wanted, Warmed};
use crate::popular::PopularPage;
use crate::serve::problem::Problem;
use crate::serve::routes::Server;

/// The most popular pages that are told of.
const MOST_POPULAR: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Asking {
    /// Of this provider alone.
    provider: Option<String>,
    /// The most pages.
    #[serde(default = "some")]
    #[param(default = 20)]
    limit: usize,
}

fn some() -> usize {
    20
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::serve) struct Verifying {
    #[serde(default)]
    tier: usize,
    #[serde(default)]
    after: String,
    #[serde(default)]
    repair: bool,
}

/// `POST /api/sweep`: one step; `more` asks for another.
#[utoipa::path(
    post,
    path = "/api/sweep",
    tag = "cache",
    responses((status = 200, description = "What was dropped", body = Dropped), Problem)
)]
pub(in crate::serve) async fn sweep(State(server): State<Server>) -> Answer<Json<Dropped>> {
    let job = server.jobs.start(JobKind::Sweep, "what has expired")?;
    let dropped = unless_cancelled(&job, ops::sweep(&server.stack)).await?;
    if let Ok(dropped) = &dropped {
        job.progress(dropped.expired, None);
    }
    job.end_with(&dropped);
    Ok(Json(dropped?))
}

/// `POST /api/verify?tier=&after=&repair=`: one step; `next` says where the next one begins.
#[utoipa::path(
    post,
    path = "/api/verify",
    tag = "cache",
    params(Verifying),
    responses((status = 200, description = "What the step found; `next` says where to go on", body = Verified), Problem)
)]
pub(in crate::serve) async fn verify(
    State(server): State<Server>,
    asked: Result<Query<Verifying>, QueryRejection>,
) -> Answer<Json<Verified>> {
    let Verifying { tier, after, repair } = asked_for(asked)?;
    let after = if after.is_empty() { None } else { Some(Key::parse(&after)?) };
    let tier_name = server.stack.parts.get(tier).map_or("no tier", |part| &part.name);
    let job = server.jobs.start(JobKind::Verify, tier_name)?;
    let cursor = Cursor { tier, after };
    let verified = unless_cancelled(&job, ops::verify(&server.stack, &cursor, repair)).await?;
    match &verified {
        // Of a thousand steps the last is worth remembering.
        Ok(step) if step.next.is_some() && step.damaged.is_empty() => job.forget(),
        Ok(step) => {
            job.progress(step.checked, None);
            job.note(&format!("{} damaged", step.damaged.len()));
            job.finish();
        }
        Err(_) => job.end_with(&verified),
    }
    Ok(Json(verified?))
}

/// `GET /api/popular`: the pages whose links are asked for most.
#[utoipa::path(
    get,
    path = "/api/popular",
    tag = "links",
    params(Asking),
    responses((status = 200, description = "The pages whose links are asked for most, the most popular first", body = Vec<PopularPage>), Problem)
)]
pub(in crate::serve) async fn popular(
    State(server): State<Server>,
    asked: Result<Query<Asking>, QueryRejection>,
) -> Answer<Json<Vec<PopularPage>>> {
    let Asking { provider, limit } = asked_for(asked)?;
    let (registry, most) = (server.media.registry(), limit.min(MOST_POPULAR));
    provider.as_deref().map_or(Ok(()), |provider| registry.get(provider).map(drop))?;
    Ok(Json(ops::popular(registry, &server.popular, most, provider.as_deref())))
}

/// `POST /api/warm {"provider": NAME, "addresses": [...]}`, `{"popular": COUNT}`: what became of each address.
#[utoipa::path(
    post,
    path = "/api/warm",
    tag = "links",
    request_body(content = Wanted),
    responses((status = 200, description = "What became of each address", body = Vec<Warmed>), Problem)
)]
pub(in crate::serve) async fn warm(
    State(server): State<Server>,
    asked: Result<Json<Wanted>, JsonRejection>,
) -> Answer<Json<Vec<Warmed>>> {
    let wanted = asked?.0;
    if wanted.addresses.len().saturating_add(wanted.popular) > ops::WARM_STEP {
        return Err(Problem::bad_request(format!("more than {} addresses: send them in parts", ops::WARM_STEP)));
    }
    let registry = server.media.registry();
    let popular = ops::popular(registry, &server.popular, wanted.popular, wanted.provider.as_deref());
    let pages = ops::pages(wanted, popular);
    let what = pages.first().map_or_else(|| "nothing".to_owned(), |page| providers::shown(&page.address));
    let job = server.jobs.start(JobKind::Warm, &what)?;
    let total = pages.len() as u64;
    job.progress(0, Some(total));
    let warmed = unless_cancelled(&job, ops::warm(registry, pages)).await?;
    if let Ok(warmed) = &warmed {
        job.progress(total, Some(total));
        let failed = warmed.iter().filter(|one| one.error.is_some()).count();
        job.note(&format!("{failed} failed"));
    }
    job.end_with(&warmed);
    // The addresses have been looked up, whatever became of them: what fails here is the request.
    Ok(Json(warmed.map_err(|error| Problem::bad_request(error.to_string()))?))
}

/// What `work` ends with, unless somebody ends the job before.
async fn unless_cancelled<T>(job: &Job, work: impl Future<Output = T>) -> Answer<T> {
    tokio::select! {
        done = work => Ok(done),
        () = job.cancelled() => Err(Problem::new(StatusCode::CONFLICT, "it was cancelled as a job")),
    }
}
