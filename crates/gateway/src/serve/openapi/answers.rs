//! Answers that other crates say, or that are put together as they are sent, as the description of the interface tells them.

#![expect(
    dead_code,
    reason = "these types describe what is sent; it is made from others, with which a test compares them"
)]

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// Figures of the cache, by the names that the first programs read, and of each tier.
#[derive(ToSchema)]
pub(in crate::serve) struct Figures {
    /// The kinds of the tiers, the nearest first, with commas between them.
    backend: String,
    /// Entries in the deepest tier, with those that keep in mind what was removed and those that have expired and are not
    /// dropped yet; null while it does not answer.
    size: Option<u64>,
    #[schema(rename = "maxSize")]
    max_size: Option<u64>,
    /// Megabytes in the deepest tier; null while it does not answer.
    #[schema(rename = "diskUsage")]
    disk_usage: Option<f64>,
    #[schema(rename = "maxDiskUsage")]
    max_disk_usage: Option<f64>,
    /// With two decimals; null while the deepest tier does not answer.
    #[schema(rename = "diskUsagePercent")]
    disk_usage_percent: Option<String>,
    /// Seconds.
    #[schema(rename = "cleanupInterval")]
    cleanup_interval: Option<u64>,
    #[schema(rename = "scalingInfo")]
    scaling_info: Scaling,
    version: String,
    uptime_seconds: u64,
    /// Where each tier keeps its entries.
    places: Vec<String>,
    /// Of all tiers together.
    name: String,
    /// The nearest first.
    tiers: Vec<TierFigures>,
    promotions: Promotions,
}

/// What runs, and the settings in force.
#[derive(ToSchema)]
pub(in crate::serve) struct Running {
    backend: String,
    /// As in the figures; null while the deepest tier does not answer.
    size: Option<u64>,
    #[schema(rename = "maxSize")]
    max_size: Option<u64>,
    #[schema(rename = "diskUsage")]
    disk_usage: Option<f64>,
    #[schema(rename = "maxDiskUsage")]
    max_disk_usage: Option<f64>,
    #[schema(rename = "diskUsagePercent")]
    disk_usage_percent: Option<String>,
    #[schema(rename = "cleanupInterval")]
    cleanup_interval: Option<u64>,
    #[schema(rename = "scalingInfo")]
    scaling_info: Scaling,
    places: Vec<String>,
    /// The number of the process.
    process: u32,
    /// Sections with settings, each with its value and where that came from; and the kind of each provider.
    #[schema(value_type = Object)]
    config: (),
    ttl: Longest,
}

/// What `POST /api/cache-config` did: of a cleanup the counts, else the lifetime in force and the figures.
#[derive(ToSchema)]
pub(in crate::serve) struct Done {
    message: String,
    ttl: Option<Longest>,
    /// As `GET /api/cache-config` begins.
    #[schema(value_type = Option<Object>)]
    stats: Option<()>,
    #[schema(rename = "cleanedCount")]
    cleaned_count: Option<u64>,
    /// Megabytes.
    #[schema(rename = "freedSpaceMB")]
    freed_space: Option<f64>,
    #[schema(rename = "finalSize")]
    final_size: Option<u64>,
    /// Megabytes.
    #[schema(rename = "finalDiskUsage")]
    final_disk_usage: Option<f64>,
}

/// The longest that anything is kept.
#[derive(ToSchema)]
struct Longest {
    /// None for no limit.
    seconds: Option<f64>,
    /// Whether it is another one than the configuration says.
    changed: bool,
}

#[derive(ToSchema)]
struct Scaling {
    backend: String,
    /// Whether a tier is shared with other processes.
    #[schema(rename = "isScalable")]
    is_scalable: bool,
    /// Whether a tier outlives the process.
    #[schema(rename = "supportsPersistence")]
    supports_persistence: bool,
    #[schema(rename = "recommendedForProduction")]
    recommended_for_production: bool,
}

#[derive(ToSchema)]
struct TierFigures {
    name: String,
    /// Whether its entries outlive the process.
    durable: bool,
    /// Whether other processes see the same entries.
    shared: bool,
    /// The longest body that it is given, in bytes.
    max_body: u64,
    /// What it holds; none when it did not say.
    usage: Option<Held>,
    /// How often it answered what to reads, by name.
    outcomes: BTreeMap<String, u64>,
    puts_failed: u64,
    removes_failed: u64,
    /// Entries copied here from lower tiers.
    promoted: u64,
    /// Keys that are not served from here because a write failed.
    suspects: u64,
    /// Entries that wait to be written in the background.
    backlog: u64,
    backlog_dropped: u64,
    recovery: Recovery,
}

#[derive(ToSchema)]
struct Held {
    entries: u64,
    bytes: u64,
    /// Whether `entries` and `bytes` are counted, not estimated.
    exact: bool,
    capacity: Option<u64>,
    max_entries: Option<u64>,
    evicted: u64,
    expired: u64,
    corrupt: u64,
}

/// What a tier has missed and was given later.
#[derive(ToSchema)]
struct Recovery {
    queued: u64,
    replayed: u64,
    lost: u64,
    dropped: u64,
}

/// Copies of lower tiers' entries to nearer ones.
#[derive(ToSchema)]
struct Promotions {
    queued: u64,
    done: u64,
    dropped: u64,
    overtaken: u64,
    failed: u64,
}

/// Figures of one cache since the server began.
#[derive(ToSchema)]
pub(in crate::serve) struct CacheFigures {
    name: String,
    near_hits: u64,
    tier_hits: u64,
    stale: u64,
    misses: u64,
    loads: u64,
    joins: u64,
    load_failures: u64,
    abandoned: u64,
    timed_out: u64,
    not_modified: u64,
    refreshes: u64,
    impatient: u64,
    repeated_failures: u64,
    elsewhere: u64,
    leases_lost: u64,
    load_seconds: f64,
    seconds_saved: f64,
    undecodable: u64,
    superseded: u64,
    store_failures: u64,
    last_store_error: Option<String>,
    running: u64,
    near_entries: u64,
}

/// The names of the providers.
#[derive(ToSchema)]
pub(in crate::serve) struct Names {
    providers: Vec<String>,
    /// The one that is meant where none is named.
    default: Option<String>,
}

/// The links of a page.
#[derive(ToSchema)]
pub(in crate::serve) struct PageLinks {
    provider: String,
    results: Vec<PageLink>,
    /// What is in a playlist: pages, whose links are asked for one by one.
    entries: Option<Vec<Entry>>,
    /// Whether some of it could not be had.
    partial: bool,
    cache: FromCache,
}

/// One link.
#[derive(ToSchema)]
struct PageLink {
    title: Option<String>,
    url: String,
    html_url: Option<String>,
    image_url: Option<String>,
    /// Seconds.
    duration: Option<f64>,
    resolution: Option<String>,
    size_in_bytes: Option<u64>,
    #[schema(rename = "type")]
    kind: Kind,
    content_type: Option<String>,
    language: Option<String>,
    quality: Quality,
    /// When it ends, in milliseconds since 1970.
    expires_at: Option<u64>,
    bound_to: Bound,
    /// The names of the headers that have to be sent along.
    needs_headers: Vec<String>,
    /// Where this server plays it.
    play_url: Option<String>,
}

/// What a link leads to.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
pub(in crate::serve) enum Kind {
    Video,
    VideoOnly,
    Audio,
    Hls,
    Dash,
    Subtitles,
    Image,
    Torrent,
    Page,
    Other,
}

/// How good a link is, as far as that is known.
#[derive(ToSchema)]
struct Quality {
    label: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    /// Bits per second of all that it carries.
    bit_rate: Option<u64>,
    video_codec: Option<String>,
    audio_codec: Option<String>,
}

/// Whom a link works for.
#[derive(ToSchema)]
#[schema(rename_all = "snake_case")]
enum Bound {
    Anyone,
    Address(String),
    Account,
}

/// What is known of an entry of a playlist.
#[derive(ToSchema)]
struct Entry {
    url: String,
    title: Option<String>,
    duration: Option<Span>,
}

#[derive(ToSchema)]
struct Span {
    secs: u64,
    nanos: u32,
}

/// Where links came from.
#[derive(ToSchema)]
struct FromCache {
    hit: bool,
    origin: String,
    age_seconds: f64,
    /// For how much longer it is handed out; negative, if it only stands in.
    ttl_seconds: i64,
    seconds_saved: f64,
}
