//! `Secret`, `Secrets` and `Address`: texts that no output shows.

use std::fmt;
use std::sync::Arc;

/// What is shown in place of a secret.
pub(super) const HIDDEN: &str = "***";
/// The shortest token that is taken, in bytes.
const SHORTEST: usize = 16;

/// A text that is shown as `***`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Arc<str>);

impl Secret {
    /// A token: what a header can carry, and nobody guesses.
    ///
    /// # Errors
    /// When it is too short, or holds spaces or other characters than those of ASCII.
    pub(crate) fn new(text: &str) -> Result<Self, String> {
        if text.len() < SHORTEST {
            return Err(format!("it is shorter than {SHORTEST} characters: make one with `openssl rand -hex 32`"));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it holds a space or a character that is not of ASCII".to_owned());
        }
        Ok(Self(text.into()))
    }

    /// The text itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl serde::Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The most secrets in a list.
const MOST: usize = 8;

/// Several secrets, each shown as `***`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Secrets(Vec<Secret>);

impl Secrets {
    /// Each of `texts` as a secret.
    ///
    /// # Errors
    /// When one of them is none, and when they are too many.
    pub(crate) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let secrets: Vec<Secret> = texts.into_iter().take(MOST + 1).map(Secret::new).collect::<Result<_, _>>()?;
        if secrets.len() > MOST { Err(format!("they are more than {MOST}")) } else { Ok(Self(secrets)) }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Secret> {
        self.0.iter()
    }
}

/// The address of a server, which may hold a password: shown without who logs in and without options.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(Arc<str>);

impl Address {
    pub(crate) fn new(url: &str) -> Self {
        Self(url.into())
    }

    /// The whole address.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&public(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A URL without what may be secret in it: who logs in, and all options.
fn public(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (place, _options) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    let (before, place) = place.rsplit_once('@').unwrap_or(("", place));
    // A password with a `?` or a `/` in it, not written as it should be, ends where an option or a path seems to.
    let is_unclear = rest.rsplit_once('@').is_some_and(|(all, _)| all.len() > before.len() || before.contains('/'));
    if is_unclear && scheme != "file" { format!("{scheme}://…") } else { format!("{scheme}://{place}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_an_address_holds_no_secret() {
        assert_eq!(public("redis://me:hush@host:6379/2?prefix=a"), "redis://host:6379/2");
        assert_eq!(public("redis://:h@sh@host"), "redis://host");
        assert_eq!(public("s3://bucket/films?secret_access_key=hush"), "s3://bucket/films");
        for unclear in
            ["redis://host?x=@y", "redis://u:12?3@h", "redis://u:12#3@h", "redis://u:12/3@h", "redis://u:1@2?3@h"]
        {
            assert_eq!(public(unclear), "redis://…");
        }
        assert_eq!(public("file:///a?b@c"), "file:///a");
    }

    #[test]
    fn a_secret_is_shown_by_nothing() {
        let secret = Secret::new("hush-hush-hush-hush").unwrap();
        let shown = format!("{secret} {secret:?} {}", serde_json::to_string(&secret).unwrap());
        assert_eq!(shown, "*** *** \"***\"");
        let address = Address::new("redis://:hush@host");
        assert_eq!(format!("{address} {address:?}"), "redis://host redis://host");
    }

    #[test]
    fn several_secrets_are_bounded_and_each_is_long() {
        let key = "hush-hush-hush-hush";
        assert_eq!(format!("{:?}", Secrets::new([key, key]).unwrap()), "Secrets([***, ***])");
        assert!(Secrets::new([key, "short"]).is_err());
        assert!(Secrets::new([key; MOST]).is_ok() && Secrets::new([key; MOST + 1]).is_err());
    }

    #[test]
    fn a_token_is_long_and_fits_into_a_header() {
        assert!(Secret::new("short").is_err());
        assert!(Secret::new("long enough but with spaces").is_err());
        assert!(Secret::new("long-enough-but\nwith-a-line").is_err());
    }
}
