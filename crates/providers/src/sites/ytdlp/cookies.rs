//! Cookies as yt-dlp tells them, of all that a format needs: `NAME=VALUE; Domain=HOST; Path=/; Secure; Expires=SECONDS; …`.

use cache_core::Timestamp;
use url::Url;

/// One of the cookies that a format needs.
#[derive(Default)]
struct Cookie<'a> {
    name: &'a str,
    value: &'a str,
    domain: &'a str,
    is_secure: bool,
    ends: Option<u64>,
}

/// The header that sends those of `told` to `url` that are for its host, and when the first of them ends.
pub(super) fn header(told: &str, url: &str) -> (Option<String>, Option<Timestamp>) {
    let Ok(url) = Url::parse(url) else { return (None, None) };
    let sent: Vec<Cookie<'_>> = cookies(told).into_iter().filter(|cookie| cookie.is_for(&url)).collect();
    let pairs: Vec<String> = sent.iter().map(|cookie| format!("{}={}", cookie.name, unquoted(cookie.value))).collect();
    let ends = sent.iter().filter_map(|cookie| cookie.ends).min();
    let ends = ends.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1000)));
    ((!pairs.is_empty()).then(|| pairs.join("; ")), ends)
}

impl Cookie<'_> {
    fn is_for(&self, url: &Url) -> bool {
        let domain = self.domain.trim_start_matches('.');
        let rest = url.host_str().and_then(|host| host.strip_suffix(domain));
        let is_host = rest.is_some_and(|rest| rest.is_empty() || (rest.ends_with('.') && !domain.is_empty()));
        is_host && (url.scheme() == "https" || !self.is_secure)
    }
}

fn cookies(told: &str) -> Vec<Cookie<'_>> {
    let mut all: Vec<Cookie<'_>> = Vec::new();
    for part in told.split("; ") {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        match (name, all.last_mut()) {
            ("Domain", Some(cookie)) => cookie.domain = value,
            ("Secure", Some(cookie)) => cookie.is_secure = true,
            ("Expires", Some(cookie)) => cookie.ends = value.parse().ok(),
            ("Path" | "Version", Some(_)) => {}
            _ => all.push(Cookie { name, value, ..Cookie::default() }),
        }
    }
    all
}

/// A value as it is sent: with what cannot be written in a list, it is told in quotes, with escapes such as `\"` and `\073`.
fn unquoted(value: &str) -> String {
    let Some(quoted) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else { return value.to_owned() };
    let (mut plain, mut rest) = (String::with_capacity(quoted.len()), quoted);
    while let Some((before, escape)) = rest.split_once('\\') {
        plain.push_str(before);
        let octal = escape.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        let (character, len) = match (octal, escape.chars().next()) {
            (Some(byte), _) => (char::from(byte), 3),
            (None, Some(character)) => (character, character.len_utf8()),
            (None, None) => break,
        };
        plain.push(character);
        rest = escape.get(len..).unwrap_or_default();
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_for_their_host_and_end_with_the_first() {
        let told = "a=1; Domain=.x.org; Path=/; Secure; Expires=1784003600; b=\"2\\073\\\" \"; Domain=v.x.org; c=3; Domain=y.org";
        let ends = Some(Timestamp::from_millis(1_784_003_600_000));
        assert_eq!(header(told, "https://v.x.org/a"), (Some("a=1; b=2;\" ".to_owned()), ends));
        assert_eq!(header(told, "http://v.x.org/a").0.as_deref(), Some("b=2;\" "));
        assert_eq!(header(told, "https://x.org/a").0.as_deref(), Some("a=1"));
        assert_eq!(header(told, "https://notx.org/a"), (None, None));
        assert_eq!(header("a=1", "https://x.org/a"), (None, None));
    }
}
