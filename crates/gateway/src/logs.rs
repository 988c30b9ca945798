//! Logs: one line for each event, whatever strangers have put into it.

mod queue;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;

use crate::text::one_line;
use queue::Queue;

/// What events are told to. Dropping it waits a moment for those that were told before.
#[derive(Debug)]
#[must_use = "what is told last is lost without it"]
pub(crate) struct Logs(Option<Queue>);

impl Drop for Logs {
    fn drop(&mut self) {
        if let Some(queue) = &self.0 {
            queue.settle();
        }
    }
}

/// Warnings and above on standard error; `RUST_LOG` says otherwise. Whoever tells of something never waits for who reads it.
pub(crate) fn start() -> Logs {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,librqbit=error"));
    let colours = stderr().is_terminal();
    // The library escapes what moves a cursor, and leaves line breaks: what a server says could be a line of its own.
    let fields = debug_fn(|out, field, value| {
        let value = without_secrets(&one_line(&format!("{value:?}")));
        if field.name() == "message" { write!(out, "{value}") } else { write!(out, "{field}={value}") }
    });
    let lines = tracing_subscriber::fmt().with_env_filter(filter).fmt_fields(fields.delimited(" ")).with_ansi(colours);
    // Without a thread of their own they are written by whoever tells them.
    let queue = Queue::to(stderr()).ok();
    match queue.clone() {
        Some(queue) => lines.with_writer(queue).init(),
        None => lines.with_writer(stderr).init(),
    }
    Logs(queue)
}

/// `text` with no more of an address in it than its scheme and its host: what follows may let others in, and so may who logs in.
fn without_secrets(text: &str) -> String {
    let (mut told, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((at, mark)) = next_address(rest) {
        let (before, address) = rest.split_at(at + mark.len());
        told.push_str(before);
        let (address, after) = address.split_at(address.find(is_behind).unwrap_or(address.len()));
        let place = if mark == MAGNET { "" } else { address.split(['/', '?', '#']).next().unwrap_or_default() };
        // A password with a slash in it ends where a path seems to begin.
        let place = if address.contains('@') { "" } else { place };
        told.push_str(place);
        if place.len() < address.len() {
            told.push('…');
        }
        rest = after;
    }
    told + rest
}

const MAGNET: &str = "magnet:?";

/// Where the next address stands, and what it is known by.
fn next_address(text: &str) -> Option<(usize, &'static str)> {
    ["://", MAGNET].into_iter().filter_map(|mark| Some((text.find(mark)?, mark))).min()
}

/// What stands behind an address and not in it.
fn is_behind(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | ')' | ']' | '}' | ',' | ';' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_32_of_an_address_its_host_is_logged_and_nothing_more() {
        for (text, told) in [
            ("connecting to http://films.example:80", "connecting to http://films.example:80"),
            ("(http://films.example/a?sig=hush) failed", "(http://films.example…) failed"),
            ("url=\"https://films.example/hush\", then", "url=\"https://films.example…\", then"),
            ("redis://me:hu/sh@host:1/2 and s3://bucket/hush?k=hush", "redis://… and s3://bucket…"),
            ("udp://tracker.example?hush", "udp://tracker.example…"),
            ("magnet:?xt=a&tr=http://tracker.example/hush/announce end", "magnet:?… end"),
            ("no address: 12 of 34 at ://", "no address: 12 of 34 at ://"),
        ] {
            assert_eq!(without_secrets(text), told);
        }
    }
}
