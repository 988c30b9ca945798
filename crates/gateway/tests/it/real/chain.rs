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
