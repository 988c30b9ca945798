//! Figures of a SQLite backend beyond those of the contract.

use std::path::PathBuf;

/// What was found at the path, when the backend was opened and since.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Where the database in use came from.
    pub origin: Origin,
    /// Where the last file went that could not be used, and why.
    pub moved_aside: Option<(PathBuf, String)>,
    /// How often a new database took the place of one that could not be used.
    pub restarts: u64,
}

/// Where the database in use came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// Nothing, or an empty file, was there.
    #[default]
    Created,
    /// It was there and is used.
    Found,
    /// What was there could not be used and was moved aside.
    StartedAnew,
}

/// What the database takes on disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileUsage {
    /// Length of the database file.
    pub database: u64,
    /// Length of the log of writes that are not in the file yet.
    pub log: u64,
}

impl FileUsage {
    /// Both.
    pub const fn total(self) -> u64 {
        self.database + self.log
    }
}
