//! What is read of a torrent, in what order, and when it ends.

use std::time::Duration;

use cache_blob::Source;
use tokio::time::timeout;
use torrents::{TorrentLink, Wanted};

use crate::support::{Home, LIMIT, Leecher, MIB, Seeder, bytes, film, magnet, opened, source, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_read_from_peers_and_afterwards_from_the_cache_with_nobody_there() {
    let (film, home) = (film(5 * MIB + 77, 1), Home::new());
    let seeder = Seeder::start(&[("read.me", b"hello"), ("a/film.mkv", &film)], None).await;
    let link = seeder.link();
    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &link, Wanted::default()).await;
    assert_eq!((found.file().name.as_str(), found.file().len), ("a/film.mkv", film.len() as u64));
    let reader = opened(&home.blobs(), found).await;
    assert!(bytes(&reader, 0..film.len() as u64).await == film);
    torrents.close().await;
    assert_eq!(torrents.running(), []);
    seeder.stop().await;

    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &link, Wanted::default()).await;
    let reader = opened(&home.blobs(), found).await;
    assert!(bytes(&reader, 0..film.len() as u64).await == film);
    assert_eq!(torrents.running(), [], "a torrent is at work for what is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_is_read_before_the_rest_is_there() {
    let (film, home) = (film(16 * MIB, 2), Home::new());
    let seeder = Seeder::start(&[("film.mkv", &film)], Some(2 << 20)).await;
    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &seeder.link(), Wanted::default()).await;
    // Straight from the source: a blob fetches both its ends on its own.
    let described = found.describe().await.unwrap();
    assert_eq!((described.len, described.ranges), (Some(film.len() as u64), true));
    let at = 12 * MIB;
    let version = cache_blob::Version::new(described.len, described.validator);
    let mut stream = found.fetch(at as u64, &version).await.unwrap();
    let first = timeout(LIMIT, futures_util::StreamExt::next(&mut stream)).await.unwrap().unwrap().unwrap();
    assert!(!first.is_empty() && first[..] == film[at..at + first.len()]);
    let running = torrents.running();
    assert_eq!((running.len(), running[0].readers, running[0].peers), (1, 1, 1));
    assert!(running[0].done < running[0].total / 2, "{running:?}");
    drop(stream);
    torrents.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_ends_when_nobody_reads_it_and_leaves_nothing() {
    let (film, home) = (film(3 * MIB, 3), Home::new());
    let seeder = Seeder::start(&[("film.mkv", &film)], None).await;
    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &seeder.link(), Wanted::default()).await;
    assert_eq!(torrents.running(), [], "to know what it holds begins nothing");
    let stream = found.fetch(0, &cache_blob::Version::default()).await.unwrap();
    assert_eq!(torrents.running().len(), 1);
    assert_eq!(home.names(), Vec::<std::path::PathBuf>::new(), "a torrent at work has a file with a name");
    drop(stream);
    until("the torrent ends", || torrents.running().is_empty()).await;
    // And begins again.
    let reader = opened(&home.blobs(), found).await;
    assert!(bytes(&reader, 0..film.len() as u64).await == film);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_of_a_torrent_are_read_at_once() {
    let (one, two, home) = (film(2 * MIB, 4), film(3 * MIB, 5), Home::new());
    let seeder = Seeder::start(&[("S01E01.mkv", &one), ("S01E02.mkv", &two)], None).await;
    let torrents = home.open(home.options().grace(LIMIT)).await;
    let blobs = home.blobs();
    let episode = |number| Wanted { index: None, episode: Some((1, number)) };
    let first = opened(&blobs, source(&torrents, &seeder.link(), episode(1)).await).await;
    let second = opened(&blobs, source(&torrents, &seeder.link(), episode(2)).await).await;
    let (read_one, read_two) = tokio::join!(bytes(&first, 0..one.len() as u64), bytes(&second, 0..two.len() as u64));
    assert!(read_one == one && read_two == two);
    assert_eq!(torrents.running().len(), 1);
    assert_eq!(torrents.running()[0].total, (one.len() + two.len()) as u64);
    torrents.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torrent_file_needs_no_peer_to_say_what_it_holds() {
    let (film, home) = (film(MIB, 6), Home::new());
    let seeder = Seeder::start(&[("film.mkv", &film)], None).await;
    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &TorrentLink::File(seeder.file.clone()), Wanted::default()).await;
    assert_eq!((found.file().len, found.contents().hash().to_string()), (film.len() as u64, seeder.hash.clone()));
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_are_not_there_are_asked_for_as_long_as_somebody_waits() {
    let home = Home::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let torrents = home.open(home.options()).await;
    let link = magnet("dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c", &format!("&x.pe={free}"));
    assert!(timeout(Duration::from_millis(300), torrents.source(&link, Wanted::default())).await.is_err());
    assert_eq!(torrents.running(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_when_torrents_are_ended() {
    let (film, home) = (film(8 * MIB, 7), Home::new());
    let seeder = Seeder::start(&[("film.mkv", &film)], Some(256 << 10)).await;
    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &seeder.link(), Wanted::default()).await;
    let mut stream = found.fetch(4 * MIB as u64, &cache_blob::Version::default()).await.unwrap();
    torrents.close().await;
    let told = async {
        loop {
            match futures_util::StreamExt::next(&mut stream).await {
                Some(Ok(_)) => {}
                other => return other,
            }
        }
    };
    let error = timeout(LIMIT, told).await.unwrap().expect("an error, and no end").unwrap_err();
    assert!(error.to_string().contains("being ended"), "{error}");
    assert!(found.fetch(0, &cache_blob::Version::default()).await.is_err(), "a torrent begins after the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_is_never_mixed_in() {
    let (film, home) = (film(MIB, 8), Home::new());
    let seeder = Seeder::start(&[("film.mkv", &film)], None).await;
    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &seeder.link(), Wanted::default()).await;
    let other = cache_blob::Version::new(Some(1), Some("another".into()));
    assert!(matches!(found.fetch(0, &other).await, Err(cache_blob::BlobError::Changed { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_asks_for_what_was_fetched_gets_nothing() {
    let (film, home) = (film(6 * MIB, 9), Home::new());
    let seeder = Seeder::start(&[("film.mkv", &film)], Some(2 << 20)).await;
    let asking = Leecher::start(seeder.file.clone(), Vec::new()).await;
    let link = magnet(&seeder.hash, &format!("&x.pe={}&x.pe={}", seeder.address(), asking.address()));
    let torrents = home.open(home.options()).await;
    let found = source(&torrents, &link, Wanted::default()).await;
    let reader = opened(&home.blobs(), found).await;
    let mut most = 0;
    let reads = async { bytes(&reader, 0..film.len() as u64).await };
    tokio::pin!(reads);
    let read = loop {
        most = most.max(torrents.running().first().map_or(0, |running| running.peers));
        tokio::select! {
            read = &mut reads => break read,
            () = tokio::task::yield_now() => {}
        }
    };
    assert!(read == film);
    assert_eq!((most, asking.has()), (2, 0), "peers that were connected to, and what the one that asks has got");
    torrents.close().await;
    // The same peer is given all by one that gives.
    let lucky = Leecher::start(seeder.file.clone(), vec![seeder.address()]).await;
    until("a seeder gives", || lucky.has() > 0).await;
}
