//! What every request must satisfy and every response carries.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use super::problem::Problem;
use crate::config::{Names, Serve};

/// What is not said otherwise.
const RESPONSE_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'self'; frame-ancestors 'none'"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
];

/// The names that the server answers to.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    named: Arc<Names>,
    listen: IpAddr,
}

impl Hosts {
    pub(super) fn new(serve: &Serve) -> Self {
        Self { named: Arc::new(serve.hosts.clone()), listen: serve.listen.ip() }
    }

    fn has(&self, authority: &Authority) -> bool {
        let name = bare(authority);
        is_loopback(authority)
            || self.named.has(name)
            || (!self.listen.is_unspecified() && name.parse() == Ok(self.listen))
    }
}

/// The answer to a request that does not name this server as its host.
///
/// A web page elsewhere can point its own name at 127.0.0.1 and read what is served there (DNS rebinding); its
/// requests carry that name.
pub(super) fn refusal(hosts: &Hosts, headers: &HeaderMap) -> Option<Response> {
    let (status, why) = reason(hosts, headers)?;
    Some(Problem::new(status, why).into_response())
}

/// Adds the headers above to those of an answer.
pub(super) fn complete(headers: &mut HeaderMap) {
    for (name, value) in RESPONSE_HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

fn reason(hosts_known: &Hosts, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let authority = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()),
        _ => None,
    };
    match authority {
        None => Some((StatusCode::BAD_REQUEST, "a request names its host in exactly one Host header")),
        Some(authority) if hosts_known.has(&authority) => None,
        Some(_) => Some((
            StatusCode::MISDIRECTED_REQUEST,
            "this server does not answer to that name: serve.hosts lists others than localhost",
        )),
    }
}

/// Whether an authority is this machine.
pub(super) fn is_loopback(authority: &Authority) -> bool {
    let name = bare(authority);
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host alone, an address without its brackets.
fn bare(authority: &Authority) -> &str {
    authority.host().trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(hosts: &[&'static str]) -> Option<u16> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_static(host));
        }
        let serve = Serve { listen: "10.0.0.5:80".parse().unwrap(), hosts: named("films.example"), ..Serve::default() };
        reason(&Hosts::new(&serve), &headers).map(|(status, _)| status.as_u16())
    }

    fn named(text: &str) -> Names {
        crate::config::Value::of_text(text).unwrap()
    }

    #[test]
    fn names_that_are_set_and_the_address_it_listens_on_pass() {
        for host in ["films.example", "FILMS.example:80", "10.0.0.5", "10.0.0.5:80"] {
            assert_eq!(answer(&[host]), None, "{host}");
        }
        assert_eq!(answer(&["10.0.0.6"]), Some(421));
    }

    #[test]
    fn loopback_names_pass() {
        for host in ["localhost", "LOCALHOST:7878", "127.0.0.1", "127.0.0.1:80", "[::1]:7878"] {
            assert_eq!(answer(&[host]), None, "{host}");
        }
    }

    #[test]
    fn trust_14_names_that_only_begin_or_end_alike_are_foreign() {
        for host in [
            "example.org",
            "localhost.example.org",
            "192.168.0.1",
            "127.0.0.1.example.org",
            "evilfilms.example",
            "evil.films.example",
            "films.example.evil.example",
            "films.example.",
        ] {
            assert_eq!(answer(&[host]), Some(421), "{host}");
        }
    }

    #[test]
    fn missing_double_and_malformed_hosts_are_bad_requests() {
        for hosts in [&[][..], &["localhost", "localhost"], &[""], &["local host"]] {
            assert_eq!(answer(hosts), Some(400), "{hosts:?}");
        }
    }
}
