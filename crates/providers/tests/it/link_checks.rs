//! Links checked over HTTP.

use providers::http::{Fetch, HttpCheck};
use providers::{Link, LinkCheck, LinkKind, Verdict};

use crate::kit::{fast, fetch};
use crate::upstream::{Canned, Upstream};

/// What is said of a link whose head and first byte are answered so, and with which methods it was asked.
async fn verdict(head: u16, first_byte: u16) -> (Verdict, Vec<String>) {
    let upstream =
        Upstream::new(move |seen| Canned::status(if seen.method == "HEAD" { head } else { first_byte })).await;
    let verdict = HttpCheck::new(&fetch()).check(&Link::new(&upstream.url, LinkKind::Video)).await.unwrap();
    (verdict, upstream.seen().into_iter().map(|seen| seen.method).collect())
}

#[tokio::test]
async fn a_status_says_whether_a_link_works() {
    for (status, expected) in [
        (200, Verdict::Good),
        (206, Verdict::Good),
        (401, Verdict::Bad),
        (403, Verdict::Bad),
        (404, Verdict::Bad),
        (410, Verdict::Bad),
        (429, Verdict::Unknown),
        (500, Verdict::Unknown),
        (503, Verdict::Unknown),
    ] {
        assert_eq!(verdict(status, status).await.0, expected, "{status}");
    }
}

#[tokio::test]
async fn where_the_head_is_refused_the_first_byte_decides() {
    let both = ["HEAD".to_owned(), "GET".to_owned()];
    for head in [400, 401, 403, 404, 405, 410, 501] {
        assert_eq!(verdict(head, 206).await, (Verdict::Good, both.to_vec()), "{head}");
        assert_eq!(verdict(head, 403).await.0, Verdict::Bad, "{head}");
        assert_eq!(verdict(head, 500).await.0, Verdict::Unknown, "{head}");
    }
    assert_eq!(verdict(200, 403).await, (Verdict::Good, both[..1].to_vec()));
}

#[tokio::test]
async fn a_check_sends_the_headers_of_the_link_and_reads_no_body() {
    let upstream = Upstream::new(|seen| match seen.method.as_str() {
        "HEAD" => Canned::status(405),
        _ => Canned::endless(),
    })
    .await;
    let mut link = Link::new(&upstream.url, LinkKind::Video);
    link.headers.insert("referer".to_owned(), "https://example.org/".to_owned());
    link.headers.insert("host".to_owned(), "inner".to_owned());
    assert_eq!(HttpCheck::new(&fetch()).check(&link).await.unwrap(), Verdict::Good);
    let seen = &upstream.seen()[1];
    assert_eq!([seen.header("range"), seen.header("referer")], [Some("bytes=0-0"), Some("https://example.org/")]);
    assert_ne!(seen.header("host"), Some("inner"));
    assert!(upstream.sent() < 64 << 20);
}

#[tokio::test]
async fn a_host_that_wants_to_be_left_alone_is_not_checked() {
    let upstream = Upstream::new(|_| Canned::status(429).header("retry-after", "60")).await;
    let check = HttpCheck::new(&fetch());
    let link = Link::new(&upstream.url, LinkKind::Video);
    assert_eq!(check.check(&link).await.unwrap(), Verdict::Unknown);
    for _ in 0..10 {
        check.check(&link).await.unwrap_err();
    }
    assert_eq!(upstream.asked(), 1);
}

#[tokio::test]
async fn addresses_that_are_refused_and_magnet_links_are_not_asked() {
    let upstream = Upstream::new(|_| Canned::status(200)).await;
    let check = HttpCheck::new(&Fetch::new(fast().admit(|_| false)).unwrap());
    check.check(&Link::new(&upstream.url, LinkKind::Video)).await.unwrap_err();
    let magnet = Link::new("magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c", LinkKind::Torrent);
    assert_eq!(check.check(&magnet).await.unwrap(), Verdict::Unknown);
    assert_eq!(upstream.asked(), 0);
}

#[tokio::test]
async fn a_check_shows_the_headers_of_a_link_to_no_other_origin() {
    let other = Upstream::new(|_| Canned::status(200)).await;
    let to = other.url.clone();
    let upstream = Upstream::new(move |_| Canned::redirect(to.clone())).await;
    let mut link = Link::new(&upstream.url, LinkKind::Video);
    link.headers.insert("X-Emby-Token".to_owned(), "SECRET".to_owned());
    HttpCheck::new(&fetch()).check(&link).await.unwrap();
    assert_eq!(upstream.seen()[0].header("x-emby-token"), Some("SECRET"));
    assert_eq!(other.seen()[0].header("x-emby-token"), None);
}
