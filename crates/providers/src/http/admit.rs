//! Addresses that are connected to, whoever names them.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::net::lookup_host;
use url::{Host, Url};

use super::options::Limits;
use crate::{Failure, Reason};

/// Whether an address may be connected to.
pub(super) type Admits = fn(IpAddr) -> bool;

/// Names are looked up here, so that what is connected to is what was asked about.
pub(super) struct Admitted(pub(super) Admits);

/// Why nothing is connected to.
#[derive(Debug)]
pub(super) struct NotAdmitted;

impl Resolve for Admitted {
    fn resolve(&self, name: Name) -> Resolving {
        let admits = self.0;
        Box::pin(async move {
            let found = lookup_host((name.as_str(), 0)).await?;
            let admitted: Vec<_> = found.filter(|address| admits(address.ip().to_canonical())).collect();
            if admitted.is_empty() {
                return Err(NotAdmitted.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}

impl fmt::Display for NotAdmitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host is at an address that is not fetched from")
    }
}

impl StdError for NotAdmitted {}

/// Why `url` is not asked, if so. Addresses in place of names do not come by the resolver.
pub(super) fn refusal(url: &Url, limits: &Limits) -> Option<Failure> {
    let is_admitted = match url.host() {
        Some(Host::Ipv4(address)) => (limits.admits)(address.into()),
        // One of the fourth version may be written as one of the sixth.
        Some(Host::Ipv6(address)) => (limits.admits)(address.to_canonical()),
        _ => true,
    };
    let port = url.port_or_known_default().unwrap_or(0);
    if !is_admitted {
        Some(Failure::new(Reason::Forbidden, NotAdmitted.to_string()))
    } else if !limits.ports.iter().any(|ports| ports.contains(&port)) {
        Some(Failure::new(Reason::Forbidden, "the host is named with a port that is not fetched from"))
    } else {
        None
    }
}

/// The parts of an address of HTTP.
pub(super) fn parsed(url: &str) -> Result<Url, Failure> {
    let parsed = Url::parse(url).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    parsed.ok_or_else(|| Failure::new(Reason::Unsupported, "what is to be fetched is no address of HTTP"))
}
