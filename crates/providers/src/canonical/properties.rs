//! Addresses of known sites: whatever is written, two things are one only if they are.

use proptest::prelude::*;

use super::Canonical;

fn of(url: &str) -> Canonical {
    Canonical::of(url).unwrap_or_else(|error| panic!("{url}: {error}"))
}

fn hex(bytes: impl Iterator<Item = u8>) -> String {
    bytes.fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Something on a known site, and how it is written.
#[derive(Debug, Clone, PartialEq)]
struct Named {
    site: usize,
    id: String,
    /// What else is in the identity: another file, a hash.
    more: String,
}

impl Named {
    /// One of the ways in which it is written, with parameters that say nothing.
    fn written(&self, form: usize) -> String {
        let Self { site, id, more } = self;
        let forms = match site {
            0 => [
                format!("https://youtu.be/{id}?si=x"),
                format!("http://m.youtube.com/watch?t=1&v={id}"),
                format!("https://www.youtube-nocookie.com/embed/{id}"),
                format!("https://gaming.youtube.com/watch/{id}#t=1"),
            ],
            1 => [
                format!("https://soundcloud.com/{id}/t{more}"),
                format!("https://www.soundcloud.com/{id}/t{more}/?utm_source=x"),
                format!("http://m.soundcloud.com/{id}/t{more}?in=a/sets/b"),
                format!("soundcloud.com/{id}/t{more}?si=x#t=1"),
            ],
            2 => [
                format!("https://archive.org/details/{id}/f{more}"),
                format!("http://www.archive.org/embed/{id}/f{more}?start=1"),
                format!("https://archive.org/download/{id}/f{more}"),
                format!("archive.org/details/{id}/f{more}/"),
            ],
            3 => [
                format!("https://commons.wikimedia.org/wiki/File:X{id}_{more}"),
                format!("https://commons.m.wikimedia.org/wiki/file:x{id}%20{more}"),
                format!("https://commons.wikimedia.org/wiki/File:%58{id}_{more}?uselang=de"),
                format!("http://commons.wikimedia.org/wiki/FILE:X{id}%5f{more}"),
            ],
            4 => {
                let number: String = id.bytes().map(|byte| byte.to_string()).collect();
                let (path, param) = match more.as_str() {
                    "" => (String::new(), String::new()),
                    more => {
                        let hash = hex(more.bytes());
                        (format!("/0000{hash}00"), format!("?h=0000{hash}00"))
                    }
                };
                [
                    format!("https://vimeo.com/{number}{path}"),
                    format!("https://player.vimeo.com/video/{number}{param}"),
                    format!("https://vimeo.com/{number}{param}"),
                    format!("https://vimeo.com/channels/x/{number}{param}"),
                ]
            }
            _ => {
                let id = hex(id.bytes().chain([0; 20]).take(20));
                let so = more.bytes().fold(String::new(), |all, byte| format!("{all}&so={byte}"));
                [
                    format!("magnet:?xt=urn:btih:{id}{so}"),
                    format!("MAGNET:?dn=x&xt=urn:btih:{}{so}&tr=http://t.org/y", id.to_uppercase()),
                    format!("magnet:?xt.1=urn%3Abtih%3A{id}{so}"),
                    format!("magnet:?tr=a{so}&xt=urn:btih:{id}"),
                ]
            }
        };
        forms[form % forms.len()].clone()
    }
}

fn named() -> impl Strategy<Value = Named> {
    (0_usize..6, "[aA1_-]{11}", "[bB2]{0,2}").prop_map(|(site, id, more)| {
        // One site has no more than an identifier.
        let more = if site == 0 { String::new() } else { more };
        Named { site, id, more }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5000))]

    #[test]
    fn two_things_of_known_sites_are_one_only_if_they_are(a in named(), b in named(), forms in (0_usize..4, 0_usize..4)) {
        let (one, other) = (a.written(forms.0), b.written(forms.1));
        prop_assert_eq!(of(&one) == of(&other), a == b, "{} and {}", one, other);
        prop_assert_eq!(of(&a.written(forms.0)), of(&a.written(forms.1)));
    }

    #[test]
    fn whatever_is_added_to_an_address_of_a_known_site_counts(
        plain in prop::sample::select(vec![
            "https://youtu.be/dQw4w9WgXcQ",
            "https://www.youtube.com/watch/dQw4w9WgXcQ",
            "https://www.youtube.com/embed/dQw4w9WgXcQ",
            "https://vimeo.com/1234",
            "https://player.vimeo.com/video/1234",
            "https://vimeo.com/channels/x/1234",
            "https://open.spotify.com/track/4uLU6hMCjMI75M1A2tKUQC",
            "https://soundcloud.com/artist/track",
            "https://soundcloud.com/artist/sets/name",
            "https://archive.org/details/moon",
            "https://archive.org/embed/moon/a.mp4",
            "https://archive.org/download/moon/a.mp4",
            "https://commons.wikimedia.org/wiki/File:Moon.webm",
        ]),
        segment in "[a-z0-9]{1,12}",
        // None that says where a visitor comes from: the short ones begin with an underline.
        parameter in "[A-Zq-z][A-Zq-z_]{1,2}=[a-z]{0,2}",
    ) {
        let known = of(plain);
        prop_assert_ne!(of(&format!("{plain}/{segment}")), known.clone());
        prop_assert_ne!(of(&format!("{plain}#/{segment}")), known.clone());
        prop_assert_ne!(of(&plain.replacen("://", "://x.", 1)), known.clone());
        // On the others, parameters say how something is played, but for those that name it.
        let is_named_by_path = ["soundcloud", "archive", "commons"].iter().any(|site| plain.contains(site));
        if is_named_by_path && !parameter.starts_with("si=") {
            prop_assert_ne!(of(&format!("{plain}?{parameter}")), known);
        }
    }
}
