//! What is seen and said in the film: pictures that ffmpeg draws, and the sentences that are written about this code.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use benches::random::Random;
use bytes::Bytes;
use pipeline::{Description, Descriptions, Transcript, Utterance, Word};

use crate::film::{FRAMES, SECONDS, pts_us};
use crate::processes::ffmpeg;

/// Pictures that are drawn, more than there are in a bundle; from there on they come again.
const DRAWN: usize = 100;

/// What is seen and said in the film.
#[derive(Debug)]
pub(crate) struct Contents {
    pictures: Vec<Bytes>,
    pub(crate) transcript: Transcript,
    pub(crate) descriptions: Descriptions,
}

impl Contents {
    /// Draws into `dir`.
    pub(crate) fn make(dir: &Path) -> Self {
        let drawn = dir.join("drawn");
        std::fs::create_dir(&drawn).expect("a directory");
        let picture = "mandelbrot=size=480x270:rate=25:start_scale=3";
        let count = DRAWN.to_string();
        ffmpeg(&[&"-f", &"lavfi", &"-i", &picture, &"-frames:v", &count, &"-q:v", &"3", &drawn.join("%d.jpg")]);
        let read = |number| std::fs::read(drawn.join(format!("{number}.jpg"))).expect("a picture").into();
        let pictures = (1..=DRAWN).map(read).collect();
        let mut sentences = sentences().into_iter().cycle();
        let transcript = said(&mut sentences);
        let descriptions = sentences.take(FRAMES).enumerate();
        let descriptions = descriptions.map(|(number, text)| Description { pts_us: pts_us(number), text }).collect();
        Self { pictures, transcript, descriptions: Descriptions { descriptions } }
    }

    /// The picture of a frame; of different ones, different bytes.
    pub(crate) fn picture(&self, number: usize) -> Bytes {
        // What follows the end of a picture is not looked at.
        [&self.pictures[number % DRAWN][..], &number.to_le_bytes()].concat().into()
    }
}

/// Speech from the first second to the last.
fn said(sentences: &mut impl Iterator<Item = String>) -> Transcript {
    let end_ms = SECONDS.cast_signed() * 1_000;
    let (mut random, mut at) = (Random::new(1), 0);
    let mut segments = Vec::new();
    for text in sentences {
        let start_ms = at;
        let word = |text: &str| {
            let start_ms = at;
            at += (60 * text.len() as u64 + random.below(120)).cast_signed();
            let confidence = Some(random.unit() as f32);
            Word { start_ms, end_ms: at, text: text.to_owned(), confidence }
        };
        let words: Vec<Word> = text.split(' ').map(word).collect();
        if at > end_ms {
            break;
        }
        segments.push(Utterance { start_ms, end_ms: at, text, words, confidence: Some(0.75) });
    }
    Transcript { language: Some("en".to_owned()), start_ms: 0, end_ms, segments }
}

/// What is written about the code of this workspace, each sentence once.
fn sentences() -> Vec<String> {
    let mut files = Vec::new();
    find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates"), &mut files);
    files.sort();
    let mut prose = String::new();
    for file in files {
        for line in std::fs::read_to_string(file).expect("a file of source").lines() {
            if let Some(words) = line.trim_start().strip_prefix("/// ") {
                prose.push_str(words.trim());
                prose.push(' ');
            }
        }
    }
    let mut sentences: Vec<String> = prose.split_inclusive(". ").map(|sentence| sentence.trim().to_owned()).collect();
    let mut known = HashSet::new();
    sentences.retain(|sentence| (20..400).contains(&sentence.len()) && known.insert(sentence.clone()));
    sentences
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
