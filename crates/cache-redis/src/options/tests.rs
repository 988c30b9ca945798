//! Tests of the options.

use super::*;
use cache_core::ErrorKind;

fn options(url: &str) -> RedisOptions {
    RedisOptions::from_url(url).unwrap()
}

#[test]
fn a_url_names_every_kind_of_server() {
    assert_eq!(options("redis://h").address, Address::Single(("h".into(), 6379)));
    assert_eq!(options("valkey://h:1").address, Address::Single(("h".into(), 1)));
    let cluster = options("redis-cluster://a:1?node=b:2").address;
    assert!(matches!(cluster, Address::Cluster(nodes) if nodes.len() == 2));
    let sentinel = options("redis-sentinel://a:1/3?sentinelServiceName=films&sentinelPassword=x");
    assert!(matches!(sentinel.address, Address::Sentinel { service, password: Some(_), .. } if service == "films"));
    assert_eq!(sentinel.database, Some(3));
    assert_eq!(options("redis+unix:///run/redis.sock").address, Address::Unix("/run/redis.sock".into()));
}

#[test]
fn a_url_carries_login_prefix_and_encryption() {
    let options = options("rediss://me:p%40ss@h:1/2?prefix=a%3Ab:");
    assert_eq!((options.user.as_deref(), options.password.as_deref()), (Some("me"), Some("p@ss")));
    assert_eq!((&*options.prefix, options.database, options.tls), ("a:b:", Some(2), Some(Trust::System)));
}

#[test]
fn a_wrong_url_is_invalid_and_not_repeated() {
    for url in [
        "",
        "http://h",
        "redis://user:secret@",
        "redis://:secret@h:99999",
        "redis-sentinel://:secret@h:1",
        "redisx://secret",
    ] {
        let error = RedisOptions::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn the_other_name_of_a_scheme_is_left_alone_in_the_rest_of_a_url() {
    let host = |url| match options(url).address {
        Address::Single((host, _)) => host,
        other => panic!("{other:?}"),
    };
    assert_eq!(host("rediss://my-valkeys.example"), "my-valkeys.example");
    assert_eq!(host("valkeys://rediss.example"), "rediss.example");
    assert_eq!(host("redis://rediss"), "rediss");
    assert_eq!(options("rediss://me:valkeys@h").password.as_deref(), Some("valkeys"));
}

#[test]
fn an_option_that_is_none_is_invalid_and_the_error_lists_those_that_are() {
    let refusals = [
        ("redis://h?prefx=secret:", "prefix"),
        ("redis://h?prefix=a:&node=secret:1", "prefix"),
        ("redis+unix:///run/redis.sock?secret", "prefix"),
        ("redis-cluster://h?node=b:1&timeout=secret", "node, prefix"),
        ("redis-sentinel://h?sentinelServiceName=a&sentinelPasswort=secret", "sentinelUsername, sentinelPassword"),
    ];
    for (url, known) in refusals {
        let error = RedisOptions::from_url(url).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
        assert!(error.message().contains(known) && !error.message().contains("secret"), "{error}");
    }
    assert_eq!(
        &*options("redis-sentinel://h?sentinelServiceName=a&sentinelUsername=b&prefix=c:&node=d:1").prefix,
        "c:"
    );
}

#[test]
fn no_secret_is_shown() {
    let options = options("redis-sentinel://me:secret@a:1?sentinelServiceName=films&sentinelPassword=secret");
    assert!(!format!("{options:?}").contains("secret"), "{options:?}");
}

#[test]
fn options_out_of_range_are_invalid() {
    let good = RedisOptions::single("h", 1);
    assert!(good.validate().is_ok());
    let bad = [
        good.clone().prefix(""),
        good.clone().max_body(u64::MAX),
        good.clone().connections(0),
        good.clone().command_timeout(Duration::ZERO),
        good.clone().in_flight_bytes(0),
        RedisOptions::cluster([]),
    ];
    for options in bad {
        assert_eq!(options.validate().unwrap_err().kind(), ErrorKind::Invalid, "{options:?}");
    }
}
