//! A transcript as subtitles: `WebVTT` and `SubRip`.

use std::fmt::Write;

use pipeline::{Transcript, Utterance};

/// The shortest that a line is shown, in milliseconds: what is told to take no time would never be seen.
const SHORTEST_MS: i64 = 1;

/// `WebVTT`, as browsers read it.
pub(crate) fn vtt(transcript: &Transcript) -> String {
    let mut text = "WEBVTT\n".to_owned();
    for said in &transcript.segments {
        let (start, end) = times(said);
        // Its own signs are written otherwise, so that what is said is no markup.
        let line = line(said).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = write!(text, "\n{} --> {}\n{line}\n", clock(start, '.'), clock(end, '.'));
    }
    text
}

/// `SubRip`, as players read it.
pub(crate) fn srt(transcript: &Transcript) -> String {
    let mut text = String::new();
    for (number, said) in (1..).zip(&transcript.segments) {
        let (start, end) = times(said);
        let line = line(said).replace("-->", "->");
        let _ = write!(text, "{number}\n{} --> {}\n{line}\n\n", clock(start, ','), clock(end, ','));
    }
    text
}

fn times(said: &Utterance) -> (i64, i64) {
    let start = said.start_ms.max(0);
    (start, said.end_ms.max(start + SHORTEST_MS))
}

/// One line: an empty one would end what is shown.
fn line(said: &Utterance) -> String {
    said.text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn clock(ms: i64, point: char) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", ms % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(start_ms: i64, end_ms: i64, text: &str) -> Utterance {
        Utterance { start_ms, end_ms, text: text.to_owned(), ..Utterance::default() }
    }

    #[test]
    fn lines_have_their_times_and_hold_no_markup() {
        let segments = vec![said(0, 900, "Hello <b>there</b> & all"), said(3_723_004, 3_723_004, "a --> b\n\nc")];
        let transcript = Transcript { segments, ..Transcript::default() };
        assert_eq!(
            vtt(&transcript),
            "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nHello &lt;b&gt;there&lt;/b&gt; &amp; all\n\n01:02:03.004 --> \
             01:02:03.005\na --&gt; b c\n"
        );
        assert_eq!(
            srt(&transcript),
            "1\n00:00:00,000 --> 00:00:00,900\nHello <b>there</b> & all\n\n2\n01:02:03,004 --> 01:02:03,005\na -> b c\n\n"
        );
    }

    #[test]
    fn what_is_said_before_the_film_begins_is_shown_when_it_does() {
        let transcript = Transcript { segments: vec![said(-500, 100, "a")], ..Transcript::default() };
        assert!(vtt(&transcript).contains("00:00:00.000 --> 00:00:00.100"));
    }
}
