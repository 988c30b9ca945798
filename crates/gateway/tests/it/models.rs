//! A server with the API of `OpenAI` that knows two models: one that sees and one that embeds.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

/// The key that it asks for.
pub(crate) const KEY: &str = "sk-hush-hush";

/// The server; it ends with the process.
pub(crate) struct Models {
    address: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Models {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicUsize::new(0));
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = count.clone();
                std::thread::spawn(move || while answer(&stream, &count).is_some() {});
            }
        });
        Self { address, asked }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many questions were answered.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Answers one request; `None` when there is no other.
fn answer(stream: &TcpStream, count: &AtomicUsize) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut len, mut is_known, mut target) = (0, false, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let lower = line.trim_end().to_ascii_lowercase();
        if target.is_empty() {
            target = lower;
        } else if lower.is_empty() {
            break;
        } else if let Some(value) = lower.strip_prefix("content-length:") {
            len = value.trim().parse().ok()?;
        } else if lower.starts_with("authorization:") {
            is_known = line.trim_end().ends_with(&format!("Bearer {KEY}"));
        }
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    let question: Value = serde_json::from_slice(&body).ok()?;
    let (status, reply) = match () {
        () if !is_known => ("401 Unauthorized", json!({ "error": { "message": "who are you?" } })),
        () if target.contains("/v1/chat/completions") => ("200 OK", seen(&question)),
        () if target.contains("/v1/embeddings") => ("200 OK", embedded(&question)),
        () => ("404 Not Found", json!({ "error": { "message": "no such thing" } })),
    };
    if status == "200 OK" {
        count.fetch_add(1, Ordering::SeqCst);
    }
    let reply = reply.to_string();
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{reply}",
        reply.len()
    )
    .ok()
}

fn seen(question: &Value) -> Value {
    assert_eq!(question["model"], "sees", "{question}");
    json!({ "choices": [{ "message": { "role": "assistant", "content": "A test picture." }, "finish_reason": "stop" }] })
}

fn embedded(question: &Value) -> Value {
    assert_eq!(question["model"], "embeds", "{question}");
    let texts = question["input"].as_array().map_or(1, Vec::len);
    let data = (0..texts).map(|index| json!({ "index": index, "embedding": [0.6, 0.8, index] }));
    json!({ "data": data.collect::<Vec<_>>() })
}
