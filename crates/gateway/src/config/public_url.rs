//! `PublicUrl`: where clients reach the server.

use std::fmt;

use url::Url;

use super::values::Value;

/// Where clients reach the server: what its paths are put behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl(String);

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value for PublicUrl {
    const EXPECTED: &'static str = "an address of HTTP or HTTPS, with a path or without: `https://films.example`";

    fn of_text(text: &str) -> Result<Self, String> {
        let none = || format!("{text:?} is no address of HTTP or HTTPS such as https://films.example");
        let url = Url::parse(text).map_err(|_| none())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(none());
        }
        let has_more = !url.username().is_empty() || url.password().is_some();
        if has_more || url.query().is_some() || url.fragment().is_some() {
            return Err("it has more in it than a scheme, a host and a path, and would be shown to everyone".to_owned());
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    fn show(&self) -> toml::Value {
        toml::Value::String(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_put_behind_it() {
        for (text, read) in [
            ("https://films.example", "https://films.example"),
            ("https://FILMS.example/", "https://films.example"),
            ("http://[::1]:8080/reel/", "http://[::1]:8080/reel"),
        ] {
            assert_eq!(PublicUrl::of_text(text).unwrap().to_string(), read);
        }
    }

    #[test]
    fn what_is_no_address_or_more_than_one_is_refused() {
        for text in [
            "",
            "films.example",
            "ftp://films.example",
            "https://me:hush@films.example",
            "https://a/?b",
            "https://a/#b",
        ] {
            assert!(PublicUrl::of_text(text).is_err_and(|why| !why.contains("hush")), "{text}");
        }
    }
}
