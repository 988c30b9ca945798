//! The binary over Redis and an object store.

use serde_json::json;

use super::{redis, s3};
use crate::site::{Page, Site};
use crate::support::{Home, Server, origin, stderr};
use crate::web::{archive, get, serving};

#[test]
fn what_one_machine_made_another_finds_in_the_nearest_shared_tier() {
    let (one, other) = (Home::new(), Home::new());
    let clip = one.clip("clip.mp4", 1);
    let (redis, s3) = (redis(), s3());
    let process = |home: &Home, tiers: &str| {
        let mut command = home.reelcache();
        command.env("CACHE_TIERS", tiers).env("CACHE_REDIS_URL", &redis).env("CACHE_S3_URL", &s3);
        let run = command.arg("process").arg(&clip).output().unwrap();
        assert!(run.status.success(), "{}", stderr(&run));
        assert!(!stderr(&run).contains("SK"), "no secrets: {}", stderr(&run));
        origin(&run, "keyframes", 0)
    };
    assert_eq!(process(&one, "memory,file,redis,s3"), "loaded");
    assert_eq!(process(&other, "memory,redis,s3"), "redis");
    assert_eq!(process(&other, "s3"), "s3");
    assert_eq!(process(&one, "memory,file"), "file");
}

#[test]
fn row_13_a_server_over_redis_alone_says_so_and_keeps_its_links_there() {
    let (redis, site) = (redis(), Site::new());
    let film =
        json!({"files": [{"name": "a.mp4", "format": "MPEG4"}], "metadata": {"identifier": "moon", "title": "Moon"}});
    site.says("/metadata/moon", Page::json(&film));
    let settings = [("CACHE_BACKEND", "redis"), ("CACHE_REDIS_URL", &*redis)];
    let links = |server: &Server| {
        let answer = get(server, "/get-videos?provider=films&url=https://archive.org/details/moon");
        assert_eq!(answer.json()["results"][0]["url"], site.url("/download/moon/a.mp4"));
        answer.header("cache-status").expect("what the cache did").to_owned()
    };
    let (one, other) = (Home::new(), Home::new());
    let server = serving(&one, &archive("films", &site), &settings);
    let tiers = server.figures()["tiers"].clone();
    assert_eq!((tiers.as_array().map(Vec::len), &tiers[0]["name"]), (Some(1), &"redis".into()), "{tiers}");
    assert!(links(&server).contains("fwd=miss; stored"));
    assert_eq!(server.stop("-TERM").0, Some(0));
    assert!(!one.path("cache/volumes").exists() && !one.path("cache/sqlite").exists());
    // Another machine.
    let server = serving(&other, &archive("films", &site), &settings);
    let status = links(&server);
    assert!(status.contains("detail=\"redis\"") && site.asked("/metadata/moon") == 1, "{status}");
}

#[test]
fn trust_25_what_others_wrote_into_redis_is_not_believed() {
    let home = Home::new();
    let (clip, redis) = (home.clip("clip.mp4", 1), redis());
    let process = |key: Option<&str>| {
        let mut command = home.reelcache();
        command.env("CACHE_TIERS", "redis").env("CACHE_REDIS_URL", &redis);
        command.envs(key.map(|key| ("CACHE_SIGNING_KEY", key)));
        origin(&command.arg("process").arg(&clip).output().unwrap(), "keyframes", 0)
    };
    let ours = Some("0123456789abcdef0123456789abcdef");
    assert_eq!([process(None), process(None)], ["loaded", "redis"]);
    assert_eq!([process(ours), process(ours)], ["loaded", "redis"]);
}
