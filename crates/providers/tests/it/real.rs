//! The real yt-dlp, against pages of a server here with a film that ffmpeg has made.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use cache_core::ManualClock;
use cache_testkit::servers::program;
use futures_util::future::join_all;
use providers::http::HttpCheck;
use providers::{
    Failure, LinkCheck, LinkKind, Provider, ProviderSongs, Reason, SongCache, Verdict, YtDlp, YtDlpOptions,
};

use crate::kit::{Bed, START, fetch, request};
use crate::upstream::{Canned, Upstream};

/// Python on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

async fn yt_dlp() -> YtDlp {
    let options = YtDlpOptions::new().program(program("yt-dlp").unwrap()).time_limit(PATIENCE);
    YtDlp::open(options.clock(ManualClock::new(START))).await.unwrap()
}

/// A film of a second.
fn film() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film.mp4");
    make(&path);
    std::fs::read(path).unwrap()
}

fn make(path: &Path) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=duration=1:size=64x64:rate=5"]);
    ffmpeg.args(["-f", "lavfi", "-i", "sine=duration=1", "-shortest"]).arg(path);
    let is_made = ffmpeg.status().is_ok_and(|status| status.success());
    assert!(is_made, "ffmpeg has made no film: install it, or run `cargo xtask test`");
}

async fn site() -> Upstream {
    let film = film();
    let html = |body: &str| Canned::bytes("text/html", format!("<html><title>Films</title><body>{body}</body></html>"));
    Upstream::new(move |seen| match seen.path() {
        "/film.mp4" | "/other.mp4" => Canned::bytes("video/mp4", film.clone()),
        "/page" => html("<video src=\"film.mp4?token=secret\" poster=\"film.jpg\"></video>"),
        "/two" => html("<video src=\"film.mp4\"></video><video src=\"other.mp4\"></video>"),
        "/plain" => html("<p>nothing to see</p>"),
        "/busy" => Canned::status(429).header("retry-after", "7"),
        "/broken" => Canned::status(500),
        "/around" => Canned::redirect("/around"),
        "/cut" => Canned::bytes("text/html", "<html><video src=").promises(1 << 20),
        _ => Canned::status(404),
    })
    .await
}

#[tokio::test]
async fn a_file_is_a_link_that_works() {
    let (upstream, provider) = (site().await, yt_dlp().await);
    let url = format!("{}/film.mp4", upstream.url);
    let found = provider.links(&request(&url)).await.unwrap();
    let [link] = &found.links[..] else { panic!("{found:?}") };
    assert_eq!((link.url.as_str(), link.kind), (url.as_str(), LinkKind::Video));
    assert!(link.headers.contains_key("user-agent"));
    assert_eq!(HttpCheck::new(&fetch()).check(link).await.unwrap(), Verdict::Good);
}

#[tokio::test]
async fn a_page_with_a_video_is_a_song() {
    let (upstream, provider, bed) = (site().await, yt_dlp().await, Bed::new());
    let songs = SongCache::builder(ProviderSongs::new(provider)).tiers(bed.tiers.clone()).build().unwrap();
    let page = request(&format!("{}/page", upstream.url));
    let (song, was_cached) = songs.get(&page).await.unwrap();
    assert_eq!((song.stream_url(), was_cached), (format!("{}/film.mp4?token=secret", upstream.url).as_str(), false));
    assert!(song.title.starts_with("Films"), "{song:?}");
    assert_eq!(song.thumbnail, Some(format!("{}/film.jpg", upstream.url)));
    assert_eq!(song.stream.headers["referer"], format!("{}/page", upstream.url));
    let asked = upstream.asked();
    assert_eq!(songs.get(&page).await.unwrap(), (song, true));
    assert_eq!(upstream.asked(), asked);
}

#[tokio::test]
async fn videos_without_pages_of_their_own_are_entries_that_can_be_resolved() {
    let (upstream, provider) = (site().await, yt_dlp().await);
    let found = provider.links(&request(&format!("{}/two", upstream.url))).await.unwrap();
    assert!(found.links.is_empty());
    let urls: Vec<_> = found.entries.iter().map(|entry| entry.url.as_str()).collect();
    assert_eq!(urls, ["1", "2"].map(|number| format!("{}/two#/item/{number}", upstream.url)));
    let other = provider.links(&request(urls[1])).await.unwrap();
    assert_eq!(other.links[0].url, format!("{}/other.mp4", upstream.url));
    let error = provider.links(&request(&format!("{}/two#/item/3", upstream.url))).await.unwrap_err();
    assert_eq!(Failure::of(&error).unwrap().reason(), Reason::NotFound, "{error}");
}

#[tokio::test]
async fn what_it_complains_about_has_its_reason() {
    let (upstream, provider) = (site().await, yt_dlp().await);
    assert!(provider.version().starts_with("20"), "{}", provider.version());
    let (upstream, provider) = (&upstream, &provider);
    let faults = [
        ("missing", Reason::NotFound),
        ("plain?token=SECRET", Reason::Unsupported),
        ("busy", Reason::RateLimited),
        ("broken", Reason::Unavailable),
        ("around", Reason::Unavailable),
        ("cut", Reason::Unavailable),
    ];
    let asked = faults.map(|(path, expected)| async move {
        (path, expected, provider.links(&request(&format!("{}/{path}", upstream.url))).await)
    });
    for (path, expected, answer) in join_all(asked).await {
        assert!(answer.is_err(), "{path}: {answer:?}");
        let error = answer.unwrap_err();
        assert_eq!(Failure::of(&error).unwrap().reason(), expected, "{error}");
        assert!(!format!("{error:?}").contains("SECRET"), "{error:?}");
    }
}
