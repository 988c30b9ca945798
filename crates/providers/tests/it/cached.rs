//! What is cached, for whom and for how long.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cache_core::{DAY, ErrorKind, HOUR, MINUTE, Retry, ttl};
use cache_tiered::Origin;
use providers::{CacheOptions, Failure, Links, Provider, Reason, SearchQuery, Validity};

use crate::kit::{Bed, Fake, START, first, link, request};

#[tokio::test]
async fn a_search_goes_to_the_provider_each_time() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    for time in 1..=3 {
        let page = provider.search(&SearchQuery::new("moon")).await.unwrap();
        assert_eq!(page.results[0].title, format!("moon {time}"));
    }
    assert_eq!((fake.searches.load(Ordering::SeqCst), provider.stats().searches), (3, 3));
    assert_eq!(bed.entries().await, [0, 0]);
}

#[tokio::test]
async fn links_are_loaded_once_for_all_names_of_a_page() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let loaded = provider.get(&request("https://youtu.be/dQw4w9WgXcQ")).await.unwrap();
    assert!(!loaded.was_cached());
    let hit = provider.get(&request("https://www.youtube.com/watch?v=dQw4w9WgXcQ&utm_source=x")).await.unwrap();
    assert_eq!((hit.origin.clone(), hit.value.clone()), (Origin::Near, loaded.value));
    assert!(hit.was_cached());
    assert_eq!(fake.loads(), 1);
}

#[tokio::test]
async fn everything_in_a_request_is_part_of_what_links_are_filed_under() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let page = request("https://example.org/a");
    let requests = [
        page.clone(),
        page.clone().scope("alice"),
        page.clone().scope("bob"),
        page.clone().param("quality", "720"),
        page.clone().param("quality", "480"),
        page.clone().param("language", "720"),
        page.clone().scope("alice").param("quality", "720"),
        request("https://example.org/b"),
    ];
    for _ in 0..2 {
        for request in &requests {
            provider.get(request).await.unwrap();
        }
    }
    assert_eq!(fake.loads(), requests.len() as u64);
}

#[tokio::test]
async fn two_providers_never_share_links_nor_do_two_versions() {
    let bed = Bed::new();
    let fakes = [Fake::new("a"), Fake::new("b"), Fake::versioned("a", "2"), Fake::new("a:2")];
    let page = request("https://example.org/a");
    for fake in &fakes {
        let provider = bed.provider(fake);
        assert!(!provider.get(&page).await.unwrap().was_cached(), "{fake:?}");
        assert!(provider.get(&page).await.unwrap().was_cached());
        assert_eq!(fake.loads(), 1);
    }
}

#[tokio::test]
async fn links_live_for_an_hour_or_as_their_provider_is_set() {
    let bed = Bed::new();
    let (hour, day) = (Fake::new("hour"), Fake::new("day"));
    let providers = [bed.provider(&hour), bed.provider_with(&day, CacheOptions::default().lifetime(ttl(DAY)))];
    let page = request("https://example.org/a");
    for span in [Duration::ZERO, Duration::from_secs(3599), Duration::from_secs(1)] {
        bed.clock.advance(span);
        for provider in &providers {
            provider.get(&page).await.unwrap();
        }
    }
    assert_eq!((hour.loads(), day.loads()), (2, 1));
}

#[tokio::test]
async fn an_error_is_not_kept_and_comes_as_the_provider_gave_it() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    fake.answers(|time, request| match time {
        1 => {
            let failure = Failure::new(Reason::RateLimited, "fewer requests, please").with_status(429);
            Err(failure.after(Duration::from_secs(30)).into_error("a", "links"))
        }
        _ => Ok(Links::of([link(request.url(), time)])),
    });
    let page = request("https://example.org/a");
    let error = provider.get(&page).await.unwrap_err();
    assert_eq!((error.kind(), error.retry(), error.backend()), (ErrorKind::Unavailable, Retry::Later, Some("a")));
    assert!(error.key().is_some());
    let failure = Failure::of(&error).unwrap();
    assert_eq!((failure.retry_after(), failure.status()), (Some(Duration::from_secs(30)), Some(429)));
    assert_eq!(first(&provider.get(&page).await.unwrap().value), "https://example.org/a?take=2");
}

#[tokio::test]
async fn an_empty_answer_is_kept_briefly_or_not_at_all() {
    let bed = Bed::new();
    let (brief, never) = (Fake::new("brief"), Fake::new("never"));
    let providers =
        [bed.provider(&brief), bed.provider_with(&never, CacheOptions::default().empty(ttl(Duration::ZERO)))];
    let page = request("https://example.org/a");
    for fake in [&brief, &never] {
        fake.answers(|_, _| Ok(Links::default()));
    }
    for span in [Duration::ZERO, Duration::from_secs(59), Duration::from_secs(1)] {
        bed.clock.advance(span);
        for provider in &providers {
            assert!(provider.get(&page).await.unwrap().value.is_empty());
        }
    }
    assert_eq!((brief.loads(), never.loads()), (2, 3));
}

#[tokio::test]
async fn pages_and_pictures_of_any_provider_are_addresses_of_the_web() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, _| {
        let mut links = Links::of([link("https://x.org/a", 1)]);
        (links.page_url, links.image_url) = (Some("javascript:alert(1)".into()), Some("https://x.org/a.jpg".into()));
        Ok(links)
    });
    let answer = bed.provider(&fake).get(&request("https://x.org/a")).await.unwrap();
    assert_eq!((&answer.value.page_url, answer.value.image_url.as_deref()), (&None, Some("https://x.org/a.jpg")));
}

#[tokio::test]
async fn an_empty_part_is_kept_as_a_part() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, _| Ok(Links::default().partial()));
    let provider = bed.provider_with(&fake, CacheOptions::default().empty(ttl(HOUR)));
    provider.get(&request("https://x.org/a")).await.unwrap();
    bed.clock.advance(2 * MINUTE);
    provider.get(&request("https://x.org/a")).await.unwrap();
    assert_eq!(fake.loads(), 2);
}

#[tokio::test]
async fn nothing_and_a_part_are_kept_no_longer_than_all() {
    for answer in [Links::default(), Links::of([link("https://x.org/a", 1)]).partial()] {
        let (bed, fake) = (Bed::new(), Fake::new("a"));
        fake.answers(move |_, _| Ok(answer.clone()));
        let provider = bed.provider_with(&fake, CacheOptions::default().lifetime(ttl(Duration::from_secs(5))));
        provider.get(&request("https://x.org/a")).await.unwrap();
        bed.clock.advance(Duration::from_secs(6));
        provider.get(&request("https://x.org/a")).await.unwrap();
        assert_eq!(fake.loads(), 2);
    }
}

#[tokio::test]
async fn a_partial_answer_says_so_and_is_kept_briefly() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    fake.answers(|time, request| Ok(Links::of([link(request.url(), time)]).partial()));
    let page = request("https://example.org/a");
    let loaded = provider.get(&page).await.unwrap();
    assert_eq!(loaded.value.extent, providers::Extent::Partial);
    assert_eq!(provider.get(&page).await.unwrap().value, loaded.value);
    bed.clock.advance(MINUTE);
    assert!(!provider.get(&page).await.unwrap().was_cached());
}

#[tokio::test]
async fn a_link_that_ends_soon_is_given_once_and_not_kept() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let soon = START.after(Duration::from_secs(20));
    fake.answers(move |time, request| {
        Ok(Links::of([link(request.url(), time).with_validity(Validity::ending(soon, START))]))
    });
    let page = request("https://example.org/a");
    for time in 1..=2 {
        let answer = provider.get(&page).await.unwrap();
        assert_eq!(first(&answer.value), format!("https://example.org/a?take={time}"));
    }
    bed.settle().await;
    assert_eq!(bed.entries().await, [0, 0]);
}

#[tokio::test]
async fn links_that_have_ended_are_left_out() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    fake.answers(|time, request| {
        let ended = link(request.url(), 0).with_validity(Validity::ending(START, START));
        Ok(if time == 1 { Links::of([ended]) } else { Links::of([ended, link(request.url(), time)]) })
    });
    let page = request("https://example.org/a");
    let error = provider.get(&page).await.unwrap_err();
    assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::Expired));
    let answer = provider.get(&page).await.unwrap();
    assert_eq!((answer.value.links.len(), answer.value.extent), (1, providers::Extent::Partial));
}

#[tokio::test]
async fn an_address_that_nobody_may_be_sent_to_is_neither_handed_out_nor_kept() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let page = request("https://example.org/a");
    for url in ["javascript:alert(1)", "file:///etc/passwd", "//host/a", "https://a.org/\r\nx: y", "data:,x", ""] {
        fake.answers(move |_, _| Ok(Links::of([providers::Link::new(url, providers::LinkKind::Video)])));
        let error = provider.get(&page).await.unwrap_err();
        assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::Malformed), "{url}");
    }
    bed.settle().await;
    assert_eq!(bed.entries().await, [0, 0]);
}

#[tokio::test]
async fn clear_counts_what_was_there_and_leaves_other_providers_alone() {
    let bed = Bed::new();
    let (one, other) = (Fake::new("a"), Fake::new("ab"));
    let (cleared, kept) = (bed.provider(&one), bed.provider(&other));
    for page in 0..7 {
        let page = request(&format!("https://example.org/{page}"));
        cleared.get(&page).await.unwrap();
        cleared.get(&page.clone().scope("alice")).await.unwrap();
        kept.get(&page).await.unwrap();
    }
    bed.settle().await;
    let counts = cleared.clear().await.unwrap();
    assert_eq!(counts.tiers.iter().map(|tier| tier.entries).collect::<Vec<_>>(), [14, 14]);
    let page = request("https://example.org/0");
    assert!(!cleared.get(&page).await.unwrap().was_cached());
    assert!(kept.get(&page).await.unwrap().was_cached());
}

#[tokio::test]
async fn remove_expired_counts_exactly_what_has_expired() {
    let bed = Bed::new();
    let (hour, day) = (Fake::new("hour"), Fake::new("day"));
    let provider = bed.provider(&hour);
    let lasting = bed.provider_with(&day, CacheOptions::default().lifetime(ttl(DAY)));
    for page in 0..1100 {
        let page = request(&format!("https://example.org/{page}"));
        provider.get(&page).await.unwrap();
        if page.url().ends_with('7') {
            lasting.get(&page).await.unwrap();
        }
    }
    bed.settle().await;
    assert_eq!(provider.remove_expired().await.unwrap().expired, 0);
    bed.clock.advance(HOUR);
    assert_eq!(provider.remove_expired().await.unwrap().expired, 1100);
    assert_eq!(bed.entries().await, [110, 110]);
}

#[tokio::test]
async fn a_hit_equals_the_fresh_value_field_by_field_from_every_tier() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, request| Ok(full(request.url())));
    let page = request("https://example.org/a");
    let provider = bed.provider(&fake);
    assert_eq!(*provider.get(&page).await.unwrap().value, full(page.url()));
    let near = provider.get(&page).await.unwrap();
    assert_eq!((near.origin, &*near.value), (Origin::Near, &full(page.url())));
    bed.settle().await;
    let far = bed.restarted().provider(&fake).get(&page).await.unwrap();
    assert_eq!((far.origin.name(), &*far.value), ("far", &full(page.url())));
    assert_eq!(*provider.get_many(std::slice::from_ref(&page)).await.remove(0).unwrap().value, full(page.url()));
}

/// Links with every field set.
fn full(url: &str) -> Links {
    let mut link = link(url, 1).with_validity(Validity::ending(START.after(2 * HOUR), START));
    link.quality.label = String::from("720p");
    (link.quality.width, link.quality.height, link.quality.bit_rate) = (Some(1280), Some(720), Some(u64::MAX));
    link.quality.video_codec = Some("vp9".to_owned());
    link.quality.audio_codec = Some("opus".to_owned());
    link.bytes = Some(u64::MAX);
    link.headers.insert("referer".to_owned(), "https://example.org/\u{1f319}".to_owned());
    link.bound_to = providers::Binding::Address("203.0.113.7".to_owned());
    link.language = Some("fr".to_owned());
    link.content_type = Some("video/webm".to_owned());
    let mut links = Links::of([link, crate::kit::link(url, 2)]);
    links.title = Some("\u{0}\"\u{e9}".to_owned());
    links.creator = Some(String::new());
    links.duration = Some(Duration::new(61, 7));
    links.image_url = Some("https://example.org/i.png".to_owned());
    links.page_url = Some(url.to_owned());
    let mut entry = providers::PlaylistEntry::new("https://example.org/e");
    (entry.title, entry.duration) = (Some("e".to_owned()), Some(MINUTE));
    links.entries = vec![entry];
    links
}

#[tokio::test]
async fn nothing_shows_the_secrets_of_a_link() {
    let mut link = link("https://user:hunter2@example.org/a", 1);
    link.url.push_str("&sig=topsecret");
    link.headers.insert("authorization".to_owned(), "Bearer topsecret".to_owned());
    let page = request("https://user:hunter2@example.org/a?sig=topsecret");
    let shown = format!("{link:?} {page:?} {:?}", Links::of([link.clone()]));
    assert!(!shown.contains("topsecret") && !shown.contains("hunter2"), "{shown}");
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, _| Err(Failure::new(Reason::NotFound, "there is no such page").into_error("a", "links")));
    let error = bed.provider(&fake).get(&page).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("topsecret") && !shown.contains("hunter2"), "{shown}");
}

#[tokio::test]
async fn who_sees_a_key_does_not_get_the_links_behind_it() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider(&fake);
    let mine = request("https://archive.org/download/mine/film.mp4?token=SECRETSECRETSECRET");
    provider.get(&mine).await.unwrap();
    let other = request(&format!("https://archive.org/details/{}", mine.canonical().id()));
    let answer = provider.get(&other).await.unwrap();
    assert!(!first(&answer.value).contains("SECRET"), "{}", first(&answer.value));
}
