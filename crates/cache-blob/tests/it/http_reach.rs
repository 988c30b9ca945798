//! What is connected to: addresses, ports and links that are not admitted, named by whom they may be.

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use cache_blob::{BlobReader, HttpClient, HttpOptions, HttpSource};
use cache_core::ErrorKind;
use cache_testkit::eventually;

use crate::http_origin::{Answer, HttpOrigin, Request};
use crate::support::{MIB, key, memory, read, small};

/// This machine by its IPv4 address alone.
fn is_v4(address: IpAddr) -> bool {
    address.is_ipv4()
}

fn nowhere(_: IpAddr) -> bool {
    false
}

async fn open(options: HttpOptions, url: &str) -> cache_blob::Result<BlobReader> {
    let source = HttpSource::new(&HttpClient::new(options.redirects(3))?, url)?;
    small(memory(MIB)).build().unwrap().open(&key(), source).await
}

/// Serves ten bytes, and under `/moved` leads on to `target`.
async fn origin(target: impl Fn() -> String + Send + Sync + 'static) -> HttpOrigin {
    let answer = move |request: &Request| match request.path.as_str() {
        "moved" => Answer::new(302, &[("location", &target()), ("content-length", "0")], Bytes::new()),
        _ => Answer::part(&Bytes::from_static(b"ten bytes."), request.range.unwrap_or(0), "\"a\""),
    };
    HttpOrigin::start(answer).await
}

#[tokio::test]
async fn trust_15_an_address_that_is_not_admitted_is_not_asked_whoever_names_it() {
    let origin = origin(String::new).await;
    let port = origin.port();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"] {
        let refused = open(HttpOptions::new().admit(nowhere), &format!("http://{host}:{port}/film")).await;
        let refused = refused.unwrap_err();
        assert!(refused.to_string().contains("at an address that is not fetched from"), "{host}: {refused}");
    }
    let mapped = format!("http://[::ffff:127.0.0.1]:{port}/film");
    let refused = open(HttpOptions::new().admit(|address| !address.is_loopback()), &mapped).await;
    refused.expect_err("the loopback address in another form");
    assert_eq!(origin.requests().len(), 0);
    let reader = open(HttpOptions::new().admit(is_v4), &format!("http://localhost:{port}/film")).await.unwrap();
    assert_eq!(read(&reader, 0, 10).await.unwrap(), "ten bytes.", "of two addresses the one that is admitted");
}

#[tokio::test]
async fn trust_15_a_redirect_to_what_is_not_admitted_is_not_followed() {
    let target = origin(String::new).await;
    let port = target.port();
    for (host, why) in [
        ("[::1]", "at an address"),
        ("name:hush@127.0.0.1", "user name"),
        ("name@127.0.0.1", "user name"),
        (":hush@127.0.0.1", "user name"),
    ] {
        let leading = origin(move || format!("http://{host}:{port}/film")).await;
        let refused = open(HttpOptions::new().admit(is_v4), &leading.url("moved")).await.unwrap_err();
        assert!(refused.to_string().contains(why), "{host}: {refused}");
        assert!(!format!("{refused} {refused:?}").contains("hush"), "{refused:?}");
    }
    assert_eq!(target.requests().len(), 0);
    let leading = origin(move || format!("http://127.0.0.1:{port}/film")).await;
    open(HttpOptions::new().admit(is_v4), &leading.url("moved")).await.unwrap();
    let requests = target.requests();
    assert!(!requests.is_empty() && requests.iter().all(|request| !request.tells), "{requests:?}");
}

#[tokio::test]
async fn a_port_that_is_not_admitted_is_not_asked_whoever_names_it() {
    let target = origin(String::new).await;
    let port = target.port();
    let leading = origin(move || format!("http://127.0.0.1:{port}/film")).await;
    let refused = open(HttpOptions::new().ports([80..=80, 443..=443]), &target.url("film")).await.unwrap_err();
    assert!(refused.to_string().contains("at a port that is not fetched from"), "{refused}");
    let only_leading = HttpOptions::new().ports([leading.port()..=leading.port()]);
    let refused = open(only_leading.clone(), &leading.url("moved")).await.unwrap_err();
    assert!(refused.to_string().contains("at a port that is not fetched from"), "{refused}");
    assert_eq!(target.requests().len(), 0);
    open(only_leading, &leading.url("film")).await.unwrap();
    // The port of a scheme counts though nobody writes it.
    let refused = open(HttpOptions::new().ports([443..=443]), "http://127.0.0.1/film").await.unwrap_err();
    assert!(refused.to_string().contains("at a port that is not fetched from"), "{refused}");
}

#[tokio::test]
async fn a_link_with_a_user_name_or_a_password_is_refused() {
    let origin = origin(String::new).await;
    let port = origin.port();
    for login in ["name", "name:hush", ":hush"] {
        let refused = open(HttpOptions::new(), &format!("http://{login}@127.0.0.1:{port}/film")).await.unwrap_err();
        assert!(refused.kind() == ErrorKind::Invalid && !refused.to_string().contains("hush"), "{refused}");
    }
    assert_eq!(origin.requests().len(), 0);
}

/// Answers each connection once, with ten bytes, and counts in `open` those that the other side has not closed.
fn answer_all(listener: &TcpListener, open: &Arc<AtomicUsize>) {
    const ANSWER: &[u8] =
        b"HTTP/1.1 206 a\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\nETag: \"a\"\r\n\r\nten bytes.";
    for mut stream in listener.incoming().flatten() {
        open.fetch_add(1, Ordering::SeqCst);
        let open = open.clone();
        thread::spawn(move || {
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            // Whoever has left already needs no answer.
            _ = stream.write_all(ANSWER);
            while stream.read(&mut byte).is_ok_and(|read| read > 0) {}
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

#[tokio::test]
async fn no_connection_is_kept_that_nobody_reads_from_since_hosts_are_named_without_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/film", listener.local_addr().unwrap());
    let open = Arc::new(AtomicUsize::new(0));
    let counted = open.clone();
    thread::spawn(move || answer_all(&listener, &counted));
    // The client lives on, as it does in a server.
    let client = HttpClient::new(HttpOptions::new()).unwrap();
    let source = HttpSource::new(&client, &url).unwrap();
    let reader = small(memory(MIB)).build().unwrap().open(&key(), source).await.unwrap();
    assert_eq!(read(&reader, 0, 10).await.unwrap(), "ten bytes.");
    let none = || std::future::ready(open.load(Ordering::SeqCst) == 0);
    assert!(eventually(Duration::from_secs(10), none).await, "{} are kept", open.load(Ordering::SeqCst));
}
