//! Sub-ranges and fewer things of every stage: answered from what is there, and of the rest only the gap is computed.

use std::sync::Arc;
use std::time::Duration;

use pipeline::{
    CommandLine, Describer, Embedder, Ffmpeg, KeyframeParams, KeyframeStage, Plan, Selection, Source, Span, Transcriber,
};

use crate::kit::Kit;

const SECOND: i64 = 1_000_000;

/// Ten seconds with a keyframe and a sentence in each; every run of a command is counted.
struct Bench {
    kit: Kit,
    film: Source,
    transcriber: Arc<Transcriber>,
    describer: Arc<Describer>,
}

impl Bench {
    fn new() -> Self {
        let kit = Kit::new();
        let command = |name: &str, body: &str, argument: &str| {
            let counting = format!("echo x >> '{}'\n{body}", kit.path(&format!("{name}.runs")).display());
            CommandLine::new(kit.script(name, &counting), [argument]).scratch(kit.path("scratch"))
        };
        let hear = command("hear", r#"echo '{"segments": [{"start": 0, "end": 0.9, "text": "said"}]}'"#, "{audio}");
        let second = Duration::from_secs(1);
        let transcriber = Transcriber::new(hear).unwrap().segments(second, Duration::ZERO).unwrap();
        let keyframes = KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env()).unwrap().segment(second);
        let describer = Describer::command(Arc::new(keyframes), command("see", "echo seen", "{image}")).unwrap();
        let (transcriber, describer) = (Arc::new(transcriber), Arc::new(describer.segment(second)));
        Self { film: kit.tone("film.mp4", 10), kit, transcriber, describer }
    }

    fn embed(&self) -> CommandLine {
        let body = r#"n=$(tr -cd ',' < "$1" | wc -c); printf '[[1, 2]'; while [ $n -gt 0 ]; do printf ',[1, 2]'; n=$((n-1)); done; echo ']'"#;
        let counting = format!("echo x >> '{}'\n{body}", self.kit.path("embed.runs").display());
        CommandLine::new(self.kit.script("embed", &counting), ["{texts}"]).scratch(self.kit.path("scratch"))
    }

    fn runs(&self, name: &str) -> usize {
        self.kit.read(&format!("{name}.runs")).lines().count()
    }
}

fn stretch(from: i64, to: i64) -> Selection {
    Selection::all().span(Span::new(from * SECOND, to * SECOND))
}

#[tokio::test]
async fn a_stretch_and_fewer_are_answered_from_what_is_there() {
    let bench = Bench::new();
    let (cache, film) = (&bench.kit.cache, &bench.film);
    let embedder = Arc::new(Embedder::command(bench.describer.clone(), bench.embed()).unwrap());
    let plan = Plan::new().stage(bench.transcriber.clone()).stage(bench.describer.clone()).stage(embedder.clone());
    assert!(cache.run(film, &plan).await.unwrap().artifacts.is_complete());
    let runs = |bench: &Bench| ["hear", "see", "embed"].map(|name| bench.runs(name));
    assert_eq!(runs(&bench), [10; 3]);
    for (selection, expected) in [
        (stretch(2, 5), 3),
        (stretch(2, 5).most(2), 2),
        (Selection::all().most(4), 4),
        (Selection::all().most(99), 10),
        (stretch(9, 99), 1),
    ] {
        let heard = cache.compute(film, &bench.transcriber, &selection).await.unwrap();
        let seen = cache.compute(film, &bench.describer, &selection).await.unwrap();
        let vectors = cache.compute(film, &embedder, &selection).await.unwrap();
        let found = [heard.value().segments.len(), seen.value().descriptions.len(), vectors.value().passages.len()];
        assert_eq!(found, [expected; 3], "{selection:?}");
        assert!(cache.missing(film, &plan.clone().select(selection)).await.unwrap().is_empty());
    }
    assert_eq!(runs(&bench), [10; 3], "nothing was computed again");
}

#[tokio::test]
async fn more_than_is_there_costs_the_gap_alone() {
    let bench = Bench::new();
    let (cache, film) = (&bench.kit.cache, &bench.film);
    cache.compute(film, &bench.transcriber, &stretch(3, 6)).await.unwrap();
    assert_eq!(bench.runs("hear"), 3);
    cache.compute(film, &bench.transcriber, &stretch(2, 7)).await.unwrap();
    assert_eq!(bench.runs("hear"), 5);
    let few = cache.compute(film, &bench.transcriber, &Selection::all().most(4)).await.unwrap();
    assert_eq!((few.value().segments.len(), bench.runs("hear")), (4, 7), "the first two, and then two that were there");
    cache.compute(film, &bench.transcriber, &Selection::all()).await.unwrap();
    assert_eq!(bench.runs("hear"), 10);
}

#[tokio::test]
async fn inputs_are_computed_for_the_gaps_alone() {
    let bench = Bench::new();
    let (cache, film) = (&bench.kit.cache, &bench.film);
    let embedder = Arc::new(Embedder::command(bench.describer.clone(), bench.embed()).unwrap());
    cache.compute(film, &embedder, &stretch(3, 7)).await.unwrap();
    assert_eq!((bench.runs("see"), bench.runs("embed")), (4, 4));
    // The descriptions that the embeddings were made of are not needed for the others.
    cache.invalidate_stage(film, bench.describer.clone()).await.unwrap();
    cache.compute(film, &embedder, &stretch(3, 7)).await.unwrap();
    assert_eq!((bench.runs("see"), bench.runs("embed")), (8, 8));
    let root = cache.explain(film, bench.describer.clone(), &Selection::all()).await.unwrap().key;
    forget(&bench, &root).await;
    cache.compute(film, &embedder, &Selection::all()).await.unwrap();
    assert_eq!((bench.runs("see"), bench.runs("embed")), (8 + 6, 8 + 6));
}

/// Removes what is below `root`, as if it had been evicted.
async fn forget(bench: &Bench, root: &str) {
    use cache_core::BackendExt;
    let below = cache_core::KeyPrefix::below(&cache_core::Key::parse(root).unwrap());
    assert!(bench.kit.backend.remove_prefix(&below).await.unwrap() > 0);
}

#[tokio::test]
async fn embeddings_of_few_descriptions_ask_for_no_more_frames_than_their_segments_have() {
    let bench = Bench::new();
    let embedder = Arc::new(Embedder::command(bench.describer.clone(), bench.embed()).unwrap());
    let few = bench.kit.cache.compute(&bench.film, &embedder, &Selection::all().most(3)).await.unwrap();
    assert_eq!(few.value().passages.len(), 3);
    assert_eq!((bench.runs("see"), bench.runs("embed")), (3, 3));
    let frames = bench.kit.cache.compute(&bench.film, &bench.describer, &Selection::all().most(5)).await.unwrap();
    assert_eq!((frames.value().descriptions.len(), bench.runs("see")), (5, 5), "two more");
}
