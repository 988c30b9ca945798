//! `RealFs`: the operating system's files.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, IoSliceMut};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, OFlags, fallocate, statvfs};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

use super::{Fs, FsFile, Listed, OpenMode};

/// The operating system's files.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct RealFs;

#[derive(Debug)]
struct RealFile(File);

impl Fs for RealFs {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        let empty = mode == OpenMode::Create;
        // NONBLOCK: opening a pipe that stands in place of a file would wait for its other end.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(empty)
            .truncate(empty)
            .create_new(mode == OpenMode::CreateNew)
            .mode(0o600)
            .custom_flags(flags.bits().cast_signed())
            .open(path)?;
        if file.metadata()?.is_file() {
            Ok(Arc::new(RealFile(file)))
        } else {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        refuse_link(dir, io::ErrorKind::NotADirectory)?;
        fs::read_dir(dir)?
            .map(|found| found.and_then(|found| Ok(Listed::new(found.file_name(), found.file_type()?.is_file()))))
            .collect()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        refuse_link(path, io::ErrorKind::AlreadyExists)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        match fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => fs::remove_dir_all(path),
            done => done,
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn available(&self, dir: &Path) -> io::Result<u64> {
        let found = statvfs(dir)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

impl FsFile for RealFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn allocated(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.blocks() * 512)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn read_ready(&self, offset: u64, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        let read = preadv2(&self.0, &mut [IoSliceMut::new(&mut bytes)], offset, ReadWriteFlags::NOWAIT);
        (read == Ok(len)).then_some(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        loop {
            match fallocate(&self.0, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len) {
                Err(Errno::INTR) => {}
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Err(io::ErrorKind::Unsupported.into()),
                answer => return Ok(answer?),
            }
        }
    }
}

/// The library follows a link to a directory.
fn refuse_link(dir: &Path, kind: io::ErrorKind) -> io::Result<()> {
    if fs::symlink_metadata(dir)?.is_dir() { Ok(()) } else { Err(kind.into()) }
}
