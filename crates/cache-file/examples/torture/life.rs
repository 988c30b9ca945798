//! Rows F11, F12, F15, F16 and F17: a second process, clocks, crash loops, a million entries, strangers in the directory.

use std::error::Error as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cache_core::{Backend, Clock, Entry, ManualClock, Meta, Stamp, Timestamp};
use cache_file::{DirectoryInUse, FileBackend, FileConfig, IndexOrigin};

use crate::Outcome;
use crate::damage;
use crate::disk::Disk;
use crate::loss::Walk;
use crate::rows::{Found, Pace};
use crate::script::{self, Rng};

/// A second opening of a directory that is in use.
pub(crate) async fn in_use(root: &Path) -> Outcome<Found> {
    let backend = FileBackend::open(FileConfig::new(root)).await?;
    let start = Instant::now();
    let second = FileBackend::open(FileConfig::new(root)).await;
    let spent = start.elapsed();
    backend.close().await?;
    let holder = second.err().and_then(|error| error.source()?.downcast_ref::<DirectoryInUse>()?.process);
    let said = holder == Some(std::process::id());
    let clean = said && spent < Duration::from_millis(500);
    Ok(Found { clean, figures: format!("told_in_ms={} with_the_process={said}", spent.as_millis()) })
}

/// Jumps of the clock while open and between two openings.
pub(crate) async fn clocks(root: &Path) -> Outcome<Found> {
    const HOUR: i64 = 3_600_000;
    const YEAR: i64 = 365 * 24 * HOUR;
    let start: i64 = 1_800_000_000_000;
    let (mut tried, mut over_life) = (0, 0);
    for jump in [HOUR, -HOUR, 10 * YEAR, -10 * YEAR, -start, 4_300_000_000_000 - start] {
        for reopened in [false, true] {
            let disk = Disk::default();
            let clock = Arc::new(ManualClock::new(Timestamp::from_millis(start.cast_unsigned())));
            let open = || FileBackend::open(damage::config(root, &disk).clock(clock.clone()));
            let mut backend = open().await?;
            let lifetime = cache_core::ttl(Duration::from_mins(10));
            let meta = || Meta::new(Stamp::from_u64(1), clock.now()).with_lifetime(lifetime);
            for number in 0..4 {
                backend.put(&script::key(number)?, Entry::new(meta(), vec![1; 3_000])).await?;
            }
            clock.set(Timestamp::from_millis((start + jump).max(0).cast_unsigned()));
            if reopened {
                backend.close().await?;
                backend = open().await?;
            }
            tried += 1;
            // Set back, a clock would let what was there live longer by the jump.
            let served = backend.get(&script::key(0)?).await?.is_some();
            over_life += u64::from(served && (jump > 0 || (reopened && jump < -24 * HOUR)));
            backend.put(&script::key(9)?, Entry::new(meta(), vec![2; 100])).await?;
            over_life += u64::from(backend.get(&script::key(9)?).await?.is_none());
            backend.sweep(clock.now(), 100).await?;
            backend.close().await?;
        }
    }
    Ok(Found { clean: over_life == 0, figures: format!("jumps={tried} over_life_served={over_life} panics=0") })
}

/// An index over which every opening ends at one step.
pub(crate) async fn crash_loop(root: &Path, seed: u64) -> Outcome<Found> {
    let [_, mut image] = damage::prepared(root, seed).await?;
    let mut restarts = 0;
    let origin = loop {
        let disk = Disk::new(image.clone());
        disk.record();
        let backend = FileBackend::open(damage::config(root, &disk)).await?;
        let origin = backend.report().index;
        backend.close().await?;
        if origin == IndexOrigin::Rebuilt || restarts > 5 {
            break origin;
        }
        let log = disk.take_log();
        let mut walk = Walk::new(image, &log);
        // The first opening makes its mark besides.
        walk.advance(if restarts == 0 { 9 } else { 8 });
        image = walk.whole;
        restarts += 1;
    };
    let clean = origin == IndexOrigin::Rebuilt && restarts <= 2;
    Ok(Found { clean, figures: format!("restarts_needed={restarts}") })
}

/// Very many entries, opened after an orderly end and after a kill.
pub(crate) async fn many(root: &Path, pace: Pace) -> Outcome<Found> {
    let count = pace.of(100_000, 1_000_000);
    let config = || FileConfig::new(root).capacity(32 << 30).entries(2 * count);
    let backend = FileBackend::open(config()).await?;
    let before = resident()?;
    for batch in 0..count / 250 {
        let entries = (0..250).map(|at| {
            let number = batch * 250 + at;
            Ok((script::key(number)?, Entry::new(script::meta(number + 1), vec![3; 400])))
        });
        for answer in backend.put_many(entries.collect::<cache_core::Result<_>>()?).await {
            answer?;
        }
    }
    backend.close().await?;
    drop(backend);
    let empty = resident()?;
    let (start, work) = (Instant::now(), worked()?);
    let backend = FileBackend::open(config()).await?;
    let (closed_ms, closed_work) = (start.elapsed().as_millis(), worked()? - work);
    let held = backend.usage().await?.entries;
    let (after, index) = (resident()?, backend.disk().index >> 20);
    let each = after.saturating_sub(empty.min(before)) / count;
    // Changed since it was opened, and not closed: what a kill leaves.
    backend.remove(&script::key(0)?).await?;
    let killed = root.join("killed");
    fs::create_dir_all(&killed)?;
    fs::copy(root.join("index.redb"), killed.join("index.redb"))?;
    backend.close().await?;
    let (start, work) = (Instant::now(), worked()?);
    let backend = FileBackend::open(FileConfig::new(killed).capacity(32 << 30).entries(2 * count)).await?;
    let (killed_ms, killed_work) = (start.elapsed().as_millis(), worked()? - work);
    let left = backend.usage().await?.entries;
    let clean = held == count && left == count - 1 && backend.report().index == IndexOrigin::Recovered;
    backend.close().await?;
    let figures = format!(
        "entries={held} of {count} open_ms={closed_ms} of_processor={closed_work} killed_open_ms={killed_ms} \
         of_processor={killed_work} index_mib={index} resident_bytes_per_entry={each}"
    );
    Ok(Found { clean, figures })
}

/// Volumes deleted, strangers added: what is on disk is what is accounted for.
pub(crate) async fn drift(root: &Path, pace: Pace, seed: u64) -> Outcome<Found> {
    let (mut wrong, mut drifted, mut dangling) = (0, 0, 0);
    let mut rng = Rng::new(seed);
    let rounds = pace.of(5, 40);
    for round in 0..rounds {
        let dir = root.join(round.to_string());
        let config = || FileConfig::new(&dir).capacity(256 << 20).volume_len(1 << 20);
        let backend = FileBackend::open(config()).await?;
        for number in 0..300 {
            backend.put(&script::key(number)?, script::entry(seed, number, 1)).await?;
        }
        backend.close().await?;
        for found in fs::read_dir(dir.join("volumes"))?.flatten() {
            match rng.below(4) {
                0 => fs::remove_file(found.path())?,
                1 => drop(fs::copy(found.path(), dir.join(format!("volumes/0000{}.vol", 5000 + rng.below(999))))?),
                _ => {}
            }
        }
        fs::write(dir.join("volumes/stranger"), "left alone")?;
        let backend = FileBackend::open(config()).await?;
        dangling += backend.report().dangling;
        for number in 0..300 {
            let found = backend.get(&script::key(number)?).await?;
            wrong += u64::from(found.is_some_and(|found| found != script::entry(seed, number, 1)));
        }
        let volumes = fs::read_dir(dir.join("volumes"))?.flatten().filter(|found| found.file_name() != "stranger");
        let blocks = |meta: fs::Metadata| std::os::unix::fs::MetadataExt::blocks(&meta) * 512;
        let taken: u64 = volumes.filter_map(|found| found.metadata().ok()).map(blocks).sum();
        drifted += taken.abs_diff(backend.disk().volumes);
        backend.close().await?;
    }
    let figures = format!("rounds={rounds} wrong={wrong} dangling_dropped={dangling} drift_bytes={drifted}");
    Ok(Found { clean: wrong + drifted == 0, figures })
}

/// Milliseconds that processors worked for this process.
fn worked() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let ticks = text.split(' ').skip(13).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? * 10)
}

/// Resident bytes of this process.
fn resident() -> Outcome<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).ok_or("statm has no second word")?.parse()?;
    Ok(pages * 4096)
}
