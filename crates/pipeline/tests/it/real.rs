//! Real programs that hear and read: pocketsphinx and tesseract, on speech by flite and text by ffmpeg.

#![expect(clippy::print_stdout, reason = "figures of a recogniser are worth knowing")]

use std::sync::Arc;
use std::time::Duration;

use cache_testkit::servers::program;
use pipeline::{
    CommandLine, Describer, Ffmpeg, KeyframeParams, KeyframeStage, Selection, Source, Transcriber, Transcript,
};

use crate::kit::{Kit, SPEECH, differences, normal, words};

/// What is heard of the whole film at once, and what is put together from segments of ten seconds.
pub(crate) async fn whole_and_stitched(kit: &Kit, film: &Source, command: &CommandLine) -> [Arc<Transcript>; 2] {
    let hear = async |length: u64, overlap: u64| {
        let (length, overlap) = (Duration::from_secs(length), Duration::from_secs(overlap));
        let stage = Transcriber::new(command.clone()).unwrap().language("en").segments(length, overlap).unwrap();
        let heard = kit.cache.compute(film, &Arc::new(stage), &Selection::all()).await.unwrap();
        assert!(heard.coverage().gaps().is_empty());
        heard.value().clone()
    };
    [hear(3_600, 0).await, hear(10, 3).await]
}

/// Holds what was heard against what was said. The same sound is not always taken for the same words, it depends on what
/// is around it; but wherever the two differ, both have heard something: nothing is lost or doubled.
pub(crate) fn compare(name: &str, [whole, stitched]: &[Arc<Transcript>; 2]) {
    let (spoken, whole, stitched) = (normal(SPEECH.split(' ')), words(whole), words(stitched));
    let different = |a: &[String], b: &[String]| differences(a, b).iter().map(|(a, b)| a.len().max(b.len())).sum();
    let wrong: [usize; 3] = [different(&whole, &spoken), different(&stitched, &spoken), different(&stitched, &whole)];
    let between = differences(&whole, &stitched);
    println!(
        "{name}: of {} words {} wrong in one, {} in segments; they differ by {between:?}",
        spoken.len(),
        wrong[0],
        wrong[1]
    );
    assert!(wrong[0] <= 20 && wrong[1] <= 20, "is the recogniser well?");
    assert!(wrong[2] <= 6 && between.iter().all(|(whole, stitched)| !whole.is_empty() && !stitched.is_empty()));
}

#[tokio::test]
async fn speech_in_segments_is_what_is_heard_of_it_in_one() {
    let kit = Kit::new();
    let film = kit.spoken("speech.mp4", SPEECH);
    let command = kit.python(&program("python-pocketsphinx").unwrap(), "hear_pocketsphinx.py", "{audio}").await;
    let heard = whole_and_stitched(&kit, &film, &command).await;
    compare("pocketsphinx", &heard);
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
