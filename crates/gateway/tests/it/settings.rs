//! Settings that the user's documents name, each seen at work in a running server.

use std::time::Duration;

use super::origin::Origin;
use super::support::{Home, Server, origin, stderr};

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

#[test]
fn the_policy_is_chosen_by_name() {
    let (home, clip) = (Home::new(), Home::new());
    let clip = clip.clip("clip.mp4", 1);
    for policy in ["fifo", "lru", "gdsf"] {
        let run = home.reelcache().args(["process", "--policy", policy]).arg(&clip).output().unwrap();
        assert!(run.status.success(), "{policy}: {}", stderr(&run));
        origin(&run, "keyframes", 0);
    }
}
