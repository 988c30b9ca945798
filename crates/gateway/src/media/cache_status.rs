//! `CacheStatus`: what a cache did about a request, as RFC 9211 writes it.

use std::fmt;

use cache_core::Freshness;
use cache_tiered::Origin;

/// What the cache did about a request: the value of `Cache-Status`.
#[derive(Debug)]
pub(crate) struct CacheStatus<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) freshness: Freshness,
    /// Seconds for which the answer is fresh; negative, if it only stands in.
    pub(crate) ttl: i64,
    /// Whether an answer that was not there was put away.
    pub(crate) is_stored: bool,
}

impl CacheStatus<'_> {
    /// Whether the answer was there.
    pub(crate) fn is_hit(&self) -> bool {
        !matches!(self.origin, Origin::Loaded | Origin::Revalidated | Origin::Joined)
    }
}

impl fmt::Display for CacheStatus<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("reelcache; ")?;
        match self.origin {
            Origin::Loaded => f.write_str("fwd=miss")?,
            Origin::Revalidated => f.write_str("fwd=stale")?,
            Origin::Joined => f.write_str("fwd=miss; collapsed")?,
            _ => f.write_str("hit")?,
        }
        if !self.is_hit() && self.is_stored {
            f.write_str("; stored")?;
        }
        if self.is_hit() || self.is_stored {
            write!(f, "; ttl={}", self.ttl)?;
        }
        let name = self.origin.name();
        let stale = if self.freshness == Freshness::Fresh { "" } else { "-stale" };
        // A string holds whatever a tier is called, as long as that is of ASCII.
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        write!(f, "; detail=\"{name}{stale}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(origin: &Origin, ttl: i64, is_stored: bool) -> String {
        CacheStatus { origin, freshness: Freshness::Fresh, ttl, is_stored }.to_string()
    }

    #[test]
    fn hits_say_for_how_long_and_misses_what_became_of_them() {
        let tier = Origin::Tier { index: 1, name: "fi\"le".into() };
        assert_eq!(text(&Origin::Near, 3599, false), "reelcache; hit; ttl=3599; detail=\"near\"");
        assert_eq!(text(&tier, 12, false), "reelcache; hit; ttl=12; detail=\"file\"");
        assert_eq!(text(&Origin::Loaded, 3600, true), "reelcache; fwd=miss; stored; ttl=3600; detail=\"loaded\"");
        assert_eq!(text(&Origin::Loaded, 0, false), "reelcache; fwd=miss; detail=\"loaded\"");
        let joined = "reelcache; fwd=miss; collapsed; stored; ttl=9; detail=\"joined\"";
        assert_eq!(text(&Origin::Joined, 9, true), joined);
        let stale = CacheStatus { origin: &Origin::Near, freshness: Freshness::Stale, ttl: -3, is_stored: false };
        assert_eq!(stale.to_string(), "reelcache; hit; ttl=-3; detail=\"near-stale\"");
    }
}
