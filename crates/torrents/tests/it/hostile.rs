//! Descriptions that peers give and no torrent should have.

use std::time::Duration;

use librqbit::torrent_from_bytes;
use tokio::time::timeout;
use torrents::{TorrentError, TorrentLink, Wanted, Why};

use crate::peer::{Listening, liar};
use crate::support::{Home, LIMIT, magnet};

/// The description of a torrent, as a peer gives it, and its hash.
fn info(files: &str, name: &str, piece: u64, pieces: usize) -> (Vec<u8>, [u8; 20]) {
    let head = format!("d{files}4:name{}:{name}12:piece lengthi{piece}e6:pieces{}:", name.len(), 20 * pieces);
    let info = [head.as_bytes(), &vec![b'x'; 20 * pieces], b"e"].concat();
    let file = [b"d4:info", &info[..], b"e"].concat();
    let hash = torrent_from_bytes(&file).unwrap().info_hash.0;
    (info, hash)
}

fn link(peer: &Listening, hash: [u8; 20]) -> TorrentLink {
    let hash = librqbit::dht::Id20::new(hash).as_string();
    magnet(&hash, &format!("&x.pe={}", peer.address))
}

/// What is said of a torrent that a peer describes so.
async fn refusal(home: &Home, (info, hash): (Vec<u8>, [u8; 20])) -> TorrentError {
    let told = info.len();
    let peer = liar(hash, info, told).await;
    let torrents = home.open(home.options()).await;
    let asked = timeout(LIMIT, torrents.source(&link(&peer, hash), Wanted::default())).await;
    assert_eq!(torrents.running(), []);
    asked.expect("an answer in time").expect_err("it is refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_tells_the_truth_is_believed() {
    let home = Home::new();
    let (info, hash) = info("6:lengthi9e", "film.mkv", 1 << 20, 1);
    let told = info.len();
    let peer = liar(hash, info, told).await;
    let torrents = home.open(home.options()).await;
    let found = timeout(LIMIT, torrents.source(&link(&peer, hash), Wanted::default())).await.unwrap().unwrap();
    assert_eq!((found.file().name.as_str(), found.file().len), ("film.mkv", 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_18_what_a_peer_says_of_a_torrent_is_refused_before_anything_is_on_disk() {
    let home = Home::new();
    let file = |path: &str, more: &str| format!("5:filesld{more}6:lengthi9e4:pathl{path}eee");
    let long = format!("4096:{}", "a".repeat(4096));
    for (what, about) in [
        ("a path upwards", info(&file("2:..6:passwd", ""), "a", 1 << 20, 1)),
        ("an absolute path", info(&file("11:/etc/passwd", ""), "a", 1 << 20, 1)),
        ("an empty name", info(&file("0:", ""), "a", 1 << 20, 1)),
        ("a backslash", info(&file("4:..\\a", ""), "a", 1 << 20, 1)),
        ("a null", info(&file("3:a\0b", ""), "a", 1 << 20, 1)),
        ("a long name", info(&file(&long, ""), "a", 1 << 20, 1)),
        ("a link", info(&file("5:a.mkv", "4:attr1:l"), "a", 1 << 20, 1)),
        ("a name upwards", info("6:lengthi9e", "../a.mkv", 1 << 20, 1)),
        (
            "names that clash",
            info("5:filesld6:lengthi4e4:pathl5:A.mkveed6:lengthi5e4:pathl5:a.mkveee", "a", 1 << 20, 1),
        ),
        ("no length of pieces", info("6:lengthi9e", "a.mkv", 0, 1)),
        ("too few pieces", info("6:lengthi9999999999e", "a.mkv", 1 << 20, 1)),
    ] {
        let error = refusal(&home, about).await;
        assert_eq!(error.why(), Why::Malformed, "{what}: {error}");
    }
    assert_eq!(home.names(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_20_ten_terabytes_behind_a_magnet_link_are_refused_before_the_first_byte() {
    let home = Home::new();
    let ten = 10_u64 << 40;
    let pieces = usize::try_from(ten / (64 << 20)).unwrap();
    let error = refusal(&home, info(&format!("6:lengthi{ten}e"), "a.mkv", 64 << 20, pieces)).await;
    assert_eq!(error.why(), Why::TooLarge, "{error}");
    assert_eq!(home.names(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_18_a_description_that_lies_about_itself_is_nobodys() {
    let home = Home::new();
    let (info, hash) = info("6:lengthi9e", "film.mkv", 1 << 20, 1);
    let torrents = home.open(home.options()).await;
    let len = info.len();
    for (given, told) in [
        (info.clone(), len + 1),
        (info.clone(), 33 << 20),
        (info.clone(), 0),
        ([&b"d1:ad1:b"[..], &info].concat(), len + 8),
        (b"l".repeat(100_000), 100_000),
        (Vec::new(), len),
    ] {
        let peer = liar(hash, given, told).await;
        let link = link(&peer, hash);
        let mut asking = std::pin::pin!(torrents.source(&link, Wanted::default()));
        // Twice asked, it was refused once.
        while peer.seen() < 2 {
            let asked = timeout(Duration::from_millis(5), &mut asking).await;
            assert!(asked.is_err(), "{told}: {asked:?}");
        }
    }
    assert_eq!(home.names(), Vec::<std::path::PathBuf>::new());
}
