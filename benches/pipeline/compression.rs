//! How much smaller the artifacts of a film become by kind: entries as they are stored, with zstd and with a dictionary.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::random::Random;
use benches::report::{Report, Table};
use bytes::Bytes;
use cache_core::{Backend as _, Key, KeyPrefix};
use futures_util::StreamExt as _;
use pipeline::{ArtifactOptions, CommandLine, Embedder, Embeddings, Precision, Selection, Texts as _};

use crate::caches::Opened;
use crate::contents::Contents;
use crate::film::Film;
use crate::runtime;

/// That of the layer that compresses.
const LEVEL: i32 = 3;
/// The longest dictionary, in bytes.
const DICTIONARY: usize = 16 << 10;
/// So many entries make a dictionary worth its name, half of them to train it.
const ENOUGH: usize = 20;
const NUMBERS: usize = 384;
/// Texts that an embedder asks about at once.
const BATCH: usize = 64;
/// Answers with the batches in order.
const ANSWER: &str = r#"n=0; while ! mkdir "$0/taken-$n" 2>/dev/null; do n=$((n+1)); done; cat "$0/$n.json""#;

/// The bodies of entries by what they are.
type Stored = BTreeMap<String, Vec<Bytes>>;

pub(crate) fn measured(film: &Film, dir: &Path, contents: &Contents, report: &mut Report) {
    let mut stored = Stored::new();
    let (mut numbers, mut cosine) = (0.0, 0.0);
    runtime().block_on(async {
        let opened = Opened::in_memory(ArtifactOptions::default());
        film.fill(&opened.cache, contents).await.expect("a filled cache");
        stored.extend(entries(&opened, "").await);
        opened.close().await;
        let vectors = vectors(contents.transcript.passages().len());
        for (precision, name) in [(Precision::Single, ", 32 bits"), (Precision::Half, ", 16 bits")] {
            let opened = Opened::in_memory(ArtifactOptions::default());
            opened.cache.set(&film.source, &film.transcriber, &contents.transcript).await.expect("a transcript");
            let kept = embedded(film, &opened, dir, precision, &vectors).await;
            (numbers, cosine) = errors(&vectors, &kept);
            assert!(precision == Precision::Half || numbers == 0.0, "single precision is not exact");
            stored.extend(entries(&opened, name).await.into_iter().filter(|(kind, _)| kind.starts_with("embeddings")));
            opened.close().await;
        }
    });
    report.say(format!(
        "#### Compression by kind\n\nEntries as they are stored, in bytes before by bytes after, with zstd at level {LEVEL}; and the second \
         half of them with a dictionary of {} KiB trained on the first. Pictures were drawn by ffmpeg, the text is that of the doc \
         comments of this workspace, vectors have {NUMBERS} random numbers.",
        DICTIONARY >> 10
    ));
    let mut table =
        Table::new(["kind", "entries", "bytes of one", "zstd", "half, zstd", "half, with a dictionary", "MB/s"]);
    for (kind, bodies) in &stored {
        table.row(row(kind, bodies));
    }
    report.say(table.markdown());
    report.say(format!(
        "Of embeddings in 16 bits, a number is off by at most one part in {:.0}, the cosine of two neighbours by at most {cosine:.1e}.",
        1.0 / numbers
    ));
}

/// Everything that `opened` holds of the film, by kind and by what it is of it.
async fn entries(opened: &Opened, suffix: &str) -> Stored {
    let mut stored = Stored::new();
    let root = Key::of("video").build().expect("a key");
    let prefix = KeyPrefix::below(&root);
    let mut all = opened.tiers.scan(&prefix);
    while let Some(found) = all.next().await {
        let (key, meta) = found.expect("an entry");
        let (Some(kind), Some(content_type)) = (meta.tags.first(), &meta.content_type) else { continue };
        let entry = opened.tiers.get(&key).await.expect("an answer").expect("an entry");
        let part = if content_type.ends_with("msgpack") { "values" } else { "bodies" };
        stored.entry(format!("{kind}, {part}{suffix}")).or_default().push(entry.body);
    }
    stored
}

fn row(kind: &str, bodies: &[Bytes]) -> Vec<String> {
    let began = Instant::now();
    let mut plainly = zstd::bulk::Compressor::new(LEVEL).expect("a compressor");
    let small = bodies.iter().map(|body| plainly.compress(body).expect("bytes").len()).collect::<Vec<_>>();
    let seconds = began.elapsed().as_secs_f64();
    let len = |bodies: &[Bytes]| bodies.iter().map(Bytes::len).sum::<usize>() as f64;
    let ratio = |bodies: &[Bytes], small: &[usize]| format!("{:.2}", len(bodies) / small.iter().sum::<usize>() as f64);
    let mut row = vec![kind.to_owned(), bodies.len().to_string(), format!("{:.0}", len(bodies) / bodies.len() as f64)];
    row.push(ratio(bodies, &small));
    let (known, rest) = bodies.split_at(bodies.len() / 2);
    if bodies.len() >= ENOUGH
        && let Ok(dictionary) = zstd::dict::from_samples(known, DICTIONARY)
    {
        let mut helped = zstd::bulk::Compressor::with_dictionary(LEVEL, &dictionary).expect("a compressor");
        let helped: Vec<_> = rest.iter().map(|body| helped.compress(body).expect("bytes").len()).collect();
        row.extend([ratio(rest, &small[known.len()..]), ratio(rest, &helped)]);
    } else {
        row.extend(["", ""].map(str::to_owned));
    }
    row.push(format!("{:.0}", len(bodies) / 1e6 / seconds));
    row
}

/// The vectors that are kept of the transcript when a program answers with `vectors`.
async fn embedded(
    film: &Film,
    opened: &Opened,
    dir: &Path,
    precision: Precision,
    vectors: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let answers = dir.join(format!("answers-{precision:?}"));
    fs::create_dir(&answers).expect("a directory");
    for (number, batch) in vectors.chunks(BATCH).enumerate() {
        fs::write(answers.join(format!("{number}.json")), serde_json::to_vec(batch).expect("JSON")).expect("a file");
    }
    let answers = answers.to_str().expect("a path of text");
    let program = CommandLine::new("sh", ["-c", ANSWER, answers]).version("1");
    let stage = Embedder::command(film.transcriber.clone(), program).expect("a stage");
    let whole = Duration::from_secs(2 * crate::film::SECONDS);
    let stage = Arc::new(stage.batch(BATCH).precision(precision).segment(whole));
    let kept = opened.cache.compute(&film.source, &stage, &Selection::all()).await.expect("embeddings");
    Embeddings::vectors(&kept).await.expect("vectors")
}

/// By how much of itself a number is off, and by how much the cosine of two neighbours, at most.
fn errors(before: &[Vec<f32>], after: &[Vec<f32>]) -> (f64, f64) {
    assert_eq!(before.len(), after.len(), "vectors are missing");
    let off = |before: f32, after: f32| f64::from((before - after).abs() / before.abs());
    let pairs = before.iter().flatten().zip(after.iter().flatten());
    // Numbers below this are kept with fewer digits, and tell nothing.
    let numbers = pairs.filter(|(before, _)| before.abs() > 1e-4).map(|(before, after)| off(*before, *after));
    let cosines = |vectors: &[Vec<f32>]| vectors.windows(2).map(|two| cosine(&two[0], &two[1])).collect::<Vec<_>>();
    let cosines = cosines(before).into_iter().zip(cosines(after)).map(|(before, after)| (before - after).abs());
    (numbers.fold(0.0, f64::max), cosines.fold(0.0, f64::max))
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Vectors of length 1 in all directions.
fn vectors(count: usize) -> Vec<Vec<f32>> {
    let mut random = Random::new(3);
    let vector = |_| {
        let vector: Vec<f64> = (0..NUMBERS).map(|_| random.normal()).collect();
        let length = vector.iter().map(|x| x * x).sum::<f64>().sqrt();
        vector.into_iter().map(|x| (x / length) as f32).collect()
    };
    (0..count).map(vector).collect()
}
