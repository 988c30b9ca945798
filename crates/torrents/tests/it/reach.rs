//! Whom strangers can make torrents connect to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cache_blob::{Source, Version};
use tokio::time::timeout;
use torrents::{TorrentLink, Wanted, Why};

use crate::peer::{silent, tracker};
use crate::support::{Home, LIMIT, MIB, Seeder, bytes, film, magnet, opened, source, until};

const HASH: &str = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";

fn naming(tcp: SocketAddr, udp: SocketAddr) -> TorrentLink {
    let (port, udp) = (tcp.port(), udp.port());
    let rest = [
        format!("&x.pe={tcp}&x.pe=[::ffff:127.0.0.1]:{port}"),
        format!("&tr=http://{tcp}/announce&tr=http://localhost:{port}/announce&tr=https://localhost:{port}/"),
        format!("&tr=http://2130706433:{port}/&tr=http://[::ffff:7f00:1]:{port}/"),
        format!("&tr=udp://127.0.0.1:{udp}&tr=udp://localhost:{udp}"),
        format!("&ws=http://{tcp}/film.mkv&as=http://{tcp}/&xs=http://{tcp}/a.torrent&mt=http://{tcp}/"),
    ];
    magnet(HASH, &rest.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_16_no_private_address_of_a_link_is_contacted() {
    let home = Home::new();
    let private = silent("127.0.0.1:0").await;
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let link = naming(private.address, datagrams.local_addr().unwrap());
    let torrents = home.open(home.options().admit(|address| !address.is_loopback())).await;
    let asked = timeout(LIMIT, torrents.source(&link, Wanted::default())).await.unwrap();
    assert_eq!(asked.unwrap_err().why(), Why::Unreachable);
    assert_eq!(private.seen(), 0);
    assert!(datagrams.recv_from(&mut [0; 64]).is_err(), "a datagram came");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_addresses_are_contacted_where_they_are_within_reach() {
    let home = Home::new();
    let private = silent("127.0.0.1:0").await;
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let link = naming(private.address, datagrams.local_addr().unwrap());
    let torrents = home.open(home.options()).await;
    let contacted = async {
        while private.seen() < 2 || datagrams.recv_from(&mut [0; 64]).is_err() {
            tokio::task::yield_now().await;
        }
    };
    let asking = torrents.source(&link, Wanted::default());
    let first = async {
        tokio::select! {
            asked = asking => panic!("nobody answers: {asked:?}"),
            () = contacted => {}
        }
    };
    timeout(LIMIT, first).await.expect("the listener is contacted");
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_16_a_private_peer_that_a_tracker_names_is_not_contacted() {
    let (film, home) = (film(2 * MIB, 9), Home::new());
    let seeder = Seeder::start(&[("film.mkv", &film)], None).await;
    // All of 127/8 is this machine; one of it is public here.
    let private = silent("127.0.0.2:0").await;
    let tracker = tracker(vec![private.address, seeder.address()]).await;
    let public = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let torrents = home.open(home.options().admit(move |address| address == public)).await;
    let link = magnet(&seeder.hash, &format!("&tr=http://{}/announce", tracker.address));
    let found = source(&torrents, &link, Wanted::default()).await;
    let reader = opened(&home.blobs(), found).await;
    assert!(bytes(&reader, 0..film.len() as u64).await == film);
    torrents.close().await;
    assert!(tracker.seen() >= 1);
    assert_eq!(private.seen(), 0);
    // Within reach, it is.
    let torrents = home.open(home.options()).await;
    let link = magnet(HASH, &format!("&tr=http://{}/announce", tracker.address));
    let asking = torrents.source(&link, Wanted::default());
    let contacted = until("the peer is contacted", || private.seen() > 0);
    tokio::select! {
        asked = asking => panic!("nobody answers: {asked:?}"),
        () = contacted => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trackers_are_looked_at_when_a_torrent_begins_and_not_while_its_description_is_kept() {
    let home = Home::new();
    let seeder = Seeder::start(&[("film.mkv", &film(MIB, 17))], None).await;
    let tracker: IpAddr = "127.0.0.3".parse().unwrap();
    let looked = Arc::new(AtomicUsize::new(0));
    let counted = looked.clone();
    let options = home.options().admit(move |address| {
        counted.fetch_add(usize::from(address == tracker), Ordering::SeqCst);
        address != tracker
    });
    let torrents = home.open(options).await;
    source(&torrents, &seeder.link(), Wanted::default()).await;
    let rest = format!("&x.pe={}&tr=http://127.0.0.3/announce", seeder.address());
    let found = source(&torrents, &magnet(&seeder.hash, &rest), Wanted::default()).await;
    assert_eq!(looked.load(Ordering::SeqCst), 0, "what the torrent holds is kept");
    drop(found.fetch(0, &Version::default()).await.unwrap());
    assert_eq!(looked.load(Ordering::SeqCst), 1);
    torrents.close().await;
}
