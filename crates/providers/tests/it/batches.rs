//! Batches: one read of each tier, order, and one bad entry among good ones.

use std::sync::Arc;

use cache_core::{Clock, DAY, ErrorKind, HOUR, MINUTE, ttl};
use cache_testkit::eventually;
use providers::{CacheOptions, Failure, LinkRequest, Links, ProviderSongs, Reason, SongCache, Validity};

use crate::kit::{Bed, Fake, LONG, START, first, link, request};

fn pages(n: usize) -> Vec<LinkRequest> {
    (0..n).map(|page| request(&format!("https://example.org/{page}"))).collect()
}

#[tokio::test]
async fn links_that_are_near_take_no_read_of_a_tier() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let (provider, pages) = (bed.provider(&fake), pages(100));
    provider.get_many(&pages).await.into_iter().for_each(|answer| assert!(!answer.unwrap().was_cached()));
    bed.settle().await;
    let before = bed.reads();
    let answers = provider.get_many(&pages).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().was_cached()));
    assert_eq!(bed.reads(), before);
    assert_eq!(fake.loads(), 100);
    assert_eq!(provider.stats().cache.near_hits, 100);
}

#[tokio::test]
async fn what_one_tier_lacks_takes_one_read_of_the_next() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let pages = pages(1000);
    bed.provider(&fake).get_many(&pages).await;
    bed.settle().await;
    let bed = bed.restarted();
    let before = bed.reads();
    let answers = bed.provider(&fake).get_many(&pages).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().origin.name() == "far"));
    let reads = bed.reads();
    assert_eq!([reads[0].0 - before[0].0, reads[1].0 - before[1].0], [1, 1]);
    assert_eq!([reads[0].1 - before[0].1, reads[1].1 - before[1].1], [0, 0], "none one by one");
    assert_eq!(fake.loads(), 1000);
}

#[tokio::test]
async fn a_thousand_cached_songs_take_one_read_of_a_tier() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let songs = SongCache::builder(ProviderSongs::new(fake.clone())).tiers(bed.tiers.clone()).build().unwrap();
    let pages = pages(1000);
    songs.get_many(&pages).await;
    bed.settle().await;
    let before = bed.reads();
    for (page, song) in pages.iter().zip(songs.get_many(&pages).await) {
        let (song, was_cached) = song.unwrap();
        assert!(was_cached);
        assert_eq!(song.url, page.url());
    }
    assert_eq!(bed.reads(), [(before[0].0 + 1, before[0].1), before[1]]);
}

#[tokio::test]
async fn answers_keep_the_order_and_one_failure_leaves_the_others_alone() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|time, request| match request.url() {
        "https://example.org/3" => {
            Err(Failure::new(Reason::NotFound, "there is no such page").into_error("a", "links"))
        }
        url => Ok(Links::of([link(url, time)])),
    });
    let (provider, mut pages) = (bed.provider(&fake), pages(10));
    provider.get(&pages[7]).await.unwrap();
    pages.push(pages[0].clone());
    let answers = provider.get_many(&pages).await;
    assert_eq!(answers.len(), 11);
    for (at, (page, answer)) in pages.iter().zip(&answers).enumerate() {
        match answer {
            Ok(answer) => assert_eq!(first(&answer.value), format!("{}?take=1", page.url())),
            Err(error) => assert_eq!((at, error.kind()), (3, ErrorKind::Load)),
        }
    }
    assert!(answers[7].as_ref().unwrap().was_cached());
    assert_eq!(fake.loads(), 10, "each page once");
}

#[tokio::test]
async fn what_is_stale_is_refreshed_by_a_batch_as_by_a_single_request() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let provider = bed.provider_with(&fake, CacheOptions::default().lifetime(ttl(HOUR).stale(DAY)));
    let pages = pages(3);
    provider.get_many(&pages).await;
    bed.settle().await;
    bed.clock.advance(2 * HOUR);
    for answer in provider.get_many(&pages).await {
        answer.unwrap();
    }
    assert!(eventually(LONG, || async { fake.loads() == 6 }).await, "{}", fake.loads());
    let newest = async || {
        let answers = provider.get_many(&pages).await;
        answers.iter().all(|answer| first(&answer.as_ref().unwrap().value).ends_with("take=2"))
    };
    assert!(eventually(LONG, newest).await);
}

#[tokio::test]
async fn a_page_that_is_often_in_a_batch_is_asked_for_once() {
    for answer in [None, Some(Links::of([link("https://x.org/a", 1).with_validity(Validity::once(START))]))] {
        let (bed, fake) = (Bed::new(), Fake::new("a"));
        fake.answers(move |_, _| {
            let down = || Failure::new(Reason::Unavailable, "it is down").into_error("a", "links");
            answer.clone().ok_or_else(down)
        });
        let provider = bed.provider_with(&fake, CacheOptions::default().at_once(3));
        let answers = provider.get_many(&vec![request("https://x.org/a"); 300]).await;
        assert_eq!((answers.len(), fake.loads()), (300, 1));
    }
}

#[tokio::test]
async fn a_batch_may_be_asked_for_in_a_task_of_its_own() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let (provider, pages) = (bed.provider(&fake), pages(3));
    let songs = SongCache::builder(ProviderSongs::new(fake)).tiers(bed.tiers.clone()).build().unwrap();
    let asked = async move { (provider.get_many(&pages).await.len(), songs.get_many(&pages).await.len()) };
    assert_eq!(tokio::spawn(asked).await.unwrap(), (3, 3));
}

#[tokio::test]
async fn an_empty_batch_asks_nobody() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    assert!(bed.provider(&fake).get_many(&[]).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_more_are_under_way_at_once_than_allowed() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    *fake.pause.lock() = std::time::Duration::from_secs(1);
    let provider = bed.provider_with(&fake, CacheOptions::default().at_once(5));
    let began = tokio::time::Instant::now();
    assert!(provider.get_many(&pages(50)).await.iter().all(Result::is_ok));
    assert_eq!(began.elapsed().as_secs(), 10);
}

/// A provider whose page `slow` takes two minutes, and whose other pages have links of a minute, renewed or not.
fn short_lived(bed: &Bed, renews: bool) -> Arc<Fake> {
    let (fake, clock) = (Fake::new("a"), bed.clock.clone());
    fake.answers(move |time, request| {
        if request.url().ends_with("slow") {
            clock.advance(2 * MINUTE);
            return Ok(Links::of([link(request.url(), time)]));
        }
        let ends = if renews && time > 1 { START.after(60 * MINUTE) } else { START.after(MINUTE) };
        Ok(Links::of([link(request.url(), time).with_validity(Validity::ending(ends, START))]))
    });
    fake
}

#[tokio::test]
async fn what_ends_while_others_are_loaded_is_asked_for_anew() {
    for at_once in [1, 16] {
        let pages = [request("https://example.org/short"), request("https://example.org/slow")];
        let bed = Bed::new();
        let fake = short_lived(&bed, true);
        let provider = bed.provider_with(&fake, CacheOptions::default().at_once(at_once));
        provider.get(&pages[0]).await.unwrap();
        let answers = provider.get_many(&pages).await;
        assert_eq!(first(&answers[0].as_ref().unwrap().value), "https://example.org/short?take=2");
        assert_eq!((answers[1].is_ok(), fake.loads()), (true, 3));

        let bed = Bed::new();
        let fake = short_lived(&bed, true);
        let songs = SongCache::builder(ProviderSongs::new(fake)).tiers(bed.tiers.clone()).build().unwrap();
        songs.get(&pages[0]).await.unwrap();
        let answers = songs.get_many(&pages).await;
        assert_eq!(answers[0].as_ref().unwrap().0.stream_url(), "https://example.org/short?take=2");
    }
}

#[tokio::test]
async fn what_has_ended_for_good_is_an_error_of_its_own() {
    let bed = Bed::new();
    let provider = bed.provider(&short_lived(&bed, false));
    let pages = [request("https://example.org/short"), request("https://example.org/slow")];
    provider.get(&pages[0]).await.unwrap();
    let answers = provider.get_many(&pages).await;
    let error = answers[0].as_ref().unwrap_err();
    assert_eq!(Failure::of(error).map(Failure::reason), Some(Reason::Expired));
    assert!(answers[1].is_ok());
}

#[tokio::test]
async fn what_ends_while_others_are_asked_for_anew_is_not_handed_out() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let clock = bed.clock.clone();
    // Each load takes longer than the links work that were there before.
    fake.answers(move |time, request| {
        clock.advance(2 * MINUTE);
        let ends = Validity::ending(clock.now().after(MINUTE), clock.now());
        Ok(Links::of([link(request.url(), time).with_validity(ends)]))
    });
    let (provider, pages) = (bed.provider(&fake), pages(2));
    provider.get(&pages[0]).await.unwrap();
    let answers = provider.get_many(&pages).await;
    assert_eq!((answers[0].is_ok(), fake.loads()), (true, 3));
    let error = answers[1].as_ref().unwrap_err();
    assert_eq!(Failure::of(error).map(Failure::reason), Some(Reason::Expired));
}
