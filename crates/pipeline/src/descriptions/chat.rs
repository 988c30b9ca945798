//! A question about a picture, as the chat API of `OpenAI` has it.

use cache_core::{ErrorKind, Result};
use serde::{Deserialize, Serialize};

use super::base64;
use crate::Endpoint;

#[derive(Serialize)]
struct Question<'a> {
    model: &'a str,
    messages: [Message<'a>; 1],
    max_tokens: u32,
    temperature: f32,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: [Content<'a>; 2],
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Content<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: Address },
}

#[derive(Serialize)]
struct Address {
    url: String,
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

/// What the model says to `prompt` about a JPEG.
pub(super) async fn ask(endpoint: &Endpoint, prompt: &str, max_tokens: u32, jpeg: &[u8]) -> Result<String> {
    let mut url = "data:image/jpeg;base64,".to_owned();
    base64::push(jpeg, &mut url);
    let content = [Content::Text { text: prompt }, Content::ImageUrl { image_url: Address { url } }];
    let messages = [Message { role: "user", content }];
    let question = Question { model: endpoint.model(), messages, max_tokens, temperature: 0.0 };
    let answer: Answer = endpoint.ask("chat/completions", &question).await?;
    let Some(choice) = answer.choices.into_iter().next() else {
        return Err(endpoint.error(ErrorKind::Load, "answered without a choice"));
    };
    if choice.finish_reason.as_deref() == Some("content_filter") {
        return Err(endpoint.error(ErrorKind::Load, "withholds its answer: its filter does not let it through"));
    }
    if choice.finish_reason.as_deref() == Some("length") {
        let what = format!("answered with more than the {max_tokens} tokens allowed, and was cut short: allow more");
        return Err(endpoint.error(ErrorKind::Load, &what));
    }
    match choice.message.content.filter(|said| !said.trim().is_empty()) {
        Some(said) => Ok(said),
        None => Err(endpoint.error(ErrorKind::Load, "answered with nothing")),
    }
}
