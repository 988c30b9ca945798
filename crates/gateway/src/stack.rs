//! The tiers that this process runs: memory over file, in one directory.

use std::path::PathBuf;

use cache_core::{Error, ErrorKind, Result};
use cache_file::{FileBackend, FileConfig};
use cache_mem::MemBackend;
use cache_tiered::Tiered;

use crate::cli::CacheArgs;
use crate::dirs;

/// The open tiers and where the persistent one is. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) tiers: Tiered,
    pub(crate) dir: PathBuf,
}

impl Stack {
    /// Opens the tiers.
    ///
    /// # Errors
    /// When the directory cannot be used: another process has it, it is read-only, it is no directory.
    pub(crate) async fn open(args: &CacheArgs) -> Result<Self> {
        let dir = args.cache_dir.clone().or_else(dirs::default_cache_dir).ok_or_else(|| {
            Error::new(ErrorKind::Invalid, "no cache directory is known: set HOME or give --cache-dir DIR")
        })?;
        let file = FileBackend::open(FileConfig::new(&dir).capacity(args.disk.0)).await?;
        let tiers = Tiered::builder().tier(MemBackend::new(args.memory.0)).tier(file).build()?;
        Ok(Self { tiers, dir })
    }
}
