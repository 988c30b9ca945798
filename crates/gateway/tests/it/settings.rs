//! Settings that the user's documents name, each seen at work in a running server.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use super::origin::Origin;
use super::support::{Home, Server, stderr};
use super::web::{escaped, get};

/// A film of one segment: two entries.
fn short_film() -> Origin {
    Origin::of(vec![7; 100_000])
}

/// Waits until what `entries` tells of each tier is so.
#[track_caller]
fn wait_for_entries(server: &Server, is_so: impl Fn(&[u64]) -> bool) {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let entries = server.entries();
        if is_so(&entries) {
            return;
        }
        assert!(std::time::Instant::now() < end, "{entries:?}");
        std::thread::yield_now();
    }
}

#[test]
fn cache_ttl_ends_what_is_kept_and_the_cleanup_drops_it() {
    let (home, origin) = (Home::new(), short_film());
    let server = Server::start_with_variables(&home, &[("CACHE_TTL", "1"), ("CACHE_CLEANUP_INTERVAL", "1")]);
    assert_eq!(server.play(&origin.url("/a.mp4")), 200);
    let sent = origin.sent();
    wait_for_entries(&server, |entries| entries.iter().all(|&held| held == 0));
    assert_eq!(server.play(&origin.url("/a.mp4")), 200);
    assert!(origin.sent() > sent, "it is fetched anew");
}

#[test]
fn cache_ttl_of_zero_keeps_nothing_and_plays_all_the_same() {
    let (home, origin) = (Home::new(), short_film());
    let server = Server::start_with_variables(&home, &[("CACHE_TTL", "0")]);
    assert_eq!((server.play(&origin.url("/a.mp4")), server.entries()), (200, vec![0, 0]));
}

#[test]
fn without_a_cleanup_what_has_expired_waits_for_a_sweep() {
    let (home, origin) = (Home::new(), short_film());
    let server = Server::start_with_variables(&home, &[("CACHE_TTL", "1"), ("CACHE_CLEANUP_INTERVAL", "off")]);
    assert_eq!(server.play(&origin.url("/a.mp4")), 200);
    wait_for_entries(&server, |entries| entries[1] == 2);
    let figures = server.figures();
    assert_eq!(figures["tiers"][1]["usage"]["expired"], 0, "{figures}");
}

#[test]
fn a_link_is_asked_about_again_when_a_recheck_is_due_and_not_before() {
    for (recheck, is_asked) in [("0", true), ("1h", false)] {
        let (home, origin) = (Home::new(), short_film());
        let server = Server::start_with_variables(&home, &[("CACHE_RECHECK", recheck)]);
        assert_eq!(server.play(&origin.url("/a.mp4")), 200);
        wait_for_entries(&server, |entries| entries[1] == 2);
        let asked = origin.starts().len();
        assert_eq!(server.play(&origin.url("/a.mp4")), 200);
        assert_eq!(origin.starts().len() > asked, is_asked, "{recheck}");
    }
}

#[test]
fn cache_max_size_bounds_the_entries_of_each_tier() {
    let (home, origin) = (Home::new(), short_film());
    let server = Server::start_with_variables(&home, &[("CACHE_MAX_SIZE", "4")]);
    for name in 0..8 {
        assert_eq!(server.play(&origin.url(&format!("/{name}.mp4"))), 200);
        assert!(server.entries().iter().all(|&held| held <= 4), "{:?}", server.entries());
    }
    wait_for_entries(&server, |entries| entries[1] > 0);
    let usage = &server.figures()["tiers"][1]["usage"];
    assert!(usage["max_entries"] == 4 && usage["evicted"].as_u64() > Some(0), "{usage}");
}

#[test]
fn cache_max_disk_mb_is_the_budget_of_the_disk_in_megabytes() {
    let home = Home::new();
    let server = Server::start_with_variables(&home, &[("CACHE_MAX_DISK_MB", "5")]);
    assert_eq!(server.figures()["tiers"][1]["usage"]["capacity"], 5_000_000);
}

#[test]
fn row_19_the_disk_holds_no_more_than_cache_max_disk_mb() {
    let (home, origin) = (Home::new(), Origin::of(vec![7; 3_000_000]));
    let settings = [("CACHE_MAX_DISK_MB", "8"), ("CACHE_BACKEND", "file")];
    let server = Server::start_with_variables(&home, &settings);
    let usage = || server.figures()["tiers"][0]["usage"].clone();
    for name in 0..6 {
        assert_eq!(server.play(&origin.url(&format!("/{name}.mp4"))), 200);
        assert!(taken(&home.path("cache")) <= 8_000_000, "{} after {name}: {}", taken(&home.path("cache")), usage());
    }
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while usage()["evicted"].as_u64() == Some(0) {
        assert!(std::time::Instant::now() < end, "18 MB are in 8: {}", usage());
    }
    assert!(usage()["entries"].as_u64() > Some(1), "one film fits: {}", usage());
}

/// Bytes of the disk below `folder`.
fn taken(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let one = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => taken(&entry.path()),
        Ok(meta) => meta.blocks() * 512,
        // Gone since it was listed.
        Err(_) => 0,
    };
    entries.map(one).sum()
}

#[test]
fn row_19_what_was_used_least_recently_leaves_where_that_is_the_policy() {
    for (tier, policy, oldest_stays) in
        [("file", "lru", true), ("file", "fifo", false), ("memory", "lru", true), ("memory", "fifo", false)]
    {
        let (home, origin) = (Home::new(), short_film());
        let settings = [("CACHE_BACKEND", tier), ("CACHE_MAX_SIZE", "4"), ("CACHE_POLICY", policy)];
        let server = Server::start_with_variables(&home, &settings);
        let play = |name: &str, held: usize| {
            assert_eq!(server.play(&origin.url(name)), 200);
            whole_films(&server, held)
        };
        let oldest = play("/a.mp4", 2);
        let newer: BTreeSet<_> = play("/b.mp4", 4).difference(&oldest).cloned().collect();
        for key in &oldest {
            assert_eq!(get(&server, &format!("/api/entry?key={}", escaped(key))).status, 200, "{key}");
        }
        assert_eq!(server.play(&origin.url("/c.mp4")), 200);
        let (stay, go) = if oldest_stays { (&oldest, &newer) } else { (&newer, &oldest) };
        let end = std::time::Instant::now() + Duration::from_secs(20);
        while !keys(&server).is_disjoint(go) {
            assert!(std::time::Instant::now() < end, "{tier}, {policy}: {go:?} are in {:?}", keys(&server));
        }
        assert!(keys(&server).is_superset(stay), "{tier}, {policy}: {stay:?} are not in {:?}", keys(&server));
    }
}

/// The keys of films when there are `count`, and what is kept of each film is written once more, with what all its parts
/// are: that is a use, too.
#[track_caller]
fn whole_films(server: &Server, count: usize) -> BTreeSet<String> {
    let end = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let held = held(server);
        let is_whole = |part: &str, at: u64| part.split_once(":~").is_none_or(|(film, _)| held.get(film) >= Some(&at));
        if held.len() == count && held.iter().all(|(key, at)| is_whole(key, *at)) {
            return held.into_keys().collect();
        }
        assert!(std::time::Instant::now() < end, "{held:?}");
    }
}

/// The keys that are held.
fn keys(server: &Server) -> BTreeSet<String> {
    held(server).into_keys().collect()
}

/// The keys that are held, and when each was written, in milliseconds since 1970.
fn held(server: &Server) -> BTreeMap<String, u64> {
    let page = get(server, "/api/entries?prefix=play").json();
    let entries = page["entries"].as_array().expect("entries").iter();
    let one = |entry: &serde_json::Value| Some((entry["key"].as_str()?.to_owned(), entry["created_ms"].as_u64()?));
    entries.map(|entry| one(entry).expect("a key and a time")).collect()
}

#[test]
fn cache_persistent_false_leaves_nothing_behind() {
    let (home, origin) = (Home::new(), short_film());
    let server = Server::start_with_variables(&home, &[("CACHE_PERSISTENT", "false")]);
    assert_eq!(server.play(&origin.url("/a.mp4")), 200);
    let figures = server.figures();
    assert_eq!(figures["tiers"].as_array().unwrap().len(), 1, "{figures}");
    assert_eq!(figures["tiers"][0]["name"], "memory");
    server.stop("-TERM");
    assert!(!home.path("cache/volumes").exists() && !home.path("cache/sqlite").exists());
    let run = home.reelcache().envs([("CACHE_PERSISTENT", "false"), ("CACHE_BACKEND", "sqlite")]).output().unwrap();
    assert_eq!(run.status.code(), Some(2));
    assert!(stderr(&run).contains("CACHE_PERSISTENT=true"), "{}", stderr(&run));
}

#[test]
fn cache_backend_is_what_runs() {
    for (backend, durable) in [("memory", false), ("sqlite", true), ("file", true)] {
        let home = Home::new();
        let server = Server::start_with_variables(&home, &[("CACHE_BACKEND", backend)]);
        let tiers = server.figures()["tiers"].clone();
        assert_eq!((tiers[0]["name"].as_str(), tiers[0]["durable"].as_bool()), (Some(backend), Some(durable)));
        assert!(tiers.get(1).is_none());
    }
}
