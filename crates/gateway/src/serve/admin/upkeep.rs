//! Sweeping, verifying and warming, step by step.

use axum::Json;
use axum::extract::Query;
use axum::extract::State;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use cache_core::Key;
use serde::Deserialize;

use super::entries::asked_for;
use super::{Answer, Refusal};
use crate::ops::{self, Cursor, Dropped, Verified, Wanted, Warmed};
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

/// `POST /api/warm {"provider": NAME, "addresses": [...]}`: what became of each of the first addresses.
pub(super) async fn warm(
    State(server): State<Server>,
    asked: Result<Json<Wanted>, JsonRejection>,
) -> Answer<Json<Vec<Warmed>>> {
    let Json(wanted) = asked.map_err(|wrong| Refusal(wrong.status(), wrong.body_text()))?;
    if wanted.addresses.len() > ops::WARM_STEP {
        return Err(Refusal::bad(format!("more than {} addresses: send them in parts", ops::WARM_STEP)));
    }
    Ok(Json(ops::warm(server.media.registry(), &wanted).await?))
}
