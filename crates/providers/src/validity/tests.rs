//! Ends of links, collected and made up.

use std::time::Instant;

use cache_core::HOUR;
use proptest::prelude::*;
use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
struct Vector {
    url: String,
    expires: Option<u64>,
    #[serde(default)]
    bound: Option<String>,
}

/// Parameters of an end in seconds or milliseconds.
const NAMES: [&str; 5] = ["expires", "exp", "EXPIRY", "e", "expire"];
const NOW: Timestamp = Timestamp::from_millis(1_784_000_000_000);

fn seconds(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn ends(url: &str) -> Timestamp {
    link_validity(url, &[], None, NOW).ends()
}

#[test]
fn every_collected_link_ends_when_it_should() {
    let vectors: Vec<Vector> =
        serde_json::from_str(include_str!("../../tests/fixtures/url_expiry_vectors.json")).unwrap();
    assert!(vectors.len() >= 18);
    for vector in vectors {
        let now = vector.expires.map_or(NOW, |end| seconds(end - 900));
        let validity = link_validity(&vector.url, &[], None, now);
        let expected = vector.expires.map_or(Timestamp::NEVER, seconds);
        // Some tell milliseconds.
        let found = validity.ends();
        assert!(found == expected || found.since(expected) < Duration::from_secs(1), "{vector:?}: {found:?}");
        let address = bound_address(&vector.url);
        assert_eq!(address.as_deref(), (vector.bound.as_deref() == Some("ip")).then_some("203.0.113.7"), "{vector:?}");
    }
}

#[test]
fn links_of_other_schemes_end_when_they_should() {
    for url in [
        "https://cdn.example/f.mp4?hdnea=exp=1784003600~acl=%2f*~hmac=00",
        "https://cdn.example/f.mp4?hdntl=exp%3D1784003600~acl%3D%2F*~hmac%3D00",
        "https://cdn.example/exp=1784003600~acl=%2Fa~hmac=00/f.mp4",
        "https://cdn.example/bcdn_token=abc&expires=1784003600&token_path=%2F/f.m3u8",
        "https://cdn.example/f.mp4?md5=abc&expires=1784003600",
        "https://cdn.example/f.mp4?EXPIRES=1784003600&SIGNATURE=abc",
        "https://cdn.example/f.mp4?auth_key=1784003600-0-0-b1d5781111d84f7b3fe45a0852e59758",
        "https://cdn.example/f.mp4?token=1784003600_b1d5781111d84f7b3fe45a0852e59758cd7a87e5",
        "https://cdn.example/f.mp4?txSecret=abc&txTime=6a55bc10",
        "https://cdn.example/f.mp4?q-sign-time=1784000000;1784003600&q-signature=00",
        "https://cdn.example/f.mp4?wowzatokenendtime=1784003600&wowzatokenhash=x",
        "https://scontent.example/v.mp4?oh=00&oe=6A55BC10",
        "https://b.oss.example/k?OSSAccessKeyId=A&Expires=1784003600&Signature=I",
        "https://b.tos.example/k?X-Tos-Date=20260714T030000Z&X-Tos-Expires=5600&X-Tos-Signature=00",
        "https://storage.googleapis.com/b/k?GoogleAccessId=a&Expires=1784003600&Signature=x",
        "https://a.example/f.mp4?expires=1784003600&sig=x&expire=1784009999#exp=1",
        "https://a.example/f.mp4?expires_at=2026-07-14T04%3A33%3A20Z&hmac=x",
        "https://a.example/eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3ODQwMDM2MDB9.c2ln/f.m3u8",
        // The claims {"exp":"1784003600"} and {"typ":"exp","exp":1784003600}.
        "https://a.example/f?t=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOiIxNzg0MDAzNjAwIn0.c2lnbmF0dXJl",
        "https://a.example/f?t=eyJhbGciOiJIUzI1NiJ9.eyJ0eXAiOiJleHAiLCJleHAiOjE3ODQwMDM2MDB9.c2lnbmF0dXJl",
        "https://upos.example/3.m4s?e=ig8euxZM2rNcNbdlhoNv&deadline=1784003600&upsig=3f2a8c9d1b7e4f60&uparams=e,deadline",
        "https://usher.example/a.m3u8?sig=9f8e7d6c5b4a&token=%7B%22channel%22%3A%22a%22%2C%22expires%22%3A1784003600%7D",
    ] {
        assert_eq!(ends(url), seconds(1_784_003_600), "{url}");
    }
}

#[test]
fn a_link_of_many_parameters_takes_time_that_grows_with_them() {
    let took = |many: usize| {
        let url = format!("https://x.org/a?sig=0123456789abcdef{}", "&ex=1&x-a-expires=1".repeat(many));
        let begun = Instant::now();
        ends(&url);
        begun.elapsed()
    };
    let (few, many) = (took(2_500), took(40_000));
    // Sixteen times as many; each looking at each would take 256 times as long.
    assert!(many < few * 64 + Duration::from_millis(200), "{few:?}, then {many:?}");
}

#[test]
fn what_names_no_end_lasts() {
    for url in [
        "https://cdn.example/f.mp4",
        "https://cdn.example/f.mp4?expires=1784003600",
        "https://cdn.example/f.mp4?expires=1784003600#sig=x",
        "https://cdn.example/f.mp4?sig=x&expires=",
        "https://cdn.example/f.mp4?sig=x&expires=99999999999999999999999",
        "https://cdn.example/f.mp4?sig=x&expires=-1784003600",
        "https://cdn.example/f.mp4?sig=x&expires=12",
        "https://cdn.example/expire/1784003600/f.mp4",
        "https://cdn.example/f.mp4?token=a.b.c&policy=*",
        "https://cdn.example/uploads/1783996400_funnycatvideo/film.mp4",
        "https://cdn.example/1784003600-0-0-b1d5781111d84f7b3fe45a0852e59758/film.mp4",
        "https://cdn.example/film.mp4?v=1783996400-deadbeef",
        "https://cdn.example/film.mp4?v=1783996400-deadbeef&sig=x",
        "not an address at all",
    ] {
        assert_eq!(ends(url), Timestamp::NEVER, "{url}");
    }
}

#[test]
fn the_earliest_of_all_that_is_told_counts() {
    let url = "https://cdn.example/f.mp4?sig=x&expires=1784003600";
    let validity = |headers: &[(&str, &str)], told| link_validity(url, headers, told, NOW).ends();
    assert_eq!(validity(&[("cache-control", "max-age=60")], None), seconds(1_784_000_060));
    assert_eq!(validity(&[("cache-control", "max-age=86400")], None), seconds(1_784_003_600));
    assert_eq!(validity(&[], Some(seconds(1_784_000_100))), seconds(1_784_000_100));
    assert_eq!(validity(&[], Some(Timestamp::NEVER)), seconds(1_784_003_600));
}

#[test]
fn what_must_not_be_stored_is_handed_out_once() {
    let validity = link_validity("https://cdn.example/f.mp4", &[("Cache-Control", "no-store")], None, NOW);
    assert_eq!((validity.until(), validity.ends()), (NOW, Timestamp::NEVER));
}

#[test]
fn the_margin_is_a_tenth_within_bounds() {
    for (lasts, margin) in [(60, 30), (300, 30), (3600, 360), (18_000, 1800), (604_800, 1800)] {
        let end = NOW.after(Duration::from_secs(lasts));
        let validity = Validity::ending(end, NOW);
        assert_eq!(end.since(validity.until()), Duration::from_secs(margin), "{lasts}");
    }
    assert_eq!(Validity::ending(Timestamp::NEVER, NOW), Validity::FOREVER);
    let end = NOW.after(6 * HOUR);
    assert_eq!(Validity::ending(end, NOW).with_margin(2 * HOUR).until(), NOW.after(4 * HOUR));
    assert_eq!(Validity::ending(end, NOW).with_margin(Duration::ZERO), Validity::ending(end, NOW));
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 1_783_000_000_u64..1_790_000_000, 0_u64..10_000]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_link_is_never_handed_out_past_any_end_that_counts(
        ends in prop::collection::vec((0_usize..NAMES.len(), number()), 0..4),
        told in prop::option::of(number()),
        max_age in prop::option::of(0_u64..100_000),
    ) {
        let query: Vec<String> = ends.iter().map(|(name, end)| format!("{}={end}", NAMES[*name])).collect();
        let url = format!("https://cdn.example/f.mp4?sig=x&{}", query.join("&"));
        let age = max_age.map(|age| format!("max-age={age}"));
        let headers: Vec<(&str, &str)> = age.iter().map(|age| ("cache-control", age.as_str())).collect();
        let told = told.map(|told| Timestamp::from_millis(told.saturating_mul(1000)));
        let validity = link_validity(&url, &headers, told, NOW);
        prop_assert!(validity.until() <= validity.ends());
        for (_, end) in &ends {
            let end = if *end < 100_000_000_000 { end * 1000 } else { *end };
            let end = Timestamp::from_millis(end);
            if is_plausible(end, NOW) {
                prop_assert!(validity.ends() <= end && validity.until() < end);
            }
        }
        if let Some(told) = told {
            prop_assert!(validity.ends() <= told);
        }
        if let Some(age) = max_age {
            prop_assert!(validity.until() <= NOW.after(Duration::from_secs(age)));
        }
    }

    #[test]
    fn nothing_makes_it_panic(url in "\\PC{0,60}", name in "\\PC{0,12}", value in "\\PC{0,24}") {
        let _ = link_validity(&url, &[(&name, &value), ("expires", &value), ("cache-control", &value)], None, NOW);
        let _ = link_validity(&format!("https://a/{value}?sig=x&exp={value}&policy={value}&ex={value}&hm=1"), &[], None, NOW);
        let _ = bound_address(&url);
    }

    #[test]
    fn it_is_absolute(end in 1_784_000_100_u64..1_784_100_000, later in 0_u64..50) {
        let url = format!("https://cdn.example/f.mp4?sig=x&expires={end}");
        let now = NOW.after(Duration::from_secs(later));
        prop_assert_eq!(link_validity(&url, &[], None, now).ends(), ends(&url));
    }
}
