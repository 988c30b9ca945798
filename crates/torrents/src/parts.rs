//! `Parts`: where pieces are put: into one file without a name.
//!
//! The library asks for files by number, and would tell their names. Here they are places in one file, as far from its start
//! as they are from that of the torrent. The file is on no path and takes no more of the disk than was written to it; it is
//! gone when the torrent is, or the process.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use librqbit::storage::{BoxStorageFactory, StorageFactory, StorageFactoryExt, TorrentStorage};
use librqbit::{ManagedTorrentShared, TorrentMetadata};

/// Makes files without names on the file system of a folder.
#[derive(Debug, Clone)]
pub(crate) struct PartsIn(pub(crate) PathBuf);

/// The pieces of one torrent. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Parts {
    file: Arc<File>,
    /// Where each file of the torrent begins and ends.
    spans: Arc<[(u64, u64)]>,
}

impl StorageFactory for PartsIn {
    type Storage = Parts;

    fn create(&self, _shared: &ManagedTorrentShared, metadata: &TorrentMetadata) -> anyhow::Result<Parts> {
        let spans = metadata.file_infos.iter().map(|file| (file.offset_in_torrent, file.offset_in_torrent + file.len));
        Parts::new(&self.0, spans)
    }

    fn clone_box(&self) -> BoxStorageFactory {
        self.clone().boxed()
    }
}

impl Parts {
    fn new(folder: &Path, spans: impl Iterator<Item = (u64, u64)>) -> anyhow::Result<Self> {
        let file =
            tempfile::tempfile_in(folder).with_context(|| format!("no file can be made in {}", folder.display()))?;
        Ok(Self { file: Arc::new(file), spans: spans.collect() })
    }

    /// Where `len` bytes from `offset` of the file `index` are, if they are within it.
    fn place(&self, index: usize, offset: u64, len: usize) -> anyhow::Result<u64> {
        let (start, end) = *self.spans.get(index).context("the torrent has no such file")?;
        let at = start.checked_add(offset).context("an offset behind all files")?;
        let ends = at.checked_add(len as u64).context("a length behind all files")?;
        anyhow::ensure!(ends <= end, "a range behind the end of its file");
        Ok(at)
    }
}

impl TorrentStorage for Parts {
    fn init(&mut self, _shared: &ManagedTorrentShared, _metadata: &TorrentMetadata) -> anyhow::Result<()> {
        Ok(())
    }

    fn pread_exact(&self, file_id: usize, offset: u64, buf: &mut [u8]) -> anyhow::Result<()> {
        let at = self.place(file_id, offset, buf.len())?;
        Ok(self.file.read_exact_at(buf, at)?)
    }

    fn pwrite_all(&self, file_id: usize, offset: u64, buf: &[u8]) -> anyhow::Result<()> {
        let at = self.place(file_id, offset, buf.len())?;
        Ok(self.file.write_all_at(buf, at)?)
    }

    fn remove_file(&self, _file_id: usize, _filename: &Path) -> anyhow::Result<()> {
        Ok(())
    }

    fn remove_directory_if_empty(&self, _path: &Path) -> anyhow::Result<()> {
        Ok(())
    }

    /// Length is not taken before it is written.
    fn ensure_file_length(&self, _file_id: usize, _length: u64) -> anyhow::Result<()> {
        Ok(())
    }

    fn take(&self) -> anyhow::Result<Box<dyn TorrentStorage>> {
        Ok(Box::new(self.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trust_18_pieces_go_into_no_file_with_a_name_and_not_behind_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let parts = Parts::new(folder.path(), [(0, 4), (4, 4), (4, 10)].into_iter()).unwrap();
        parts.pwrite_all(2, 1, b"abc").unwrap();
        parts.pwrite_all(0, 0, b"0123").unwrap();
        let mut read = [0; 3];
        parts.pread_exact(2, 1, &mut read).unwrap();
        assert_eq!(&read, b"abc");
        parts.pread_exact(0, 1, &mut read).unwrap();
        assert_eq!(&read, b"123");
        for (file, offset, len) in [(0, 2, 3), (1, 0, 1), (2, 4, 3), (3, 0, 1), (2, u64::MAX, 1), (0, u64::MAX - 1, 9)]
        {
            assert!(parts.pwrite_all(file, offset, &vec![0; len]).is_err(), "{file} {offset} {len}");
            assert!(parts.pread_exact(file, offset, &mut vec![0; len]).is_err(), "{file} {offset} {len}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
