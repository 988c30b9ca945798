//! Logs: one line for each event, whatever strangers have put into it.

mod queue;

use std::ffi::OsStr;
use std::io::{IsTerminal, Write, stderr};
use std::sync::OnceLock;

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

/// Where lines for people go, too.
static ERRORS: OnceLock<Queue> = OnceLock::new();

/// Warnings and above on standard error; `RUST_LOG` says otherwise, and what it says that is no filter is told and passed by.
/// Whoever tells of something never waits for who reads it.
pub(crate) fn start() -> Logs {
    let (filter, refused) = filter(std::env::var_os("RUST_LOG").as_deref());
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
    if let Some(queue) = &queue {
        // It is started once.
        _ = ERRORS.set(queue.clone());
    }
    if let Some(why) = refused {
        crate::complain(&why);
    }
    Logs(queue)
}

/// What passes where `asked` is the value of `RUST_LOG`, and why that does not count, if so.
fn filter(asked: Option<&OsStr>) -> (EnvFilter, Option<String>) {
    let usual = || EnvFilter::new("warn,librqbit=error");
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else { return (usual(), None) };
    let read = asked.to_str().ok_or_else(|| "it is no text".to_owned());
    match read.and_then(|text| EnvFilter::try_new(text).map_err(|error| error.to_string())) {
        Ok(filter) => (filter, None),
        Err(why) => {
            let advice = "write a level, or targets with levels: info, or warn,gateway=debug";
            (usual(), Some(format!("RUST_LOG={} is passed by: {why}: {advice}", asked.display())))
        }
    }
}

/// Writes `line` to standard error after all that was told before. Nobody waits for who reads it; who tells much waits until it
/// is [`written`], or some of it is left out.
pub(crate) fn tell(line: String) {
    match ERRORS.get() {
        Some(queue) => queue.put(line.into_bytes()),
        // When that is gone, nobody is left to tell.
        None => drop(stderr().write_all(line.as_bytes())),
    }
}

/// Waits until what was told is written, however long nobody reads it. Cancelling it leaves it to be written when somebody does.
pub(crate) async fn written() {
    if let Some(queue) = ERRORS.get() {
        queue.written().await;
    }
}

/// As [`written`], for no longer than a second. Blocks.
pub(crate) fn settle() {
    if let Some(queue) = ERRORS.get() {
        queue.settle();
    }
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
    fn a_filter_that_cannot_be_read_is_told_and_does_not_count() {
        let refused = |asked: &str| filter(Some(OsStr::new(asked))).1;
        for right in ["", "debug", "warn,gateway=debug", "off", "hyper[{a=1}]=trace"] {
            assert_eq!(refused(right), None, "{right}");
        }
        assert_eq!(filter(None).1, None);
        for wrong in ["gateway=loud", "debug,=,"] {
            assert!(refused(wrong).is_some_and(|why| why.contains(wrong) && why.contains("write a level")), "{wrong}");
        }
        assert_eq!(filter(Some(OsStr::new("gateway=loud"))).0.to_string(), filter(None).0.to_string());
    }

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
