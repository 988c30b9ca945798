//! Which addresses are one, and which are not.

use proptest::prelude::*;

use super::*;

pub(super) fn of(url: &str) -> Canonical {
    Canonical::of(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

pub(super) fn same(urls: &[&str]) {
    for url in urls {
        assert_eq!(of(url), of(urls[0]), "{url}");
    }
}

pub(super) fn all_differ(urls: &[&str]) {
    for (at, url) in urls.iter().enumerate() {
        for other in &urls[..at] {
            assert_ne!(of(url), of(other), "{url} and {other}");
        }
    }
}

#[test]
fn every_name_of_one_video_is_one() {
    same(&[
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "http://youtube.com/watch?v=dQw4w9WgXcQ&list=PL0123456789&index=3",
        "https://m.youtube.com/watch?feature=share&v=dQw4w9WgXcQ&t=42s",
        "https://music.youtube.com/watch?v=dQw4w9WgXcQ&si=x",
        "https://youtu.be/dQw4w9WgXcQ?si=abc",
        "https://www.youtube.com/shorts/dQw4w9WgXcQ",
        "https://www.youtube.com/embed/dQw4w9WgXcQ?autoplay=1",
        "https://www.youtube-nocookie.com/embed/dQw4w9WgXcQ",
        "https://www.youtube.com/live/dQw4w9WgXcQ?feature=share",
        "https://www.youtube.com/v/dQw4w9WgXcQ",
        "HTTPS://YOUTUBE.COM:443/watch?v=dQw4w9WgXcQ#t=9",
        "youtu.be/dQw4w9WgXcQ",
        "  www.youtube.com/watch?v=dQw4w9WgXcQ\n",
    ]);
    same(&[
        "https://www.youtube.com/watch/dQw4w9WgXcQ",
        "https://gaming.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ/",
    ]);
    same(&["https://www.youtube.com/playlist?list=PL01", "https://www.youtube.com/embed/videoseries?list=PL01"]);
}

#[test]
fn words_as_long_as_a_video_are_none() {
    all_differ(&[
        "https://www.youtube.com/embed/live_stream?channel=UC_AAAAAAAAAAAAAAAAAAAAAA",
        "https://www.youtube.com/embed/live_stream?channel=UC_BBBBBBBBBBBBBBBBBBBBBB",
        "https://www.youtube.com/live/live_stream?channel=UC_AAAAAAAAAAAAAAAAAAAAAA",
        "https://www.youtube.com/live/live_stream?channel=UC_BBBBBBBBBBBBBBBBBBBBBB",
        "https://www.youtube.com/v/videoseries?list=PL01",
        "https://www.youtube.com/v/videoseries?list=PL02",
    ]);
}

#[test]
fn what_a_known_site_may_mean_otherwise_stays_apart() {
    for differing in [
        ["https://soundcloud.com/search/sounds?q=moon", "https://soundcloud.com/search/sounds?q=sun"],
        ["https://soundcloud.com/charts/top?genre=a", "https://soundcloud.com/charts/top?genre=b"],
        ["https://soundcloud.com/artist/track", "https://soundcloud.com/artist/track?x=1"],
        ["https://archive.org/details/tv?q=moon", "https://archive.org/details/tv?q=sun"],
        ["https://archive.org/download/a/b.mp4?t=1/2", "https://archive.org/download/a/b.mp4"],
        ["https://commons.wikimedia.org/wiki/File:A.webm", "https://commons.wikimedia.org/wiki/File:A.webm?oldid=1"],
        ["https://commons.wikimedia.org/wiki/File:A.webm", "https://commons.wikimedia.org/wiki/File:A.WEBM"],
        ["https://commons.wikimedia.org/wiki/File:%FF.webm", "https://commons.wikimedia.org/wiki/File:%FE.webm"],
        ["https://youtube.com/watch?v=AAAAAAAAAAA&v=BBBBBBBBBBB", "https://youtube.com/watch?v=AAAAAAAAAAA"],
        ["https://youtube.com/watch?v=AAAAAAAAAAA&v=BBBBBBBBBBB", "https://youtube.com/watch?v=BBBBBBBBBBB"],
        ["https://youtube.com/shorts/AAAAAAAAAAA?v=BBBBBBBBBBB", "https://youtube.com/shorts/AAAAAAAAAAA"],
        ["https://www.youtube.com/watch?v=AAAAAAAAAAA#/b", "https://www.youtube.com/watch?v=AAAAAAAAAAA"],
        ["https://vimeo.com/1234/settings", "https://vimeo.com/1234"],
        ["https://vimeo.com/1234/0123456789?h=0123456780", "https://vimeo.com/1234/0123456789"],
        ["https://vimeo.com/1234?h=0123456789&h=0123456780", "https://vimeo.com/1234?h=0123456789"],
        ["https://example.org../a", "https://example.org/a"],
        [
            "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&so=0&so=1",
            "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&so=0",
        ],
        [
            "magnet:?so=%FF&xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
            "magnet:?so=%FE&xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        ],
        [
            "magnet:?xt.1=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
            "magnet:?xt.1=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&xt.2=urn:btih:d12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        ],
    ] {
        all_differ(&differing);
    }
}

#[test]
fn what_looks_like_peertube_may_be_anything() {
    let page = "https://films.example/videos/watch/9c9de5e8-0a1e-484a-b099-e80766180a6d";
    let others = ["part=1", "part=2"].map(|query| format!("{page}?{query}"));
    all_differ(&[page, &others[0], &others[1], &page.replace("https", "http"), &page.replace("watch", "embed")]);
}

#[test]
fn another_port_of_a_known_site_is_another_place() {
    for url in [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ",
        "https://archive.org/details/moon",
        "https://vimeo.com/1234",
        "https://soundcloud.com/artist/track",
        "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC",
        "https://commons.wikimedia.org/wiki/File:A",
    ] {
        let (scheme, rest) = url.split_once("://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        let other = of(&format!("{scheme}://{host}:8443/{path}"));
        assert_eq!((other.source_type(), other.id().contains(":8443/")), (SourceType::Unknown, true), "{other}");
        assert_eq!(of(&format!("{scheme}://{host}:443/{path}")), of(url));
    }
}

#[test]
fn other_sites_have_one_name_for_one_thing_as_well() {
    same(&[
        "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC?si=x",
        "spotify:track:4uLU6hMCjMI75M1A2tKUQC",
        "https://open.spotify.com/intl-de/track/4uLU6hMCjMI75M1A2tKUQC",
        "https://open.spotify.com/embed/track/4uLU6hMCjMI75M1A2tKUQC",
    ]);
    same(&["https://soundcloud.com/artist/track?in=a/sets/b", "http://m.soundcloud.com/artist/track/"]);
    same(&[
        "https://vimeo.com/76979871",
        "https://player.vimeo.com/video/76979871?title=0",
        "https://vimeo.com/channels/staffpicks/76979871",
    ]);
    same(&["https://vimeo.com/76979871/0123abcdef", "https://player.vimeo.com/video/76979871?h=0123abcdef"]);
    same(&["https://archive.org/details/demo-moon-1969", "http://www.archive.org/embed/demo-moon-1969?start=9"]);
    same(&[
        "https://archive.org/download/demo-moon-1969/moon%20512kb.mp4",
        "https://archive.org/details/demo-moon-1969/moon 512kb.mp4",
    ]);
    same(&[
        "https://commons.wikimedia.org/wiki/File:Moon_landing.webm",
        "https://commons.m.wikimedia.org/wiki/File:Moon%20landing.webm?uselang=de",
        "https://commons.wikimedia.org/wiki/file:moon_landing.webm",
    ]);
    same(&[
        "magnet:?xt=urn:btih:C12FE1C06BBA254A9DC9F519B335AA7C1367A88A&dn=a&tr=http://t/secret",
        "MAGNET:?dn=b&xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "magnet:?xt=urn:btih:yex6dqdlxisuvhoj6um3gnnkpqjwpkek",
    ]);
}

#[test]
fn addresses_of_one_page_are_one() {
    same(&[
        "http://example.org/a?x=1&y=2",
        "HTTP://EXAMPLE.ORG:80/a?y=2&x=1",
        "http://example.org/b/../a?x=1&y=2#t=9",
        "http://example.org/%61?x=1&y=2&utm_source=n&UTM_Medium=m&fbclid=f&gclid=g",
        "http://example.org./a?&x=1&&y=2",
    ]);
    same(&["http://example.org/?0b=1&+a=1&%75tm_x=1", "http://example.org?+a=1&%30b=1"]);
    same(&["https://example.org/%c3%a9?q=%7e", "https://example.org/é?q=~"]);
    same(&["https://bücher.example/", "https://xn--bcher-kva.example"]);
    same(&["example.org/page", "https://example.org/page"]);
    same(&["example.org:8080/page", "https://example.org:8080/page"]);
}

#[test]
fn what_may_differ_stays_apart() {
    all_differ(&[
        "https://youtu.be/dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcq",
        "https://www.youtube.com/playlist?list=dQw4w9WgXcQ",
        "https://www.youtube.com/watch?v=short",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQxx",
        "https://www.youtube.com/channel/dQw4w9WgXcQ",
        "https://vimeo.com/76979871",
        "https://vimeo.com/76979871/0123abcdef",
        "https://soundcloud.com/artist/track",
        "https://soundcloud.com/artist/track/s-secret",
        "https://soundcloud.com/artist/track?secret_token=s-secret",
        "https://archive.org/details/a",
        "https://archive.org/details/a/b",
        "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC",
        "https://open.spotify.com/album/4uLU6hMCjMI75M1A2tKUQC",
        "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a&so=2",
    ]);
    all_differ(&[
        "http://example.org/a",
        "https://example.org/a",
        "https://example.org/a/",
        "https://example.org/A",
        "https://example.org:8443/a",
        "https://www.example.org/a",
        "https://example.org/a?x=1&x=2",
        "https://example.org/a?x=2&x=1",
        "https://example.org/a?x&y",
        "https://example.org/a?y&x",
        "https://example.org/a?x=%26y=2",
        "https://example.org/a?x=&y=2",
        "https://example.org/a%2Fb",
        "https://example.org/a/b",
        "https://example.org/",
        "https://example.org/#!/a",
        "https://example.org/#v=1",
        "https://example.org/#v=2",
        "https://example.org/#t=all",
        "https://example.org/#/b",
        "https://user@example.org/a",
        "https://other@example.org/a",
    ]);
}

#[test]
fn what_is_too_long_for_a_key_is_hashed() {
    let long = |end: &str| of(&format!("https://example.org/{}{end}", "a".repeat(2000)));
    assert_eq!(long("x").id().len(), 71);
    assert_ne!(long("x"), long("y"));
    assert_eq!(
        Canonical::of(&format!("https://example.org/{}", "a".repeat(1 << 20))).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn the_source_is_told_from_the_address() {
    for (url, source) in [
        ("https://youtu.be/dQw4w9WgXcQ", SourceType::YouTube),
        ("https://www.youtube.com/@channel", SourceType::YouTube),
        ("https://soundcloud.com/a/b", SourceType::SoundCloud),
        ("https://on.soundcloud.com/AbC", SourceType::SoundCloud),
        ("spotify:track:4uLU6hMCjMI75M1A2tKUQC", SourceType::Spotify),
        ("https://archive.org/details/x", SourceType::Archive),
        ("https://peertube.example/w/kkGMgK9ZtnKfYAgnEtQxbv", SourceType::PeerTube),
        ("https://commons.wikimedia.org/wiki/File:A.webm", SourceType::Commons),
        ("magnet:?xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a", SourceType::Magnet),
        ("https://example.org/a/b.MP4?x=1", SourceType::Direct),
        ("https://example.org/live.m3u8", SourceType::Direct),
        ("https://example.org/mp4", SourceType::Unknown),
        ("https://notyoutube.com/watch?v=dQw4w9WgXcQ", SourceType::Unknown),
        ("https://youtube.com.evil.example/watch?v=dQw4w9WgXcQ", SourceType::Unknown),
        ("two words", SourceType::Unknown),
    ] {
        assert_eq!(SourceType::of(url), source, "{url}");
    }
}

#[test]
fn what_is_no_address_of_media_is_refused() {
    for url in [
        "",
        " ",
        "word",
        "two words",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,x",
        "//host/path",
        "http://",
        "http:///",
        "ftp://example.org/a",
        "magnet:?dn=x",
        "magnet:?xt=urn:btih:short",
        "magnet:a?b=c&xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "magnet://a/?b=c&xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "magnet:?x\tt=urn:btih:d12fe1c06bba254a9dc9f519b335aa7c1367a88a&xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "magnet:?dn=a#&xt=urn:btih:c12fe1c06bba254a9dc9f519b335aa7c1367a88a",
        "spotify:track:short",
    ] {
        assert_eq!(Canonical::of(url).map_err(|error| error.kind()), Err(ErrorKind::Invalid), "{url}");
    }
}

/// Addresses as people and programs write them, and worse.
fn address() -> impl Strategy<Value = String> {
    let host =
        prop_oneof!["[a-c]{1,3}\\.(org|Example)", Just("youtube.com".to_owned()), Just("archive.org".to_owned())];
    let path = "(/([a-zA-Z~é.]|%[0-9a-fA-F]{2}|%){0,4}){0,3}";
    let query = "(\\?([a-c%é+&=;]|%[2-7][0-9a-f]|utm_x=1|v=[a-z]{3}){0,6})?";
    ("(http|HTTPS)", host, path, query, "(#[a!/]{0,2})?")
        .prop_map(|(scheme, host, path, query, fragment)| format!("{scheme}://{host}{path}{query}{fragment}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_canonical_form_of_a_canonical_form_is_itself(url in address()) {
        let once = of(&url);
        if once.id().starts_with("http") {
            prop_assert_eq!(of(once.id()), once);
        }
    }

    #[test]
    fn nothing_makes_it_panic(text in "\\PC{0,40}", url in address(), cut in 0_usize..40) {
        let _ = Canonical::of(&text);
        let _ = shown(&text);
        let _ = Canonical::of(&url.chars().take(cut).collect::<String>());
    }

    #[test]
    fn different_videos_never_collide(a in "[A-Za-z0-9_-]{11}", b in "[A-Za-z0-9_-]{11}", forms in (0_usize..5, 0_usize..5)) {
        let form = |id: &str, form| match form {
            0 => format!("https://youtu.be/{id}"),
            1 => format!("https://www.youtube.com/watch?v={id}&t=1"),
            2 => format!("https://m.youtube.com/shorts/{id}"),
            3 => format!("https://www.youtube-nocookie.com/embed/{id}"),
            _ => format!("https://music.youtube.com/watch?list=PL&v={id}"),
        };
        prop_assert_eq!(of(&form(&a, forms.0)) == of(&form(&b, forms.1)), a == b);
    }

    #[test]
    fn different_paths_and_values_never_collide(
        a in ("[a-zA-Z0-9/.~-]{0,6}", "[a-zA-Z0-9&%=+]{0,6}"),
        b in ("[a-zA-Z0-9/.~-]{0,6}", "[a-zA-Z0-9&%=+]{0,6}"),
    ) {
        let escaped = |text: &str| text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02x}"));
        let url = |(path, value): &(String, String)| format!("https://example.org/x{}?q={}", path, escaped(value));
        // Dot segments are resolved: /x/a/.. is /x/.
        prop_assume!(!a.0.contains("/.") && !b.0.contains("/."));
        prop_assert_eq!(of(&url(&a)) == of(&url(&b)), a == b);
    }
}
