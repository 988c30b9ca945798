//! Songs: what they are made of, how long they are kept, playlists.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{ErrorKind, HOUR, MINUTE};
use parking_lot::Mutex;
use providers::{
    Extent, Failure, Link, LinkKind, LinkRequest, Links, PlaylistEntry, ProviderSongs, Reason, Song, SongCache,
    SourceType, Validity,
};

use crate::kit::{Bed, Fake, START, link, request};

pub(crate) fn songs(bed: &Bed, fake: &Arc<Fake>) -> SongCache<ProviderSongs<Arc<Fake>>> {
    SongCache::builder(ProviderSongs::new(fake.clone())).tiers(bed.tiers.clone()).build().unwrap()
}

fn described(url: &str) -> Links {
    let mut best = Link::new("https://cdn.example/best.opus", LinkKind::Audio);
    best.quality.bit_rate = Some(160_000);
    best.headers.insert("referer".to_owned(), url.to_owned());
    let mut worse = Link::new("https://cdn.example/worse.opus", LinkKind::Audio);
    worse.quality.bit_rate = Some(64_000);
    let picture = Link::new("https://cdn.example/film.mp4", LinkKind::Video);
    let mut links = Links::of([picture, worse, best]);
    links.title = Some("A song".to_owned());
    links.creator = Some("Somebody".to_owned());
    links.duration = Some(3 * MINUTE);
    links.image_url = Some("https://cdn.example/i.jpg".to_owned());
    links
}

#[tokio::test]
async fn a_song_has_the_best_sound_and_a_hit_equals_it_field_by_field() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, request| Ok(described(request.url())));
    let cache = songs(&bed, &fake);
    let page = request("https://youtu.be/dQw4w9WgXcQ");
    let (fresh, was_cached) = cache.get(&page).await.unwrap();
    assert!(!was_cached);
    assert_eq!(fresh.stream_url(), "https://cdn.example/best.opus");
    assert_eq!((fresh.title.as_str(), fresh.creator.as_deref()), ("A song", Some("Somebody")));
    assert_eq!((fresh.duration, fresh.source_type), (Some(3 * MINUTE), SourceType::YouTube));
    assert_eq!(fresh.thumbnail.as_deref(), Some("https://cdn.example/i.jpg"));
    bed.settle().await;
    let (near, was_cached) = cache.get(&page).await.unwrap();
    assert!(was_cached);
    let (far, was_cached) = songs(&bed.restarted(), &fake).get(&page).await.unwrap();
    assert!(was_cached);
    for hit in [near, far] {
        // Each by its name, so that a new field makes this fail to compile.
        let Song { url, stream, title, creator, duration, thumbnail, source_type, extent, .. } = &*hit;
        assert_eq!((url, stream, title, creator), (&fresh.url, &fresh.stream, &fresh.title, &fresh.creator));
        assert_eq!((duration, thumbnail, source_type), (&fresh.duration, &fresh.thumbnail, &fresh.source_type));
        assert_eq!(extent, &fresh.extent);
        assert_eq!(hit, fresh);
    }
}

#[tokio::test]
async fn a_page_with_nothing_to_listen_to_has_no_song() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, _| Ok(Links::of([Link::new("https://cdn.example/i.png", LinkKind::Image)])));
    let error = songs(&bed, &fake).get(&request("https://example.org/a")).await.unwrap_err();
    assert_eq!(Failure::of(&error).map(Failure::reason), Some(Reason::NotFound));
}

#[tokio::test]
async fn a_stream_that_nobody_may_be_sent_to_gives_way_to_the_next_one() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, request| {
        let mut links = described(request.url());
        links.links[2].url = "rtmp://cdn.example/best".to_owned();
        Ok(links)
    });
    let (song, _) = songs(&bed, &fake).get(&request("https://example.org/a")).await.unwrap();
    assert_eq!(song.stream_url(), "https://cdn.example/worse.opus");
}

#[tokio::test]
async fn a_status_that_says_so_is_a_report_of_a_stream() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let cache = songs(&bed, &fake);
    let page = request("https://example.org/a");
    let (song, _) = cache.get(&page).await.unwrap();
    bed.clock.advance(MINUTE);
    assert_eq!(cache.report_status(&page, song.stream_url(), 503).await.unwrap(), None);
    let better = cache.report_status(&page, song.stream_url(), 410).await.unwrap().unwrap();
    assert_eq!((better.stream_url(), cache.stats().reports), ("https://example.org/a?take=2", 1));
}

#[tokio::test]
async fn a_song_is_kept_for_two_hours_and_only_while_it_can_be_played_to_its_end() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|time, request| {
        let mut links = Links::of([link(request.url(), time)]);
        if request.url().ends_with("short") {
            links.links[0].validity = Validity::ending(START.after(HOUR), START);
            links.duration = Some(40 * MINUTE);
        }
        Ok(links)
    });
    let cache = songs(&bed, &fake);
    let (short, long) = (request("https://example.org/short"), request("https://example.org/long"));
    for page in [&short, &long] {
        assert!(!cache.get(page).await.unwrap().1);
    }
    bed.clock.advance(Duration::from_secs(20 * 60 - 1));
    assert!(cache.get(&short).await.unwrap().1);
    bed.clock.advance(Duration::from_secs(1));
    assert!(!cache.get(&short).await.unwrap().1);
    bed.clock.advance(Duration::from_secs(100 * 60 - 1));
    assert!(cache.get(&long).await.unwrap().1);
    bed.clock.advance(Duration::from_secs(1));
    assert!(!cache.get(&long).await.unwrap().1);
}

#[tokio::test]
async fn a_playlist_is_kept_as_identities_and_resolved_as_far_as_asked() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|time, request| {
        let mut links = Links::of([link(request.url(), time)]);
        if request.url().contains("list") {
            links = Links::default();
            links.title = Some("A list".to_owned());
            let entry = |n| {
                PlaylistEntry::new(if n == 2 { "no address".to_owned() } else { format!("https://example.org/{n}") })
            };
            links.entries = (0..50).map(entry).collect();
        }
        Ok(links)
    });
    let cache = songs(&bed, &fake);
    let page = request("https://example.org/list");
    let playlist = cache.playlist(&page).await.unwrap();
    assert_eq!((playlist.entries.len(), playlist.title.as_deref(), fake.loads()), (50, Some("A list"), 1));
    let resolved = cache.resolve(&page, &playlist, 1..4).await;
    assert_eq!(fake.loads(), 3, "two of three entries are addresses");
    assert_eq!(resolved[0].as_ref().unwrap().0.url, "https://example.org/1");
    assert_eq!(resolved[1].as_ref().unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(resolved[2].as_ref().unwrap().0.url, "https://example.org/3");
    assert!(cache.resolve(&page, &playlist, 60..70).await.is_empty());
    assert_eq!(*cache.playlist(&page).await.unwrap(), *playlist);
    assert_eq!(fake.loads(), 3);
}

#[tokio::test]
async fn entries_are_resolved_for_the_account_and_with_the_parameters_of_their_playlist() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let asked: Arc<Mutex<Vec<LinkRequest>>> = Arc::default();
    let noted = asked.clone();
    fake.answers(move |time, request| {
        noted.lock().push(request.clone());
        let mut links = Links::of([link(request.url(), time)]);
        links.entries = vec![PlaylistEntry::new("https://example.org/1")];
        Ok(links)
    });
    let cache = songs(&bed, &fake);
    let list = request("https://example.org/list").scope("alice").param("quality", "high");
    let playlist = cache.playlist(&list).await.unwrap();
    assert!(!cache.resolve(&list, &playlist, 0..1).await.remove(0).unwrap().1);
    {
        let asked = asked.lock();
        assert_eq!((asked[1].url(), asked[1].account()), ("https://example.org/1", "alice"));
        assert_eq!(asked[1].params().collect::<Vec<_>>(), [("quality", "high")]);
    }
    let bob = list.scope("bob");
    assert!(!cache.resolve(&bob, &playlist, 0..1).await.remove(0).unwrap().1, "accounts share nothing");
}

#[tokio::test]
async fn a_song_of_a_partial_answer_says_so_and_is_kept_briefly() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|time, request| Ok(Links::of([link(request.url(), time)]).partial()));
    let cache = songs(&bed, &fake);
    let page = request("https://example.org/a");
    for (pause, loads) in [(0, 1), (59, 1), (1, 2)] {
        bed.clock.advance(Duration::from_secs(pause));
        assert_eq!(cache.get(&page).await.unwrap().0.extent, Extent::Partial);
        assert_eq!(fake.loads(), loads);
    }
}

#[tokio::test]
async fn a_partial_playlist_says_so_and_is_kept_briefly() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    fake.answers(|_, _| {
        let mut links = Links::default();
        links.entries = vec![PlaylistEntry::new("https://example.org/1")];
        Ok(links.partial())
    });
    let cache = songs(&bed, &fake);
    let page = request("https://example.org/list");
    for (pause, loads) in [(0, 1), (59, 1), (1, 2)] {
        bed.clock.advance(Duration::from_secs(pause));
        assert_eq!(cache.playlist(&page).await.unwrap().extent, Extent::Partial);
        assert_eq!(fake.loads(), loads);
    }
}

#[tokio::test]
async fn a_stream_that_does_not_work_is_replaced() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let cache = songs(&bed, &fake);
    let page = request("https://example.org/a");
    let (song, _) = cache.get(&page).await.unwrap();
    bed.clock.advance(MINUTE);
    let better = cache.report_bad(&page, song.stream_url()).await.unwrap();
    assert_eq!(better.stream_url(), "https://example.org/a?take=2");
    assert_eq!(cache.get(&page).await.unwrap(), (better, true));
    assert_eq!(cache.stats().reports, 1);
}

#[tokio::test]
async fn clear_counts_songs_and_playlists_apart() {
    let (bed, fake) = (Bed::new(), Fake::new("a"));
    let cache = songs(&bed, &fake);
    for page in 0..5 {
        cache.get(&request(&format!("https://example.org/{page}"))).await.unwrap();
    }
    cache.playlist(&request("https://example.org/0")).await.unwrap();
    bed.settle().await;
    let (songs, playlists) = cache.clear().await.unwrap();
    assert_eq!((songs.entries(), playlists.entries()), (10, 2));
    assert!(!cache.get(&request("https://example.org/0")).await.unwrap().1);
}
