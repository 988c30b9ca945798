//! What sites say about media: types, spans of time, which is best.

use std::cmp::Reverse;
use std::time::Duration;

use crate::{Link, LinkKind};

/// Longer than anything plays.
const MAX_SECONDS: f64 = 1e9;

/// What is behind a link with this type and address; the type counts, where it says something.
pub(super) fn kind_of(content_type: Option<&str>, url: &str) -> LinkKind {
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    match &*essence {
        "application/vnd.apple.mpegurl" | "application/x-mpegurl" | "audio/mpegurl" | "audio/x-mpegurl" => {
            LinkKind::Hls
        }
        "application/dash+xml" => LinkKind::Dash,
        "application/x-bittorrent" => LinkKind::Torrent,
        "application/ogg" => LinkKind::Audio,
        "text/vtt" | "application/x-subrip" | "application/srt" => LinkKind::Subtitles,
        "text/html" => LinkKind::Page,
        other => match other.split_once('/').map(|(family, _)| family) {
            Some("video") => LinkKind::Video,
            Some("audio") => LinkKind::Audio,
            Some("image") => LinkKind::Image,
            _ => by_name(url),
        },
    }
}

fn by_name(url: &str) -> LinkKind {
    if url.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("magnet:")) {
        return LinkKind::Torrent;
    }
    let name = url.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match &*extension {
        "mp4" | "m4v" | "mkv" | "webm" | "mov" | "avi" | "mpg" | "mpeg" | "ogv" | "flv" | "wmv" | "ts" | "3gp" => {
            LinkKind::Video
        }
        "mp3" | "m4a" | "aac" | "flac" | "ogg" | "oga" | "opus" | "wav" | "wma" | "aif" | "aiff" | "mka" => {
            LinkKind::Audio
        }
        "m3u8" => LinkKind::Hls,
        "mpd" => LinkKind::Dash,
        "torrent" => LinkKind::Torrent,
        "srt" | "vtt" | "ass" | "ssa" => LinkKind::Subtitles,
        "jpg" | "jpeg" | "png" | "gif" | "webp" | "avif" => LinkKind::Image,
        _ => LinkKind::Other,
    }
}

/// Whether that can be played by itself.
pub(super) fn is_played(kind: LinkKind) -> bool {
    matches!(kind, LinkKind::Video | LinkKind::VideoOnly | LinkKind::Audio | LinkKind::Hls | LinkKind::Dash)
}

/// Seconds with or without a fraction, `minutes:seconds`, or `hours:minutes:seconds`.
pub(super) fn span(text: &str) -> Option<Duration> {
    let parts: Vec<&str> = text.trim().split(':').collect();
    if parts.len() > 3 {
        return None;
    }
    let seconds = parts.iter().try_fold(0.0, |sum, part| {
        // More than digits and a point would let signs, exponents and `inf` pass.
        let is_number = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        Some(sum * 60.0 + is_number.then(|| part.parse::<f64>().ok()).flatten()?)
    })?;
    span_of(seconds)
}

/// A span of so many seconds, if that is one.
pub(super) fn span_of(seconds: f64) -> Option<Duration> {
    (seconds > 0.0 && seconds < MAX_SECONDS).then(|| Duration::from_secs_f64(seconds))
}

/// Puts what is watched before what is heard, and what is played before the rest; the better first, of each.
pub(super) fn best_first(links: &mut [Link]) {
    links.sort_by_key(|link| {
        let quality = &link.quality;
        (rank(link.kind), Reverse((quality.height, quality.bit_rate, link.bytes)))
    });
}

fn rank(kind: LinkKind) -> u8 {
    match kind {
        LinkKind::Video => 0,
        LinkKind::Hls => 1,
        LinkKind::Dash => 2,
        LinkKind::Audio => 3,
        LinkKind::VideoOnly => 4,
        LinkKind::Page => 5,
        LinkKind::Torrent => 6,
        LinkKind::Subtitles => 7,
        LinkKind::Image => 8,
        LinkKind::Other => 9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_in_all_their_forms() {
        for (text, seconds) in
            [("3723", 3723.0), ("1:02:03", 3723.0), ("62:03", 3723.0), (" 125.40 ", 125.4), ("0:01", 1.0)]
        {
            assert_eq!(span(text), Some(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "0", "-5", "1:2:3:4", "1h", "inf", "NaN", "1e9", ":", "99999999999999"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn the_type_counts_before_the_name() {
        assert_eq!(kind_of(Some("audio/mpeg"), "https://x.org/a.mp4"), LinkKind::Audio);
        assert_eq!(kind_of(Some("video/webm; codecs=\"vp9\""), "https://x.org/a"), LinkKind::Video);
        assert_eq!(kind_of(Some("application/octet-stream"), "https://x.org/a.MP3?x=.mp4"), LinkKind::Audio);
        assert_eq!(kind_of(None, "https://x.org/master.m3u8#t=1"), LinkKind::Hls);
        assert_eq!(kind_of(None, "magnet:?xt=urn:btih:a"), LinkKind::Torrent);
        assert_eq!(kind_of(None, "https://x.org/"), LinkKind::Other);
    }
}
