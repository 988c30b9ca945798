//! yt-dlp, in the place of which a script behaves well and badly.

use std::fs;
use std::future::ready;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use cache_core::{ErrorKind, ManualClock};
use cache_testkit::{MemoryRise, alone, eventually};
use providers::{
    Binding, Extent, LinkKind, LinkRequest, Links, Provider, ProviderSongs, Reason, SearchQuery, SongResolver, YtDlp,
    YtDlpNotFound, YtDlpOptions,
};
use tokio::task::spawn_blocking;

use super::{links, links_of, reason};
use crate::kit::{LONG, START, fake_yt_dlp, request};

fn options() -> YtDlpOptions {
    YtDlpOptions::new().program(fake_yt_dlp()).time_limit(LONG).clock(ManualClock::new(START))
}

async fn fake() -> YtDlp {
    YtDlp::open(options()).await.unwrap()
}

async fn failed(path: &str) -> cache_core::Error {
    links(&fake().await, &format!("https://x.org/{path}")).await.unwrap_err()
}

#[tokio::test]
async fn a_video_has_its_formats_with_headers_validity_and_binding() {
    let provider = fake().await;
    let Links { links, title, duration, page_url, extent, .. } = links(&provider, "https://x.org/video").await.unwrap();
    assert_eq!((title.as_deref(), duration), (Some("Demo"), Some(Duration::from_secs(212))));
    assert_eq!((page_url.as_deref(), extent), (Some("https://video.example/watch?v=demo123"), Extent::Complete));
    let [hls, audio] = &links[..] else { panic!("{links:?}") };
    assert_eq!((hls.kind, hls.quality.height, hls.quality.label.as_str()), (LinkKind::Hls, Some(720), "720p"));
    assert_eq!(hls.headers["referer"], "https://video.example/");
    assert_eq!(hls.validity.ends().as_millis(), 1_784_003_600_000);
    assert_eq!((audio.kind, audio.bytes), (LinkKind::Audio, Some(3_433_514)));
    assert_eq!((audio.quality.video_codec.as_deref(), audio.quality.audio_codec.as_deref()), (None, Some("mp4a.40.2")));
    assert_eq!(audio.validity.ends().as_millis(), 1_784_021_600_000);
    assert_eq!(audio.bound_to, Binding::Address("203.0.113.7".to_owned()));
    assert_eq!(audio.headers["user-agent"], "Mozilla/5.0");
}

#[tokio::test]
async fn a_playlist_has_identities_only() {
    let found = links(&fake().await, "https://x.org/playlist").await.unwrap();
    assert!(found.links.is_empty());
    assert_eq!(found.entries.len(), 1);
    assert_eq!(found.entries[0].url, "https://video.example/watch?v=demo123");
    assert_eq!(found.entries[0].title.as_deref(), Some("Demo"));
}

#[tokio::test]
async fn songs_are_resolved_from_it() {
    let songs = ProviderSongs::new(fake().await);
    let song = songs.song(&request("https://x.org/video")).await.unwrap();
    assert_eq!((song.title.as_str(), song.stream.kind), ("Demo", LinkKind::Audio));
    assert_eq!(songs.version(), "2026.01.01");
    assert_eq!(songs.playlist(&request("https://x.org/playlist")).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn no_page_is_taken_for_an_option() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("https://x.org/arguments?folder={}", folder.path().display());
    let provider = YtDlp::open(options().argument("--proxy").argument("")).await.unwrap();
    links(&provider, &url).await.unwrap();
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    let arguments: Vec<&str> = arguments.lines().collect();
    assert_eq!(arguments[arguments.len() - 2..], ["--", &url]);
    assert!(["-J", "--ignore-config", "--no-playlist", "--flat-playlist"].iter().all(|arg| arguments.contains(arg)));
    assert!(arguments.windows(2).any(|two| two == ["--proxy", ""]));
    for page in ["--exec=id", "file:///etc/passwd", "ftp://x.org/a", "-", "ytsearch:a"] {
        let Ok(request) = LinkRequest::new(page) else { continue };
        let error = provider.links(&request).await.unwrap_err();
        // What looks like a host is one, and never more than that.
        assert!(matches!(reason(&error), Reason::Unsupported | Reason::NotFound), "{page}: {error}");
    }
    assert_eq!(reason(&links_of(&provider, "--exec=id").await.unwrap_err()), Reason::Unsupported);
}

#[tokio::test]
async fn its_version_and_its_arguments_are_its_version() {
    assert_eq!(fake().await.version(), "2026.01.01");
    let [one, other] = ["a", "b"].map(|value| options().argument("--proxy").argument(value));
    let (one, other) = (YtDlp::open(one).await.unwrap(), YtDlp::open(other).await.unwrap());
    assert!(one.version().starts_with("2026.01.01+") && one.version() != other.version(), "{one:?}");
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_that_says_what_to_install() {
    let error = YtDlp::open(YtDlpOptions::new().program("/nowhere/yt-dlp")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert_eq!(YtDlpNotFound::of(&error).unwrap().program, Path::new("/nowhere/yt-dlp"));
    assert!(error.to_string().contains("install yt-dlp"), "{error}");
}

#[tokio::test]
async fn a_program_that_is_another_is_an_error() {
    for program in ["/bin/false", "/bin/ls"] {
        let error = YtDlp::open(YtDlpOptions::new().program(program)).await.unwrap_err();
        assert_eq!(reason(&error), Reason::Malformed, "{error}");
    }
}

#[tokio::test]
async fn search_is_off_unless_it_is_asked_for() {
    let query = SearchQuery::new("moon\n--exec id").limit(5);
    let error = fake().await.search(&query).await.unwrap_err();
    assert_eq!(reason(&error), Reason::Unsupported);
    let searching = YtDlp::open(options().search("ytsearch").unwrap()).await.unwrap();
    let page = searching.search(&query).await.unwrap();
    assert_eq!((page.results[0].title.as_str(), page.results.len()), ("Demo", 1));
    assert_eq!(page.results[0].url, "https://video.example/watch?v=demo123");
    for prefix in ["", "yt search", "--exec", "file://"] {
        assert_eq!(options().search(prefix).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn complaints_have_their_reasons_and_give_nothing_away() {
    for (path, expected) in [
        ("gone", Reason::NotFound),
        ("private?token=SECRET", Reason::Forbidden),
        ("limited", Reason::RateLimited),
        ("usage", Reason::Unsupported),
        ("crash", Reason::Unavailable),
        ("garbage", Reason::Malformed),
        ("empty", Reason::Malformed),
        ("nothing", Reason::Malformed),
    ] {
        let error = failed(path).await;
        assert_eq!(reason(&error), expected, "{path}: {error}");
        assert_eq!((error.backend(), error.operation()), (Some("yt-dlp"), Some("links")));
        assert!(!format!("{error:?} {error}").contains("SECRET"), "{error:?}");
    }
}

#[tokio::test]
async fn it_is_killed_when_it_writes_too_much() {
    let provider = YtDlp::open(options().max_bytes(1 << 20)).await.unwrap();
    let error = links(&provider, "https://x.org/endless").await.unwrap_err();
    assert_eq!((reason(&error), error.kind()), (Reason::TooLarge, ErrorKind::TooLarge));
}

#[tokio::test]
async fn a_hundred_megabytes_take_no_more_memory_than_is_allowed() {
    let test = "sites::ytdlp::a_hundred_megabytes_take_no_more_memory_than_is_allowed";
    if let Some(run) = spawn_blocking(|| alone(test)).await.unwrap().unwrap() {
        assert!(run.status.success(), "{run:?}");
        return;
    }
    let memory = MemoryRise::from_here().unwrap();
    assert_eq!(reason(&failed("endless").await), Reason::TooLarge);
    // The end of a flood of complaints still counts.
    assert_eq!(reason(&failed("loud").await), Reason::Forbidden);
    // A vector that grows has room for twice what is in it, and is there twice while it moves.
    assert!(memory.bytes().unwrap() < 56 << 20, "{memory:?}");
}

#[tokio::test]
async fn it_is_killed_with_its_children_at_the_time_limit() {
    let folder = tempfile::tempdir().unwrap();
    let provider = YtDlp::open(options()).await.unwrap();
    let limited = YtDlp::open(options().time_limit(Duration::from_secs(3))).await.unwrap();
    assert_eq!(provider.version(), limited.version());
    let error = links(&limited, &hang(folder.path())).await.unwrap_err();
    assert_eq!((reason(&error), error.kind()), (Reason::Timeout, ErrorKind::Timeout));
    all_gone(folder.path()).await;
}

#[tokio::test]
async fn it_is_killed_with_its_children_when_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let (provider, url) = (fake().await, hang(folder.path()));
    let waiting = tokio::spawn(async move { links(&provider, &url).await });
    assert!(eventually(LONG, || ready(folder.path().join("pids").exists())).await);
    for pid in pids(folder.path()) {
        assert!(is_alive(pid));
    }
    waiting.abort();
    all_gone(folder.path()).await;
}

#[tokio::test]
async fn so_many_run_at_once_and_no_more() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let provider = YtDlp::open(options().at_once(1)).await.unwrap();
    let [first, second] = folders.each_ref().map(|folder| {
        let (provider, url) = (provider.clone(), hang(folder.path()));
        tokio::spawn(async move { links(&provider, &url).await })
    });
    let has_begun = |folder: &tempfile::TempDir| folder.path().join("pids").exists();
    assert!(eventually(LONG, || ready(folders.iter().any(has_begun))).await);
    assert_eq!(folders.iter().filter(|folder| has_begun(folder)).count(), 1);
    // Its seat is free as soon as it is gone.
    let (running, waiting) = if has_begun(&folders[0]) { (first, second) } else { (second, first) };
    running.abort();
    assert!(eventually(LONG, || ready(folders.iter().all(has_begun))).await);
    waiting.abort();
    for folder in &folders {
        all_gone(folder.path()).await;
    }
}

fn hang(folder: &Path) -> String {
    format!("https://x.org/hang?folder={}", folder.display())
}

fn pids(folder: &Path) -> Vec<u32> {
    let text = fs::read_to_string(folder.join("pids")).unwrap();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Whether the process runs; one that is dead and not buried does not.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

async fn all_gone(folder: &Path) {
    let pids = pids(folder);
    assert_eq!(pids.len(), 2);
    assert!(eventually(LONG, || ready(pids.iter().all(|pid| !is_alive(*pid)))).await, "{pids:?}");
}

#[tokio::test]
async fn what_is_not_in_the_key_does_not_reach_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let (program, given) = (folder.path().join("yt-dlp"), folder.path().join("given"));
    let script = format!(
        "#!/bin/sh\nfor last; do :; done\n[ \"$last\" = --version ] && {{ echo 1; exit; }}\n\
         printf '%s' \"$last\" > {}\ncat {}/tests/fixtures/ytdlp_video.json\n",
        given.display(),
        env!("CARGO_MANIFEST_DIR")
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let provider = YtDlp::open(YtDlpOptions::new().program(&program).time_limit(LONG)).await.unwrap();
    for (url, expected) in [
        ("https://x.org/e/1#t=9", "https://x.org/e/1"),
        ("https://www.youtube.com/watch?v=dQw4w9WgXcQ#/item/2", "https://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("https://x.org/e/1#!/film", "https://x.org/e/1#!/film"),
    ] {
        links(&provider, url).await.unwrap();
        assert_eq!(fs::read_to_string(&given).unwrap(), expected);
    }
    fs::remove_file(&given).unwrap();
    for url in [
        "https://x.org/e/1#__youtubedl_smuggle=%7B%22http_headers%22%3A%7B%7D%7D",
        "https://x.org/e/1#!/a&__youtubedl_smuggle=%7B%7D",
        "https://x.org/e/1?a=%23_%5Fyoutubedl_smuggle%3D%7B%7D",
    ] {
        assert_eq!(reason(&links(&provider, url).await.unwrap_err()), Reason::Unsupported, "{url}");
    }
    assert!(!given.exists(), "it was not started");
}

#[tokio::test]
async fn an_entry_of_a_page_with_a_route_is_that_entry() {
    let folder = tempfile::tempdir().unwrap();
    let (program, given) = (folder.path().join("yt-dlp"), folder.path().join("given"));
    let told =
        r#"{"_type":"playlist","entries":[{"_type":"video","title":"a","formats":[{"url":"https://x.org/a.mp4"}]}]}"#;
    let script = "#!/bin/sh\nfor last; do :; done\n[ \"$last\" = --version ] && { echo 1; exit; }\n";
    fs::write(&program, format!("{script}echo \"$@\" > {}\necho '{told}'\n", given.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let provider = YtDlp::open(YtDlpOptions::new().program(&program).time_limit(LONG)).await.unwrap();
    for page in ["https://x.org/#!/list", "https://x.org/list#v=1", "https://x.org/list"] {
        let list = links(&provider, page).await.unwrap();
        let one = links(&provider, &list.entries[0].url).await.unwrap();
        let given = fs::read_to_string(&given).unwrap();
        assert!(given.trim_end().ends_with(&format!("--playlist-items 1 -- {page}")), "{given}");
        assert_eq!(one.links.len(), 1);
    }
}

#[tokio::test]
async fn cookies_that_a_format_needs_are_sent_with_it_and_bind_it() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("yt-dlp");
    let told = r#"{"formats":[{"url":"https://x.org/a.mp4","cookies":"pass=1; Domain=x.org; Path=/; Secure"},
        {"url":"https://y.org/a.mp4","cookies":"pass=1; Domain=x.org; Path=/"}]}"#;
    let script = "#!/bin/sh\nfor last; do :; done\n[ \"$last\" = --version ] && { echo 1; exit; }\n";
    fs::write(&program, format!("{script}echo '{told}'\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let provider = YtDlp::open(YtDlpOptions::new().program(&program).time_limit(LONG)).await.unwrap();
    let found = links(&provider, "https://example.org/a").await.unwrap();
    for link in &found.links {
        let is_own = link.url.contains("x.org");
        assert_eq!(link.headers.get("cookie").map(String::as_str), is_own.then_some("pass=1"), "{}", link.url);
        assert!(!link.is_portable());
    }
    assert_eq!(found.links.len(), 2);
}
