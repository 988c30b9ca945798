//! What of an address is secret: signatures, tokens and passwords, by their names and by their shapes.

use super::signed::{ends, is_signature};
use super::tokens;
use crate::canonical::percent::decoded;

/// Parameters whose value is a secret, besides those that sign.
const NAMES: &[&str] = &[
    "__gda__",
    "accesskey",
    "auth-key",
    "authorization",
    "bearer",
    "hdnea",
    "hdntl",
    "hdnts",
    "jwt",
    "pass",
    "passcode",
    "passphrase",
    "pw",
    "pwd",
    "session",
    "sid",
];
/// What names of such parameters end with.
const ENDINGS: &[&str] = &[
    "access_key",
    "access-key",
    "api-key",
    "api_key",
    "apikey",
    "credential",
    "passwd",
    "password",
    "secret",
    "sessid",
    "session-id",
    "session_id",
    "sessionid",
    "signature",
    "token",
];
/// Segments of a path that say what the next one is; other names are words that people use as well.
const SEGMENTS: &[&str] = &["hmac", "lsig", "sig", "signature"];

/// Whether `query` has a parameter that signs it or is a secret: its order and every byte count then.
pub(crate) fn is_signed(query: &str) -> bool {
    query.split('&').any(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        is_named(name, value) || has_secret(value)
    })
}

/// Whether one of the segments of `path` is a secret.
pub(crate) fn is_signed_path(path: &str) -> bool {
    let mut before = "";
    path.split('/').any(|segment| is_secret_segment(std::mem::replace(&mut before, segment), segment))
}

/// Whether `segment` is a secret, as it is behind the segment `before`.
pub(crate) fn is_secret_segment(before: &str, segment: &str) -> bool {
    let is = |name: &&str| before.eq_ignore_ascii_case(name);
    // Words and short numbers follow all kinds of names.
    let is_random = || segment.len() >= 16 && segment.bytes().any(|byte| byte.is_ascii_digit());
    let follows = !segment.is_empty() && SEGMENTS.iter().any(is) || is_random() && is_named(before, segment);
    follows || has_secret(segment) || is_bot(segment)
}

/// Whether `segment` is `bot`, the number of a bot of Telegram, and what it is known by.
fn is_bot(segment: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = segment.strip_prefix("bot").and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(number, token)| is_number(number) && token.len() >= 16)
}

/// Whether `text` is a token, or has fields or parameters inside that are secret.
fn has_secret(text: &str) -> bool {
    // Most have neither fields nor anything escaped: nothing has to be taken apart.
    if !text.starts_with("eyJ") && !text.bytes().any(|byte| matches!(byte, b'=' | b'%')) {
        return false;
    }
    let text = decoded(text);
    let mut fields = text.split(['?', '&', '#', ';', '~', ',']).filter_map(|field| field.split_once('='));
    tokens::is_token(&text) || fields.any(|(name, value)| is_named(name, value))
}

fn is_named(name: &str, value: &str) -> bool {
    // Short names are those of other parameters as well, whose values are short.
    let shortest = if name.len() <= 4 { 16 } else { 1 };
    !value.is_empty() && (is_signature(name) && value.len() >= shortest || is_secret(name))
}

fn is_secret(name: &str) -> bool {
    let bare = name.trim_matches('_');
    let is = |known: &&str| name.eq_ignore_ascii_case(known);
    // Those of paging are what others call a cursor.
    let pages = || ["pagetoken", "page_token", "continuationtoken"].iter().any(|end| ends(bare, end));
    NAMES.iter().any(is) || ENDINGS.iter().any(|end| ends(bare, end)) && !pages()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_known_by_name_or_shape() {
        for query in [
            "access_token=a",
            "a=b&API_KEY=a",
            "apikey=a",
            "auth_token=a",
            "password=a",
            "passcode=a",
            "pw=hunter2",
            "session=a",
            "PHPSESSID=a",
            "secret_token=s-a",
            "__token__=exp=1784003600~hmac=a",
            "hdnts=exp=1784003600~acl=/*~hmac=a",
            "x=exp=1784003600~acl=%2F*~hmac%3Da",
            "x=eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3ODQwMDM2MDB9.a",
            "url=https%3A%2F%2Fx.org%2F%3Faccess_token%3Da",
        ] {
            assert!(is_signed(query), "{query}");
        }
        for path in [
            "/videoplayback/expire/1784021600/sig/a/f.mp4",
            "/hls/exp=1784003600~acl=/*~hmac=a/master.m3u8",
            "/hls/exp=1784003600~acl=%2F*~hmac=a/master.m3u8",
            "/t/eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3ODQwMDM2MDB9.a/f.mp4",
            "/token/0123456789abcdef/f.mp4",
            "/film;jsessionid=a/1",
            "/file/bot123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawQ/v.mp4",
        ] {
            assert!(is_signed_path(path), "{path}");
        }
    }

    #[test]
    fn what_people_read_is_no_secret() {
        for query in
            ["", "h=abc", "s=12", "v=1&t=9", "key", "pageToken=CAUQAA", "q=eyJ", "sort=a,b", "id=1784003600_abc"]
        {
            assert!(!is_signed(query), "{query}");
        }
        for path in [
            "/",
            "/s/film",
            "/key/to-the-kingdom-of-heaven",
            "/session/3",
            "/a/b.c.d",
            "/x=1,y=2/",
            "/sig/",
            "/bot12:30",
        ] {
            assert!(!is_signed_path(path), "{path}");
        }
    }
}
