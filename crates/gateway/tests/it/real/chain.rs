//! The binary over Redis and an object store.

use super::{redis, s3};
use crate::support::{Home, origin, stderr};

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
