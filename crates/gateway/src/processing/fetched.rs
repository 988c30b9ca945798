//! Videos behind links, fetched into a file within limits.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use cache_blob::{HttpClient, HttpSource, Source, Version};
use cache_core::{Error, ErrorKind, Result};
use futures_util::StreamExt;
use pipeline::Scratch;
use tokio::time::timeout;

use super::Refused;

/// The longest link, in bytes.
const LONGEST_URL: usize = 8 << 10;
/// How long nothing may come.
const SILENCE: Duration = Duration::from_mins(1);

/// The link, if it is one that may be fetched. Names are looked at by whoever connects.
///
/// # Errors
/// [`Refused::Wrong`] with what is wrong.
pub(super) fn checked(client: &HttpClient, url: String) -> std::result::Result<String, Refused> {
    let wrong = |why: String| Refused::Wrong(Error::new(ErrorKind::Invalid, why));
    if url.len() > LONGEST_URL {
        return Err(wrong(format!("the link is longer than {LONGEST_URL} bytes")));
    }
    HttpSource::new(client, &url).map_err(|error| wrong(error.to_string()))?;
    Ok(url)
}

/// What was fetched. Its file goes with it; after a kill, when the next one is fetched to the same place.
#[derive(Debug)]
pub(super) struct Fetched(Scratch);

impl Fetched {
    pub(super) fn path(&self) -> PathBuf {
        self.0.path().join("video")
    }
}

/// What is behind `url`, of at most `most` bytes, in a file below `scratch`.
///
/// # Errors
/// Those of fetching; `TooLarge`.
pub(super) async fn fetch(client: &HttpClient, url: &str, scratch: Option<PathBuf>, most: u64) -> Result<Fetched> {
    let failed = |error: cache_blob::BlobError| {
        Error::new(ErrorKind::Unavailable, "the video cannot be fetched").with_source(error)
    };
    let silent = |_| Error::new(ErrorKind::Timeout, format!("the video is not sent on for {} s", SILENCE.as_secs()));
    let too_long = || Error::new(ErrorKind::TooLarge, format!("the video is longer than {most} bytes"));
    let source = HttpSource::new(client, url)?;
    let described = source.describe().await.map_err(failed)?;
    if described.len.is_some_and(|len| len > most) {
        return Err(too_long());
    }
    let parent = scratch.unwrap_or_else(std::env::temp_dir);
    let fetched = blocking(move || Scratch::create(&parent).map(Fetched)).await?;
    let path = fetched.path();
    let mut file = blocking(move || File::create_new(path).map_err(|error| full(&error))).await?;
    let mut stream =
        source.fetch(0, &Version::new(described.len, described.validator.clone())).await.map_err(failed)?;
    let mut left = most;
    while let Some(bytes) = timeout(SILENCE, stream.next()).await.map_err(silent)? {
        let bytes = bytes.map_err(failed)?;
        left = left.checked_sub(bytes.len() as u64).ok_or_else(too_long)?;
        file = blocking(move || file.write_all(&bytes).map(|()| file).map_err(|error| full(&error))).await?;
    }
    let got = most - left;
    if described.len.is_some_and(|len| len != got) {
        return Err(Error::new(ErrorKind::Unavailable, format!("the video ended after {got} bytes: try again")));
    }
    Ok(fetched)
}

fn full(error: &std::io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("the video cannot be put into a file: {error}"))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| Error::new(ErrorKind::Internal, "writing a file panicked").with_source(error))?
}
