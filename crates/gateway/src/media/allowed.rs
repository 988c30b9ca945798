//! Which links of strangers the server fetches, and sends players to.

use std::net::IpAddr;

use providers::Canonical;
use tokio::net::lookup_host;
use url::{Host, Url};

use crate::reach::{Ports, Reach};

/// Which links of strangers the server fetches, and sends players to.
#[derive(Debug, Clone)]
pub(crate) struct Allowed {
    reach: Reach,
    ports: Ports,
}

impl Allowed {
    /// Those at `ports` of the addresses within `reach`, and magnet links.
    pub(crate) fn new(reach: Reach, ports: Ports) -> Self {
        Self { reach, ports }
    }

    /// Whether an address may be connected to.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        self.reach.admits(address.to_canonical())
    }

    /// Why the link `url` is none of them, if so. What names stand for is looked at by whoever connects.
    pub(crate) fn refusal(&self, url: &str) -> Option<&'static str> {
        if url.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("magnet:?")) {
            let is_clean = is_clean(url) && Canonical::of(url).is_ok();
            return (!is_clean).then_some("it is a magnet link without an info hash");
        }
        let url = match parsed(url) {
            Ok(url) => url,
            Err(why) => return Some(why),
        };
        let port = url.port_or_known_default().unwrap_or(0);
        if literal(&url).is_some_and(|address| !self.admits(address)) {
            Some("its host is at an address that is not fetched from")
        } else if !self.ports.0.iter().any(|ports| ports.contains(&port)) {
            Some("its port is none that is fetched from")
        } else {
            None
        }
    }

    /// As [`refusal`](Self::refusal), with what the name of the host stands for: for programs that connect by themselves.
    pub(crate) async fn refusal_looked_up(&self, url: &str) -> Option<&'static str> {
        if let Some(refusal) = self.refusal(url) {
            return Some(refusal);
        }
        let url = parsed(url).ok()?;
        let Some(Host::Domain(name)) = url.host() else { return None };
        let Ok(found) = lookup_host((name, 0)).await else { return Some("the name of its host stands for nothing") };
        let mut addresses = found.map(|address| address.ip());
        addresses.any(|address| !self.admits(address)).then_some("its host is at an address that is not fetched from")
    }
}

/// Whether `url` is an address of the web that a person may be sent to.
pub(crate) fn is_web(url: &str) -> bool {
    parsed(url).is_ok()
}

/// The parts of `url`, written so that all who read it read the same.
fn parsed(url: &str) -> Result<Url, &'static str> {
    let rest = ["https://", "http://"].into_iter().find_map(|scheme| {
        let (start, rest) = url.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    let rest = rest.ok_or("it is neither of HTTP nor a magnet link")?;
    if !is_clean(url) || rest.starts_with('/') {
        return Err("it holds what no address may hold");
    }
    let url = Url::parse(url).map_err(|_| "it is no address")?;
    // One with an empty name is written with a sign all the same.
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a name or a password");
    }
    if url.has_host() { Ok(url) } else { Err("it has no host") }
}

fn is_clean(url: &str) -> bool {
    !url.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\')
}

fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public() -> Allowed {
        Allowed::new(Reach::Public, Ports::default())
    }

    #[test]
    fn links_of_http_and_magnet_links_are_allowed() {
        for url in [
            "https://films.example/a.mp4?sig=x%20y&e=1",
            "HTTP://films.example:80/a",
            "https://[2606:4700::1]/a",
            "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c&dn=a",
        ] {
            assert_eq!(public().refusal(url), None, "{url}");
        }
    }

    #[test]
    fn other_schemes_logins_and_what_is_read_in_two_ways_are_not() {
        for url in [
            "javascript:alert(1)",
            "data:text/html,<b>",
            "file:///etc/passwd",
            "//films.example/a",
            "\\\\films.example\\a",
            "https:films.example/a",
            "https:/films.example/a",
            "https:///films.example/a",
            "https://\\films.example/a",
            "https://me@films.example/a",
            "https://@films.example/a",
            "https://me:hush@films.example/a",
            "https://films.example/a\r\nSet-Cookie: a=b",
            "https://films.example/a b",
            "https://films.example/\u{0}",
            "https://",
            "magnet:?dn=film",
            "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c\r\n",
            "ftp://films.example/a",
            "",
        ] {
            assert!(public().refusal(url).is_some(), "{url:?}");
        }
    }

    #[test]
    fn trust_15_addresses_and_ports_out_of_reach_are_not_however_they_are_written() {
        for url in [
            "http://127.0.0.1/a",
            "http://2130706433/a",
            "http://0x7f.1/a",
            "http://0177.0.0.1/a",
            "http://169.254.169.254/latest",
            "http://[::1]/a",
            "http://[::ffff:127.0.0.1]/a",
            "http://10.0.0.1/a",
            "https://films.example:6379/a",
        ] {
            assert!(public().refusal(url).is_some(), "{url}");
        }
        let anywhere = Allowed::new(Reach::Anywhere, "1-65535".parse().unwrap());
        assert_eq!(anywhere.refusal("http://127.0.0.1:8080/a"), None);
        assert!(anywhere.refusal("file:///etc/passwd").is_some());
    }

    #[tokio::test]
    async fn a_name_counts_for_what_it_stands_for_where_others_connect() {
        assert!(public().refusal_looked_up("http://localhost/a").await.is_some());
        assert_eq!(public().refusal_looked_up("http://1.1.1.1/a").await, None);
    }
}
