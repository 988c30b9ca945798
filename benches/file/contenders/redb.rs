//! redb alone on the blocking pool: one table, one transaction for each put.
//!
//! For what survives the process it runs on a file whose sync does nothing: its own `Durability::None` keeps commits in
//! the process. Its cache is as large as the one that the file tier gives its index.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::Key;
use redb::{Database, ReadableDatabase, StorageBackend, TableDefinition};

use super::{Contender, Promise, blocking};

const TABLE: TableDefinition<'static, &'static str, &'static [u8]> = TableDefinition::new("entries");

pub(super) struct Bare(Arc<Database>);

/// A file that is never synced.
#[derive(Debug)]
struct Unsynced(File);

impl Bare {
    pub(super) fn open(dir: &Path, promise: Promise) -> Self {
        let path = dir.join("bare.redb");
        let mut builder = Database::builder();
        builder.set_cache_size(16 << 20);
        let database = match promise {
            Promise::Power => builder.create(path),
            Promise::Process => {
                let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
                builder.create_with_backend(Unsynced(file.expect("a file")))
            }
        };
        let database = database.expect("a database");
        let transaction = database.begin_write().expect("a transaction");
        transaction.open_table(TABLE).expect("a table");
        transaction.commit().expect("a commit");
        Self(Arc::new(database))
    }

    async fn write(&self, entries: Vec<(Key, Bytes)>) {
        let database = self.0.clone();
        blocking(move || {
            let transaction = database.begin_write().expect("a transaction");
            {
                let mut table = transaction.open_table(TABLE).expect("a table");
                for (key, body) in &entries {
                    table.insert(key.as_str(), &**body).expect("a put");
                }
            }
            transaction.commit().expect("a commit");
        })
        .await;
    }
}

#[async_trait]
impl Contender for Bare {
    async fn get(&self, key: &Key) -> Bytes {
        let (database, key) = (self.0.clone(), key.clone());
        let body = blocking(move || {
            let table = database.begin_read().expect("a transaction").open_table(TABLE).expect("a table");
            table.get(key.as_str()).expect("a get").expect("an entry").value().to_vec()
        });
        body.await.into()
    }

    async fn put(&self, key: &Key, body: Bytes) {
        self.write(vec![(key.clone(), body)]).await;
    }

    async fn fill(&self, entries: Vec<(Key, Bytes)>) {
        self.write(entries).await;
    }
}

impl StorageBackend for Unsynced {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(out, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write_all_at(data, offset)
    }
}
