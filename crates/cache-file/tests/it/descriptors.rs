//! Few descriptors: volumes are closed and opened again, and others get descriptors too.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fs, io};

use cache_core::Backend;
use cache_file::{FileBackend, Fs, FsFile, Listed, OpenMode, RealFs};

use crate::process::{DIR, child_dir};
use crate::support::{config, entry, key};

const PUTS: usize = 2_000;
const LEN: usize = 8_000;
const EMFILE: i32 = 24;

/// Files of a process that may open a few of them only.
#[derive(Debug, Clone)]
struct Few {
    most: usize,
    open: Arc<AtomicUsize>,
    worst: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct FewFile(Arc<dyn FsFile>, Few);

impl Drop for FewFile {
    fn drop(&mut self) {
        self.1.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Fs for Few {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn FsFile>> {
        if self.open.load(Ordering::SeqCst) >= self.most {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        let file = RealFs::default().open(path, mode)?;
        self.worst.fetch_max(self.open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok(Arc::new(FewFile(file, self.clone())))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Listed>> {
        RealFs::default().list(dir)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealFs::default().create_dir(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs::default().rename(from, to)
    }

    fn delete(&self, path: &Path) -> io::Result<()> {
        RealFs::default().delete(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealFs::default().sync_dir(dir)
    }
}

impl FsFile for FewFile {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn allocated(&self) -> io::Result<u64> {
        self.0.allocated()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn punch(&self, offset: u64, len: u64) -> io::Result<()> {
        self.0.punch(offset, len)
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Keys that read as they were put, of 500 tasks at once. None fails.
async fn hits(backend: &Arc<FileBackend>) -> usize {
    let read = |number: usize| {
        let backend = backend.clone();
        tokio::spawn(async move {
            // Far apart: each in a volume of its own.
            let number = number * 7 % PUTS;
            let found = backend.get(&key(number)).await.unwrap();
            found.is_some_and(|found| found == entry(number as u64 + 1, LEN))
        })
    };
    let tasks: Vec<_> = (0..500).map(read).collect();
    let mut hits = 0;
    for task in tasks {
        hits += usize::from(task.await.unwrap());
    }
    hits
}

/// A child of the next test, whose process may have 64 descriptors.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_has_few_descriptors() {
    let Some(dir) = child_dir() else { return };
    let open = || FileBackend::open(config(&dir).volume_len(64 << 10));
    let backend = Arc::new(open().await.unwrap());
    for number in 0..PUTS {
        backend.put(&key(number), entry(number as u64 + 1, LEN)).await.unwrap();
    }
    assert!(fs::read_dir(dir.join("volumes")).unwrap().count() > 200);
    assert_eq!(hits(&backend).await, 500);
    let sockets: Vec<_> = (0..8).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    drop(sockets);
    assert!(descriptors() < 48, "{} are open", descriptors());
    backend.close().await.unwrap();
    let backend = Arc::new(open().await.unwrap());
    assert_eq!(backend.report().entries, PUTS as u64);
    assert_eq!(hits(&backend).await, 500);
    for number in 0..PUTS {
        backend.remove(&key(number)).await.unwrap();
    }
    assert_eq!(backend.disk().volumes, 0);
}

#[tokio::test]
async fn many_volumes_need_few_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let exe = std::env::current_exe().unwrap();
    let limited = "ulimit -n 64 && exec \"$0\" --exact descriptors::child_has_few_descriptors --nocapture";
    let output = Command::new("sh").args(["-c", limited]).arg(exe).env(DIR, dir.path()).output().unwrap();
    let [told, complaints] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success() && told.contains("1 passed"), "{told}{complaints}");
}

#[tokio::test]
async fn where_others_take_the_descriptors_volumes_are_closed_for_those_that_are_needed() {
    let dir = tempfile::tempdir().unwrap();
    let few = Few { most: 40, open: Arc::default(), worst: Arc::default() };
    let config = || config(dir.path()).volume_len(64 << 10).fs(Arc::new(few.clone()));
    let backend = FileBackend::open(config()).await.unwrap();
    for number in 0..400 {
        backend.put(&key(number), entry(1, 20_000)).await.unwrap();
    }
    assert_eq!(few.worst.load(Ordering::SeqCst), few.most, "the limit was met");
    assert!(few.open.load(Ordering::SeqCst) < few.most, "and then kept away from");
    backend.close().await.unwrap();
    drop(backend);
    assert_eq!(few.open.load(Ordering::SeqCst), 0, "an end closes all");
    let backend = FileBackend::open(config()).await.unwrap();
    for number in 0..400 {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(entry(1, 20_000)));
    }
}
