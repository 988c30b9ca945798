//! Models of some size: faster-whisper, and `MiniLM` in numpy. Run by `cargo xtask test --models`, which installs them.

use std::path::PathBuf;
use std::sync::Arc;

use cache_testkit::servers::program;
use pipeline::{Embedder, Embeddings, Precision, Selection, Transcriber};

use crate::kit::{Kit, SPEECH};
use crate::real::compare;

/// Another 20 seconds.
const MORE: &str = "Farmers sell apples, butter, honey and fresh bread while children run between the wooden tables. Later \
    in the morning a train arrives from the mountains with letters, newspapers and seventeen heavy boxes. The captain \
    reads the weather report twice, then he closes the window and begins to work. In the evening everybody returns to the \
    village and the bells ring over the quiet river.";

#[tokio::test]
async fn whisper_hears_in_segments_what_it_hears_in_one() {
    let kit = Kit::new();
    let command = kit.python(&python(), "hear_whisper.py", "{audio}").await;
    compare(&kit, &command, &format!("{SPEECH} {MORE}"), 10, 3).await;
}

#[tokio::test]
async fn sentences_of_one_matter_are_near_each_other() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 4);
    let said = ["A boat sails over the sea.", "A ship crosses the ocean.", "The oven bakes fresh bread."];
    let segment = |(at, text): (usize, &&str)| format!(r#"{{"start": {at}, "end": {at}.9, "text": "{text}"}}"#);
    let said: Vec<String> = said.iter().enumerate().map(segment).collect();
    let command = kit.command(&format!("echo '{{\"segments\": [{}]}}'", said.join(",")), &["{audio}"]);
    let transcriber = Arc::new(Transcriber::new(command).unwrap());
    let model = kit.python(&python(), "embed_minilm.py", "{texts}").await;
    let mut found = Vec::new();
    for precision in [Precision::Single, Precision::Half] {
        let embedder = Embedder::command(transcriber.clone(), model.clone()).unwrap();
        let stage = Arc::new(embedder.dimensions(384).precision(precision));
        let made = kit.cache.compute(&film, &stage, &Selection::all()).await.unwrap();
        let vectors = Embeddings::vectors(&made).await.unwrap();
        let (near, far) = (cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
        println!("MiniLM, {precision:?}: cosine {near:.6} of one matter, {far:.6} of two");
        assert!(near > 0.5 && far < 0.25, "{near} {far}");
        found.push([near, far]);
    }
    let off = found[0].iter().zip(found[1]).map(|(single, half)| (single - half).abs()).fold(0.0, f64::max);
    println!("half precision is off by {off:.2e}");
    assert!(off < 1e-3);
}

/// A Python with the models.
fn python() -> PathBuf {
    program("python-models").expect("run `cargo xtask test --models`, which installs it")
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
