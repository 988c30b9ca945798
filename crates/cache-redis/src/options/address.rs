//! `Address`: the servers that a URL names.

use std::fmt;
use std::path::PathBuf;

use cache_core::Result;
use fred::types::config::{Config, Server, ServerConfig};

use crate::error::invalid;

/// Host and port.
pub(crate) type Node = (String, u16);

/// Where the servers are.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Single(Node),
    Cluster(Vec<Node>),
    Sentinel { nodes: Vec<Node>, service: String, user: Option<String>, password: Option<String> },
    Unix(PathBuf),
}

/// What a URL says.
pub(super) struct Parsed {
    pub(super) address: Address,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<u8>,
    pub(super) encrypted: bool,
    pub(super) prefix: Option<String>,
}

impl Address {
    pub(crate) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    pub(super) fn is_nowhere(&self) -> bool {
        matches!(self, Self::Cluster(nodes) | Self::Sentinel { nodes, .. } if nodes.is_empty())
    }

    /// The same for the client library.
    pub(crate) fn to_server(&self) -> ServerConfig {
        match self {
            Self::Single((host, port)) => ServerConfig::new_centralized(host.clone(), *port),
            Self::Cluster(nodes) => ServerConfig::new_clustered(nodes.clone()),
            Self::Sentinel { nodes, service, user, password } => ServerConfig::Sentinel {
                hosts: nodes.iter().map(|(host, port)| Server::new(host.clone(), *port)).collect(),
                service_name: service.clone(),
                username: user.clone(),
                password: password.clone(),
            },
            Self::Unix(path) => ServerConfig::Unix { path: path.clone() },
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write = |f: &mut fmt::Formatter<'_>, nodes: &[Node]| {
            nodes.iter().try_for_each(|(host, port)| write!(f, " {host}:{port}"))
        };
        match self {
            Self::Single((host, port)) => write!(f, "{host}:{port}"),
            Self::Cluster(nodes) => f.write_str("cluster").and_then(|()| write(f, nodes)),
            Self::Sentinel { nodes, service, .. } => write!(f, "{service} of sentinels").and_then(|()| write(f, nodes)),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// What follows the `?` of a URL.
const PREFIX: &str = "prefix";
const NODE: &str = "node";
const SENTINELS: [&str; 3] = ["sentinelServiceName", "sentinelUsername", "sentinelPassword"];

/// Reads a URL. No part of it is in the error: it may be the password.
pub(super) fn parse(url: &str) -> Result<Parsed> {
    let wrong = || {
        invalid(
            "this is no URL of Redis: redis://user:password@host:port/database, redis-cluster://host:port?node=host:port, \
             redis-sentinel://host:port?sentinelServiceName=name or redis+unix:///path",
        )
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    let base = scheme.strip_prefix("redis").or_else(|| scheme.strip_prefix("valkey")).ok_or_else(wrong)?;
    let (encrypted, kind) = base.strip_prefix('s').map_or((false, base), |kind| (true, kind));
    check_options(url, kind)?.ok_or_else(wrong)?;
    // The certificates are loaded when the backend is opened.
    let config = Config::from_url(&format!("redis{kind}://{rest}")).map_err(|_| wrong())?;
    let node = |server: &Server| (server.host.to_string(), server.port);
    let address = match config.server {
        ServerConfig::Centralized { server } => Address::Single(node(&server)),
        ServerConfig::Clustered { hosts, .. } => Address::Cluster(hosts.iter().map(node).collect()),
        ServerConfig::Sentinel { hosts, service_name, username, password } => Address::Sentinel {
            nodes: hosts.iter().map(node).collect(),
            service: service_name,
            user: username,
            password,
        },
        ServerConfig::Unix { path } => Address::Unix(path),
    };
    let prefix = match options(url).find(|(name, _)| *name == PREFIX) {
        Some((_, text)) => Some(percent_decoded(text).ok_or_else(wrong)?),
        None => None,
    };
    let (user, password) = (config.username, config.password);
    Ok(Parsed { address, user, password, database: config.database, encrypted, prefix })
}

/// Refuses options that a URL of this `kind` does not have, which would be ignored; `None` for a kind that nobody knows.
fn check_options(url: &str, kind: &str) -> Result<Option<()>> {
    let [service, user, password] = SENTINELS;
    let known: &[&str] = match kind {
        "" | "+unix" => &[PREFIX],
        "-cluster" => &[NODE, PREFIX],
        "-sentinel" => &[NODE, PREFIX, service, user, password],
        _ => return Ok(None),
    };
    if options(url).all(|(name, _)| known.contains(&name)) {
        return Ok(Some(()));
    }
    let known = known.join(", ");
    Err(invalid(format!("this URL of Redis has an option that is none of its kind: it may have {known}")))
}

fn options(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let (_, query) = url.split_once('?').unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    String::from_utf8(bytes).ok()
}
