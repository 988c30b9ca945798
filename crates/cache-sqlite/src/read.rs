//! Reads on one connection: every answer is verified.

use bytes::Bytes;
use cache_core::{Entry, Key, KeyPrefix, Meta, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::error::{Fault, Outcome};
use crate::record::Record;
use crate::room::State;

/// Entries that one step of a scan looks at.
const STEP: i64 = 256;

/// What a key leads to.
#[derive(Debug)]
pub(crate) enum Found<T> {
    /// An entry that verified; and whether its use is noted already.
    Whole(T, bool),
    /// Nothing to serve.
    Absent,
    /// Bytes that did not verify.
    Corrupt,
}

/// What one step of a scan found.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) found: Vec<(Key, Meta)>,
    /// Keys whose entries did not verify.
    pub(crate) corrupt: Vec<String>,
    /// Where the next step begins, when more may follow.
    pub(crate) next: Option<String>,
}

/// The meta of `key`.
pub(crate) fn stat(connection: &Connection, key: &Key, now: Timestamp) -> Outcome<Found<Meta>> {
    let mut statement = connection.prepare_cached("SELECT record FROM entries WHERE key = ?1")?;
    let read = |row: &Row<'_>| Ok(Record::open(key.as_str(), row.get_ref(0)?.as_blob()?));
    Ok(match statement.query_row([key.as_str()], read).optional()? {
        None => Found::Absent,
        Some(None) => Found::Corrupt,
        Some(Some(record)) if record.meta.is_expired(now) => Found::Absent,
        Some(Some(record)) => Found::Whole(record.meta, true),
    })
}

/// The entry of `key`.
pub(crate) fn get(connection: &Connection, key: &Key, now: Timestamp) -> Outcome<Found<Entry>> {
    let sql = "SELECT record, seen, bodies.body FROM entries LEFT JOIN bodies ON id = entries.body WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        let Some(record) = Record::open(key.as_str(), row.get_ref(0)?.as_blob()?) else { return Ok(Found::Corrupt) };
        if record.meta.is_expired(now) {
            return Ok(Found::Absent);
        }
        let body = row.get_ref(2)?.as_blob_or_null()?.unwrap_or_default();
        if !record.holds(body) {
            return Ok(Found::Corrupt);
        }
        Ok(Found::Whole(Entry::new(record.meta, Bytes::copy_from_slice(body)), row.get(1)?))
    };
    Ok(statement.query_row([key.as_str()], read).optional()?.unwrap_or(Found::Absent))
}

/// Up to [`STEP`] entries below `prefix` from the key `from` on, or from the first.
pub(crate) fn page(connection: &Connection, prefix: &KeyPrefix, from: Option<&str>, now: Timestamp) -> Outcome<Page> {
    let sql = "SELECT key, record FROM entries WHERE key >= ?1 AND (?2 IS NULL OR key < ?2) ORDER BY key LIMIT ?3";
    let mut statement = connection.prepare_cached(sql)?;
    // Keys below a prefix go on with ':', which ';' follows.
    let end = (!prefix.is_all()).then(|| format!("{prefix};"));
    let mut page = Page::default();
    if let (None, Ok(own)) = (from, Key::parse(prefix.as_str())) {
        match stat(connection, &own, now)? {
            Found::Whole(meta, _) => page.found.push((own, meta)),
            Found::Corrupt => page.corrupt.push(own.as_str().to_owned()),
            Found::Absent => {}
        }
    }
    let start = if prefix.is_all() { String::new() } else { format!("{prefix}:") };
    let mut rows = statement.query(params![from.unwrap_or(&start), end, STEP])?;
    let mut looked = 0;
    while let Some(row) = rows.next()? {
        let text = row.get_ref(0)?.as_str().map_err(|error| Fault::Damaged(error.to_string()))?;
        let sealed = row.get_ref(1)?.as_blob().map_err(|error| Fault::Damaged(error.to_string()))?;
        looked += 1;
        if looked == STEP {
            // The first text that follows: keys have no control characters.
            page.next = Some(format!("{text}\0"));
        }
        match (Key::parse(text), Record::open(text, sealed)) {
            (Ok(_), Some(record)) if record.meta.is_expired(now) => {}
            (Ok(key), Some(record)) => page.found.push((key, record.meta)),
            _ => page.corrupt.push(text.to_owned()),
        }
    }
    Ok(page)
}

/// The sums over all entries.
pub(crate) fn state(connection: &Connection) -> Outcome<State> {
    match State::load(connection)? {
        Some(state) => Ok(state),
        None => State::count(connection),
    }
}
