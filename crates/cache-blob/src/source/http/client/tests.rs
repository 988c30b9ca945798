//! Names whose addresses change between two looks at them.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Stands for an address of the public internet,
const PUBLIC: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// and this one for one of this machine.
const PRIVATE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn is_public(address: IpAddr) -> bool {
    address == PUBLIC
}

/// A server at both addresses, on one port; how often each was connected to.
struct Servers {
    port: u16,
    seen: Arc<[AtomicUsize; 2]>,
}

impl Servers {
    /// The public one answers with `answer`, in which PORT stands for the port.
    async fn start(answer: &'static str) -> Self {
        let public = TcpListener::bind((PUBLIC, 0)).await.unwrap();
        let port = public.local_addr().unwrap().port();
        let private = TcpListener::bind((PRIVATE, port)).await.unwrap();
        let seen = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        for (which, listener) in [public, private].into_iter().enumerate() {
            let seen = seen.clone();
            drop(tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    seen[which].fetch_add(1, Ordering::SeqCst);
                    let mut asked = [0; 4096];
                    _ = stream.read(&mut asked).await;
                    _ = stream.write_all(answer.replace("PORT", &port.to_string()).as_bytes()).await;
                }
            }));
        }
        Self { port, seen }
    }

    async fn ask(&self, client: &HttpClient) -> std::result::Result<u16, BlobError> {
        let url = format!("http://films.example:{}/", self.port).parse().unwrap();
        Ok(client.get(url)?.send().await.map_err(failed)?.status().as_u16())
    }

    fn seen(&self) -> [usize; 2] {
        [0, 1].map(|which| self.seen[which].load(Ordering::SeqCst))
    }
}

fn answer(addresses: &[Ipv4Addr]) -> Found {
    let addresses: Vec<SocketAddr> = addresses.iter().map(|&address| (address, 0).into()).collect();
    Box::pin(async move { Ok(addresses) })
}

#[tokio::test]
async fn trust_15_a_name_that_leads_elsewhere_the_next_time_is_looked_up_once_for_each_connection_and_then_refused() {
    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
    fn changing(_: String) -> Found {
        answer(if LOOKUPS.fetch_add(1, Ordering::SeqCst) == 0 { &[PUBLIC] } else { &[PRIVATE] })
    }
    let servers = Servers::start("HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let client = HttpClient::looking_up(HttpOptions::new().admit(is_public), changing).unwrap();
    assert_eq!(servers.ask(&client).await.unwrap(), 200);
    assert_eq!(LOOKUPS.load(Ordering::SeqCst), 1, "what was looked at is what was connected to");
    let refused = servers.ask(&client).await.unwrap_err();
    assert!(refused.to_string().contains("at an address that is not fetched from"), "{refused}");
    assert_eq!((LOOKUPS.load(Ordering::SeqCst), servers.seen()), (2, [1, 0]));
    // Where that address may be reached, it is.
    let anywhere = HttpClient::looking_up(HttpOptions::new(), changing).unwrap();
    assert_eq!((servers.ask(&anywhere).await.unwrap(), servers.seen()), (200, [1, 1]));
}

#[tokio::test]
async fn trust_15_a_name_that_leads_elsewhere_after_a_redirect_to_itself_is_refused() {
    static LOOKUPS: AtomicUsize = AtomicUsize::new(0);
    fn changing(_: String) -> Found {
        answer(if LOOKUPS.fetch_add(1, Ordering::SeqCst) == 0 { &[PUBLIC] } else { &[PRIVATE] })
    }
    let servers = Servers::start(
        "HTTP/1.1 302 x\r\nConnection: close\r\nContent-Length: 0\r\nLocation: http://films.example:PORT/next\r\n\r\n",
    )
    .await;
    let client = HttpClient::looking_up(HttpOptions::new().redirects(3).admit(is_public), changing).unwrap();
    let refused = servers.ask(&client).await.unwrap_err();
    assert!(refused.to_string().contains("at an address that is not fetched from"), "{refused}");
    assert_eq!((LOOKUPS.load(Ordering::SeqCst), servers.seen()), (2, [1, 0]));
}

#[tokio::test]
async fn trust_15_of_several_addresses_of_a_name_only_those_within_reach_are_connected_to() {
    fn both(_: String) -> Found {
        answer(&[PRIVATE, PUBLIC, PRIVATE])
    }
    let servers = Servers::start("HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").await;
    let client = HttpClient::looking_up(HttpOptions::new().admit(is_public), both).unwrap();
    assert_eq!((servers.ask(&client).await.unwrap(), servers.seen()), (200, [1, 0]));
}
