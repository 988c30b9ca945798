//! Figures of a file backend beyond those of the contract.

/// What was found when a directory was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Where the index came from.
    pub index: IndexOrigin,
    /// Entries that are served.
    pub entries: u64,
    /// Entries dropped because their time had come.
    pub expired: u64,
    /// Entries dropped because their record in the index did not verify.
    pub corrupt: u64,
    /// Entries dropped because the index named a place where nothing is.
    pub dangling: u64,
    /// Entries dropped because the budget is smaller than what was found.
    pub evicted: u64,
    /// Bytes on disk given back that no entry named.
    pub reclaimed: u64,
}

/// Where the index of an opened directory came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IndexOrigin {
    /// There was none, nor any volume.
    #[default]
    Created,
    /// It was closed in order.
    Opened,
    /// It was left open by a process that ended, and is whole.
    Recovered,
    /// It was missing or damaged, and was made again from the volumes: entries that were kept in it are gone.
    Rebuilt,
}

/// What a cache directory takes on disk, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DiskUsage {
    /// Blocks of the volumes, the file system's own for scattered files included.
    pub volumes: u64,
    /// Records in volumes that entries name, in whole blocks of 4 KiB.
    pub records: u64,
    /// Blocks of the index.
    pub index: u64,
    /// Damaged files kept for a look.
    pub quarantine: u64,
    /// The list of what was read lately.
    pub recent: u64,
}

impl DiskUsage {
    /// All of it.
    pub const fn total(self) -> u64 {
        self.volumes + self.index + self.quarantine + self.recent
    }
}
