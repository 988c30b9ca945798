//! Artifacts written to a directory of the user's.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cache_core::{Error, ErrorKind, Result};
use pipeline::{Artifact, Descriptions, Embeddings, Fingerprint, Frame, Keyframes, Transcript};
use serde_json::{Value, json};

use super::inputs::Input;
use crate::subtitles;
use crate::text::quoted;

/// The directory that takes a folder for each video.
#[derive(Debug)]
pub(super) struct Exports {
    out: PathBuf,
}

impl Exports {
    /// Exports of `inputs` below `out`.
    ///
    /// # Errors
    /// When two of them would share a folder.
    pub(super) fn new(out: &Path, inputs: &[Input]) -> Result<Self> {
        let mut folders: HashMap<&Path, &Path> = HashMap::new();
        for Input { path, place } in inputs {
            if folders.insert(place, path).is_some_and(|other| other != path) {
                let name = quoted(place);
                let message = format!("two videos are named {name}: give them to runs with an --out of their own");
                return Err(Error::new(ErrorKind::Invalid, message));
            }
        }
        Ok(Self { out: out.to_owned() })
    }

    /// Makes the folder of `input`.
    pub(super) async fn begin(&self, input: &Input) -> Result<Export> {
        let folder = self.out.join(&input.place);
        blocking(move || {
            fs::create_dir_all(&folder).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => in_the_way(&folder),
                _ => cannot_write(&folder, &error),
            })?;
            Ok(Export { folder })
        })
        .await
    }
}

/// A folder that takes the artifacts of one video.
#[derive(Debug)]
pub(super) struct Export {
    folder: PathBuf,
}

/// What an export says about where it comes from.
#[derive(Debug)]
pub(super) struct Origin<'a> {
    pub(super) source: &'a Path,
    pub(super) fingerprint: Fingerprint,
}

impl Export {
    /// Writes the pictures of `frames`. Cancelling it leaves some of them written.
    pub(super) async fn frames(&self, frames: Vec<Frame>) -> Result<()> {
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
    pub(super) async fn keyframes(&self, origin: &Origin<'_>, keyframes: &Artifact<Keyframes>) -> Result<()> {
        let infos = keyframes.value().frames.iter().map(|frame| (frame, keyframes.info(frame.picture)));
        let frames = (0..).zip(infos).map(|(index, (frame, picture))| {
            json!({
                "file": file_name(index),
                "seconds": frame.pts_us as f64 / 1e6,
                "width": frame.width,
                "height": frame.height,
                "bytes": picture.map(|picture| picture.len),
                "blake3": picture.map(|picture| picture.digest.to_string()),
            })
        });
        self.json("keyframes", origin, "frames", frames.collect::<Vec<_>>().into()).await?;
        let (folder, kept) = (self.folder.clone(), keyframes.value().frames.len());
        blocking(move || remove_frames_from(kept, &folder).map_err(|error| cannot_write(&folder, &error))).await
    }

    /// Writes the transcript, as subtitles too.
    pub(super) async fn transcript(&self, origin: &Origin<'_>, transcript: &Transcript) -> Result<()> {
        self.json("transcript", origin, "transcript", json!(transcript)).await?;
        self.text("transcript.vtt", subtitles::vtt(transcript)).await?;
        self.text("transcript.srt", subtitles::srt(transcript)).await
    }

    /// Writes the descriptions.
    pub(super) async fn descriptions(&self, origin: &Origin<'_>, descriptions: &Descriptions) -> Result<()> {
        self.json("descriptions", origin, "descriptions", json!(descriptions.descriptions)).await
    }

    /// Writes the embeddings with their vectors.
    pub(super) async fn embeddings(&self, origin: &Origin<'_>, embeddings: &Artifact<Embeddings>) -> Result<()> {
        let vectors = Embeddings::vectors(embeddings).await?;
        let passages = embeddings.value().passages.iter().zip(vectors).map(|(passage, vector)| {
            json!({
                "start_seconds": passage.start_us as f64 / 1e6,
                "end_seconds": passage.end_us as f64 / 1e6,
                "vector": vector,
            })
        });
        self.json("embeddings", origin, "passages", passages.collect::<Vec<_>>().into()).await
    }

    async fn json(&self, name: &str, origin: &Origin<'_>, field: &str, value: Value) -> Result<()> {
        let list = json!({
            "source": origin.source.to_string_lossy(),
            "fingerprint": origin.fingerprint.to_string(),
            field: value,
        });
        self.text(&format!("{name}.json"), format!("{list:#}\n")).await
    }

    async fn text(&self, name: &str, text: String) -> Result<()> {
        let path = self.folder.join(name);
        blocking(move || fs::write(&path, text).map_err(|error| cannot_write(&path, &error))).await
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
        .unwrap_or_else(|error| Err(Error::new(ErrorKind::Internal, "writing an export panicked").with_source(error)))
}

fn in_the_way(folder: &Path) -> Error {
    let message = format!("a file is where the folder {} would be: choose another --out", quoted(folder));
    Error::new(ErrorKind::Unavailable, message)
}

fn cannot_write(path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorKind::Unavailable, format!("cannot write {}: {error}", path.display()))
}
