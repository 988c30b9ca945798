//! Rules: opening ends in time and says what is wrong.

use std::path::Path;
use std::time::Instant;

use cache_core::{Backend, ErrorKind};
use cache_redis::{RedisBackend, RedisOptions, Start, Trust};
use cache_testkit::proxy::{Proxy, Weather};
use cache_testkit::servers::free_port;

use super::support::{BOUND, assert_outage, entry, hasty, key, recovered, timed};
use crate::servers::Redis;

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_absent_server_fails_the_opening_at_once() {
    let options = hasty(RedisOptions::single("127.0.0.1", free_port().unwrap()));
    let error = timed(RedisBackend::open(options)).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Unavailable, Some("open")));
    assert!(error.message().contains("check host and port"), "{error}");
}

#[tokio::test]
async fn a_server_that_never_answers_fails_the_opening_in_time() {
    let redis = Redis::start(&[]);
    let proxy = Proxy::to(redis.addr()).await.unwrap();
    proxy.set(Weather::Hang);
    let options = hasty(RedisOptions::single("127.0.0.1", proxy.addr().port()));
    let error = timed(RedisBackend::open(options)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
async fn a_lazy_backend_opens_without_a_server_and_finds_it_later() {
    let mut redis = Redis::start(&[]);
    redis.server.kill().unwrap();
    let backend = timed(RedisBackend::open(hasty(redis.options()).start(Start::Lazy))).await.unwrap();
    let start = Instant::now();
    for number in 0..100 {
        assert_outage(&backend.get(&key(number)).await);
    }
    assert!(start.elapsed() < BOUND, "calls without a connection wait for nothing: {:?}", start.elapsed());
    redis.start_again();
    recovered(&backend).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_shown() {
    let redis = Redis::start(&["--requirepass", "opensesame"]);
    let without = timed(RedisBackend::open(hasty(redis.options()))).await.unwrap_err();
    assert!(without.message().contains("password"), "{without:?}");
    let options = hasty(redis.options()).login("default", "hunter2");
    let error = timed(RedisBackend::open(options)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.message().contains("password") && !format!("{error:?}").contains("hunter2"), "{error:?}");
    let right = RedisBackend::open(hasty(redis.options()).login("default", "opensesame")).await.unwrap();
    assert!(!format!("{right:?}").contains("opensesame"));
}

#[tokio::test]
async fn a_user_who_may_only_touch_the_prefix_is_enough() {
    let redis = Redis::start(&[]);
    redis
        .raw()
        .say("ACL SETUSER films on >secret ~films:* +@read +@write +@scripting +@connection +info +dbsize +scan");
    let options = redis.options().login("films", "secret").prefix("films:");
    let backend = RedisBackend::open(options).await.unwrap();
    recovered(&backend).await;
    assert_eq!(backend.usage().await.unwrap().entries, 1);
    let other = RedisBackend::open(redis.options().login("films", "secret").prefix("songs:")).await.unwrap();
    let error = other.put(&key(1), entry(1, 1, 8)).await.unwrap_err();
    assert!(error.message().contains("may not do this"), "{error:?}");
}

#[tokio::test]
async fn encryption_is_verified() {
    let port = free_port().unwrap();
    let [authority, certificate, secret] = ["authority.pem", "server.pem", "server.key"].map(fixture);
    let _redis = Redis::start(&[
        "--tls-port",
        &port.to_string(),
        "--tls-ca-cert-file",
        &authority,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &secret,
        "--tls-auth-clients",
        "no",
    ]);
    let options = hasty(RedisOptions::single("localhost", port));
    let trusted = options.clone().tls(Trust::Authorities(authority.into()));
    recovered(&RedisBackend::open(trusted).await.unwrap()).await;
    // The authorities of the system do not know this one.
    let error = timed(RedisBackend::open(options.clone().tls(Trust::System))).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Invalid), "{error:?}");
    let absent = options.tls(Trust::Authorities("/nowhere.pem".into()));
    assert_eq!(RedisBackend::open(absent).await.unwrap_err().kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_socket_in_the_file_system_works() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let _redis = Redis::start(&["--unixsocket", path.to_str().unwrap()]);
    recovered(&RedisBackend::open(hasty(RedisOptions::unix(&path))).await.unwrap()).await;
}
