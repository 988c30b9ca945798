//! Commands and requests that only look: what they ask for is what there is, and nothing is made by them.

use std::fs;
use std::time::{Duration, Instant};

use super::origin::Origin;
use super::support::{Home, Server, stderr, stdout};
use super::web::get;

/// Commands that only look, and what is named.
const LOOKS: [&[&str]; 8] = [
    &["stats"],
    &["ls"],
    &["ls", "--json", "video:"],
    &["get", "video:a"],
    &["explain", "video:a"],
    &["du"],
    &["verify"],
    &["clear", "*", "--dry-run"],
];

#[test]
fn what_only_looks_makes_no_cache_and_says_that_there_is_none() {
    let home = Home::new();
    let cache = home.path("cache");
    for tiers in ["memory,file", "sqlite", "file,sqlite"] {
        for words in LOOKS {
            let run = home.reelcache().args(["--tiers", tiers]).args(words).output().unwrap();
            assert_eq!((run.status.code(), stdout(&run)), (Some(6), String::new()), "{words:?}: {}", stderr(&run));
            let told = stderr(&run);
            assert!(told.contains("there is no cache yet") && told.contains(cache.to_str().unwrap()), "{told}");
            assert!(!cache.exists(), "{words:?} has made {}", cache.display());
        }
        let doctor = home.reelcache().args(["--tiers", tiers, "doctor"]).output().unwrap();
        assert!(doctor.status.success() && stdout(&doctor).contains("not there yet"), "{}", stdout(&doctor));
        assert!(!cache.exists(), "doctor has made {}", cache.display());
    }
    // A directory that somebody has made for it stays as it is.
    fs::create_dir(&cache).unwrap();
    assert_eq!(home.reelcache().arg("ls").output().unwrap().status.code(), Some(6));
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
    // What changes something makes one, and then there is something to look at.
    assert!(home.reelcache().arg("sweep").output().unwrap().status.success());
    assert!(home.reelcache().arg("ls").output().unwrap().status.success());
}

#[test]
fn a_tier_that_is_elsewhere_is_looked_at_though_that_of_this_machine_is_not_there_yet() {
    let home = Home::new();
    fs::create_dir(home.path("objects")).unwrap();
    let objects = format!("file://{}", home.path("objects").display());
    let run = home.reelcache().args(["--tiers", "file,s3", "--s3", &objects, "ls"]).output().unwrap();
    assert!(run.status.success() && stderr(&run).contains("there is no cache yet"), "{}", stderr(&run));
    assert!(!home.path("cache").exists());
}

#[test]
fn entries_are_listed_below_the_first_parts_of_their_keys_with_the_colon_or_without() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 1_000]));
    let server = Server::start_reaching_anywhere(&home);
    assert_eq!(server.play(&film.url("/a.mp4")), 200);
    let keys = |prefix: &str| {
        let page = get(&server, &format!("/api/entries?prefix={prefix}")).json();
        let keys = page["entries"].as_array().expect("entries").iter().map(|entry| entry["key"].to_string());
        keys.collect::<Vec<_>>()
    };
    // The manifest and the one segment, which are stored while the answer is sent.
    let end = Instant::now() + Duration::from_secs(30);
    while keys("play").len() < 2 {
        assert!(Instant::now() < end, "{:?}", keys("play"));
        std::thread::yield_now();
    }
    assert_eq!(keys("play:"), keys("play"));
    assert!(keys("pl").is_empty(), "a part is named whole");
    for wrong in ["play:*", "50%25"] {
        let answer = get(&server, &format!("/api/entries?prefix={wrong}"));
        let told = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 400 && told.contains("first parts"), "{wrong}: {answer:?}");
        let run = home.reelcache().args(["ls", &wrong.replace("%25", "%")]).output().unwrap();
        assert!(run.status.code() == Some(2) && stderr(&run).contains("first parts"), "{}", stderr(&run));
    }
}

#[test]
fn a_filter_of_logs_that_cannot_be_read_is_told_and_passed_by() {
    let home = Home::new();
    let run = home.reelcache().env("RUST_LOG", "gateway=loud").arg("config").output().unwrap();
    let told = stderr(&run);
    assert!(run.status.success() && stdout(&run).contains("[cache]"), "{told}");
    assert!(told.starts_with("reelcache: RUST_LOG=gateway=loud is passed by") && told.lines().count() == 1, "{told}");
    let quiet = home.reelcache().env("RUST_LOG", "warn,gateway=debug").arg("config").output().unwrap();
    assert_eq!(stderr(&quiet), "");
}
