//! `Spill`: parts that no tier has room for, in a file of this process that has no name.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cache_core::{Error, ErrorKind, Result};

use crate::blocking;
use crate::source::shown;

/// Parts that no tier has room for. The file is gone when this is dropped, or the process killed.
#[derive(Debug)]
pub(crate) struct Spill {
    file: Arc<File>,
    len: u64,
    /// Offset and length of each bundle by segment and number.
    bundles: HashMap<(u32, u32), (u64, usize)>,
    parts: HashMap<u32, Bytes>,
}

impl Spill {
    pub(crate) async fn create(parent: &Path) -> Result<Self> {
        let parent = parent.to_owned();
        let file =
            blocking::run(move || tempfile::tempfile_in(&parent).map_err(|error| failed(&parent, &error))).await?;
        Ok(Self { file: Arc::new(file), len: 0, bundles: HashMap::new(), parts: HashMap::new() })
    }

    /// The bytes of each part by segment.
    pub(crate) const fn parts(&self) -> &HashMap<u32, Bytes> {
        &self.parts
    }

    pub(crate) async fn read(&self, segment: u32, number: u32) -> Result<Option<Bytes>> {
        let Some((offset, len)) = self.bundles.get(&(segment, number)).copied() else { return Ok(None) };
        let file = self.file.clone();
        let read = move || {
            let mut bytes = vec![0; len];
            file.read_exact_at(&mut bytes, offset).map_err(|error| failed(Path::new("the spill file"), &error))?;
            Ok(Some(bytes.into()))
        };
        blocking::run(read).await
    }

    pub(super) fn part(&mut self, segment: u32, bytes: Bytes) {
        self.parts.insert(segment, bytes);
    }

    pub(super) async fn bundle(&mut self, segment: u32, number: u32, bytes: Bytes) -> Result<()> {
        let (file, offset, len) = (self.file.clone(), self.len, bytes.len());
        let write =
            move || file.write_all_at(&bytes, offset).map_err(|error| failed(Path::new("the spill file"), &error));
        blocking::run(write).await?;
        self.bundles.insert((segment, number), (offset, len));
        self.len += len as u64;
        Ok(())
    }
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    let message = format!(
        "{} cannot hold what the tiers have no room for: {error}: free space, set another scratch directory or raise \
         the capacity of a tier",
        shown(path)
    );
    Error::new(ErrorKind::Unavailable, message)
}
