//! Real programs that hear and read: pocketsphinx and tesseract, on speech by flite and text by ffmpeg.

#![expect(clippy::print_stdout, reason = "figures of a recogniser are worth knowing")]

use std::sync::Arc;
use std::time::Duration;

use cache_testkit::servers::program;
use pipeline::{CommandLine, Describer, Ffmpeg, KeyframeParams, KeyframeStage, Selection, Source, Transcriber};

use crate::kit::{Kit, SPEECH, differences, normal, words};

/// Has `text` said, and heard by `command` at once and in segments of `length` seconds with some `overlap`.
///
/// The same sound is not always taken for the same words, it depends on what is around it; but wherever the two differ,
/// both have heard something: nothing is lost or doubled.
pub(crate) async fn compare(kit: &Kit, command: &CommandLine, text: &str, length: u64, overlap: u64) {
    let film = kit.spoken("speech.mp4", text);
    let (whole, stitched) =
        tokio::join!(hear(kit, &film, command, 3_600, 0), hear(kit, &film, command, length, overlap));
    let spoken = normal(text.split(' '));
    let different = |a: &[String], b: &[String]| differences(a, b).iter().map(|(a, b)| a.len().max(b.len())).sum();
    let (wrong, after): (usize, usize) = (different(&whole, &spoken), different(&stitched, &spoken));
    let between = differences(&whole, &stitched);
    println!(
        "{command:?}: of {} words {wrong} wrong at once, {after} in segments; between them {between:?}",
        spoken.len()
    );
    let bound = spoken.len() / 20;
    assert!(wrong.max(after) <= 3 * bound, "is the recogniser well? {whole:?} {stitched:?}");
    assert!(different(&stitched, &whole) <= bound, "{between:?}");
    assert!(between.iter().all(|(whole, stitched)| !whole.is_empty() && !stitched.is_empty()), "{between:?}");
}

async fn hear(kit: &Kit, film: &Source, command: &CommandLine, length: u64, overlap: u64) -> Vec<String> {
    let (length, overlap) = (Duration::from_secs(length), Duration::from_secs(overlap));
    let stage = Transcriber::new(command.clone()).unwrap().language("en").segments(length, overlap).unwrap();
    let heard = kit.cache.compute(film, &Arc::new(stage), &Selection::all()).await.unwrap();
    assert!(heard.coverage().gaps().is_empty());
    words(heard.value())
}

#[tokio::test]
async fn speech_in_segments_is_what_is_heard_of_it_in_one() {
    let kit = Kit::new();
    let python = program("python-pocketsphinx").unwrap();
    let command = kit.python(&python, "hear_pocketsphinx.py", "{audio}").await;
    // Enough for two cuts: it takes a recogniser longer to hear than a speaker to speak.
    let end = SPEECH.match_indices(". ").nth(1).map_or(SPEECH.len(), |(at, _)| at + 1);
    compare(&kit, &command, &SPEECH[..end], 4, 2).await;
}

#[tokio::test]
async fn text_in_frames_is_read() {
    let kit = Kit::new();
    let page =
        |text: &str| format!("color=white:size=640x120:duration=2:rate=2,drawtext=text='{text}':fontsize=40:x=20:y=40");
    let (first, last) = (page("Chapter One"), page("The Harbor"));
    let film = kit.film(
        "pages.mp4",
        &["-f", "lavfi", "-i", &first, "-f", "lavfi", "-i", &last, "-filter_complex", "concat=n=2", "-g", "4"],
    );
    let tesseract = CommandLine::new("tesseract", ["{image}", "stdout", "-l", "eng", "--psm", "7"])
        .scratch(kit.path("scratch"))
        .version_of("tesseract", ["--version"])
        .await
        .unwrap();
    let keyframes = Arc::new(KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env()).unwrap());
    let stage = Arc::new(Describer::command(keyframes, tesseract).unwrap());
    let read = kit.cache.compute(&film, &stage, &Selection::all()).await.unwrap();
    let read: Vec<_> = read.value().descriptions.iter().map(|read| (read.pts_us, read.text.as_str())).collect();
    assert_eq!(read, [(0, "Chapter One"), (2_000_000, "The Harbor")]);
}
