//! rusqlite alone: one row for each key, WAL, four connections that read and one that writes, on the blocking pool.

use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use cache_core::Key;
use rusqlite::{Connection, params};

use super::{Contender, Promise, blocking};

/// Connections that read.
const READERS: usize = 4;

pub(super) struct Bare(Arc<Connections>);

struct Connections {
    writer: Mutex<Connection>,
    readers: [Mutex<Connection>; READERS],
}

impl Bare {
    pub(super) fn open(dir: &Path, promise: Promise) -> Self {
        let connect = || {
            let connection = Connection::open(dir.join("bare.db")).expect("a database");
            connection.pragma_update(None, "journal_mode", "WAL").expect("a log");
            // With a log, NORMAL leaves it to the kernel when a commit reaches the disk.
            let synchronous = if promise == Promise::Power { "FULL" } else { "NORMAL" };
            connection.pragma_update(None, "synchronous", synchronous).expect("a setting");
            connection
        };
        let writer = connect();
        let table = "CREATE TABLE IF NOT EXISTS entries(key TEXT PRIMARY KEY NOT NULL, body BLOB NOT NULL) STRICT";
        writer.execute(table, []).expect("a table");
        let readers = [(); READERS].map(|()| Mutex::new(connect()));
        Self(Arc::new(Connections { writer: Mutex::new(writer), readers }))
    }
}

#[async_trait]
impl Contender for Bare {
    async fn get(&self, key: &Key) -> Bytes {
        let (connections, key) = (self.0.clone(), key.clone());
        let body: Vec<u8> = blocking(move || {
            let reader = connections.readers.iter().find_map(|reader| reader.try_lock().ok());
            let reader = reader.unwrap_or_else(|| connections.readers[0].lock().expect("no panic"));
            let mut statement = reader.prepare_cached("SELECT body FROM entries WHERE key = ?1").expect("a statement");
            statement.query_row([key.as_str()], |row| row.get(0)).expect("a row")
        })
        .await;
        body.into()
    }

    async fn put(&self, key: &Key, body: Bytes) {
        let (connections, key) = (self.0.clone(), key.clone());
        blocking(move || {
            let writer = connections.writer.lock().expect("no panic");
            let sql = "INSERT INTO entries VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET body = excluded.body";
            writer.prepare_cached(sql).expect("a statement").execute(params![key.as_str(), &*body]).expect("a put");
        })
        .await;
    }
}
