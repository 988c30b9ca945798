//! Errors of stages, which name the source and the kind of artifact.

use std::error::Error as StdError;
use std::fmt;

use cache_core::{Error, ErrorKind};

use crate::output::overlap;
use crate::{Segment, Source};

/// That a stage has failed on a source.
#[derive(Debug)]
struct Failed {
    source: Source,
    /// The first and the last segment that it was to compute, if it was begun.
    about: Option<(u32, u32)>,
    cause: Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

impl StdError for Failed {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&self.cause)
    }
}

/// `error`, on which the stage of `kind` has failed for `source`: `"clip.mp4": descriptions: ...`. It was to compute the
/// segments from the first to the last that it is `about`.
pub(crate) fn blame(source: &Source, about: Option<(u32, u32)>, kind: &str, error: &Error) -> Error {
    named(source, about, error, &format!("{kind}: {}", bare(source, error)))
}

/// That `kind` was not made of `source`, because what it needs has failed with `error`.
pub(crate) fn unmet(source: &Source, kind: &str, error: &Error) -> Error {
    let why = bare(source, error);
    named(source, None, error, &format!("{kind}: was not computed, because what it needs has failed: {why}"))
}

/// Whether `error` is about a file that has the content of `source` and another name: the file that `source` names may
/// be well.
pub(crate) fn is_about_another(source: &Source, error: &Error) -> bool {
    let failed = error.source().and_then(|cause| cause.downcast_ref::<Failed>());
    error.kind() == ErrorKind::Invalid && failed.is_some_and(|failed| failed.source != *source)
}

/// Whether `error` is about other segments than `segments`, which may be well.
pub(crate) fn is_about_others(segments: &[Segment], error: &Error) -> bool {
    let failed = error.source().and_then(|cause| cause.downcast_ref::<Failed>());
    failed.and_then(|failed| failed.about).is_some_and(|about| !overlap(about, segments))
}

fn named(source: &Source, about: Option<(u32, u32)>, error: &Error, what: &str) -> Error {
    Error::new(error.kind(), format!("{source}: {what}")).with_retry(error.retry()).with_source(Failed {
        source: source.clone(),
        about,
        cause: error.clone(),
    })
}

/// What `error` says, without the source that it may begin with.
fn bare<'a>(source: &Source, error: &'a Error) -> &'a str {
    let message = error.message();
    message.strip_prefix(&source.to_string()).map_or(message, |rest| rest.trim_start_matches([':', ' ']))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_source_and_the_kinds_are_named_once_each() {
        let source = Source::from(Path::new("a/clip.mp4"));
        let plain = Error::new(ErrorKind::Timeout, "took too long");
        let named = Error::new(ErrorKind::Invalid, "\"a/clip.mp4\" has no sound");
        assert_eq!(blame(&source, None, "transcript", &plain).to_string(), "\"a/clip.mp4\": transcript: took too long");
        assert_eq!(blame(&source, None, "transcript", &named).to_string(), "\"a/clip.mp4\": transcript: has no sound");
        let twice = blame(&source, None, "embeddings", &blame(&source, None, "transcript", &plain));
        assert_eq!(twice.to_string(), "\"a/clip.mp4\": embeddings: transcript: took too long");
        let unmet = unmet(&source, "embeddings", &blame(&source, None, "transcript", &plain)).to_string();
        let why = "was not computed, because what it needs has failed: transcript: took too long";
        assert_eq!(unmet, format!("\"a/clip.mp4\": embeddings: {why}"));
        assert_eq!((twice.kind(), twice.retry()), (plain.kind(), plain.retry()));
    }

    #[test]
    fn an_error_is_about_another_only_when_it_is_about_a_file() {
        let (ours, theirs) = (Source::from(Path::new("a.mp4")), Source::from(Path::new("b.mp4")));
        let file = Error::new(ErrorKind::Invalid, "\"b.mp4\" changed");
        assert!(is_about_another(&ours, &blame(&theirs, None, "keyframes", &file)));
        assert!(!is_about_another(&theirs, &blame(&theirs, None, "keyframes", &file)));
        assert!(!is_about_another(&ours, &blame(&theirs, None, "keyframes", &Error::new(ErrorKind::Timeout, "late"))));
        assert!(!is_about_another(&ours, &file));
    }
}
