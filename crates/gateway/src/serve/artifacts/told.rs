//! Artifacts as text, made where that may take its time.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use cache_core::{Error, ErrorKind, Result};
use serde::Serialize;

use super::super::problem::Problem;

/// The text that `tell` gives, which blocks: a long film has hundreds of thousands of words and millions of numbers.
pub(super) async fn told(
    content_type: &'static str,
    tell: impl FnOnce() -> Result<String> + Send + 'static,
) -> std::result::Result<Response, Problem> {
    let failed = |error| Error::new(ErrorKind::Internal, "an artifact cannot be told").with_source(error);
    let text = tokio::task::spawn_blocking(tell).await.map_err(failed)??;
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

/// `value` as JSON.
pub(super) fn json_of(value: &impl Serialize) -> Result<String> {
    let failed = |error| Error::new(ErrorKind::Internal, "an artifact is no JSON").with_source(error);
    serde_json::to_string(value).map_err(failed)
}
