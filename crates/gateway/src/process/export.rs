//! Frames and their list written to a directory of the user's.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cache_core::{Error, ErrorKind, Result};
use pipeline::Frame;
use serde_json::json;

use super::report::Report;

/// The directory that takes a folder of frames for each video.
#[derive(Debug)]
pub(super) struct Exports {
    out: PathBuf,
}

impl Exports {
    /// Exports of `videos` below `out`.
    ///
    /// # Errors
    /// When two of them would share a folder.
    pub(super) fn new(out: &Path, videos: &[PathBuf]) -> Result<Self> {
        let mut folders: HashMap<&OsStr, &Path> = HashMap::new();
        for video in videos {
            let name = folder_of(video);
            if folders.insert(name, video).is_some_and(|other| other != video) {
                let name = name.to_string_lossy();
                let message = format!("two videos are named {name:?}: give them to runs with an --out of their own");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        Ok(Self { out: out.to_owned() })
    }

    /// Makes the folder of `video`.
    pub(super) async fn begin(&self, video: &Path) -> Result<Export> {
        let folder = self.out.join(folder_of(video));
        blocking(move || {
            fs::create_dir_all(&folder).map_err(|error| cannot_write(&folder, &error))?;
            Ok(Export { folder })
        })
        .await
    }
}

fn folder_of(video: &Path) -> &OsStr {
    video.file_name().unwrap_or(OsStr::new("video"))
}

/// A folder that takes the frames of one video.
#[derive(Debug)]
pub(super) struct Export {
    folder: PathBuf,
}

impl Export {
    /// Writes the pictures of `frames`. Cancelling it leaves some of them written.
    pub(super) async fn write(&self, frames: Vec<Frame>) -> Result<()> {
        let folder = self.folder.clone();
        blocking(move || {
            frames.iter().try_for_each(|frame| {
                let path = folder.join(file_name(frame.index));
                fs::write(&path, &frame.jpeg).map_err(|error| cannot_write(&path, &error))
            })
        })
        .await
    }

    /// Writes the list of the frames and removes those of an earlier export that it does not name.
    pub(super) async fn finish(self, report: &Report) -> Result<()> {
        let infos = report.keyframes.frames.iter().zip(&report.pictures);
        let frames = (0..).zip(infos).map(|(index, (frame, picture))| {
            json!({
                "file": file_name(index),
                "seconds": frame.pts_us as f64 / 1e6,
                "width": frame.width,
                "height": frame.height,
                "bytes": picture.len,
                "blake3": picture.digest.to_string(),
            })
        });
        let list = json!({
            "source": report.source.to_string_lossy(),
            "fingerprint": report.fingerprint.to_string(),
            "frames": frames.collect::<Vec<_>>(),
        });
        let (folder, kept) = (self.folder, report.keyframes.frames.len());
        blocking(move || {
            let path = folder.join("keyframes.json");
            fs::write(&path, format!("{list:#}\n")).map_err(|error| cannot_write(&path, &error))?;
            remove_frames_from(kept, &folder).map_err(|error| cannot_write(&folder, &error))
        })
        .await
    }
}

fn file_name(index: u32) -> String {
    format!("{index:05}.jpg")
}

/// Removes the files that are named like frames from number `first` on.
fn remove_frames_from(first: usize, folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(folder)? {
        let file = file?;
        let name = file.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jpg")).filter(|digits| digits.len() >= 5);
        if number.and_then(|digits| digits.parse::<usize>().ok()).is_some_and(|number| number >= first) {
            fs::remove_file(file.path())?;
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, "writing the frames panicked").with_source(error)))
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot write {}: {error}", path.display()))
}
