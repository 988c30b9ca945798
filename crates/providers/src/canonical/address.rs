//! `Address`: the parts of an address of HTTP, in normal form.

use std::borrow::Cow;

use cache_core::Result;
use url::{Host, Position, Url};

use super::invalid;
use super::percent::normal;

/// The parts of an address of HTTP.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Address<'a> {
    /// All of it but the fragment.
    pub(super) whole: &'a str,
    pub(super) scheme: &'a str,
    pub(super) has_password: bool,
    /// In lower case, without a dot at its end.
    pub(super) host: &'a str,
    /// One that is not the scheme's own.
    pub(super) port: Option<u16>,
    /// In normal form, with its first slash.
    pub(super) path: Cow<'a, str>,
    /// In normal form, without its question mark.
    pub(super) query: Cow<'a, str>,
    pub(super) fragment: &'a str,
}

impl<'a> Address<'a> {
    /// The parts of `text`, if it is so plain that they need not be looked for: most addresses are.
    pub(super) fn plain(text: &'a str) -> Option<Self> {
        let scheme = ["https", "http"].into_iter().find(|scheme| text.starts_with(scheme))?;
        let rest = text[scheme.len()..].strip_prefix("://")?;
        // What needs an escape, or is one, or reads as a slash or as a dot segment, is not plain.
        let is_plain = |byte: u8| {
            byte.is_ascii_graphic()
                && !matches!(byte, b'%' | b'"' | b'\'' | b'<'..=b'>' | b'\\' | b'^' | b'`' | b'{'..=b'}')
                || byte == b'='
        };
        if !rest.bytes().all(is_plain) || rest.contains("/.") {
            return None;
        }
        let (start, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (start, query) = start.split_once('?').unwrap_or((start, ""));
        let (host, path) = start.split_at(start.find('/')?);
        if !is_plain_host(host) {
            return None;
        }
        let whole = text.split_once('#').map_or(text, |(whole, _)| whole);
        let (path, query) = (Cow::Borrowed(path), Cow::Borrowed(query));
        Some(Self { whole, scheme, has_password: false, host, port: None, path, query, fragment })
    }

    /// The parts of `url`, which [`parsed`] has let pass.
    pub(super) fn of(url: &'a Url) -> Self {
        Self {
            whole: &url[..Position::AfterQuery],
            scheme: url.scheme(),
            has_password: !url.username().is_empty() || url.password().is_some(),
            host: url.host_str().map_or("", |host| host.strip_suffix('.').unwrap_or(host)),
            port: url.port(),
            path: normal(url.path()),
            query: normal(url.query().unwrap_or_default()),
            fragment: url.fragment().unwrap_or_default(),
        }
    }
}

/// The address that `text` is, with or without its scheme.
pub(super) fn parsed(text: &str) -> Result<Url> {
    let url = match Url::parse(text) {
        // "host/path", and "host:8080/path", whose host reads as a scheme.
        Err(url::ParseError::RelativeUrlWithoutBase) => Url::parse(&format!("https://{text}")),
        Ok(url) if url.cannot_be_a_base() && url.scheme().contains('.') => Url::parse(&format!("https://{text}")),
        parsed => parsed,
    };
    let url = url.map_err(|error| invalid("the text is no address").with_source(error))?;
    if !matches!(url.scheme(), "http" | "https") {
        let message = format!("the scheme {} is none that media is fetched by: give http or https", url.scheme());
        return Err(invalid(message));
    }
    match url.host() {
        // A word alone is more likely to be something to search for.
        Some(Host::Domain(host)) if !host.contains('.') && host != "localhost" && !text.contains("://") => {
            Err(invalid("the text is no address"))
        }
        Some(_) => Ok(url),
        None => Err(invalid("the address has no host")),
    }
}

/// Whether `host` is a name in lower case that is written as it is meant: no number, which has other forms, nothing in
/// punycode, which may be refused, no port.
fn is_plain_host(host: &str) -> bool {
    let is_plain = |label: &str| {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_name) && !label.starts_with("xn--")
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.split('.').all(is_plain) && last.starts_with(|first: char| first.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn most_addresses_are_plain() {
        for url in ["https://www.youtube.com/watch?v=dQw4w9WgXcQ&a=b#t=9", "http://a.b-c.org/d/e~f.mp4?x=+&y"] {
            assert!(Address::plain(url).is_some(), "{url}");
        }
        for url in [
            "https://a.org",
            "https://A.org/",
            "https://a.org:80/",
            "https://1.2.3.4/",
            "https://a.org/../b",
            "https://a@b.org/",
        ] {
            assert_eq!(Address::plain(url), None, "{url}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5000))]

        #[test]
        fn a_plain_address_has_the_parts_that_the_parser_finds(
            host in "[a-z0-9.-]{1,6}\\.?([a-z]{2}|[0-9]|0x1)",
            rest in "/[ -~]{0,12}",
            query in "(\\?[a-z=&'%;/.~]{0,8})?",
        ) {
            let text = format!("https://{host}{rest}{query}");
            if let Some(plain) = Address::plain(&text) {
                let url = parsed(&text).unwrap();
                prop_assert_eq!(plain, Address::of(&url));
            }
        }
    }
}
