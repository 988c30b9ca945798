//! The hash of a file's content or of samples of it, in bounded memory.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::{Error, ErrorKind, Result};

use crate::source::{SourceState, changed, io_failure};
use crate::{Digest, blocking};

const BUFFER: usize = 1 << 20;
const SAMPLES: u64 = 16;
const SAMPLE: usize = 64 << 10;

/// Hashes the file at `path`, which must be in `state` before and after. Dropping the future stops the hashing
/// within one buffer.
pub(super) async fn content(path: &Path, state: SourceState) -> Result<Digest> {
    let path = path.to_owned();
    let stop = StopOnDrop(Arc::new(AtomicBool::new(false)));
    let stopped = stop.0.clone();
    blocking::run(move || read_through(&path, state, &stopped)).await
}

/// Hashes the length and [`SAMPLES`] pieces of the file at `path`, which must be in `state` before and after.
pub(super) async fn sampled(path: &Path, state: SourceState) -> Result<Digest> {
    let path = path.to_owned();
    blocking::run(move || {
        let file = open(&path, state)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&state.len.to_le_bytes());
        let mut piece = vec![0; SAMPLE];
        // The last piece ends where the file does; those of a short file overlap, which costs nothing.
        let room = state.len.saturating_sub(SAMPLE as u64);
        for number in 0..SAMPLES {
            let offset = u64::try_from(u128::from(room) * u128::from(number) / u128::from(SAMPLES - 1)).unwrap_or(room);
            let piece = &mut piece[..usize::try_from(state.len - offset).unwrap_or(SAMPLE).min(SAMPLE)];
            std::os::unix::fs::FileExt::read_exact_at(&file, piece, offset)
                .map_err(|error| io_failure(&path, &error))?;
            hasher.update(piece);
        }
        confirm(&path, &file, state)?;
        Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
    })
    .await
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn read_through(path: &Path, state: SourceState, stopped: &AtomicBool) -> Result<Digest> {
    let mut file = open(path, state)?;
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
    confirm(path, &file, state)?;
    if hasher.count() != state.len {
        return Err(changed(path, "read"));
    }
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

fn open(path: &Path, state: SourceState) -> Result<File> {
    let file = File::open(path).map_err(|error| io_failure(path, &error))?;
    confirm(path, &file, state)?;
    Ok(file)
}

fn confirm(path: &Path, file: &File, state: SourceState) -> Result<()> {
    let meta = file.metadata().map_err(|error| io_failure(path, &error))?;
    let same = SourceState::of_metadata(path, &meta).is_ok_and(|now| now == state);
    if same { Ok(()) } else { Err(changed(path, "read")) }
}
