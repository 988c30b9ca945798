//! Torrents played over HTTP, from a peer of this machine.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use librqbit::limits::LimitsConfig;
use librqbit::spawn_utils::BlockingSpawner;
use librqbit::{
    AddTorrent, AddTorrentOptions, CreateTorrentOptions, ListenerOptions, Session, SessionOptions, create_torrent,
    torrent_from_bytes,
};
use serde_json::json;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::site::{Page, Site};
use super::support::{Home, Server};
use super::titles::addon_with;
use super::web::{Answer, addon, escaped, get, send, serving};

pub(crate) const MIB: usize = 1 << 20;

/// A peer that has a film, and a text beside it.
pub(crate) struct Seeder {
    session: Arc<Session>,
    runtime: Runtime,
    file: Vec<u8>,
    hash: String,
    _dir: TempDir,
}

impl Seeder {
    /// One that gives `upload` bytes a second.
    pub(crate) fn start(film: &[u8], upload: Option<u32>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a seeder");
        let dir = tempfile::tempdir().expect("a seeder");
        let content = dir.path().join("films");
        std::fs::create_dir(&content).expect("a seeder");
        std::fs::write(content.join("a read me.txt"), b"hello").expect("a seeder");
        std::fs::write(content.join("film.mkv"), film).expect("a seeder");
        let listen = ListenerOptions {
            listen_addr: (Ipv4Addr::LOCALHOST, 0).into(),
            ipv4_only: true,
            ..ListenerOptions::default()
        };
        let settings = SessionOptions {
            dht: None,
            disable_trackers: true,
            disable_local_service_discovery: true,
            listen: Some(listen),
            ratelimits: LimitsConfig { upload_bps: upload.and_then(NonZeroU32::new), download_bps: None },
            ..SessionOptions::default()
        };
        let (session, torrent, hash) = runtime.block_on(async {
            let options = CreateTorrentOptions { piece_length: Some(256 << 10), ..CreateTorrentOptions::default() };
            let created = create_torrent(&content, options, &BlockingSpawner::new(1)).await.expect("a seeder");
            let session = Session::new_with_opts(dir.path().to_owned(), settings).await.expect("a seeder");
            let torrent = created.as_bytes().expect("a seeder");
            let adding = AddTorrentOptions {
                output_folder: Some(content.to_str().expect("a seeder").to_owned()),
                overwrite: true,
                ..AddTorrentOptions::default()
            };
            let added =
                session.add_torrent(AddTorrent::from_bytes(torrent.clone()), Some(adding)).await.expect("a seeder");
            added.into_handle().expect("a seeder").wait_until_completed().await.expect("a seeder");
            (session, torrent.to_vec(), created.info_hash().as_string())
        });
        Self { session, runtime, file: torrent, hash, _dir: dir }
    }

    fn address(&self) -> SocketAddr {
        self.session.listen_addr().expect("a seeder")
    }

    /// The number of the film: files are in no order of their names.
    fn index(&self) -> usize {
        let read = torrent_from_bytes(&self.file).expect("a seeder");
        let files = read.info.data.files.expect("a seeder");
        files.iter().position(|file| file.path[0].as_ref() == b"film.mkv").expect("a seeder")
    }

    pub(crate) fn magnet(&self) -> String {
        format!("magnet:?xt=urn:btih:{}&dn=film.mkv&x.pe={}", self.hash, self.address())
    }

    fn stop(self) {
        self.runtime.block_on(self.session.stop());
        self.runtime.shutdown_background();
    }
}

pub(crate) fn film(len: usize) -> Vec<u8> {
    (0..len as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// A server that asks nobody but who is named.
fn server(home: &Home, variables: &[(&str, &str)]) -> Server {
    let own = [("REELCACHE_TORRENTS_DHT", "false"), ("REELCACHE_TORRENTS_DISK_RESERVE", "0")];
    Server::start_with_variables(home, &[&own, variables].concat())
}

fn target(link: &str) -> String {
    format!("/play?url={}", escaped(link))
}

#[test]
fn row_16_a_magnet_link_is_played_from_peers_and_after_a_restart_from_the_cache() {
    let (home, film) = (Home::new(), film(5 * MIB + 77));
    let seeder = Seeder::start(&film, None);
    let link = seeder.magnet();
    let first = server(&home, &[]);
    let whole = get(&first, &target(&link));
    assert_eq!((whole.status, whole.body.len()), (200, film.len()), "{}", whole.head);
    assert!(whole.body == film);
    assert_eq!(whole.header("content-type"), Some("video/x-matroska"));
    assert_eq!(whole.header("content-disposition"), Some("inline; filename*=UTF-8''film.mkv"));
    assert_eq!(first.stop("-TERM").0, Some(0));
    seeder.stop();
    assert!(std::fs::read_dir(home.path("cache").join("torrents")).unwrap().next().is_none(), "something is left");

    let second = server(&home, &[]);
    let part = send(&second, &format!("GET {}\r\nRange: bytes=4000000-4000009", target(&link)), "");
    assert_eq!((part.status, part.body.as_slice()), (206, &film[4_000_000..4_000_010]), "{}", part.head);
    assert_eq!(part.header("etag"), whole.header("etag"));
    // Whatever else its link says.
    let other = link.split("&x.pe").next().unwrap().replace("film.mkv", "other.mkv");
    assert!(get(&second, &target(&other)).body == film);
}

#[test]
fn row_16_the_end_of_a_torrent_is_played_before_the_rest_is_there() {
    let (home, film) = (Home::new(), film(32 * MIB));
    let seeder = Seeder::start(&film, Some(2 << 20));
    let server = server(&home, &[]);
    let begun = Instant::now();
    let at = 30 * MIB;
    let range = format!("GET {}\r\nRange: bytes={at}-{}", target(&seeder.magnet()), at + 65_535);
    let part = send(&server, &range, "");
    assert_eq!((part.status, part.body.len()), (206, 65_536), "{}", part.head);
    assert!(part.body == film[at..at + 65_536]);
    let jobs = get(&server, "/api/jobs").json();
    let torrent = jobs["jobs"]
        .as_array()
        .unwrap()
        .iter()
        .find(|job| job["kind"] == "torrent")
        .unwrap_or_else(|| panic!("{jobs}"));
    assert_eq!((&torrent["total"], &torrent["what"]), (&json!(film.len()), &json!("films")), "{jobs}");
    // All of it takes 16 s.
    assert!(begun.elapsed().as_secs() < 12, "{:?}", begun.elapsed());
}

#[test]
fn row_16_a_stream_of_an_add_on_is_played_by_the_number_of_its_file() {
    let (home, film) = (Home::new(), film(2 * MIB));
    let seeder = Seeder::start(&film, None);
    let tracker = Site::new();
    let body = [b"d8:intervali60e5:peers6:", &compact(seeder.address())[..], b"e"].concat();
    tracker.says("/announce", Page::film(&body));
    let sources = [format!("tracker:{}", tracker.url("/announce")), "dht:ignored".to_owned()];
    let site = addon_with(&json!([
        {"infoHash": seeder.hash, "fileIdx": seeder.index(), "sources": sources},
        {"infoHash": seeder.hash, "fileIdx": 1 - seeder.index(), "sources": sources},
        {"infoHash": seeder.hash, "fileIdx": 9, "sources": sources},
    ]));
    let server = serving(
        &home,
        &addon("addon", &site),
        &[("REELCACHE_TORRENTS_DHT", "false"), ("REELCACHE_TORRENTS_DISK_RESERVE", "0")],
    );
    let played = get(&server, "/play/movie/tt0111161/0");
    assert_eq!((played.status, played.header("content-type")), (200, Some("video/x-matroska")), "{}", played.head);
    assert!(played.body == film);
    assert_eq!(get(&server, "/play/movie/tt0111161/1").body, b"hello");
    assert_eq!(get(&server, "/play/movie/tt0111161/2").status, 404);
}

#[test]
fn a_torrent_file_is_played() {
    let (home, film) = (Home::new(), film(MIB));
    let seeder = Seeder::start(&film, None);
    let site = Site::new();
    site.says("/film.torrent", Page::film(&seeder.file));
    site.says("/bad.torrent", Page::film(b"d4:infode"));
    let server = server(&home, &[("REELCACHE_TORRENTS_PATIENCE", "5s")]);
    let bad = get(&server, &target(&site.url("/bad.torrent")));
    assert_eq!(bad.status, 502, "{bad:?}");
    // It names no peer: a link to the same torrent does, once somebody plays that.
    let described = send(&server, &format!("HEAD {}", target(&site.url("/film.torrent"))), "");
    assert_eq!((described.status, described.header("content-length")), (200, Some("1048576")), "{described:?}");
}

#[test]
fn row_16_a_torrent_without_peers_is_a_timeout() {
    let home = Home::new();
    let server = server(&home, &[("REELCACHE_TORRENTS_PATIENCE", "1s")]);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hash = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    let answer = get(&server, &target(&format!("magnet:?xt=urn:btih:{hash}&x.pe={gone}")));
    assert_eq!(answer.status, 504, "{answer:?}");
    assert!(answer.json()["detail"].as_str().unwrap().contains("what the torrent holds"), "{answer:?}");
    // Where nobody is named, nobody is waited for.
    let answer = get(&server, &target(&format!("magnet:?xt=urn:btih:{hash}")));
    assert_eq!(answer.status, 502, "{answer:?}");
    assert_eq!(get(&server, &target("magnet:?xt=urn:btih:12")).status, 400);
}

#[test]
fn trust_16_no_private_tracker_or_peer_of_a_magnet_link_is_contacted() {
    let home = Home::new();
    let private = TcpListener::bind("127.0.0.1:0").unwrap();
    private.set_nonblocking(true).unwrap();
    let at = private.local_addr().unwrap();
    let mut command = home.reelcache();
    command.args(["serve", "--listen", "127.0.0.1:0", "--reach-ports", "1-65535"]);
    let public = Server::start_command(command.env("REELCACHE_TORRENTS_DHT", "false"));
    let hash = "dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c";
    let link = format!(
        "magnet:?xt=urn:btih:{hash}&x.pe={at}&tr=http%3A%2F%2F{at}%2Fa&tr=http%3A%2F%2Flocalhost%3A{}%2Fa&ws=http%3A%2F%2F{at}%2F",
        at.port()
    );
    assert_eq!(get(&public, &target(&link)).status, 502);
    assert_eq!(get(&public, &target(&format!("http://{at}/a.torrent"))).status, 502);
    assert_eq!(private.accept().map(drop).map_err(|error| error.kind()), Err(std::io::ErrorKind::WouldBlock));
    // Within reach, it is.
    let anywhere = server(
        &home,
        &[("REELCACHE_TORRENTS_PATIENCE", "1s"), ("REELCACHE_DIR", home.path("other").to_str().unwrap())],
    );
    assert_eq!(get(&anywhere, &target(&link)).status, 504);
    assert!(private.accept().is_ok(), "the same link is followed");
}

#[test]
fn trust_20_a_file_longer_than_allowed_is_refused_before_the_first_byte() {
    let (home, film) = (Home::new(), film(2 * MIB));
    let seeder = Seeder::start(&film, None);
    let server = server(&home, &[("REELCACHE_TORRENTS_MAX_FILE", "1MiB")]);
    let answer = get(&server, &target(&seeder.magnet()));
    assert!(answer.status == 502 && answer.json()["detail"].as_str().unwrap().contains("1048576"), "{answer:?}");
}

/// As trackers write addresses.
fn compact(address: SocketAddr) -> [u8; 6] {
    let SocketAddr::V4(address) = address else { panic!("an address of IPv6") };
    let ([a, b, c, d], [high, low]) = (address.ip().octets(), address.port().to_be_bytes());
    [a, b, c, d, high, low]
}

/// Who asks `listener`, if somebody does by now.
fn asked(listener: &TcpListener) -> Option<TcpStream> {
    let (mut stream, _) = listener.accept().ok()?;
    stream.set_nonblocking(false).expect("a stream");
    let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
    lines.find(String::is_empty).expect("the end of a head");
    stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 7\r\nConnection: close\r\n\r\n").expect("sent");
    Some(stream)
}

#[test]
fn trust_24_no_more_torrent_files_are_read_at_a_time_than_there_are_places() {
    const ASK: usize = 16;
    const PLACES: usize = 8;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let origin = listener.local_addr().unwrap();
    let home = Home::new();
    let server = server(&home, &[]);
    let ask = |n: usize| {
        let mut stream = TcpStream::connect(server.address).unwrap();
        let target = target(&format!("http://{origin}/{n}.torrent"));
        write!(stream, "GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    let asking: Vec<TcpStream> = (0..ASK).map(ask).collect();
    let (mut reading, mut most, mut ended) = (Vec::<TcpStream>::new(), 0, 0);
    let end = Instant::now() + Duration::from_secs(30);
    while ended < ASK {
        assert!(Instant::now() < end, "{ended} have ended, and {} are read", reading.len());
        reading.extend(std::iter::from_fn(|| asked(&listener)));
        most = most.max(reading.len());
        // None ends before as many are read as may be: others would be read beside them if they could.
        if reading.len() >= PLACES.min(ASK - ended) {
            let mut first = reading.remove(0);
            first.write_all(b"no file").unwrap();
            ended += 1;
        }
        std::thread::yield_now();
    }
    assert_eq!(most, PLACES);
    for mut stream in asking {
        let answer = Answer::read(&mut stream);
        assert!(answer.status == 502, "{answer:?}");
    }
}
