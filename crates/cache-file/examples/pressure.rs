//! Measures puts into an empty directory against puts into a full one, with the pauses, and samples what is on disk.
//!
//! `cargo run --release -p cache-file --example pressure -- [CAPACITY_MIB] [DIR]`

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cache_core::{Backend, Entry, Key, Meta, Stamp, Timestamp};
use cache_file::{FileBackend, FileConfig};

/// Tasks that write.
const WRITERS: u64 = 8;

/// What writes of one length came to.
struct Run {
    mib_per_second: f64,
    middle: Duration,
    rare: Duration,
    longest: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let capacity = words.next().map_or(Ok(256), |word| word.parse::<u64>())? << 20;
    let temporary = tempfile::tempdir()?;
    let root = words.next().map_or_else(|| temporary.path().to_owned(), Into::into);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    for len in [400, 1_500, 16 << 10, 200 << 10, 2 << 20] {
        runtime.block_on(measure(&root.join(len.to_string()), capacity, len))?;
    }
    Ok(())
}

async fn measure(dir: &Path, capacity: u64, len: u64) -> Result<(), Box<dyn Error>> {
    let backend = Arc::new(FileBackend::open(FileConfig::new(dir).capacity(capacity)).await?);
    let most = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let sampler = std::thread::spawn({
        let (dir, most, over) = (dir.to_owned(), most.clone(), over.clone());
        move || {
            while !over.load(Ordering::Relaxed) {
                most.fetch_max(blocks(&dir), Ordering::Relaxed);
            }
        }
    });
    // What a directory holds when it is full is known once it is.
    let writes = capacity / (len + 100) / WRITERS;
    let next = Arc::new(AtomicU64::new(0));
    let empty = write(&backend, &next, len, writes * 4 / 10).await?;
    write(&backend, &next, len, writes).await?;
    let full = write(&backend, &next, len, writes).await?;
    let usage = backend.usage().await?;
    let disk = backend.disk();
    over.store(true, Ordering::Relaxed);
    sampler.join().map_err(|_| "the sampler panicked")?;
    let bound = capacity + WRITERS * (len + 4096);
    writeln!(
        std::io::stdout(),
        "{len:>8} B: empty {:>7.1} MiB/s, full {:>7.1} MiB/s ({:.2}); full: middle {:.2?} p99.9 {:.2?} longest {:.2?} \
         (empty p99.9 {:.2?}); entries {} of {} MiB, index {} MiB; most on disk {:.2} MiB, beyond the bound {} KiB",
        empty.mib_per_second,
        full.mib_per_second,
        full.mib_per_second / empty.mib_per_second,
        full.middle,
        full.rare,
        full.longest,
        empty.rare,
        usage.entries,
        usage.bytes >> 20,
        disk.index >> 20,
        most.load(Ordering::Relaxed) as f64 / f64::from(1 << 20),
        most.load(Ordering::Relaxed).saturating_sub(bound) >> 10,
    )?;
    backend.close().await?;
    Ok(fs::remove_dir_all(dir)?)
}

/// Puts `writes` entries from each task.
async fn write(
    backend: &Arc<FileBackend>,
    next: &Arc<AtomicU64>,
    len: u64,
    writes: u64,
) -> Result<Run, Box<dyn Error>> {
    let start = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let (backend, next) = (backend.clone(), next.clone());
        tasks.spawn(async move {
            let body = bytes::Bytes::from(vec![7; len as usize]);
            let mut pauses = Vec::new();
            for _ in 0..writes {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let key = Key::of("pressure").part(number).build()?;
                let meta = Meta::new(Stamp::from_u64(number + 1), Timestamp::from_millis(1));
                let begin = Instant::now();
                backend.put(&key, Entry::new(meta, body.clone())).await?;
                pauses.push(begin.elapsed());
            }
            Ok::<_, cache_core::Error>(pauses)
        });
    }
    let mut pauses = Vec::new();
    while let Some(done) = tasks.join_next().await {
        pauses.extend(done??);
    }
    let seconds = start.elapsed().as_secs_f64();
    pauses.sort_unstable();
    let at = |thousandths: usize| pauses.get(pauses.len() * thousandths / 1000).copied().unwrap_or_default();
    Ok(Run {
        mib_per_second: (pauses.len() as u64 * len) as f64 / f64::from(1 << 20) / seconds,
        middle: at(500),
        rare: at(999),
        longest: pauses.last().copied().unwrap_or_default(),
    })
}

fn blocks(path: &Path) -> u64 {
    let Ok(meta) = fs::symlink_metadata(path) else { return 0 };
    if !meta.is_dir() {
        return meta.blocks() * 512;
    }
    fs::read_dir(path).map_or(0, |found| found.flatten().map(|found| blocks(&found.path())).sum())
}
