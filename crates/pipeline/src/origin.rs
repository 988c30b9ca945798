//! What the typed caches answer, in the words of this crate.

use std::sync::Arc;

use cache_core::{Error, ErrorKind};
use cache_tiered::Origin;

/// The origin of what was computed in this run.
pub(crate) const LOADED: &str = "loaded";

/// One word for `origin`; the near tier is memory, too.
pub(crate) fn name_of(origin: &Origin) -> Arc<str> {
    match origin {
        Origin::Near => "memory".into(),
        Origin::Tier { name, .. } => name.clone(),
        Origin::Loaded => LOADED.into(),
        other => other.name().into(),
    }
}

/// The error of the stage itself, when `error` says that a load failed with it.
pub(crate) fn stage_error(error: Error) -> Error {
    use std::error::Error as _;
    let cause = error.source().and_then(|cause| cause.downcast_ref::<Error>()).cloned();
    cause.filter(|_| error.kind() == ErrorKind::Load).unwrap_or(error)
}
