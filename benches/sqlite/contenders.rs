//! Who is measured: the tier, and bare rusqlite in two ways to call it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::{Backend, Clock, Entry, Hlc, Key, Meta, SystemClock};
use cache_sqlite::{SqliteBackend, SqliteConfig};
use rusqlite::{Connection, params};
use tokio::task::spawn_blocking;

/// Connections that read, as many as the tier has.
const READERS: usize = 4;

/// A database of bytes.
#[async_trait]
pub(crate) trait Contender: Send + Sync {
    /// The length of what is under `key`.
    async fn get(&self, key: &Key) -> usize;

    async fn put(&self, key: &Key, body: &Bytes);
}

/// The tier with the default settings.
pub(crate) struct Ours {
    backend: SqliteBackend,
    clock: Arc<SystemClock>,
    stamps: Hlc,
}

/// One table, one row for each key, on the blocking pool.
pub(crate) struct Bare(Arc<Connections>);

/// The same on the calling thread.
pub(crate) struct Direct(pub(crate) Bare);

struct Connections {
    writer: Mutex<Connection>,
    readers: [Mutex<Connection>; READERS],
}

impl Ours {
    pub(crate) async fn open(path: &Path) -> Self {
        let clock = Arc::new(SystemClock::new());
        let backend = SqliteBackend::open(SqliteConfig::new(path)).await.expect("a backend");
        Self { backend, stamps: Hlc::new(clock.clone()), clock }
    }
}

impl Bare {
    pub(crate) fn open(path: &Path) -> Self {
        let writer = connect(path);
        let table = "CREATE TABLE entries(key TEXT PRIMARY KEY NOT NULL, body BLOB NOT NULL) STRICT";
        writer.execute(table, []).expect("a table");
        let readers = [(); READERS].map(|()| Mutex::new(connect(path)));
        Self(Arc::new(Connections { writer: Mutex::new(writer), readers }))
    }
}

impl Connections {
    fn get(&self, key: &str) -> Vec<u8> {
        let reader = self.readers.iter().find_map(|reader| reader.try_lock().ok());
        let reader = reader.unwrap_or_else(|| self.readers[0].lock().expect("no panic"));
        let mut statement = reader.prepare_cached("SELECT body FROM entries WHERE key = ?1").expect("a statement");
        statement.query_row([key], |row| row.get(0)).expect("a row")
    }

    fn put(&self, key: &str, body: &[u8]) {
        let writer = self.writer.lock().expect("no panic");
        let sql = "INSERT INTO entries VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET body = excluded.body";
        writer.prepare_cached(sql).expect("a statement").execute(params![key, body]).expect("a put");
    }
}

#[async_trait]
impl Contender for Ours {
    async fn get(&self, key: &Key) -> usize {
        self.backend.get(key).await.expect("a get").expect("an entry").body.len()
    }

    async fn put(&self, key: &Key, body: &Bytes) {
        let meta = Meta::new(self.stamps.tick(), self.clock.now());
        self.backend.put(key, Entry::new(meta, body.clone())).await.expect("a put");
    }
}

#[async_trait]
impl Contender for Bare {
    async fn get(&self, key: &Key) -> usize {
        let (connections, key) = (self.0.clone(), key.clone());
        spawn_blocking(move || connections.get(key.as_str())).await.expect("a get").len()
    }

    async fn put(&self, key: &Key, body: &Bytes) {
        let (connections, key, body) = (self.0.clone(), key.clone(), body.clone());
        spawn_blocking(move || connections.put(key.as_str(), &body)).await.expect("a put");
    }
}

#[async_trait]
impl Contender for Direct {
    async fn get(&self, key: &Key) -> usize {
        self.0.0.get(key.as_str()).len()
    }

    async fn put(&self, key: &Key, body: &Bytes) {
        self.0.0.put(key.as_str(), body);
    }
}

fn connect(path: &Path) -> Connection {
    let connection = Connection::open(path).expect("a database");
    connection.pragma_update(None, "journal_mode", "WAL").expect("a log");
    connection.pragma_update(None, "synchronous", "NORMAL").expect("a setting");
    connection
}
