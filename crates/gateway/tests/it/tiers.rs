//! Tiers as the user names them: what is reported is what runs.

use std::path::Path;
use std::process::Output;

use super::origin::Origin;
use super::support::{Home, Server, origin, stderr, stdout};

fn process(home: &Home, tiers: &[&str], clip: &Path) -> Output {
    home.reelcache().args(tiers).arg("process").arg(clip).output().expect("the binary runs")
}

#[test]
fn sqlite_keeps_what_the_next_process_finds() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let first = process(&home, &["--tiers", "memory,sqlite"], &clip);
    assert_eq!(origin(&first, "keyframes", 0), "loaded", "{}", stderr(&first));
    assert_eq!(origin(&process(&home, &["--backend", "sqlite"], &clip), "keyframes", 0), "sqlite");
    assert!(home.path("cache/sqlite/cache.db").exists());
}

#[test]
fn memory_alone_writes_nothing() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let run = home.reelcache().env("CACHE_BACKEND", "memory").arg("process").args([&clip, &clip]).output().unwrap();
    assert_eq!(origin(&run, "keyframes", 1), "memory", "{}", stdout(&run));
    let kept: Vec<_> = std::fs::read_dir(home.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(kept, ["clip.mp4"]);
}

#[test]
fn an_object_store_may_be_a_directory() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let url = format!("file://{}", home.path("objects").display());
    let tiers = ["--tiers", "memory,s3", "--s3", &url];
    assert_eq!(origin(&process(&home, &tiers, &clip), "keyframes", 0), "loaded");
    assert_eq!(origin(&process(&home, &tiers, &clip), "keyframes", 0), "s3");
}

#[test]
fn a_redis_that_is_away_is_no_reason_to_fail() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    let away = format!("redis://127.0.0.1:{}", cache_testkit::servers::free_port().unwrap());
    let mut command = home.reelcache();
    let run = command.args(["--tiers", "memory,file,redis", "--redis", &away, "process"]).args([&clip, &clip]).output();
    let run = run.unwrap();
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(origin(&run, "keyframes", 1), "memory");
    // What it made is kept where there is room.
    assert_eq!(origin(&home.process(&clip), "keyframes", 0), "file");
}

#[test]
fn a_server_whose_deepest_tier_is_away_is_found_and_tells_of_the_others() {
    let (home, film) = (Home::new(), Origin::of(vec![7; 100_000]));
    let away = format!("redis://127.0.0.1:{}", cache_testkit::servers::free_port().unwrap());
    let tiers = [("CACHE_TIERS", "memory,file,redis"), ("CACHE_REDIS_URL", &*away)];
    let server = Server::start_with_variables(&home, &tiers);
    assert_eq!(server.play(&film.url("/a.mp4")), 200);
    let figures = server.figures();
    assert!(figures["size"].is_null() && figures["tiers"][2]["usage"].is_null(), "{figures}");
    assert!(figures["tiers"][1]["usage"]["entries"].is_u64(), "{figures}");
    assert!(server.ask("/api/cache-config", "localhost").starts_with("HTTP/1.1 200"));
    for command in ["stats", "doctor"] {
        let run = home.reelcache().arg(command).output().unwrap();
        assert!(stdout(&run).contains("redis") && !stderr(&run).contains("in use"), "{command}: {}", stderr(&run));
    }
}

#[test]
fn a_flag_wins_over_the_environment() {
    let home = Home::new();
    let clip = home.clip("clip.mp4", 1);
    for (variable, value, flag) in
        [("CACHE_TIERS", "file", ["--backend", "memory"]), ("CACHE_BACKEND", "file", ["--tiers", "memory"])]
    {
        let run =
            home.reelcache().env(variable, value).args(flag).arg("process").args([&clip, &clip]).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        assert_eq!(origin(&run, "keyframes", 1), "memory");
    }
    assert!(!home.path("cache").exists());
    let mut command = home.reelcache();
    let run =
        command.env("CACHE_TIERS", "memory").env("CACHE_BACKEND", "memory").args(["process", "none.mp4"]).output();
    let run = run.unwrap();
    assert_eq!((run.status.code(), stderr(&run).contains("both set")), (Some(2), true), "{}", stderr(&run));
}

#[test]
fn nonsense_is_a_usage_error_that_keeps_secrets() {
    let home = Home::new();
    let cases: [(&[&str], &str); 5] = [
        (&["--tiers", "memory,disk"], "memory, file, sqlite, redis, s3"),
        (&["--tiers", "file,file"], "twice"),
        (&["--backend", "s3"], "CACHE_S3_URL"),
        (&["--backend", "redis", "--redis", "http://:hush@host"], "redis"),
        (&["--backend", "s3", "--s3", "ftp://host/x?secret_access_key=hush"], "s3"),
    ];
    for (args, named) in cases {
        let run = home.reelcache().args(args).args(["process", "clip.mp4"]).output().unwrap();
        assert_eq!(run.status.code(), Some(2), "{args:?}: {}", stderr(&run));
        assert!(stderr(&run).contains(named) && !stderr(&run).contains("hush"), "{args:?}: {}", stderr(&run));
    }
}
