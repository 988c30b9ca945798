//! Which tiers the stack has, as the user names them.

use std::fmt;
use std::str::FromStr;

/// A kind of tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TierKind {
    Memory,
    File,
    Sqlite,
    Redis,
    S3,
}

const KINDS: [TierKind; 5] = [TierKind::Memory, TierKind::File, TierKind::Sqlite, TierKind::Redis, TierKind::S3];

impl TierKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::File => "file",
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
            Self::S3 => "s3",
        }
    }
}

impl FromStr for TierKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || KINDS.map(Self::name).join(", ");
        KINDS
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("{text:?} is no tier: choose from {}", known()))
    }
}

impl fmt::Display for TierKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The tiers of the stack, the nearest first: each at most once, at least one. Written `memory,file,redis`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TierList(Vec<TierKind>);

impl TierList {
    /// These, if there are any; they come from another list, so each is there once.
    pub(crate) fn of(kinds: impl Iterator<Item = TierKind>) -> Option<Self> {
        let kinds: Vec<_> = kinds.collect();
        (!kinds.is_empty()).then_some(Self(kinds))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = TierKind> {
        self.0.iter().copied()
    }
}

impl FromStr for TierList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut kinds = Vec::new();
        for name in text.split(',') {
            let kind: TierKind = name.trim().parse()?;
            if kinds.contains(&kind) {
                return Err(format!("{kind} is named twice"));
            }
            kinds.push(kind);
        }
        Ok(Self(kinds))
    }
}

impl From<TierKind> for TierList {
    fn from(kind: TierKind) -> Self {
        Self(vec![kind])
    }
}

impl<const N: usize> From<[TierKind; N]> for TierList {
    fn from(kinds: [TierKind; N]) -> Self {
        Self(kinds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<TierKind>, String> {
        text.parse().map(|list: TierList| list.0)
    }

    #[test]
    fn tiers_keep_their_order() {
        assert_eq!(read("memory,file,redis,s3").unwrap().len(), 4);
        assert_eq!(read("redis, memory"), Ok(vec![TierKind::Redis, TierKind::Memory]));
        assert_eq!(read("sqlite"), Ok(vec![TierKind::Sqlite]));
    }

    #[test]
    fn nonsense_is_refused_with_the_names_that_are_known() {
        for wrong in ["", "memory,", "Memory", "disk", "memory,file,memory"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
        assert!(read("disk").unwrap_err().contains("memory, file, sqlite, redis, s3"));
    }
}
