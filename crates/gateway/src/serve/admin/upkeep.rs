//! Sweeping and verifying, step by step.

use axum::Json;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::QueryRejection;
use cache_core::Key;
use serde::Deserialize;

use super::Answer;
use super::entries::asked_for;
use crate::ops::{self, Cursor, Dropped, Verified};
use crate::serve::routes::Server;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verifying {
    #[serde(default)]
    tier: usize,
    #[serde(default)]
    after: String,
    #[serde(default)]
    repair: bool,
}

/// `POST /api/sweep`: one step; `more` asks for another.
pub(super) async fn sweep(State(server): State<Server>) -> Answer<Json<Dropped>> {
    Ok(Json(ops::sweep(&server.stack).await?))
}

/// `POST /api/verify?tier=&after=&repair=`: one step; `next` says where the next one begins.
pub(super) async fn verify(
    State(server): State<Server>,
    asked: Result<Query<Verifying>, QueryRejection>,
) -> Answer<Json<Verified>> {
    let Verifying { tier, after, repair } = asked_for(asked)?;
    let after = if after.is_empty() { None } else { Some(Key::parse(&after)?) };
    Ok(Json(ops::verify(&server.stack, &Cursor { tier, after }, repair).await?))
}
