//! Which trackers of strangers are asked.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use crate::options::{Limits, Options};

/// How long a name may take to be looked up.
const LOOKUP: Duration = Duration::from_secs(5);

/// Those of `named` that may be asked, as they are handed to the library, in their order.
///
/// Datagrams pass no guard: their trackers are named by the address that was looked at. Those of HTTP are looked at once more
/// when they are connected to, redirects included.
pub(crate) async fn asked(named: &[Url], options: &Options) -> Vec<Url> {
    let looked_up: Vec<_> = named.iter().take(Limits::TRACKERS).map(|url| one(url, options)).collect();
    stream::iter(looked_up).buffered(Limits::TRACKERS).filter_map(std::future::ready).collect().await
}

async fn one(url: &Url, options: &Options) -> Option<Url> {
    if !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    match url.scheme() {
        "udp" => {
            let port = url.port().filter(|port| *port > 0)?;
            let mut addresses = addresses(url, port).await.into_iter();
            let address = addresses.find(|address| options.is_admitted(*address))?;
            Url::parse(&format!("udp://{}", SocketAddr::new(address, port))).ok()
        }
        "http" | "https" => {
            let port = url.port_or_known_default().filter(|port| options.is_port_asked(*port))?;
            let addresses = addresses(url, port).await;
            addresses.into_iter().any(|address| options.is_admitted(address)).then(|| url.clone())
        }
        _ => None,
    }
}

async fn addresses(url: &Url, port: u16) -> Vec<IpAddr> {
    match url.host() {
        // Of other schemes than those of the web, the library leaves addresses as they are written.
        Some(Host::Domain(name)) => match name.parse() {
            Ok(address) => vec![address],
            Err(_) => match timeout(LOOKUP, lookup_host((name, port))).await {
                Ok(Ok(found)) => found.take(16).map(|address| address.ip()).collect(),
                _ => Vec::new(),
            },
        },
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn left(named: &[&str]) -> Vec<String> {
        let options = Options::new("/nowhere").admit(|address| !address.is_loopback()).ports([80..=80, 443..=443]);
        let named: Vec<Url> = named.iter().map(|url| Url::parse(url).unwrap()).collect();
        asked(&named, &options).await.into_iter().map(String::from).collect()
    }

    #[tokio::test]
    async fn trust_16_trackers_out_of_reach_are_dropped() {
        let named = [
            "udp://127.0.0.1:6969/announce",
            "udp://localhost:6969",
            "udp://[::1]:6969",
            "udp://[::ffff:127.0.0.1]:6969",
            "udp://192.0.2.1",
            "http://127.0.0.1/announce",
            "http://2130706433/announce",
            "http://0x7f.1/announce",
            "http://localhost/announce",
            "http://192.0.2.1:6379/announce",
            "http://user:secret@192.0.2.1/announce",
            "wss://192.0.2.1/announce",
            "file:///etc/passwd",
        ];
        assert_eq!(left(&named).await, Vec::<String>::new());
    }

    #[tokio::test]
    async fn trackers_of_datagrams_are_named_by_the_address_that_was_looked_at() {
        let named = ["http://192.0.2.1/announce?pass=1", "udp://192.0.2.7:6969/announce", "udp://[2001:db8::7]:1"];
        let expected = ["http://192.0.2.1/announce?pass=1", "udp://192.0.2.7:6969", "udp://[2001:db8::7]:1"];
        assert_eq!(left(&named).await, expected);
    }
}
