//! Output of transcribers: good, odd and hostile.

use super::*;

const LENGTH: Duration = Duration::from_secs(10);

fn read(json: &str) -> Result<Transcript> {
    parse(json.as_bytes(), LENGTH)
}

fn refusal(json: &str) -> String {
    let error = read(json).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Load);
    error.message().to_owned()
}

fn words(transcript: &Transcript) -> Vec<(&str, i64, i64)> {
    let words = transcript.segments.iter().flat_map(|segment| &segment.words);
    words.map(|word| (word.text.as_str(), word.start_ms, word.end_ms)).collect()
}

#[test]
fn our_own_shape_is_read() {
    let json = r#"{"language": "en", "segments": [{"start_ms": 5, "end_ms": 900, "text": " Hello. ", "confidence": 0.5,
        "words": [{"start_ms": 5, "end_ms": 400, "text": "Hello.", "confidence": 2}]}, {"start_ms": 900, "end_ms": 900,
        "text": " "}]}"#;
    let transcript = read(json).unwrap();
    assert_eq!(transcript.language.as_deref(), Some("en"));
    assert_eq!((transcript.start_ms, transcript.end_ms), (0, 10_000));
    assert_eq!((transcript.text().as_str(), transcript.segments.len()), ("Hello.", 1));
    assert_eq!(words(&transcript), [("Hello.", 5, 400)]);
    assert_eq!(transcript.segments[0].words[0].confidence, Some(1.0));
}

#[test]
fn what_is_written_is_read_again() {
    let transcript = read(r#"{"segments": [{"start": 1, "end": 2.5, "text": "so", "avg_logprob": -0.5}]}"#).unwrap();
    assert_eq!(read(&serde_json::to_string(&transcript).unwrap()).unwrap(), transcript);
}

#[test]
fn the_shape_of_faster_whisper_is_read() {
    let json = r#"{"text": "And so.", "segments": [{"id": 0, "seek": 0, "start": 0.32, "end": 1.5, "text": " And so.",
        "tokens": [843, 370], "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.1, "no_speech_prob": 0.02,
        "words": [{"word": " And", "start": 0.32, "end": 0.69, "probability": 0.75},
                  {"word": " so.", "start": 0.69, "end": 1.5, "probability": 1.0}]},
        {"id": 1, "start": 2, "end": 12.0, "text": "More", "words": null}], "language": "en"}"#;
    let transcript = read(json).unwrap();
    assert_eq!(words(&transcript), [("And", 320, 690), ("so.", 690, 1_500)]);
    assert!((transcript.segments[0].confidence.unwrap() - 0.778_8).abs() < 1e-4);
    // Pulled back to the end of the audio.
    assert_eq!(transcript.segments[1].end_ms, 10_000);
    assert_eq!(read(r#"{"segments": [], "info": {"language": "de"}}"#).unwrap().language.as_deref(), Some("de"));
}

#[test]
fn the_shape_of_whisper_cpp_is_read() {
    let json = r#"{"systeminfo": "x", "model": {"type": "tiny"}, "result": {"language": "en"}, "transcription": [{
        "timestamps": {"from": "00:00:00,000", "to": "00:00:02,560"}, "offsets": {"from": 0, "to": 2560},
        "text": " Harbors!", "tokens": [
            {"text": "[_BEG_]", "offsets": {"from": 0, "to": 0}, "id": 50363, "p": 0.9},
            {"text": " Har", "offsets": {"from": 320, "to": 370}, "id": 7, "p": 0.5, "t_dtw": -1},
            {"text": "bors", "offsets": {"from": 370, "to": 690}, "id": 8, "p": 1.0},
            {"text": "!", "offsets": {"from": 690, "to": 700}, "id": 9, "p": 0.75}]}]}"#;
    let transcript = read(json).unwrap();
    assert_eq!((transcript.language.as_deref(), transcript.text().as_str()), (Some("en"), "Harbors!"));
    assert_eq!(words(&transcript), [("Harbors!", 320, 700)]);
    assert_eq!(transcript.segments[0].words[0].confidence, Some(0.75));
}

#[test]
fn letters_that_tokens_share_leave_the_words_out() {
    let json =
        b"{\"transcription\": [{\"offsets\": {\"from\": 0, \"to\": 9}, \"text\": \"\xE4\xBD\xA0\", \"tokens\": [\
        {\"text\": \"\xE4\xBD\", \"offsets\": {\"from\": 0, \"to\": 1}}, {\"text\": \"\xA0\"}]}]}";
    let transcript = parse(json, LENGTH).unwrap();
    assert_eq!((transcript.text().as_str(), words(&transcript).len()), ("你", 0));
}

#[test]
fn what_is_no_transcript_is_refused_with_its_place() {
    let starts = "read the transcript: is not the JSON that was expected: ";
    for (json, why) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("loading model", "expected value at line 1 column 1"),
        (r#"{"segments": [{"start": NaN"#, "expected value at line 1 column 25"),
        (r#"{"segments": [{"start": 1e999, "end": 2}]}"#, "number out of range at line 1 column 29"),
        (r#"{"segments": [{"start": 1, "end": 2}]}"#, "missing field `text` at line 1 column 36"),
        (r#"{"segments": [], "segments": []}"#, "duplicate field `segments` at line 1 column 27"),
    ] {
        assert_eq!(read(json).unwrap_err().to_string(), format!("{starts}{why}"), "{json}");
    }
    assert_eq!(refusal("{}"), "has neither `segments` nor `transcription`");
    assert_eq!(refusal(r#"{"segments": [], "transcription": []}"#), "has both `segments` and `transcription`");
    let place = "segment 0 has neither `start` and `end` nor `start_ms` and `end_ms`";
    assert_eq!(refusal(r#"{"segments": [{"start": 1, "text": "a"}]}"#), place);
}

#[test]
fn times_that_cannot_be_are_refused_with_their_place() {
    let one = |start: &str, end: &str| format!(r#"{{"segments": [{{"start": {start}, "end": {end}, "text": "a"}}]}}"#);
    for (start, end, why) in [
        ("-0.5", "1", "segment 0 begins at -0.5 s, before the audio"),
        ("2", "1", "segment 0 ends at 1 s, before it begins at 2 s"),
        ("1", "41", "segment 0 ends at 41 s, but the audio ends at 10 s"),
        ("1e300", "1e300", "but the audio ends at 10 s"),
    ] {
        assert!(refusal(&one(start, end)).ends_with(why), "{why}: {}", refusal(&one(start, end)));
    }
    let unordered = r#"{"segments": [{"start": 3, "end": 4, "text": "a"}, {"start": 1, "end": 5, "text": "b"}]}"#;
    assert_eq!(refusal(unordered), "segment 1 begins at 1 s, before segment 0 at 3 s");
    let word = r#"{"segments": [{"start": 3, "end": 4, "text": "a", "words": [{"start": 4, "end": 3, "word": "a"}]}]}"#;
    assert_eq!(refusal(word), "word 0 of segment 0 ends at 3 s, before it begins at 4 s");
}

#[test]
fn people_who_speak_at_once_overlap() {
    let json = r#"{"segments": [{"start": 1, "end": 4, "text": "a"}, {"start": 2, "end": 3, "text": "b"}]}"#;
    assert_eq!(read(json).unwrap().segments.len(), 2);
}

#[test]
fn depth_and_length_are_bounded() {
    let deep = format!(r#"{{"x": {}"#, "[".repeat(100_000));
    // What nobody asks for is passed over, however deep it is, without using up the stack.
    assert!(refusal(&deep).contains("EOF while parsing a list at line 1 column 100006"), "{}", refusal(&deep));
    let long = format!(r#"{{"x": "{}"}}"#, "a".repeat(MAX_JSON));
    assert_eq!(read(&long).unwrap_err().kind(), ErrorKind::TooLarge);
}

#[test]
fn text_is_one_line_that_can_be_shown() {
    let json = r#"{"segments": [{"start": 0, "end": 1, "text": "a\u0000\u001b[0m\nb\t"}]}"#;
    assert_eq!(read(json).unwrap().text(), "a  [0m b");
}
