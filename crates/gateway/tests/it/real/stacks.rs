//! The contract of a backend, kept by stacks of all kinds of tiers.

use std::path::Path;
use std::time::Duration;

use cache_core::{Backend, Limits, PolicyKind, Result};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_redis::{RedisBackend, RedisOptions};
use cache_s3::{ObjectBackend, ObjectConfig};
use cache_sqlite::{SqliteBackend, SqliteConfig};
use cache_testkit::{Bench, Fixture, conformance};
use cache_tiered::{TierOptions, Tiered, TieredBuilder};

/// The clock of a bench stands still while that of a server runs.
const SLACK: Duration = Duration::from_hours(1);
/// What a crowded machine may need for one call of a server.
const PATIENCE: Duration = Duration::from_secs(20);

conformance!(direct memory_sqlite, |bench| async move {
    let dir = tempfile::tempdir()?;
    let stack = stack(&bench).tier(memory(&bench)).tier(sqlite(&bench, dir.path()).await?);
    Ok(fixture(stack.build()?).keep(dir))
});

conformance!(direct file_redis, |bench| async move {
    let dir = tempfile::tempdir()?;
    let stack = stack(&bench).tier(file(&bench, dir.path()).await?).tier_with(redis(&bench).await?, slow());
    Ok(fixture(stack.build()?).keep(dir))
});

conformance!(direct memory_redis_s3, |bench| async move {
    let stack = stack(&bench).tier(memory(&bench)).tier_with(redis(&bench).await?, slow());
    Ok(fixture(stack.tier_with(s3(&bench).await?, slow()).build()?))
});

conformance!(direct memory_file_redis_s3, |bench| async move {
    let dir = tempfile::tempdir()?;
    let stack = stack(&bench).tier(memory(&bench)).tier(file(&bench, dir.path()).await?);
    let stack = stack.tier_with(redis(&bench).await?, slow()).tier_with(s3(&bench).await?, slow());
    Ok(fixture(stack.build()?).keep(dir))
});

fn stack(bench: &Bench) -> TieredBuilder {
    Tiered::builder().clock(bench.clock.clone())
}

/// All these stacks have a tier that other processes see.
fn fixture(stack: Tiered) -> Fixture<Tiered> {
    let stamps = stack.clone();
    Fixture::new(stack).notes_removes(move || stamps.stamps().tick())
}

fn slow() -> TierOptions {
    TierOptions::new().patience(PATIENCE)
}

fn memory(bench: &Bench) -> MemBackend {
    let Limits { weight, entries } = bench.limits;
    let builder = MemBackend::builder(weight / 4).entries(entries / 4).clock(bench.clock.clone());
    // Which entries stay must not depend on what was there before: tiers are compared by what they hold together.
    builder.policy(PolicyKind::S3Fifo).build()
}

async fn file(bench: &Bench, folder: &Path) -> Result<FileBackend> {
    let config = FileConfig::new(folder).capacity(bench.limits.weight).entries(bench.limits.entries);
    FileBackend::open(config.clock(bench.clock.clone())).await
}

async fn sqlite(bench: &Bench, folder: &Path) -> Result<SqliteBackend> {
    let config = SqliteConfig::new(folder.join("cache.db")).capacity(bench.limits.weight).entries(bench.limits.entries);
    SqliteBackend::open(config.clock(bench.clock.clone())).await
}

async fn redis(bench: &Bench) -> Result<impl Backend> {
    let options = RedisOptions::from_url(&super::redis())?.clock(bench.clock.clone());
    RedisBackend::open(options.expiry_slack(SLACK).command_timeout(PATIENCE).connections(2)).await
}

async fn s3(bench: &Bench) -> Result<impl Backend> {
    // Longer bodies take a server long, and add nothing here.
    let config = ObjectConfig::parse(&super::s3())?.clock(bench.clock.clone()).timeout(PATIENCE).max_body(8 << 20);
    ObjectBackend::open(config).await
}
