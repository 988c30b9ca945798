//! The sound of a stretch of time, as transcribers want it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cache_core::{Error, ErrorKind, Result};

use crate::ffmpeg::{about, arguments, input, unfit_for};
use crate::scratch::Scratch;
use crate::{Probe, Source, Span, Work, blocking};

/// Samples per second of what is extracted: mono, 16 bits each.
pub(crate) const SAMPLE_RATE: u64 = 16_000;
/// Of the file, before its samples; ffmpeg may write some more.
const HEADER: u64 = 44;

/// A file with the sound of a stretch of time.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) path: PathBuf,
    pub(crate) length: Duration,
}

/// Writes what is heard in `span` into `folder`, as a WAV of 16 kHz and one channel; where there is no sound, there is
/// silence. `None` when the sound ends before.
///
/// # Errors
/// [`ErrorKind::Invalid`] for a source without sound that can be decoded.
pub(crate) async fn extract(work: &Work, span: Span, folder: &Scratch) -> Result<Option<Sound>> {
    let (source, whole) = (work.source(), work.axis().whole());
    let stream = work.probe().audio.as_ref();
    let stream = stream.ok_or_else(|| unfit_for(source, "has no audio stream: nothing can be heard in it"))?;
    let path = folder.path().join("input.wav");
    let from_us = span.start_us.saturating_sub(whole.start_us).max(0).unsigned_abs();
    let len_us = (span.end_us < whole.end_us).then(|| span.len_us());
    let list = extraction(source, work.probe(), stream.index, from_us, len_us, &path);
    let finished = work.ffmpeg().decoder().run(list).await.map_err(|error| about(source, &error))?;
    if finished.complaint.contains("No space left on device") {
        let message = "no space left for sound: free some or set another scratch directory";
        return Err(Error::new(ErrorKind::Unavailable, message));
    }
    if !finished.status.success() {
        let why = if finished.complaint.is_empty() { finished.status.to_string() } else { finished.complaint };
        return Err(unfit_for(source, &format!("has sound that ffmpeg cannot decode: {why}")));
    }
    let file = path.clone();
    let bytes = blocking::run(move || {
        let unreadable = |error| Error::new(ErrorKind::Unavailable, format!("the sound cannot be read: {error}"));
        std::fs::metadata(file).map(|meta| meta.len()).map_err(unreadable)
    });
    let micros = bytes.await?.saturating_sub(HEADER) / 2 * 1_000_000 / SAMPLE_RATE;
    // What of a header is longer is not even a millisecond of sound.
    Ok((micros > 2_000).then_some(Sound { path, length: Duration::from_micros(micros) }))
}

/// The arguments for ffmpeg: one stream, its gaps filled so that its times stay what they are.
fn extraction(
    source: &Source,
    probe: &Probe,
    stream: u32,
    from_us: u64,
    len_us: Option<u64>,
    path: &Path,
) -> Vec<OsString> {
    let mut list = arguments(&["-v", "error", "-nostdin", "-y"]);
    if from_us > 0 {
        list.extend(arguments(&["-ss", &format!("{from_us}us")]));
    }
    if let Some(len_us) = len_us {
        list.extend(arguments(&["-t", &format!("{len_us}us")]));
    }
    list.extend(arguments(&["-f", probe.demuxer()]));
    list.extend(input(source));
    list.extend(arguments(&["-map", &format!("0:{stream}"), "-af", "aresample=async=1:first_pts=0"]));
    list.extend(arguments(&["-ac", "1", "-ar", &SAMPLE_RATE.to_string(), "-c:a", "pcm_s16le"]));
    list.extend(arguments(&["-flags", "+bitexact", "-fflags", "+bitexact", "-f", "wav"]));
    let mut url = OsString::from("file:");
    url.push(path);
    list.push(url);
    list
}
