//! The content hash of a file, read once, in bounded memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::{Error, ErrorKind, Result};

use crate::source::{SourceState, changed, io_failure};
use crate::{Digest, blocking};

const BUFFER: usize = 1 << 20;

/// Hashes the file at `path`, which must be in `state` before and after. Dropping the future stops the hashing
/// within one buffer.
pub(super) async fn content(path: &Path, state: SourceState) -> Result<Digest> {
    let path = path.to_owned();
    let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
    let stopped = stop.0.clone();
    blocking::run(move || read_through(&path, state, &stopped)).await
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn read_through(path: &Path, state: SourceState, stopped: &AtomicBool) -> Result<Digest> {
    let mut file = File::open(path).map_err(|error| io_failure(path, &error))?;
    let confirm = |file: &File| {
        let meta = file.metadata().map_err(|error| io_failure(path, &error))?;
        if SourceState::of_metadata(path, &meta).is_ok_and(|now| now == state) {
            Ok(())
        } else {
            Err(changed(path, "read"))
        }
    };
    confirm(&file)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        if stopped.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Closed, "the hashing was cancelled"));
        }
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(io_failure(path, &error)),
        };
    }
    confirm(&file)?;
    if hasher.count() != state.len {
        return Err(changed(path, "read"));
    }
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}
