//! Where cache and configuration live when nobody says otherwise.

use std::ffi::OsString;
use std::path::PathBuf;

/// `reelcache` in the user's cache directory (XDG base directory specification); `None` when the environment names
/// neither a cache directory nor a home.
pub(crate) fn cache_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(base(&variable, "XDG_CACHE_HOME", ".cache")?.join("reelcache"))
}

/// `reelcache/config.toml` in the user's configuration directory, which need not be there.
pub(crate) fn config_file(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    Some(base(&variable, "XDG_CONFIG_HOME", ".config")?.join("reelcache").join("config.toml"))
}

/// The directory that the variable `name` names, or else `below` in the home. Relative ones are ignored.
fn base(variable: &impl Fn(&str) -> Option<OsString>, name: &str, below: &str) -> Option<PathBuf> {
    let absolute = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(name).or_else(|| absolute("HOME").map(|home| home.join(below)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &'static [(&str, &str)]) -> Option<PathBuf> {
        cache_dir(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
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
