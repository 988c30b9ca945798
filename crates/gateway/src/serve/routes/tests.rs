//! The routes within this process, over providers and torrents that behave as told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use cache_blob::{Description, GeneratedSource, Sink, Source};
use cache_core::Result;
use http_body_util::BodyExt;
use providers::{Link, LinkKind, LinkRequest, Links, Provider, Registry, SearchPage, SearchQuery};

use super::*;
use crate::config::Config;
use crate::media::{Providers, TorrentFile, TorrentLink, Torrents};
use crate::stack::Plan;
use crate::tiers::{TierKind, TierList};

const FILM: &[u8] = b"the bytes of a film";
const MAGNET: &str = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&dn=film.mkv&so=1";
const PLAY: &str = "/play?provider=fake&page=https://films.example/1&index=0";

/// A provider with one link, which takes its time.
#[derive(Debug)]
struct Fake {
    link: &'static str,
    loads: Arc<AtomicUsize>,
}

/// What has one film, or never answers.
#[derive(Debug)]
struct Swarm {
    answers: bool,
    asked: AtomicUsize,
}

#[async_trait]
impl Provider for Fake {
    #[expect(clippy::unnecessary_literal_bound, reason = "the bound of the trait")]
    fn name(&self) -> &str {
        "fake"
    }

    async fn search(&self, _query: &SearchQuery) -> Result<SearchPage> {
        Ok(SearchPage::default())
    }

    async fn links(&self, _request: &LinkRequest) -> Result<Links> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        // The clock of a test goes on when all others wait.
        _ = tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>()).await;
        Ok(Links::of([Link::new(self.link, LinkKind::Video)]))
    }
}

#[async_trait]
impl Torrents for Swarm {
    async fn source(&self, wanted: &TorrentFile) -> Result<Arc<dyn Source>> {
        assert_eq!(wanted.link, TorrentLink::Magnet(MAGNET.to_owned()));
        self.asked.fetch_add(1, Ordering::SeqCst);
        if !self.answers {
            std::future::pending::<()>().await;
        }
        let about = Description::new().len(FILM.len() as u64).validator("dd8255/1");
        Ok(Arc::new(GeneratedSource::new(about, |_, mut sink: Sink| async move { sink.write(FILM).await })))
    }
}

struct Routes {
    outer: Outer,
    loads: Arc<AtomicUsize>,
    /// The router as it shows itself.
    shown: String,
}

impl Routes {
    async fn new(link: &'static str, torrents: Option<Arc<dyn Torrents>>) -> Self {
        let mut config = Config::default();
        config.cache.tiers = TierList::from(TierKind::Memory);
        let stack = Plan::of(&config.cache).unwrap().open().await.unwrap();
        let loads = Arc::new(AtomicUsize::new(0));
        let fake = Fake { link, loads: loads.clone() };
        let registry = Registry::builder(stack.tiers.clone()).provider(fake).build().unwrap();
        let providers = Providers::of(registry);
        let media = Media::over(providers, &stack, &config, torrents).unwrap();
        let player = Player::new(&stack, &config).unwrap();
        let effective = Effective { config, origins: BTreeMap::new(), file: None, has_secrets: false };
        let server = Parts::new(stack, player, media, effective).server();
        let shown = format!("{:?}", routes(server.clone(), None));
        Self { outer: while_serving(server, None), loads, shown }
    }

    async fn get(&self, target: &str, range: Option<&str>) -> Response {
        let request = Request::get(target).header("host", "localhost");
        let request = range.into_iter().fold(request, |request, range| request.header("range", range));
        self.outer.answer(request.body(Body::empty()).unwrap()).await
    }
}

async fn body(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_who_ask_for_one_page_at_once_are_one_load() {
    let routes = Arc::new(Routes::new("https://films.example/a.mp4", None).await);
    let target = "/get-videos?url=https://films.example/1&provider=fake";
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..10_000 {
        let routes = routes.clone();
        asking.spawn(async move { routes.get(target, None).await.status() });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.len(), 10_000);
    assert!(answers.iter().all(|status| *status == StatusCode::OK));
    assert_eq!(routes.loads.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn row_16_a_torrent_is_played_with_ranges_under_its_name_and_then_from_the_cache() {
    let swarm = Arc::new(Swarm { answers: true, asked: AtomicUsize::new(0) });
    let routes = Routes::new(MAGNET, Some(swarm.clone())).await;
    let whole = routes.get(PLAY, None).await;
    assert_eq!(whole.status(), StatusCode::OK);
    assert_eq!(whole.headers()["content-type"], "video/x-matroska");
    assert_eq!(whole.headers()["content-disposition"], "inline; filename*=UTF-8''film.mkv");
    assert_eq!(body(whole).await, FILM);
    let part = routes.get(PLAY, Some("bytes=4-8")).await;
    assert_eq!(
        (part.status(), part.headers()["content-range"].to_str().unwrap()),
        (StatusCode::PARTIAL_CONTENT, "bytes 4-8/19")
    );
    assert_eq!(body(part).await, &FILM[4..9]);
    assert_eq!((swarm.asked.load(Ordering::SeqCst), routes.loads.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn row_16_a_torrent_of_which_nobody_says_what_it_holds_is_a_timeout_after_30_s() {
    let swarm = Arc::new(Swarm { answers: false, asked: AtomicUsize::new(0) });
    let routes = Routes::new(MAGNET, Some(swarm)).await;
    let begun = tokio::time::Instant::now();
    let answer = routes.get(PLAY, None).await;
    assert_eq!(answer.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(begun.elapsed().as_secs(), 31, "a second for the link, and 30");
    assert!(String::from_utf8(body(answer).await).unwrap().contains("what the torrent holds"));
}

/// Paths that are pages, or parts of them.
fn is_page(path: &str) -> bool {
    let suffixes = [".css", ".js", ".svg"];
    matches!(
        path,
        "/" | "/plain"
            | "/dashboard/{file}"
            | "/api/docs"
            | "/api/openapi.json"
            | "/test-source-selection"
            | "/dashboard"
    ) || suffixes.iter().any(|suffix| path.ends_with(suffix))
}

#[tokio::test]
async fn every_route_is_in_the_description_of_the_interface_with_its_methods() {
    let routes = Routes::new("https://films.example/a.mp4", None).await;
    let quoted =
        routes.shown.split('"').filter(|text| text.starts_with('/') && !is_page(text) && !text.contains("axum"));
    let served: std::collections::BTreeSet<&str> = quoted.collect();
    let described = super::super::openapi::described();
    // One route serves all paths of titles.
    let path_of = |path: &str| if path.starts_with("/play/{") { "/play/{*path}".to_owned() } else { path.to_owned() };
    let told: std::collections::BTreeSet<String> = described.iter().map(|(path, _)| path_of(path)).collect();
    assert!(served.len() > 15, "{served:?}");
    assert_eq!(served, told.iter().map(String::as_str).collect());
    for (path, methods) in described {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let target = path.replace("{type}", "movie").replace(['{', '}'], "");
            let request = Request::builder().method(method).uri(&target).header("host", "localhost");
            let answer = routes.outer.answer(request.body(Body::empty()).unwrap()).await;
            let is_known = answer.status() != StatusCode::METHOD_NOT_ALLOWED;
            assert_eq!(is_known, methods.contains(&method), "{method} {target}: {}", answer.status());
        }
    }
}

#[tokio::test]
async fn every_failure_has_one_shape() {
    let routes = Routes::new("https://films.example/a.mp4", None).await;
    let ask = async |method: &str, target: &str, host: &str| {
        let request = Request::builder().method(method).uri(target).header("host", host);
        routes.outer.answer(request.body(Body::empty()).unwrap()).await
    };
    for (method, target, host, status) in [
        ("GET", "/nowhere", "localhost", 404),
        ("PUT", "/search", "localhost", 405),
        ("GET", "/search", "localhost", 400),
        ("GET", "/search", "elsewhere.example", 421),
        ("GET", "/play", "localhost", 400),
        ("GET", "/play/movie/tt1/x", "localhost", 400),
        ("GET", "/api/entry?key=a", "localhost", 404),
        ("POST", "/get-videos", "localhost", 415),
        ("POST", "/api/warm", "localhost", 415),
        ("DELETE", "/api/jobs/1", "localhost", 404),
        ("GET", "/metrics", "localhost", 404),
    ] {
        let answer = ask(method, target, host).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (status, &"application/problem+json".parse().unwrap()),
            "{method} {target}"
        );
        let told: serde_json::Value = serde_json::from_slice(&body(answer).await).unwrap();
        assert_eq!(told["status"], status, "{told}");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.len() > 10) && told["title"].is_string(), "{told}");
    }
}

#[tokio::test(start_paused = true)]
async fn trust_24_as_many_artifacts_are_read_at_a_time_as_there_are_turns_and_others_wait_for_theirs() {
    let routes = Routes::new("https://films.example/a.mp4", None).await;
    let name = "/api/artifacts/0/frames/0.jpg";
    let mut held = Vec::new();
    for _ in 0..Serve::default().max_admin_requests {
        // This server has none; what counts is that its answer is not sent yet.
        held.push(routes.get(name, None).await);
    }
    assert!(held.iter().all(|answer| answer.status() == StatusCode::SERVICE_UNAVAILABLE), "{held:?}");
    assert_eq!(routes.get(name, None).await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(routes.get("/api/jobs", None).await.status(), StatusCode::OK, "administration goes on");
    let leaves = async {
        tokio::task::yield_now().await;
        held.pop();
    };
    let (waited, ()) = tokio::join!(routes.get(name, None), leaves);
    assert_eq!(waited.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn trust_28_pages_of_other_origins_take_no_place_of_those_who_listen() {
    let routes = Routes::new("https://films.example/a.mp4", None).await;
    let listen = async |name: &str, value: &str| {
        let request = Request::get("/api/events").header("host", "localhost:7878").header(name, value);
        routes.outer.answer(request.body(Body::empty()).unwrap()).await
    };
    for (name, value) in [("origin", "https://films.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(listen(name, value).await.status(), StatusCode::FORBIDDEN, "{name}: {value}");
    }
    for (name, value) in [("origin", "http://localhost:7878"), ("sec-fetch-site", "same-origin"), ("accept", "*/*")] {
        assert_eq!(listen(name, value).await.status(), StatusCode::OK, "{name}: {value}");
    }
}
