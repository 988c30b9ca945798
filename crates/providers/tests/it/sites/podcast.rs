//! Podcasts.

use std::time::Duration;

use cache_testkit::{MemoryRise, alone};
use providers::{Extent, LinkKind, Podcast, Provider, Reason, SearchQuery};
use tokio::task::spawn_blocking;

use super::{links, links_of, reason};
use crate::kit::{fetch, fixture};
use crate::upstream::{Canned, Upstream};

async fn site() -> (Upstream, Podcast) {
    let upstream = Upstream::new(|seen| match seen.path() {
        "/search" => Canned::bytes("text/javascript; charset=utf-8", fixture("itunes_search.json")),
        _ => Canned::bytes("application/rss+xml", fixture("podcast.xml")),
    })
    .await;
    let podcast = Podcast::new(&fetch()).at(&upstream.url).unwrap();
    (upstream, podcast)
}

/// The links of a feed whose channel has `xml` in it.
async fn feed(xml: &str) -> cache_core::Result<providers::Links> {
    let (upstream, podcast) = site().await;
    let xml = format!("<rss version=\"2.0\"><channel><title>T</title>{xml}</channel></rss>");
    upstream.answers(move |_| Canned::bytes("text/xml", xml.clone()));
    links(&podcast, &format!("{}/rss", upstream.url)).await
}

#[tokio::test]
async fn a_search_finds_feeds_in_the_directory() {
    let (upstream, podcast) = site().await;
    let page = podcast.search(&SearchQuery::new("demo cast").limit(3).param("country", "DE")).await.unwrap();
    assert_eq!(
        (page.results[0].title.as_str(), page.results[0].url.as_str()),
        ("Demo Cast", "https://pod.example/rss")
    );
    assert_eq!(page.results[0].creator.as_deref(), Some("Demo"));
    let seen = &upstream.seen()[0];
    assert_eq!([seen.param("term"), seen.param("country")], [Some("demo cast".to_owned()), Some("DE".to_owned())]);
    upstream.answers(|_| Canned::json(r#"{"results":[{"collectionName":"no feed"},{"feedUrl":"https://x.org/"}]}"#));
    assert_eq!(podcast.search(&SearchQuery::new("a")).await.unwrap().results.len(), 1);
}

#[tokio::test]
async fn a_feed_is_a_list_of_episodes_and_each_has_its_enclosure_and_alternatives() {
    let (upstream, podcast) = site().await;
    let show = links(&podcast, &format!("{}/rss?show=1", upstream.url)).await.unwrap();
    assert_eq!(show.title.as_deref(), Some("Demo Cast"));
    assert_eq!(show.entries.len(), 1, "one without an enclosure is none");
    assert_eq!(show.entries[0].url, format!("{}/rss?show=1#/episode/ep-1", upstream.url));
    assert_eq!(show.entries[0].duration, Some(Duration::from_secs(3723)));
    let episode = links(&podcast, &show.entries[0].url).await.unwrap();
    let found: Vec<_> = episode.links.iter().map(|link| (link.url.as_str(), link.kind, link.bytes)).collect();
    assert_eq!(
        found,
        [
            ("https://pod.example/ep1.mp3?ref=a&b=c", LinkKind::Audio, Some(43_200_000)),
            ("https://pod.example/ep1.opus", LinkKind::Audio, Some(32_400_000)),
            ("https://pod.example/ep1.torrent", LinkKind::Torrent, None),
        ]
    );
    assert_eq!(episode.links[1].quality.bit_rate, Some(96_000));
    assert_eq!((episode.title.as_deref(), episode.creator.as_deref()), (Some("Episode 1"), Some("Demo Cast")));
    assert_eq!(upstream.seen()[1].target, "/rss?show=1", "the route stays here");
    let gone = links(&podcast, &format!("{}/rss#/episode/ep-2", upstream.url)).await.unwrap_err();
    assert_eq!(reason(&gone), Reason::NotFound);
}

#[tokio::test]
async fn feeds_are_read_as_people_write_them() {
    let found = feed(
        "<item><title><![CDATA[A & B]]> &amp; C &#8211; &eacute;</title><itunes:duration>61</itunes:duration>\
         <enclosure url=' https://x.org/a.mp3 ' length='0' type=''/></item>\
         <item><title/><guid>  g/1 ?#  </guid><enclosure length='5' url='https://x.org/b.mp3'></enclosure></item>\
         <item><enclosure/></item>",
    )
    .await
    .unwrap();
    assert_eq!(found.entries.len(), 2);
    assert_eq!(found.entries[0].title.as_deref(), Some("A & B & C – &eacute;"));
    assert_eq!(found.entries[0].duration, Some(Duration::from_secs(61)));
    assert!(found.entries[0].url.ends_with("/rss#/episode/https%3A%2F%2Fx.org%2Fa.mp3"), "{}", found.entries[0].url);
    assert!(found.entries[1].url.ends_with("/rss#/episode/g%2F1%20%3F%23"), "{}", found.entries[1].url);
}

#[tokio::test]
async fn addresses_with_spaces_are_mended_and_those_of_other_schemes_left_out() {
    let (upstream, podcast) = site().await;
    upstream.answers(|_| {
        let item = "<item><guid>a</guid><enclosure url='https://x.org/My Show.mp3'/><podcast:alternateEnclosure type='audio/mpeg'>\
                    <podcast:source uri='ipfs://x'/></podcast:alternateEnclosure></item>";
        Canned::bytes("text/xml", format!("<rss><channel>{item}</channel></rss>"))
    });
    let found = links(&podcast, &format!("{}/rss#/episode/a", upstream.url)).await.unwrap();
    let urls: Vec<_> = found.links.iter().map(|link| link.url.as_str()).collect();
    assert_eq!(urls, ["https://x.org/My%20Show.mp3"]);
}

#[tokio::test]
async fn what_is_no_feed_is_an_error() {
    let (upstream, podcast) = site().await;
    let url = format!("{}/rss", upstream.url);
    let whole = fixture("podcast.xml");
    let bomb =
        "<!DOCTYPE r [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><rss><channel><title>&b;</title></channel></rss>";
    for (answer, expected) in [
        (Canned::bytes("application/xml", &whole.as_bytes()[..whole.len() / 2]), Reason::Malformed),
        (Canned::bytes("application/xml", whole.split_inclusive("</item>").next().unwrap()), Reason::Malformed),
        (Canned::bytes("application/xml", "<html><body/></html>"), Reason::Malformed),
        (Canned::bytes("application/xml", "<rss><channel></rss>"), Reason::Malformed),
        (Canned::bytes("application/xml", "<a>".repeat(100_000)), Reason::Malformed),
        (Canned::bytes("application/xml", ""), Reason::Malformed),
        (Canned::bytes("text/html", "<html>log in</html>"), Reason::Malformed),
        (Canned::json("{}"), Reason::Malformed),
        (Canned::bytes("application/xml", " ".repeat(9 << 20)), Reason::TooLarge),
        (Canned::status(500), Reason::Unavailable),
    ] {
        upstream.answers(move |_| answer.clone());
        let error = links(&podcast, &url).await.unwrap_err();
        assert_eq!(reason(&error), expected, "{error}");
    }
    upstream.answers(move |_| Canned::bytes("application/xml", bomb));
    assert_eq!(links(&podcast, &url).await.unwrap().title.as_deref(), Some("&b;"), "entities are not resolved");
    assert_eq!(reason(&links_of(&podcast, "x").await.unwrap_err()), Reason::Unsupported);
}

#[tokio::test]
async fn a_feed_that_is_too_long_is_cut_and_says_so() {
    let found = feed(&"<item><enclosure url='https://x.org/a.mp3'/></item>".repeat(10_001)).await.unwrap();
    assert_eq!((found.entries.len(), found.extent), (10_000, Extent::Partial));
}

#[tokio::test]
async fn a_feed_takes_memory_as_its_length_whatever_is_said_of_many_sources_at_once() {
    let test = "sites::podcast::a_feed_takes_memory_as_its_length_whatever_is_said_of_many_sources_at_once";
    if let Some(run) = spawn_blocking(|| alone(test)).await.unwrap().unwrap() {
        assert!(run.status.success(), "{run:?}");
        return;
    }
    let item = |title: usize, sources: usize| {
        let (title, sources) = ("t".repeat(title), "<podcast:source uri='a:b'/>".repeat(sources));
        format!("<item><podcast:alternateEnclosure title='{title}'>{sources}</podcast:alternateEnclosure></item>")
    };
    let (long, many) = (item(2 << 20, 30_000), item(4096, 64).repeat(1000));
    let memory = MemoryRise::from_here().unwrap();
    for xml in [long, many] {
        feed(&xml).await.unwrap();
    }
    assert!(memory.bytes().unwrap() < 100 << 20, "{memory:?}");
}

#[tokio::test]
async fn results_that_are_no_addresses_of_the_web_are_left_out() {
    let (upstream, podcast) = site().await;
    upstream.answers(|_| {
        Canned::json(r#"{"results":[{"feedUrl":"javascript:alert(1)"},{"feedUrl":"magnet:?xt=a"},{"feedUrl":"https://x.org/"}]}"#)
    });
    let found = podcast.search(&SearchQuery::new("a")).await.unwrap().results;
    assert_eq!(found.iter().map(|found| found.url.as_str()).collect::<Vec<_>>(), ["https://x.org/"]);
}

#[tokio::test]
async fn a_long_address_of_a_feed_is_in_no_more_entries_than_an_answer_has_room_for() {
    let (upstream, podcast) = site().await;
    let item = |n| format!("<item><guid>{n}</guid><enclosure url='http://x.org/{n}'/></item>");
    let items: String = (0..8000).map(item).collect();
    upstream.answers(move |_| Canned::bytes("text/xml", format!("<rss><channel>{items}</channel></rss>")));
    let found = links(&podcast, &format!("{}/rss?{}", upstream.url, "a".repeat(15_000))).await.unwrap();
    let bytes: usize = found.entries.iter().map(|entry| entry.url.len()).sum();
    assert!((4 << 20..8 << 20).contains(&bytes), "{bytes}");
    assert_eq!(found.extent, Extent::Partial);
}

#[tokio::test]
async fn two_episodes_of_one_guid_are_two() {
    let (upstream, podcast) = site().await;
    let item = |n| format!("<item><guid>same</guid><enclosure url='http://x.org/{n}.mp3'/></item>");
    let feed = format!("<rss><channel>{}{}</channel></rss>", item(1), item(2));
    upstream.answers(move |_| Canned::bytes("text/xml", feed.clone()));
    let show = links(&podcast, &format!("{}/rss", upstream.url)).await.unwrap();
    let mut found = Vec::new();
    for entry in &show.entries {
        found.push(links(&podcast, &entry.url).await.unwrap().links[0].url.clone());
    }
    assert_eq!(found, ["http://x.org/1.mp3", "http://x.org/2.mp3"]);
}
