//! What a file that is served is called, and its media type: both come from strangers.

use std::fmt::Write;

use axum::http::HeaderValue;

/// The longest name of a file, in characters.
const LONGEST_NAME: usize = 200;

/// Types by the ends of names, for origins that say none.
const TYPES: [(&str, &str); 20] = [
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("mkv", "video/x-matroska"),
    ("webm", "video/webm"),
    ("mov", "video/quicktime"),
    ("avi", "video/x-msvideo"),
    ("ts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("ogv", "video/ogg"),
    ("mpg", "video/mpeg"),
    ("mp3", "audio/mpeg"),
    ("m4a", "audio/mp4"),
    ("aac", "audio/aac"),
    ("flac", "audio/flac"),
    ("ogg", "audio/ogg"),
    ("opus", "audio/ogg"),
    ("wav", "audio/wav"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("srt", "application/x-subrip"),
    ("vtt", "text/vtt"),
];

/// The type to serve something as: that of its origin if it is one of media, or else by its name. What a browser would
/// run, a page or a script, is none.
pub(crate) fn content_type(told: Option<&str>, name: Option<&str>) -> HeaderValue {
    let told = told.map(str::trim).filter(|told| is_media(told)).and_then(|told| HeaderValue::from_str(told).ok());
    let named = || type_of(name?).map(HeaderValue::from_static);
    told.or_else(named).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn type_of(name: &str) -> Option<&'static str> {
    let (_, end) = name.rsplit_once('.')?;
    TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(end)).map(|(_, named)| *named)
}

fn is_media(told: &str) -> bool {
    let Some(essence) = essence(told).map(str::to_ascii_lowercase) else { return false };
    let kind = essence.split('/').next().unwrap_or_default();
    // A picture that is a document may hold scripts.
    let is_plain = !essence.contains("svg") && !essence.contains("xml");
    matches!(kind, "video" | "audio" | "image") && is_plain
        || matches!(&*essence, "application/vnd.apple.mpegurl" | "application/x-mpegurl" | "application/dash+xml")
        || essence == "text/vtt"
}

/// The type without its parameters, when that is all there is (RFC 9110, section 8.3.1). Of a list of types a browser
/// takes the last.
fn essence(told: &str) -> Option<&str> {
    let (essence, mut rest) = told.split_at(told.find(';').unwrap_or(told.len()));
    let essence = essence.trim_end_matches(BLANK);
    let (kind, sub) = essence.split_once('/')?;
    while !rest.is_empty() {
        rest = after_parameter(rest.strip_prefix(';')?.trim_start_matches(BLANK))?.trim_start_matches(BLANK);
    }
    (is_token(kind) && is_token(sub)).then_some(essence)
}

const BLANK: [char; 2] = [' ', '\t'];

/// What follows the parameter that `text` begins with; there may be none before the next semicolon.
fn after_parameter(text: &str) -> Option<&str> {
    if text.is_empty() || text.starts_with(';') {
        return Some(text);
    }
    let (name, value) = text.split_once('=')?;
    let (is_value, rest) = if let Some(quoted) = value.strip_prefix('"') {
        // One with escapes is told by nobody.
        quoted.split_once('"').map(|(inner, rest)| (!inner.contains('\\'), rest))?
    } else {
        let (value, rest) = value.split_at(value.find([';', ' ', '\t']).unwrap_or(value.len()));
        (is_token(value), rest)
    };
    (is_token(name) && is_value).then_some(rest)
}

fn is_token(text: &str) -> bool {
    let is_tchar = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_tchar)
}

/// The name of the file at `url`: the last part of its path, without what no file system or header would bear.
pub(crate) fn file_name(url: &str) -> Option<String> {
    let path = url.split(['?', '#']).next()?;
    let (_, rest) = path.split_once("://")?;
    let (_, path) = rest.split_once('/')?;
    clean(&decoded(path.rsplit('/').next()?))
}

/// `name` without what no file system or header would bear, if anything is left.
pub(crate) fn clean(name: &str) -> Option<String> {
    let is_harmless = |c: &char| !c.is_control() && !matches!(c, '/' | '\\' | '"' | ':' | '*' | '?' | '<' | '>' | '|');
    let name: String = name.chars().filter(is_harmless).take(LONGEST_NAME).collect();
    let name = name.trim().trim_start_matches('.').to_owned();
    (!name.is_empty()).then_some(name)
}

/// Whether the end of `name` says what it is.
pub(crate) fn has_type(name: &str) -> bool {
    type_of(name).is_some()
}

/// `Content-Disposition` (RFC 6266): to be shown, or saved, under a name.
pub(crate) fn disposition(name: Option<&str>, download: bool) -> Option<HeaderValue> {
    let kind = if download { "attachment" } else { "inline" };
    let Some(name) = name else { return Some(HeaderValue::from_static(kind)) };
    let mut text = format!("{kind}; filename*=UTF-8''");
    for byte in name.bytes() {
        let is_plain = byte.is_ascii_alphanumeric() || b"-._~!#$&+^`|".contains(&byte);
        if is_plain {
            text.push(char::from(byte));
        } else {
            // Writing into a String does not fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    HeaderValue::try_from(text).ok()
}

/// Percent signs taken for what they stand for; what is no UTF-8 is replaced.
fn decoded(text: &str) -> String {
    String::from_utf8_lossy(&bytes(text)).into_owned()
}

/// Whether `text` is UTF-8 when percent signs are taken for what they stand for.
pub(crate) fn is_text(text: &str) -> bool {
    String::from_utf8(bytes(text)).is_ok()
}

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, others @ ..] = rest {
        let pair = (*first == b'%').then(|| others.get(..2)).flatten().and_then(|pair| std::str::from_utf8(pair).ok());
        // A sign would be taken for part of a number.
        let pair = pair.filter(|pair| pair.bytes().all(|byte| byte.is_ascii_hexdigit()));
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            bytes.push(byte);
            rest = &others[2..];
        } else {
            bytes.push(*first);
            rest = others;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_keeps_the_type_that_its_origin_says() {
        for told in [
            "video/mp4",
            "audio/ogg; codecs=opus",
            "image/jpeg",
            "VIDEO/WebM",
            "application/x-mpegURL",
            "video/mp4 ; codecs=\"avc1.42E01E, mp4a.40.2\";;a=b",
            "video/mp4;",
        ] {
            assert_eq!(content_type(Some(told), Some("a.mkv")), told);
        }
    }

    #[test]
    fn what_a_browser_would_run_is_bytes_or_what_its_name_says() {
        for told in [
            "text/html",
            "text/html; charset=utf-8",
            "image/svg+xml",
            "application/javascript",
            "text/xml",
            "nonsense",
            "video/mp4, text/html",
            "video/mp4;a=b, text/html",
            "video/mp4;a, text/html",
            "video/mp4;a=\"b\", text/html",
            "video/mp4;a=\"\\\", text/html;b=\"",
            "video/mp4;a=\"b",
            "video/mp4 text/html",
            "video/",
            "/mp4",
            "video/mp4/x",
            "video/mp4;=b",
            "video/mp4;a=",
            "video/<b>",
        ] {
            assert_eq!(content_type(Some(told), None), "application/octet-stream", "{told}");
            assert_eq!(content_type(Some(told), Some("film.MKV")), "video/x-matroska", "{told}");
        }
        assert_eq!(content_type(None, Some("film.html")), "application/octet-stream");
    }

    #[test]
    fn a_name_is_the_end_of_a_path_without_what_hurts() {
        let name = |url: &str| file_name(url).unwrap_or_default();
        assert_eq!(name("https://a.example/films/A%20film%20%28x%29.mkv?token=1#t=3"), "A film (x).mkv");
        assert_eq!(name("https://a.example/..%2f..%2fetc%2fpasswd"), "etcpasswd");
        assert_eq!(name("https://a.example/a%0d%0ab%22%00.mp4"), "ab.mp4");
        assert_eq!(name("https://a.example/.hidden"), "hidden");
        assert_eq!(name("https://a.example/100%"), "100%");
        assert_eq!(name("https://a.example/%e4%bd%a0%e5%a5%bd.mp4"), "你好.mp4");
        for url in ["https://a.example", "https://a.example/", "https://a.example/films/", "https://a.example/%2e%2e"] {
            assert_eq!(file_name(url), None, "{url}");
        }
        assert_eq!(name(&format!("https://a.example/{}", "x".repeat(5_000))).len(), LONGEST_NAME);
    }

    #[test]
    fn a_disposition_is_a_header_whatever_the_name() {
        let of = |name, download| disposition(name, download).unwrap();
        assert_eq!(of(Some("A film.mkv"), false), "inline; filename*=UTF-8''A%20film.mkv");
        assert_eq!(of(Some("你.mp4"), true), "attachment; filename*=UTF-8''%E4%BD%A0.mp4");
        assert_eq!(of(None, true), "attachment");
    }
}
