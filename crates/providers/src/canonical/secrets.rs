//! What of an address is secret, and shown by nothing.

use super::tests::{all_differ, of, same};
use super::*;

#[test]
fn a_fragment_that_may_name_or_open_something_counts_and_is_not_shown() {
    all_differ(&[
        "https://mega.nz/file/AbCdEfGh",
        "https://mega.nz/file/AbCdEfGh#one-key",
        "https://mega.nz/file/AbCdEfGh#other-key",
    ]);
    assert!(!of("https://mega.nz/file/AbCdEfGh#one-key").id().contains("one-key"));
    same(&[
        "https://tube.example/p",
        "https://tube.example/p#",
        "https://tube.example/p#t=npt:10,20",
        "https://tube.example/p#t=1m30s",
    ]);
    same(&["https://tube.example/p?a=1&b=2#v=%61", "https://tube.example/p?b=2&a=1#v=a"]);
}

#[test]
fn what_looks_like_a_hash_is_not_what_was_hashed() {
    let secret = of("https://archive.org/download/mine/film.mp4?token=SECRETSECRETSECRET");
    let long = of(&format!("https://archive.org/details/{}", "a".repeat(2000)));
    for hashed in [secret, long] {
        assert!(hashed.id().starts_with(HASH));
        assert_ne!(hashed, of(&format!("https://archive.org/details/{}", hashed.id())));
        assert_ne!(hashed.id(), Canonical::of_id(hashed.id()).unwrap().id());
    }
}

#[test]
fn a_signed_address_keeps_every_byte_and_shows_none() {
    let signed = "https://b.s3.amazonaws.com/k.mp4?X-Amz-Expires=60&X-Amz-Date=20260714T030000Z&X-Amz-Signature=00";
    let turned = "https://b.s3.amazonaws.com/k.mp4?X-Amz-Date=20260714T030000Z&X-Amz-Expires=60&X-Amz-Signature=00";
    all_differ(&[signed, turned, &format!("{signed}&utm_source=x")]);
    let secret = of("https://user:hunter2@example.org/film.mkv");
    for canonical in [of(signed), secret] {
        assert_eq!(canonical.source_type(), SourceType::Direct);
        assert!(canonical.id().starts_with("blake3-") && canonical.id().len() == 71, "{canonical}");
    }
}

#[test]
fn no_identity_shows_a_secret() {
    for url in [
        "https://x.org/v?access_token=s3cret",
        "https://x.org/v?api%5Fkey=s3cret",
        "https://x.org/v?jwt=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3ODQwMDM2MDB9.s3cret",
        "https://x.org/v?__token__=exp=1784003600~hmac=s3cret",
        "https://x.org/videoplayback/expire/1784021600/sig/s3cret/f.mp4",
        "https://x.org/hls/exp=1784003600~acl=/*~hmac=s3cret/master.m3u8",
        "https://x.org/app#/film?access_token=s3cret",
        "https://soundcloud.com/artist/track?secret_token=s3cret",
        "https://soundcloud.com/artist/track/s-s3cret",
        "https://m.soundcloud.com/artist/sets/name/s-s3cret?in=a",
        "https://x.org/app#access_token=s3cret",
    ] {
        let (one, other) = (of(url), of(&url.replace("s3cret", "s4cret")));
        assert!(one.id().starts_with("blake3-") && one != other, "{one}");
    }
    assert!(!of("https://vimeo.com/76979871/0123abcdef").id().contains("0123abcdef"));
    assert_eq!(shown("https://vimeo.com/76979871/0123abcdef"), "https://vimeo.com/76979871/…");
}

#[test]
fn what_is_shown_has_no_secrets() {
    assert_eq!(shown("https://u:p@h.example/a?sig=x#y"), "https://h.example/a?…");
    assert_eq!(shown(&format!("https://h.example/{}/f.mp4", "s".repeat(65))), "https://h.example/…/f.mp4");
    assert_eq!(shown("https://SoundCloud.com:443/artist/track/s-s3cret"), "https://SoundCloud.com:443/artist/track/…");
    assert_eq!(shown("soundcloud.com/artist/track/s-s3cret"), "soundcloud.com/artist/track/…");
    assert_eq!(shown("https://h.example/s-bahn"), "https://h.example/s-bahn");
    assert_eq!(shown("https://h.example/sig/s3cret/exp=1~hmac=s3cret/f.mp4"), "https://h.example/sig/…/…/f.mp4");
}

#[test]
fn routes_in_a_signed_page_are_told_apart() {
    let feed = "https://example.org/feed?token=A";
    assert!(of(feed).id().starts_with("blake3-"));
    all_differ(&[feed, &format!("{feed}#/episode/1"), &format!("{feed}#/episode/2")]);
    assert_eq!(of(feed), of(&format!("{feed}#t=9")));
}
