//! Where the cache lives when nobody says otherwise.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// `reelcache` in the user's cache directory (XDG base directory specification); `None` when the environment names
/// neither a cache directory nor a home.
pub(crate) fn default_cache_dir() -> Option<PathBuf> {
    locate(|name| env::var_os(name))
}

fn locate(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
    Some(caches.join("reelcache"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Option<PathBuf> {
        locate(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn the_cache_home_comes_before_the_home() {
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/reelcache".into()));
        assert_eq!(with(&[("HOME", "/h")]), Some("/h/.cache/reelcache".into()));
    }

    #[test]
    fn relative_directories_are_ignored() {
        assert_eq!(with(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]), Some("/h/.cache/reelcache".into()));
        assert_eq!(with(&[("HOME", "")]), None);
    }
}
