//! What torrents may cost.

use cache_blob::{Source, Version};
use cache_core::Error;
use torrents::{Limits, TorrentError, TorrentLink, Wanted, Why};

use crate::support::{Home, LIMIT, MIB, Seeder, film, source};

fn why(error: cache_blob::BlobError) -> Why {
    let cache_blob::BlobError::Failed(error) = error else { panic!("{error:?}") };
    why_of(&error)
}

fn why_of(error: &Error) -> Why {
    let source = std::error::Error::source(error).expect("a reason");
    source.downcast_ref::<TorrentError>().expect("one of torrents").why()
}

fn limits(set: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    limits.disk_reserve = 0;
    set(&mut limits);
    limits
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_20_a_file_longer_than_allowed_is_refused_before_the_first_byte() {
    let seeder = Seeder::start(&[("film.mkv", &film(2 * MIB, 11))], None).await;
    let mib = MIB as u64;
    for limits in [
        limits(|limits| limits.file_len = mib),
        limits(|limits| limits.disk = mib),
        limits(|limits| limits.total_len = mib),
        limits(|limits| limits.metadata = 100),
        limits(|limits| limits.piece_len = 64 << 10),
        limits(|limits| limits.files = 0),
    ] {
        // Nothing is kept of what another has learned.
        let home = Home::new();
        let torrents = home.open(home.options().limits(limits)).await;
        let link = TorrentLink::File(seeder.file.clone());
        let asked = torrents.source(&link, Wanted::default()).await;
        assert_eq!(asked.unwrap_err().why(), Why::TooLarge, "{limits:?}");
        assert_eq!(torrents.running(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_20_no_more_torrents_are_at_work_than_allowed() {
    let home = Home::new();
    let first = Seeder::start(&[("film.mkv", &film(2 * MIB, 12))], None).await;
    let second = Seeder::start(&[("film.mkv", &film(2 * MIB, 13))], None).await;
    let options = home.options().grace(LIMIT).limits(limits(|limits| limits.torrents = 1));
    let torrents = home.open(options).await;
    let one = source(&torrents, &first.link(), Wanted::default()).await;
    let two = source(&torrents, &second.link(), Wanted::default()).await;
    let reading = one.fetch(0, &Version::default()).await.unwrap();
    let Err(error) = two.fetch(0, &Version::default()).await else { panic!("two torrents are at work") };
    assert_eq!(why(error), Why::Busy);
    // One that nobody reads gives its place, whatever is left of its grace.
    drop(reading);
    let _reading = two.fetch(0, &Version::default()).await.unwrap();
    let running = torrents.running();
    assert_eq!((running.len(), running[0].hash.to_string()), (1, second.hash.clone()));
    torrents.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_20_torrents_take_no_more_of_the_disk_than_allowed() {
    let home = Home::new();
    let first = Seeder::start(&[("film.mkv", &film(2 * MIB, 14))], None).await;
    let second = Seeder::start(&[("film.mkv", &film(2 * MIB, 15))], None).await;
    let options = home.options().grace(LIMIT).limits(limits(|limits| limits.disk = 4 * MIB as u64));
    let torrents = home.open(options).await;
    let one = source(&torrents, &first.link(), Wanted::default()).await;
    let two = source(&torrents, &second.link(), Wanted::default()).await;
    let reading = one.fetch(0, &Version::default()).await.unwrap();
    let Err(error) = two.fetch(0, &Version::default()).await else { panic!("more of the disk is taken") };
    assert_eq!(why(error), Why::Busy);
    drop(reading);
    assert!(two.fetch(0, &Version::default()).await.is_ok());
    torrents.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_20_a_disk_without_room_begins_no_torrent() {
    let home = Home::new();
    let seeder = Seeder::start(&[("film.mkv", &film(MIB, 16))], None).await;
    let options = home.options().limits(limits(|limits| limits.disk_reserve = u64::MAX / 2));
    let torrents = home.open(options).await;
    let found = source(&torrents, &seeder.link(), Wanted::default()).await;
    let Err(error) = found.fetch(0, &Version::default()).await else { panic!("it takes room that is not there") };
    assert_eq!(why(error), Why::Busy);
    assert_eq!(torrents.running(), []);
}

#[tokio::test]
async fn what_an_earlier_process_left_is_removed_at_the_start() {
    let home = Home::new();
    std::fs::create_dir_all(home.folder().join("old/deep")).unwrap();
    std::fs::write(home.folder().join("old/deep/film.mkv"), b"left").unwrap();
    std::fs::write(home.folder().join("part"), b"left").unwrap();
    let outside = home.folder().parent().unwrap().join("outside");
    std::fs::write(&outside, b"stays").unwrap();
    std::os::unix::fs::symlink(&outside, home.folder().join("link")).unwrap();
    let _torrents = home.open(home.options()).await;
    assert_eq!(home.names(), [outside]);
}
