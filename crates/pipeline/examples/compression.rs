//! How much smaller the artifacts of a film become by kind, with zstd and with a dictionary for it: prints a table.
//!
//! The text is what is written about the code of this workspace, no sentence twice; give other files of text as arguments.
//! Frames are drawn by ffmpeg. `cargo run --release -p pipeline --example compression`

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use pipeline::{Description, Descriptions, Transcript, Utterance, Word};
use serde::Serialize;

/// Segments of each kind, at most: half of them make the dictionary, the others are measured.
const PARTS: usize = 200;
/// Sentences that are said in a segment of five minutes, and frames that are described in one of a minute.
const SENTENCES: usize = 60;
const FRAMES: usize = 12;
/// The longest dictionary, in bytes.
const DICTIONARY: usize = 16 << 10;
const LEVEL: i32 = 3;
const NUMBERS: usize = 384;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// One line of the table, in bytes of the measured half.
struct Row {
    name: &'static str,
    parts: usize,
    plain: usize,
    zstd: usize,
    /// With a dictionary.
    helped: usize,
    /// How long compressing it all takes without a dictionary, in seconds.
    seconds: f64,
}

fn main() -> Result<()> {
    let sentences = sentences(std::env::args_os().skip(1).map(PathBuf::from).collect())?;
    let mut chance = Chance(1);
    let parts = PARTS.min(sentences.len() / SENTENCES);
    let of = |at: usize, count: usize| sentences.iter().skip(at * count).take(count);
    let transcripts: Vec<Transcript> = (0..parts).map(|at| transcript(of(at, SENTENCES), &mut chance)).collect();
    let descriptions: Vec<Descriptions> = (0..PARTS).map(|at| described(of(at, FRAMES))).collect();
    let vectors: Vec<Vec<f32>> = (0..PARTS).map(|_| chance.vectors(SENTENCES)).collect();
    let single: Vec<Vec<u8>> =
        vectors.iter().map(|vectors| vectors.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let half: Vec<Vec<u8>> = vectors
        .iter()
        .map(|vectors| vectors.iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect())
        .collect();
    let rows = [
        measure("frames, JPEG", &frames()?)?,
        measure("transcript, MessagePack", &encoded(&transcripts)?)?,
        measure("transcript, JSON", &json(&transcripts)?)?,
        measure("descriptions, MessagePack", &encoded(&descriptions)?)?,
        measure("embeddings, 32 bits", &single)?,
        measure("embeddings, 16 bits", &half)?,
    ];
    print(&rows);
    Ok(())
}

fn measure(name: &'static str, parts: &[Vec<u8>]) -> Result<Row> {
    let (known, measured) = parts.split_at(parts.len() / 2);
    let dictionary = zstd::dict::from_samples(known, DICTIONARY)?;
    let mut plainly = zstd::bulk::Compressor::new(LEVEL)?;
    let mut helped = zstd::bulk::Compressor::with_dictionary(LEVEL, &dictionary)?;
    let mut row = Row { name, parts: measured.len(), plain: 0, zstd: 0, helped: 0, seconds: 0.0 };
    for part in measured {
        let began = Instant::now();
        row.zstd += plainly.compress(part)?.len();
        row.seconds += began.elapsed().as_secs_f64();
        row.helped += helped.compress(part)?.len();
        row.plain += part.len();
    }
    Ok(row)
}

#[expect(clippy::print_stdout, reason = "an example shows what it found")]
fn print(rows: &[Row]) {
    println!("| Kind | Bytes a part | zstd | with a dictionary | MB/s |");
    println!("|---|---:|---:|---:|---:|");
    for row in rows {
        let part = row.plain / row.parts;
        let ratio = |bytes: usize| row.plain as f64 / bytes as f64;
        let speed = row.plain as f64 / 1e6 / row.seconds;
        println!("| {} | {part} | {:.2} | {:.2} | {speed:.0} |", row.name, ratio(row.zstd), ratio(row.helped));
    }
}

/// The sentences of `files`, or of what is written about the code of this workspace; each once.
fn sentences(mut files: Vec<PathBuf>) -> Result<Vec<String>> {
    let is_given = !files.is_empty();
    if !is_given {
        find(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files)?;
        files.sort();
    }
    let mut prose = String::new();
    for file in files {
        for line in std::fs::read_to_string(file)?.lines() {
            let comment = line.trim_start().strip_prefix("/// ");
            if let Some(words) = comment.or(is_given.then_some(line)) {
                prose.push_str(words.trim());
                prose.push(' ');
            }
        }
    }
    let mut sentences: Vec<String> = prose.split_inclusive(". ").map(|sentence| sentence.trim().to_owned()).collect();
    let mut known = HashSet::new();
    sentences.retain(|sentence| sentence.len() > 20 && known.insert(sentence.clone()));
    Ok(sentences)
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn transcript<'a>(sentences: impl Iterator<Item = &'a String>, chance: &mut Chance) -> Transcript {
    let mut at = 0;
    let said = |sentence: &'a String| {
        let start_ms = at;
        let words = sentence.split(' ').map(|text| {
            let word_ms = at;
            at += 80 * i64::try_from(text.len()).unwrap_or(1) + chance.below(120);
            let confidence = Some(chance.below(1_000_000) as f32 / 1e6);
            Word { start_ms: word_ms, end_ms: at, text: text.to_owned(), confidence }
        });
        let words: Vec<Word> = words.collect();
        Utterance { start_ms, end_ms: at, text: sentence.clone(), words, confidence: Some(0.75) }
    };
    let segments: Vec<Utterance> = sentences.map(said).collect();
    Transcript { language: Some("en".to_owned()), start_ms: 0, end_ms: at, segments }
}

fn described<'a>(sentences: impl Iterator<Item = &'a String>) -> Descriptions {
    let seen = |(at, text): (i64, &String)| Description { pts_us: at * 5_033_000, text: text.clone() };
    Descriptions { descriptions: (0..).zip(sentences).map(seen).collect() }
}

fn encoded<T: Serialize>(parts: &[T]) -> Result<Vec<Vec<u8>>> {
    Ok(parts.iter().map(rmp_serde::to_vec).collect::<std::result::Result<_, _>>()?)
}

fn json<T: Serialize>(parts: &[T]) -> Result<Vec<Vec<u8>>> {
    Ok(parts.iter().map(serde_json::to_vec).collect::<std::result::Result<_, _>>()?)
}

/// Frames of a picture with fine detail, as ffmpeg makes keyframes.
fn frames() -> Result<Vec<Vec<u8>>> {
    let folder = tempfile::tempdir()?;
    let picture = "mandelbrot=size=640x360:rate=25:start_scale=0.01,select=not(mod(n\\,5))";
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", picture, "-frames:v", &PARTS.to_string(), "-q:v", "3"])
        .arg(folder.path().join("%d.jpg"))
        .status()?;
    if !made.success() {
        return Err("ffmpeg has drawn no frames".into());
    }
    let frames = (1..=PARTS).map(|number| std::fs::read(folder.path().join(format!("{number}.jpg"))));
    Ok(frames.collect::<std::io::Result<_>>()?)
}

/// Numbers that look random and are the same in each run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).unwrap_or_default() % most
    }

    /// Vectors of length 1 in all directions, one number after the other.
    fn vectors(&mut self, count: usize) -> Vec<f32> {
        let mut all = Vec::with_capacity(count * NUMBERS);
        for _ in 0..count {
            // The sum of several is nearly normal.
            let mut normal = || (0..8).map(|_| self.below(2_000_001) as f32 / 1e6 - 1.0).sum::<f32>();
            let vector: Vec<f32> = (0..NUMBERS).map(|_| normal()).collect();
            let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
            all.extend(vector.into_iter().map(|x| x / length));
        }
        all
    }
}
