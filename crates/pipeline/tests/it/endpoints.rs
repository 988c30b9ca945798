//! Descriptions and embeddings by an endpoint that answers, and by one that does not.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{Error, ErrorKind, Retry};
use futures_util::future::join_all;
use pipeline::{
    CommandLine, Describer, Embedder, Embeddings, Endpoint, EndpointOptions, Ffmpeg, KeyframeParams, KeyframeStage,
    Precision, Selection, Source, Span, Transcriber,
};
use serde_json::{Value, json};

use crate::kit::Kit;
use crate::upstream::{Answer, Seen, Upstream};

const KEY: &str = "sk-s3cret";

fn options(upstream: &Upstream) -> EndpointOptions {
    let short = Duration::from_secs(30);
    EndpointOptions::new(format!("{}/v1?token=hidden", upstream.url), "a-model").key(KEY).limit(short)
}

fn endpoint(options: EndpointOptions) -> Endpoint {
    Endpoint::new(options).unwrap()
}

/// A transcriber of ten sentences, one a second.
fn transcriber(kit: &Kit) -> Arc<Transcriber> {
    let said = |at: u32| format!(r#"{{"start": {at}, "end": {at}.9, "text": "sentence {at}"}}"#);
    let said: Vec<String> = (0..10).map(said).collect();
    let command = kit.command(&format!("echo '{{\"segments\": [{}]}}'", said.join(",")), &["{audio}"]);
    Arc::new(Transcriber::new(command).unwrap())
}

/// Vectors whose first number is that of the sentence, in the wrong order.
fn embed(question: &Value) -> Value {
    let texts = question["input"].as_array().unwrap();
    let number = |text: &Value| text.as_str().unwrap().split(' ').nth(1).unwrap().parse::<f64>().unwrap();
    let mut data: Vec<Value> = (0..)
        .zip(texts)
        .map(|(index, text): (u32, _)| json!({"index": index, "embedding": [number(text), 0.25, -1.5]}))
        .collect();
    data.reverse();
    json!({"object": "list", "data": data, "model": "a-model", "usage": {"total_tokens": 5}})
}

/// A film whose transcript is there.
struct Heard {
    kit: Kit,
    film: Source,
    transcriber: Arc<Transcriber>,
}

impl Heard {
    async fn new() -> Self {
        let kit = Kit::new();
        let heard = Self { film: kit.tone("film.mp4", 10), transcriber: transcriber(&kit), kit };
        heard.kit.cache.compute(&heard.film, &heard.transcriber, &Selection::all()).await.unwrap();
        heard
    }

    async fn embeddings(&self, endpoint: Endpoint) -> Result<Vec<Vec<f32>>, Error> {
        embed_by(&self.kit, &self.film, &self.transcriber, endpoint).await
    }
}

async fn embeddings(kit: &Kit, endpoint: Endpoint) -> Result<Vec<Vec<f32>>, Error> {
    embed_by(kit, &kit.tone("film.mp4", 10), &transcriber(kit), endpoint).await
}

async fn embed_by(
    kit: &Kit,
    film: &Source,
    transcriber: &Arc<Transcriber>,
    endpoint: Endpoint,
) -> Result<Vec<Vec<f32>>, Error> {
    let stage = Arc::new(Embedder::endpoint(transcriber.clone(), endpoint).batch(3).precision(Precision::Half));
    let made = kit.cache.compute(film, &stage, &Selection::all()).await?;
    assert_eq!(made.value().passages.len(), 10);
    Embeddings::vectors(&made).await
}

#[tokio::test]
async fn texts_are_embedded_in_batches() {
    let upstream = Upstream::new(|seen| Answer::json(&embed(&seen.json()))).await;
    let kit = Kit::new();
    let vectors = embeddings(&kit, endpoint(options(&upstream))).await.unwrap();
    let expected: Vec<Vec<f32>> = (0..10_u8).map(|at| vec![f32::from(at), 0.25, -1.5]).collect();
    assert_eq!(vectors, expected);
    let seen = upstream.seen();
    assert_eq!(seen.len(), 4, "three texts a request");
    for asked in &seen {
        assert_eq!(asked.target, "/v1/embeddings?token=hidden");
        assert_eq!(asked.header("authorization"), Some("Bearer sk-s3cret"));
        assert_eq!((&asked.json()["model"], &asked.json()["encoding_format"]), (&json!("a-model"), &json!("float")));
    }
    embeddings(&kit, endpoint(options(&upstream))).await.unwrap();
    assert_eq!(upstream.seen().len(), 4, "what is cached is not asked for");
    let other = options(&upstream).revision("2");
    embeddings(&kit, endpoint(other)).await.unwrap();
    assert_eq!(upstream.seen().len(), 8, "another model is");
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let heard = Heard::new().await;
    let firsts = [
        Answer::status(429).header("retry-after", "1"),
        Answer::status(503)
            .header("date", "Sun, 22 Nov 2026 00:00:01 GMT")
            .header("retry-after", "Sun, 22 Nov 2026 00:00:02 GMT"),
        Answer::status(500),
        Answer::json(&json!({"data": []})).cut_after(5),
        Answer::hang_up(),
        Answer::silence(),
        Answer::drip(),
    ];
    // All at the same time, each of a server of its own: they wait for the most part.
    join_all(firsts.into_iter().enumerate().map(|(number, first)| is_tried_again(&heard, number, first))).await;
}

async fn is_tried_again(heard: &Heard, number: usize, first: Answer) {
    let told = first.clone();
    let answer = move |seen: &Seen| if seen.number == 0 { told.clone() } else { Answer::json(&embed(&seen.json())) };
    let upstream = Upstream::new(answer).await;
    let options = options(&upstream).attempt(Duration::from_secs(2)).at_once(1).revision(number.to_string());
    let began = tokio::time::Instant::now();
    let vectors = heard.embeddings(endpoint(options)).await.unwrap();
    assert_eq!((vectors.len(), upstream.seen().len()), (10, 5), "{first:?}");
    if first.has_header("retry-after") {
        assert!(began.elapsed() >= Duration::from_secs(1));
    }
}

async fn failure(heard: &Heard, number: usize, answer: Answer) -> (Error, usize) {
    let upstream = Upstream::new(move |_| answer.clone()).await;
    let options = options(&upstream).attempt(Duration::from_millis(500)).tries(2).at_once(1).max_bytes(1 << 20);
    let error = heard.embeddings(endpoint(options.revision(number.to_string()))).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    let host = upstream.url.trim_start_matches("http://");
    assert!(error.message().starts_with(&format!("{}: embeddings: {host} ", heard.film)), "{shown}");
    for hidden in [KEY, "hidden", "v1", "sentence 1"] {
        assert!(!shown.contains(hidden), "{hidden} is in {shown}");
    }
    (error, upstream.seen().len())
}

#[tokio::test]
async fn what_does_not_pass_is_an_exact_error() {
    use ErrorKind::{Load, Timeout, Unavailable};
    let vectors = |vectors: Value| Answer::json(&json!({"data": vectors}));
    let at = |index: u32, number: f64| json!({"index": index, "embedding": [number]});
    let (one, heard) = (at(0, 1.0), Heard::new().await);
    let cases = [
        (Answer::status(500), Unavailable, 2, "answered 500; tried 2 times"),
        (Answer::silence(), Timeout, 2, "did not answer within 500ms; tried 2 times"),
        (Answer::drip(), Timeout, 2, "did not answer within 500ms; tried 2 times"),
        (Answer::hang_up(), Unavailable, 2, "tried 2 times"),
        (Answer::json(&json!({"data": []})).cut_after(5), Unavailable, 2, "tried 2 times"),
        (Answer::status(429).header("retry-after", "3600"), Unavailable, 1, "left alone for 3600 s; tried 1 times"),
        (Answer::status(401), Unavailable, 1, "answered 401: it does not accept the key: check it"),
        (Answer::status(404), Unavailable, 1, "answered 404: it knows no such path or model: check both"),
        (Answer::status(400), Load, 1, "answered 400: it refuses the question"),
        (Answer::status(302).header("location", "http://localhost/"), Unavailable, 1, "it redirects"),
        (Answer::text("<html>sk-s3cret"), Load, 1, "JSON that is not what was expected (line 1, column 1)"),
        (Answer::text("{\"data\": ["), Load, 1, "JSON that ends too early (line 1, column 10)"),
        (vectors(json!([one])), Load, 1, "answered with 1 embeddings of 3 texts"),
        (vectors(json!([one, one, one])), Load, 1, "answered with no embedding of text 1, or two"),
        (vectors(json!([one, at(1, 0.0), at(2, 1.0)])), Load, 1, "answered with nothing but zeros for text 1"),
        (vectors(json!([one, at(1, 1e300), at(2, 1.0)])), Load, 1, "answered with embeddings of numbers that are none"),
        (Answer::endless(), Load, 1, "answers with more than 1048576 bytes"),
    ];
    join_all(cases.into_iter().enumerate().map(async |(number, (answer, kind, asked, why))| {
        let (error, seen) = failure(&heard, number, answer.clone()).await;
        assert!(error.kind() == kind && error.message().contains(why), "{why}: {error:?}");
        assert_eq!(seen, asked, "{answer:?}");
        let passes = asked == 2 || why.contains("3600");
        assert_eq!(error.retry() == Retry::Later, passes, "{error:?}");
    }))
    .await;
    let keeps = heard.kit.cache.coverage(&heard.film, &heard.transcriber, &Selection::all()).await.unwrap();
    assert!(keeps.complete, "what was finished before is kept");
}

#[tokio::test]
async fn a_model_that_becomes_another_one_is_found_out() {
    let (kit, longer) = (Kit::new(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
    let film = kit.tone("film.mp4", 10);
    let told = longer.clone();
    let upstream = Upstream::new(move |seen| {
        let mut answer = embed(&seen.json());
        for one in answer["data"].as_array_mut().unwrap() {
            if told.load(std::sync::atomic::Ordering::Relaxed) {
                one["embedding"].as_array_mut().unwrap().push(json!(1.0));
            }
        }
        Answer::json(&answer)
    })
    .await;
    let stage = Embedder::endpoint(transcriber(&kit), endpoint(options(&upstream)));
    let stage = Arc::new(stage.segment(Duration::from_secs(5)));
    let first = Selection::all().span(Span::new(0, 5_000_000));
    kit.cache.compute(&film, &stage, &first).await.unwrap();
    longer.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = kit.cache.compute(&film, &stage, &Selection::all()).await.unwrap_err();
    assert!(error.message().contains("embeddings: embeddings have 4 numbers in place of 3"), "{error}");
    let coverage = kit.cache.coverage(&film, &stage, &Selection::all()).await.unwrap();
    assert_eq!((coverage.present.len(), coverage.absent.len()), (1, 1));
}

#[tokio::test]
async fn vectors_of_different_lengths_are_refused_across_batches() {
    let upstream = Upstream::new(|seen| {
        let mut answer = embed(&seen.json());
        if seen.number == 3 {
            answer["data"][0]["embedding"] = json!([1.0]);
        }
        Answer::json(&answer)
    })
    .await;
    let kit = Kit::new();
    let error = embeddings(&kit, endpoint(options(&upstream).at_once(1))).await.unwrap_err();
    assert!(error.message().contains("embeddings have 1 numbers in place of 3"), "{error}");
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_and_what_was_finished_is_kept() {
    let upstream = Upstream::new(|seen| Answer::json(&embed(&seen.json()))).await;
    let options = options(&upstream).tries(2);
    drop(upstream);
    let kit = Kit::new();
    let error = embeddings(&kit, endpoint(options)).await.unwrap_err();
    assert!(error.message().contains("cannot be reached") && error.retry() == Retry::Later, "{error}");
    let film = Source::from(kit.path("film.mp4"));
    let coverage = kit.cache.coverage(&film, &transcriber(&kit), &Selection::all()).await.unwrap();
    assert!(coverage.gaps().is_empty(), "the transcript was finished before");
}

#[tokio::test]
async fn no_more_requests_are_under_way_than_allowed() {
    let upstream = Upstream::new(|seen| Answer::json(&embed(&seen.json())).unless_open(2)).await;
    let kit = Kit::new();
    embeddings(&kit, endpoint(options(&upstream).at_once(2))).await.unwrap();
    assert_eq!(upstream.most_at_once(), 2);
}

#[tokio::test]
async fn requests_begin_no_more_often_than_allowed() {
    let upstream = Upstream::new(|seen| Answer::json(&embed(&seen.json()))).await;
    let kit = Kit::new();
    let began = tokio::time::Instant::now();
    embeddings(&kit, endpoint(options(&upstream).per_minute(120))).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(1_500), "four requests, half a second between two");
}

#[tokio::test]
async fn frames_are_described_by_a_model_that_sees() {
    let upstream = Upstream::new(|seen| {
        let said = format!(
            " frame {}\u{7} ",
            seen.json()["messages"][0]["content"][1]["image_url"]["url"].as_str().unwrap().len()
        );
        Answer::json(
            &json!({"choices": [{"message": {"role": "assistant", "content": said}, "finish_reason": "stop"}]}),
        )
    })
    .await;
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 4);
    let keyframes = Arc::new(KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env()).unwrap());
    let stage = Arc::new(Describer::endpoint(keyframes, endpoint(options(&upstream))).prompt("What is it?", 50));
    let seen = kit.cache.compute(&film, &stage, &Selection::all()).await.unwrap();
    let described = &seen.value().descriptions;
    assert!(
        described.len() >= 4
            && described.iter().all(|seen| seen.text.starts_with("frame ") && !seen.text.contains('\u{7}'))
    );
    let asked = upstream.seen();
    assert_eq!(asked.len(), described.len());
    let question = asked[0].json();
    assert_eq!(
        (&question["max_tokens"], &question["messages"][0]["content"][0]["text"]),
        (&json!(50), &json!("What is it?"))
    );
    let url = question["messages"][0]["content"][1]["image_url"]["url"].as_str().unwrap().to_owned();
    assert!(url.starts_with("data:image/jpeg;base64,/9j/"), "{}", &url[..40]);
}

#[tokio::test]
async fn a_model_that_says_nothing_is_an_error() {
    let choice =
        |reason: &str, said: Value| json!({"choices": [{"message": {"content": said}, "finish_reason": reason}]});
    let cases = [
        (json!({"choices": []}), "answered without a choice"),
        (choice("stop", json!(" \n")), "answered with nothing"),
        (choice("stop", Value::Null), "answered with nothing"),
        (choice("content_filter", json!("No.")), "withholds its answer"),
        (choice("length", json!("A man who")), "answered with more than the 200 tokens allowed, and was cut short"),
    ];
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 1);
    for (answer, why) in cases {
        let upstream = Upstream::new(move |_| Answer::json(&answer)).await;
        let keyframes = Arc::new(KeyframeStage::new(KeyframeParams::default(), Ffmpeg::from_env()).unwrap());
        let stage = Arc::new(Describer::endpoint(keyframes, endpoint(options(&upstream))));
        let error = kit.cache.compute(&film, &stage, &Selection::all()).await.unwrap_err();
        assert!(error.kind() == ErrorKind::Load && error.message().contains(why), "{error}");
    }
}

#[tokio::test]
async fn texts_are_embedded_by_a_command() {
    let kit = Kit::new();
    let film = kit.tone("film.mp4", 10);
    let body =
        r#"cat "$1" > "$(dirname "$0")/texts"; echo '[[1,2],[3,4],[1,2],[3,4],[1,2],[3,4],[1,2],[3,4],[1,2],[3,4]]'"#;
    let command = CommandLine::new(kit.script("embed", body), ["{texts}"]).scratch(kit.path("scratch"));
    let stage = Arc::new(Embedder::command(transcriber(&kit), command).unwrap().dimensions(2));
    let made = kit.cache.compute(&film, &stage, &Selection::all()).await.unwrap();
    assert_eq!(Embeddings::vectors(&made).await.unwrap()[3], [3.0, 4.0]);
    assert!(kit.read("texts").starts_with(r#"["sentence 0","sentence 1","#));
    assert!(kit.is_clear().await);
    let command = CommandLine::new(kit.script("worse", "echo '[[1]]'"), ["{texts}"]).scratch(kit.path("scratch"));
    let stage = Arc::new(Embedder::command(transcriber(&kit), command).unwrap());
    let error = kit.cache.compute(&film, &stage, &Selection::all()).await.unwrap_err();
    assert!(error.message().ends_with("worse\": its answer is no embeddings: 1 embeddings of 10 texts"), "{error}");
}

#[test]
fn addresses_and_keys_that_cannot_be_are_refused() {
    let refused = |base: &str, key: &str| {
        let error = Endpoint::new(EndpointOptions::new(base, "m").key(key)).unwrap_err();
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        error.message().to_owned()
    };
    assert_eq!(refused("nowhere", "k"), "its address is no URL");
    assert!(refused("ftp://host/", "k").starts_with("its address is none of HTTP"));
    assert!(refused("http://me:s3cret@host/", "k").starts_with("its address holds a name or password"));
    assert!(refused("http://host/", "s3cret\n").starts_with("its key holds what no header may"));
    let shown =
        format!("{:?}", Endpoint::new(EndpointOptions::new("http://host:81/s3cret?key=s3cret", "m").key("s3cret")));
    assert!(shown.contains("host:81") && !shown.contains("s3cret"), "{shown}");
    let shown = format!("{:?}", EndpointOptions::new("http://host", "m").key("s3cret"));
    assert!(!shown.contains("s3cret"), "{shown}");
}
