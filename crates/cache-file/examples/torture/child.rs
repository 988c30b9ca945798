//! The process that writes until it is killed.

use std::io::Write as _;
use std::sync::Arc;

use cache_core::{Backend, Key};
use cache_file::FileBackend;

use crate::Outcome;
use crate::script::{Arena, Script, WRITERS, Write, entry, key, meta};

/// Runs with the arguments `--child SEED ROUND ARENA DIR`; ends only by an error.
pub(crate) fn run() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(2).collect();
    let [seed, round, arena, dir] = words.as_slice() else { return Err("a child needs four arguments".into()) };
    let (seed, round) = (seed.parse()?, round.parse()?);
    let arena = Arena::parse(arena).ok_or("no such arena")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    runtime.block_on(async {
        let backend = Arc::new(FileBackend::open(arena.config(dir)).await?);
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..WRITERS {
            writers.spawn(write(backend.clone(), seed, round, writer));
        }
        let first = writers.join_next().await.ok_or("there are no writers")??;
        first.map_err(Into::into)
    })
}

async fn write(backend: Arc<FileBackend>, seed: u64, round: u64, writer: usize) -> Result<(), String> {
    for write in Script::new(seed, round, writer) {
        let key = key(write.key()).map_err(|error| error.to_string())?;
        match write {
            Write::Put { key: number, version } => backend.put(&key, entry(seed, number, version)).await,
            Write::Renew { version, .. } => renew(&backend, &key, version).await,
            Write::Remove { .. } => backend.remove(&key).await.map(drop),
        }
        .map_err(|error| format!("{error}: {:?}", std::error::Error::source(&error)))?;
        // One write of less than a pipe's atomic length: a kill cannot tear it apart.
        let line = format!("{writer}\n");
        std::io::stdout().lock().write_all(line.as_bytes()).map_err(|error| error.to_string())?;
    }
    Ok(())
}

async fn renew(backend: &FileBackend, key: &Key, version: u64) -> cache_core::Result<()> {
    if let Some(present) = backend.stat(key).await? {
        backend.renew(key, present.stamp, meta(version)).await?;
    }
    Ok(())
}
