//! A guard before peers and trackers that are told apart by what they see.

use std::net::IpAddr;

use super::*;

const LIMITED: u64 = SMALL_TALK + 4;

fn options() -> Options {
    Options::new(std::env::temp_dir()).limits(Limits { metadata: 4, ..Limits::default() })
}

/// Asks `guard` for `target`, as it is written in the protocol; the connection and the answer.
async fn asked(guard: &Guard, password: &str, target: &[u8]) -> io::Result<(TcpStream, u8)> {
    let address = guard.url().rsplit_once('@').unwrap().1;
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&[5, 2, 0, 2]).await?;
    let mut method = [0; 2];
    stream.read_exact(&mut method).await?;
    assert_eq!(method, [5, 2]);
    let password = [&[1, 1, b'a', password.len() as u8], password.as_bytes()].concat();
    stream.write_all(&password).await?;
    let mut is_right = [0; 2];
    stream.read_exact(&mut is_right).await?;
    stream.write_all(&[&[5, 1, 0], target].concat()).await?;
    let mut answer = [0; 10];
    stream.read_exact(&mut answer).await?;
    Ok((stream, answer[1]))
}

fn by_address(address: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = address.ip() else { unreachable!("a test listens on IPv4") };
    [&[1][..], &ip.octets(), &address.port().to_be_bytes()].concat()
}

fn by_name(name: &str, port: u16) -> Vec<u8> {
    [&[3, name.len() as u8], name.as_bytes(), &port.to_be_bytes()].concat()
}

fn hello(hash: [u8; 20]) -> Vec<u8> {
    [&HELLO[..], &[0; 8], &hash, b"the rest"].concat()
}

fn password_of(guard: &Guard) -> String {
    guard.rules.password.clone()
}

#[tokio::test]
async fn trust_16_no_address_out_of_reach_is_connected_to_however_it_is_written() {
    let private = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = private.local_addr().unwrap().port();
    let guard = Guard::start(&options().admit(|address| !address.is_loopback())).await.unwrap();
    let mapped = [&[4][..], &Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets(), &port.to_be_bytes()].concat();
    let targets = [
        by_address(private.local_addr().unwrap()),
        mapped,
        by_name("localhost", port),
        by_name("127.0.0.1", port),
        by_name("[::ffff:127.0.0.1]", port),
        by_name("::ffff:7f00:1", port),
    ];
    for target in &targets {
        let (_, answer) = asked(&guard, &password_of(&guard), target).await.unwrap();
        assert_eq!(answer, Answer::Refused as u8, "{target:?}");
    }
    let private = private.into_std().unwrap();
    let seen = private.accept().map(drop).map_err(|error| error.kind());
    assert_eq!(seen, Err(io::ErrorKind::WouldBlock), "the private service was connected to");
}

#[tokio::test]
async fn what_is_within_reach_is_connected_to() {
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let guard = Guard::start(&options()).await.unwrap();
    let (mut near, answer) =
        asked(&guard, &password_of(&guard), &by_address(peer.local_addr().unwrap())).await.unwrap();
    assert_eq!(answer, Answer::Connected as u8);
    let sent = hello([7; 20]);
    near.write_all(&sent).await.unwrap();
    let mut got = vec![0; sent.len()];
    let (mut far, _) = peer.accept().await.unwrap();
    far.read_exact(&mut got).await.unwrap();
    assert_eq!(got, sent);
    far.write_all(b"hi").await.unwrap();
    let mut back = [0; 2];
    near.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"hi");
}

#[tokio::test]
async fn nobody_without_the_password_is_served() {
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let guard = Guard::start(&options()).await.unwrap();
    let target = by_address(peer.local_addr().unwrap());
    for wrong in ["", "0000000000000000000000000000000000000000"] {
        assert!(asked(&guard, wrong, &target).await.is_err());
    }
}

/// How many bytes arrive of a peer or tracker that never ends, which sees `first` from here.
async fn arrives(guard: &Guard, first: Vec<u8>) -> u64 {
    let far = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut near, _) = asked(guard, &password_of(guard), &by_address(far.local_addr().unwrap())).await.unwrap();
    let endless = async {
        let (mut far, _) = far.accept().await.unwrap();
        while far.write_all(&[1; 4096]).await.is_ok() {}
        pending::<()>().await;
    };
    near.write_all(&first).await.unwrap();
    let mut count = 0;
    let mut piece = [0; 4096];
    let reads = async {
        while let Ok(read @ 1..) = near.read(&mut piece).await {
            count += read as u64;
            if count > 4 * LIMITED {
                break;
            }
        }
    };
    tokio::select! {
        () = endless => {}
        () = reads => {}
    }
    count
}

#[tokio::test]
async fn trust_18_a_description_and_the_answer_of_a_tracker_have_an_end() {
    let guard = Guard::start(&options()).await.unwrap();
    assert_eq!(arrives(&guard, hello([7; 20])).await, LIMITED);
    assert_eq!(arrives(&guard, b"GET /announce HTTP/1.1\r\n\r\n".to_vec()).await, Limits::TRACKER_ANSWER);
    guard.know(InfoHash([7; 20])).stays();
    assert!(arrives(&guard, hello([7; 20])).await > 4 * LIMITED, "what is at work has none");
    guard.forget(InfoHash([7; 20]));
    assert_eq!(arrives(&guard, hello([7; 20])).await, LIMITED);
}

#[tokio::test]
async fn trust_16_a_tracker_at_another_port_gets_no_byte() {
    let tracker = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let guard = Guard::start(&options().ports([80..=80])).await.unwrap();
    let target = by_address(tracker.local_addr().unwrap());
    let (mut near, _) = asked(&guard, &password_of(&guard), &target).await.unwrap();
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let (mut far, _) = tracker.accept().await.unwrap();
    let mut got = Vec::new();
    far.read_to_end(&mut got).await.unwrap();
    assert!(got.is_empty(), "{got:?}");
}
