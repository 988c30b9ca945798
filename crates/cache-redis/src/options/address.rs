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

/// Reads a URL. No part of it is in the error: it may be the password.
pub(super) fn parse(url: &str) -> Result<Parsed> {
    let wrong = || {
        invalid(
            "this is no URL of Redis: redis://user:password@host:port/database, redis-cluster://host:port?node=host:port, \
             redis-sentinel://host:port?sentinelServiceName=name or redis+unix:///path",
        )
    };
    let scheme = url.split("://").next().unwrap_or_default();
    let base = scheme.strip_prefix("redis").or_else(|| scheme.strip_prefix("valkey"));
    let kind = base.map(|rest| rest.strip_prefix('s').map_or((false, rest), |rest| (true, rest)));
    let Some((encrypted, "" | "-cluster" | "-sentinel" | "+unix")) = kind else { return Err(wrong()) };
    // The certificates are loaded when the backend is opened.
    let plain =
        if encrypted { url.replacen("rediss", "redis", 1).replacen("valkeys", "valkey", 1) } else { url.to_owned() };
    let config = Config::from_url(&plain).map_err(|_| wrong())?;
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
    let prefix = match query(url, "prefix") {
        Some(text) => Some(percent_decoded(text).ok_or_else(wrong)?),
        None => None,
    };
    let (user, password) = (config.username, config.password);
    Ok(Parsed { address, user, password, database: config.database, encrypted, prefix })
}

fn query<'a>(url: &'a str, name: &str) -> Option<&'a str> {
    let (_, query) = url.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
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
