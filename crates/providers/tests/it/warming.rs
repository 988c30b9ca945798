//! What is popular: counted by hits, kept over restarts, warmed.

use std::collections::HashSet;
use std::time::Duration;

use cache_core::{HOUR, Key};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::{Popularity, Tiered, WarmEnd, Warmer};
use providers::{LinkRequest, Links, ProviderSongs, SongCache};

use crate::kit::{Bed, Fake, link, request};
use crate::songs::songs;

fn page(n: u64) -> LinkRequest {
    request(&format!("https://example.org/{n}"))
}

fn fast() -> Warmer {
    Warmer::new().rate(1000, Duration::from_secs(1))
}

#[tokio::test]
async fn what_is_asked_for_most_is_popular_and_warmed_and_what_is_fresh_is_left_alone() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let cache = songs(&bed, &fake);
    for n in 0..20 {
        for _ in 0..=n {
            cache.get(&page(n)).await.unwrap();
        }
    }
    let popular = cache.popular(3);
    let urls: Vec<&str> = popular.iter().map(|(page, _)| page.url()).collect();
    assert_eq!(urls, ["https://example.org/19", "https://example.org/18", "https://example.org/17"]);
    bed.clock.advance(2 * HOUR);
    cache.get(&page(19)).await.unwrap();
    let loads = fake.loads();
    let report = cache.warm(&fast(), 10).unwrap().report().await;
    assert_eq!((report.end, report.refreshed, report.skipped, report.failed), (WarmEnd::Complete, 9, 1, 0));
    assert_eq!(fake.loads(), loads + 9);
    assert!(cache.get(&page(10)).await.unwrap().1 && !cache.get(&page(9)).await.unwrap().1);
}

#[tokio::test]
async fn songs_and_what_is_popular_outlive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || async {
        let file = FileBackend::open(FileConfig::new(dir.path()).capacity(16 << 20)).await.unwrap();
        Tiered::builder().tier(MemBackend::new(4 << 20)).tier(file).build().unwrap()
    };
    let fake = Fake::new("a");
    let start = |tiers: Tiered| SongCache::builder(ProviderSongs::new(fake.clone())).tiers(tiers).build().unwrap();

    let tiers = open().await;
    let cache = start(tiers.clone());
    for n in [1, 2, 3, 2, 3, 3] {
        cache.get(&page(n).scope("alice").param("quality", "high")).await.unwrap();
    }
    cache.save().await.unwrap();
    cache.close().await.unwrap();
    cache_core::Backend::close(&tiers).await.unwrap();

    let tiers = open().await;
    let cache = start(tiers.clone());
    assert_eq!(cache.restore().await, 3);
    let popular: Vec<String> = cache.popular(9).into_iter().map(|(page, _)| format!("{page:?}")).collect();
    let expected = [3, 2, 1].map(|n| format!("{:?}", page(n).scope("alice").param("quality", "high")));
    assert_eq!(popular, expected);
    let report = cache.warm(&fast(), 9).unwrap().report().await;
    assert_eq!((report.skipped, report.refreshed), (3, 0), "the songs are there as well");
    assert!(cache.get(&page(2).scope("alice").param("quality", "high")).await.unwrap().1);
    assert_eq!(fake.loads(), 3);
    cache.close().await.unwrap();
    cache_core::Backend::close(&tiers).await.unwrap();
}

#[tokio::test]
async fn songs_found_in_a_tier_after_a_restart_are_popular_and_warmed() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    songs(&bed, &fake).get_many(&[page(1), page(2)]).await;
    bed.settle().await;
    let bed = bed.restarted();
    let cache = songs(&bed, &fake);
    for _ in 0..3 {
        assert!(cache.get(&page(1)).await.unwrap().1);
    }
    cache.get_many(&[page(2)]).await;
    let popular: Vec<String> = cache.popular(5).iter().map(|(page, _)| page.url().to_owned()).collect();
    assert_eq!(popular, ["https://example.org/1", "https://example.org/2"]);
    assert_eq!(fake.loads(), 2);
    bed.clock.advance(3 * HOUR);
    let report = cache.warm(&fast(), 5).unwrap().report().await;
    assert_eq!((report.refreshed, report.skipped, fake.loads()), (2, 0, 4));
}

#[tokio::test]
async fn an_identifier_that_reads_as_an_address_is_restored_as_an_identifier() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|time, _| Ok(Links::of([link("https://example.org/a", time)])));
    let pages = ["show.s01/e01", "https://example.org/a"].map(|id| LinkRequest::of_id(id).unwrap());
    let cache = songs(&bed, &fake);
    cache.get_many(&pages).await;
    cache.save().await.unwrap();
    bed.settle().await;
    let cache = songs(&bed.restarted(), &fake);
    assert_eq!(cache.restore().await, 2);
    let mut restored: Vec<_> = cache.popular(5).into_iter().map(|(page, _)| page.canonical().clone()).collect();
    restored.sort();
    let mut saved = pages.map(|page| page.canonical().clone());
    saved.sort();
    assert_eq!(restored, saved);
}

#[tokio::test]
async fn what_others_count_in_the_same_popularity_takes_no_place_of_a_song() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let popularity = Popularity::builder().clock(bed.clock.clone()).build();
    let other = Key::of("other").build().unwrap();
    (0..9).for_each(|_| popularity.hit(&other));
    let builder = SongCache::builder(ProviderSongs::new(fake.clone())).tiers(bed.tiers.clone());
    let cache = builder.popularity(popularity).build().unwrap();
    cache.get(&page(1)).await.unwrap();
    assert_eq!(cache.popular(1).len(), 1);
    bed.clock.advance(2 * HOUR);
    assert_eq!(cache.warm(&fast(), 1).unwrap().report().await.refreshed, 1);
}

#[tokio::test]
async fn the_pages_of_popular_songs_are_known_however_many_others_are_asked_for() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let popularity = Popularity::builder().keys(8).clock(bed.clock.clone()).build();
    let builder = SongCache::builder(ProviderSongs::new(fake.clone())).tiers(bed.tiers.clone());
    let cache = builder.popularity(popularity).build().unwrap();
    let hot = [page(1000), page(1001), page(1002)];
    for n in 0..500 {
        cache.get_many(&hot).await;
        cache.get(&page(n)).await.unwrap();
    }
    let popular: HashSet<_> = cache.popular(3).into_iter().map(|(page, _)| page.url().to_owned()).collect();
    assert_eq!(popular, hot.iter().map(|page| page.url().to_owned()).collect());
}

#[tokio::test]
async fn a_start_without_anything_saved_is_a_start() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    assert_eq!(songs(&bed, &fake).restore().await, 0);
}

#[tokio::test(start_paused = true)]
async fn the_seconds_that_hits_save_are_those_that_songs_took() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    *fake.pause.lock() = Duration::from_secs(4);
    let cache = songs(&bed, &fake);
    cache.get(&page(1)).await.unwrap();
    assert!(cache.stats().cache.seconds_saved < 0.1);
    cache.get(&page(1)).await.unwrap();
    cache.get_many(&[page(1)]).await.remove(0).unwrap();
    let stats = cache.stats();
    assert!((7.9..=8.1).contains(&stats.cache.seconds_saved), "{}", stats.cache.seconds_saved);
    assert_eq!((stats.hits, stats.resolved), (2, 1));
}

#[tokio::test]
async fn warming_is_no_hit_and_saves_nobody_a_second() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    *fake.pause.lock() = Duration::from_millis(200);
    let songs = SongCache::builder(ProviderSongs::new(fake)).tiers(bed.tiers.clone()).build().unwrap();
    songs.get(&request("https://x.org/a")).await.unwrap();
    let before = songs.stats();
    let warmer = Warmer::new().rate(1000, Duration::from_secs(1));
    assert_eq!(songs.warm(&warmer, 1).unwrap().report().await.skipped, 1);
    let after = songs.stats();
    assert_eq!((before.hits, before.cache.seconds_saved), (after.hits, after.cache.seconds_saved));
}
