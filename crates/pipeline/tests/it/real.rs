//! Real programs that hear and read: pocketsphinx and tesseract, on speech by flite and text by ffmpeg.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cache_testkit::servers::program;
use pipeline::{
    CommandLine, Describer, Ffmpeg, KeyframeParams, KeyframeStage, Selection, Source, Transcriber, Transcript,
};

use crate::kit::{Kit, SPEECH, edits, normal, words};

/// A Python that has the library which `cargo xtask servers`, or `cargo xtask test --models`, installs with it.
pub(crate) fn python(name: &str) -> PathBuf {
    program(name).unwrap()
}

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

/// How what was heard differs, in words.
pub(crate) fn compare(name: &str, [whole, stitched]: &[Arc<Transcript>; 2]) -> [usize; 3] {
    let (spoken, whole, stitched) = (normal(SPEECH.split(' ')), words(whole), words(stitched));
    let found = [edits(&whole, &spoken), edits(&stitched, &spoken), edits(&stitched, &whole)];
    let [of_whole, of_stitched, between] = found;
    println!(
        "{name}: {} words spoken; {} heard in one, {of_whole} of them wrong; {} stitched, {of_stitched} wrong; {between} \
         between the two",
        spoken.len(),
        whole.len(),
        stitched.len()
    );
    found
}

#[tokio::test]
async fn speech_in_segments_is_what_is_heard_of_it_in_one() {
    let kit = Kit::new();
    let film = kit.spoken("speech.mp4", SPEECH);
    let command = kit.python(&python("python-pocketsphinx"), "hear_pocketsphinx.py", "{audio}").await;
    let heard = whole_and_stitched(&kit, &film, &command).await;
    let [of_whole, of_stitched, between] = compare("pocketsphinx", &heard);
    assert!(of_whole <= 20 && of_stitched <= 20 && between <= 12, "{heard:#?}");
    assert_eq!(words(&heard[0]).len().abs_diff(words(&heard[1]).len()), 0, "{heard:#?}");
}

#[tokio::test]
async fn text_in_frames_is_read() {
    let kit = Kit::new();
    let page = |text: &str| format!("color=white:size=640x120:duration=2:rate=2,drawtext=text='{text}':fontsize=40:x=20:y=40");
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
