//! Vectors of texts, as the API of `OpenAI` has them.

use cache_core::{ErrorKind, Result};
use serde::Serialize;

use super::answer::Answer;
use crate::Endpoint;

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
}

/// The vectors of `texts`, in their order.
pub(super) async fn ask(endpoint: &Endpoint, texts: &[String], dimensions: Option<u32>) -> Result<Vec<Vec<f32>>> {
    let question = Question { model: endpoint.model(), input: texts, encoding_format: "float", dimensions };
    let answer: Answer = endpoint.ask("embeddings", &question).await?;
    let vectors = answer.vectors(texts.len());
    vectors.map_err(|why| endpoint.error(ErrorKind::Load, &format!("answered with {why}")))
}
