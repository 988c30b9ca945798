//! `JobReport`: how far a job is, as it is told.

use std::time::Duration;

use cache_blob::BlobActivity;
use cache_core::{Key, Timestamp};
use cache_tiered::{Phase, Progress};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::media::Running;

/// The most characters of what a job works on.
pub(super) const WHAT: usize = 500;
/// The most characters of a note.
pub(super) const NOTE: usize = 200;

/// How far a job is, at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct JobReport {
    /// Names it in this run of the server.
    pub(crate) id: String,
    pub(crate) kind: JobKind,
    /// What is worked on: a file, an address, a key.
    pub(crate) what: String,
    pub(crate) state: JobState,
    /// When it was asked for, as RFC 3339 says it.
    #[schema(format = DateTime)]
    pub(crate) started: String,
    /// For how long it has waited and run.
    pub(crate) seconds: f64,
    /// How much of it is done, in `unit`.
    pub(crate) done: u64,
    /// How much there is to do, where that is known.
    pub(crate) total: Option<u64>,
    pub(crate) unit: Unit,
    /// When it will probably be done.
    pub(crate) eta_seconds: Option<f64>,
    /// What it does at this moment.
    pub(crate) note: Option<String>,
    /// Why it has failed.
    pub(crate) error: Option<String>,
    /// Whether `DELETE` ends it.
    pub(crate) cancellable: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobKind {
    /// A value that is being loaded into a typed cache.
    Load,
    /// Artifacts of a video.
    Process,
    /// Links that are looked up before somebody asks for them.
    Warm,
    /// A torrent that is being fetched.
    Torrent,
    /// A film that is being fetched.
    Blob,
    /// Everything that tiers keep is being read.
    Verify,
    /// What has expired is being dropped.
    Sweep,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobState {
    Waiting,
    Running,
    Done,
    Failed,
    Cancelled,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Unit {
    Segments,
    Bytes,
    Links,
    Entries,
    /// Hundredths of the work.
    Percent,
}

impl JobState {
    /// Those of jobs that have not ended.
    pub(crate) const LIVE: [Self; 2] = [Self::Waiting, Self::Running];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it neither waits nor runs.
    pub(crate) fn has_ended(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }
}

impl JobKind {
    pub(crate) const ALL: [Self; 7] =
        [Self::Load, Self::Process, Self::Warm, Self::Torrent, Self::Blob, Self::Verify, Self::Sweep];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Process => "process",
            Self::Warm => "warm",
            Self::Torrent => "torrent",
            Self::Blob => "blob",
            Self::Verify => "verify",
            Self::Sweep => "sweep",
        }
    }

    /// What it counts.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Load => Unit::Percent,
            Self::Process => Unit::Segments,
            Self::Warm => Unit::Links,
            Self::Torrent | Self::Blob => Unit::Bytes,
            Self::Verify | Self::Sweep => Unit::Entries,
        }
    }
}

impl JobReport {
    /// A load of a typed cache, as it is at the time `now`. Nobody ends it by its name: it ends when nobody waits for it.
    pub(crate) fn of_load(load: &Progress, now: Timestamp) -> Self {
        let phase = match load.phase {
            Phase::Searching => "looks into the tiers",
            Phase::Elsewhere => "waits for the load of another process",
            Phase::Queued => "waits for its turn",
            Phase::Loading => "loads",
            _ => "stores",
        };
        let note = load.message.as_deref().unwrap_or(phase);
        #[expect(clippy::cast_sign_loss, reason = "a fraction is not negative, and the cast saturates")]
        let percent = load.fraction.map(|fraction| (fraction * 100.0) as u64);
        Self {
            state: if load.phase == Phase::Queued { JobState::Waiting } else { JobState::Running },
            done: percent.unwrap_or_default(),
            total: percent.map(|_| 100),
            eta_seconds: load.eta.map(|eta| rounded(eta.as_secs_f64())),
            note: Some(shortened(note, NOTE)),
            ..Self::told(JobKind::Load, &load.key, now, load.elapsed)
        }
    }

    /// A film that is being fetched, as it is at the time `now`. It ends some time after its last reader has left.
    pub(crate) fn of_blob(blob: &BlobActivity, now: Timestamp) -> Self {
        let readers = blob.readers.len();
        let note = if readers == 1 { "1 reader".to_owned() } else { format!("{readers} readers") };
        Self {
            done: blob.kept_bytes(),
            total: blob.len,
            note: Some(note),
            ..Self::told(JobKind::Blob, &blob.key, now, blob.elapsed)
        }
    }

    /// A torrent that is being fetched, as it is at the time `now`. It ends some time after the last read of it.
    pub(crate) fn of_torrent(torrent: &Running, now: Timestamp) -> Option<Self> {
        let key = Key::of("torrents").part(torrent.hash).build().ok()?;
        Some(Self {
            what: shortened(&torrent.name, WHAT),
            done: torrent.done,
            total: Some(torrent.total),
            note: Some(format!("peers: {}, fetches: {}", torrent.peers, torrent.readers)),
            ..Self::told(JobKind::Torrent, &key, now, torrent.elapsed)
        })
    }

    /// A job of a source outside the registry, that has run for `elapsed` at the time `now`; `key` names it among those of
    /// its kind.
    pub(crate) fn told(kind: JobKind, key: &Key, now: Timestamp, elapsed: Duration) -> Self {
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let began = Timestamp::from_millis(now.as_millis().saturating_sub(elapsed_ms));
        let digest = blake3::hash(key.as_str().as_bytes()).to_hex();
        Self {
            id: format!("{}-{}", kind.name(), &digest[..16]),
            kind,
            what: shortened(key.as_str(), WHAT),
            state: JobState::Running,
            started: rfc3339(began),
            seconds: rounded(elapsed.as_secs_f64()),
            done: 0,
            total: None,
            unit: kind.unit(),
            eta_seconds: None,
            note: None,
            error: None,
            cancellable: false,
        }
    }

    /// What of it is worth telling again: all but what only goes on with the time.
    pub(crate) fn is_news_after(&self, before: &Self) -> bool {
        let told = |job: &Self| (job.state, job.done, job.total, job.note.clone(), job.error.clone(), job.cancellable);
        told(self) != told(before)
    }
}

/// `text`, cut after `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

pub(super) fn rfc3339(at: Timestamp) -> String {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX).to_string()
}

/// To the millisecond: more says nothing.
pub(super) fn rounded(seconds: f64) -> f64 {
    (seconds * 1e3).round() / 1e3
}
