//! One file for each key, written beside and renamed, on the blocking pool.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::Key;

use super::{Contender, blocking};

pub(super) struct Files {
    dir: PathBuf,
    written: AtomicU64,
}

impl Files {
    pub(super) fn open(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), written: AtomicU64::new(0) }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(key.as_str().replace('/', "_"))
    }
}

#[async_trait]
impl Contender for Files {
    async fn get(&self, key: &Key) -> Bytes {
        let path = self.path(key);
        blocking(move || fs::read(path).expect("a get")).await.into()
    }

    async fn put(&self, key: &Key, body: Bytes) {
        let path = self.path(key);
        let beside = self.dir.join(format!("{}.tmp", self.written.fetch_add(1, Ordering::Relaxed)));
        blocking(move || {
            fs::write(&beside, &body).expect("a file");
            fs::rename(&beside, path).expect("a name");
        })
        .await;
    }
}
