//! `/api/caches`: films at work, and what has happened of late.

use axum::Json;
use axum::extract::State;
use cache_blob::{BlobActivity, Uncached};
use cache_core::Cause;
use cache_tiered::CacheStats;
use serde::Serialize;
use utoipa::ToSchema;

use crate::evictions::Gone;
use crate::serve::openapi::answers;
use crate::serve::problem::Problem;
use crate::serve::recent::{Asked, Eviction, Failed};
use crate::serve::routes::Server;
use crate::stack::{Part, Stack};

/// The most films that are told of.
const FILMS: usize = 50;

/// What the caches do, and have done of late. All lists are bounded.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve) struct Caches {
    /// The clock that the instants are of, in milliseconds since 1970.
    now_ms: u64,
    /// What all caches of links and choices have saved since the server began.
    seconds_saved: f64,
    /// Those caches one by one.
    #[schema(value_type = Vec<answers::CacheFigures>)]
    #[serde(rename = "caches")]
    figures: Vec<CacheStats>,
    /// Films that are read or fetched; those that are fetched first.
    films: Vec<Film>,
    /// What is asked for most.
    top: Vec<Asked>,
    /// What has gone from the tiers, the latest first, since somebody looked at it first.
    evictions: Vec<Eviction>,
    /// Which entries those were, the latest first, as far as this process knows: the last of each tier.
    gone: Vec<GoneEntry>,
    /// What the server has failed at, the latest first.
    errors: Vec<Failed>,
}

/// An entry that has gone from a tier.
#[derive(Debug, Serialize, ToSchema)]
struct GoneEntry {
    tier: String,
    key: String,
    /// `evicted` by the policy, `expired`, or `corrupt`.
    reason: &'static str,
    /// What it weighed in the tier.
    bytes: u64,
    /// How long before that the load began that made it.
    age_seconds: f64,
    at_ms: u64,
}

/// What is read and fetched of one film. Segments are counted from zero.
#[derive(Debug, Serialize, ToSchema)]
struct Film {
    key: String,
    /// Bytes.
    len: Option<u64>,
    segment_len: u64,
    segments: Option<u64>,
    /// Runs of segments that are kept: the first and the one behind the last.
    kept: Vec<[u64; 2]>,
    kept_segments: u64,
    kept_bytes: u64,
    /// Segments that are being fetched.
    filling: Vec<u64>,
    /// The segment at which each reader is.
    readers: Vec<u64>,
    /// Why nothing of it is kept, if so.
    uncached: Option<&'static str>,
    elapsed_seconds: f64,
}

/// `GET /api/caches`.
#[utoipa::path(
    get,
    path = "/api/caches",
    tag = "cache",
    responses((status = 200, description = "Films at work, and what has happened of late", body = Caches), Problem)
)]
pub(in crate::serve) async fn show(State(server): State<Server>) -> Json<Caches> {
    let figures = server.media.stats();
    let mut films = server.player.activity();
    films.sort_by(|a, b| b.is_fetching().cmp(&a.is_fetching()).then_with(|| a.key.cmp(&b.key)));
    films.truncate(FILMS);
    let tiers = server.stack.tiers.stats().await.tiers;
    Json(Caches {
        now_ms: server.stack.tiers.clock().now().as_millis(),
        seconds_saved: figures.iter().map(|cache| cache.seconds_saved).sum(),
        figures,
        films: films.into_iter().map(Film::of).collect(),
        top: server.recent.top(),
        evictions: server.recent.evictions(&tiers),
        gone: gone(&server.stack),
        errors: server.recent.errors(),
    })
}

/// What went from the tiers last, the latest first.
fn gone(stack: &Stack) -> Vec<GoneEntry> {
    let of_part = |part: &Part| {
        let told = part.evictions.latest().into_iter().map(|gone| GoneEntry::of(&part.name, &gone));
        told.collect::<Vec<_>>()
    };
    let mut all: Vec<GoneEntry> = stack.parts.iter().flat_map(of_part).collect();
    all.sort_by_key(|gone| std::cmp::Reverse(gone.at_ms));
    all
}

impl GoneEntry {
    fn of(tier: &str, gone: &Gone) -> Self {
        Self {
            tier: tier.to_owned(),
            key: gone.key.to_string(),
            reason: match gone.cause {
                Cause::Expired => "expired",
                Cause::Corrupt => "corrupt",
                _ => "evicted",
            },
            bytes: gone.weight,
            age_seconds: gone.at.since(gone.made).as_secs_f64(),
            at_ms: gone.at.as_millis(),
        }
    }
}

impl Film {
    fn of(blob: BlobActivity) -> Self {
        Self {
            key: blob.key.to_string(),
            len: blob.len,
            segment_len: blob.segment_len,
            segments: blob.segments,
            kept_bytes: blob.kept_bytes(),
            kept_segments: blob.kept_segments,
            kept: blob.kept.into_iter().map(|run| [run.start, run.end]).collect(),
            filling: blob.filling,
            readers: blob.readers,
            uncached: blob.uncached.map(|why| match why {
                Uncached::TooLong => "it is too long",
                Uncached::NoRoom => "no tier has room for it",
                _ => "the cache does not take it",
            }),
            elapsed_seconds: blob.elapsed.as_secs_f64(),
        }
    }
}
