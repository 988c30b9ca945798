//! Frames and their list written to a directory of the user's.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cache_core::{Error, ErrorKind, Result};
use pipeline::{Frame, Keyframe, Report};
use serde_json::json;

/// A folder that takes the frames of one video.
#[derive(Debug)]
pub(super) struct Export {
    folder: PathBuf,
}

impl Export {
    /// Makes the folder for `video` below `out`.
    pub(super) fn begin(out: &Path, video: &Path) -> Result<Self> {
        let folder = out.join(video.file_name().unwrap_or(OsStr::new("video")));
        fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
        Ok(Self { folder })
    }

    /// Writes the pictures of `frames`. Cancelling it leaves some of them written.
    pub(super) async fn write(&mut self, frames: Vec<Frame>) -> Result<()> {
        let folder = self.folder.clone();
        blocking(move || {
            frames.iter().try_for_each(|frame| {
                let path = folder.join(file_name(&frame.info));
                fs::write(&path, &frame.jpeg).map_err(|error| cannot_write(&path, &error))
            })
        })
        .await
    }

    /// Writes the list of the frames, which completes the export.
    pub(super) async fn finish(self, report: &Report) -> Result<()> {
        let frames = report.keyframes.frames.iter().map(|frame| {
            json!({
                "file": file_name(frame),
                "seconds": frame.pts_us as f64 / 1e6,
                "width": frame.width,
                "height": frame.height,
                "bytes": frame.len,
                "blake3": frame.digest.to_string(),
            })
        });
        let list = json!({
            "source": report.source.to_string_lossy(),
            "fingerprint": report.fingerprint.to_string(),
            "frames": frames.collect::<Vec<_>>(),
        });
        let path = self.folder.join("keyframes.json");
        blocking(move || fs::write(&path, format!("{list:#}\n")).map_err(|error| cannot_write(&path, &error))).await
    }
}

fn file_name(frame: &Keyframe) -> String {
    format!("{:05}.jpg", frame.index)
}

async fn blocking(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, "writing the frames panicked").with_source(error)))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot write {}: {error}", path.display()))
}
