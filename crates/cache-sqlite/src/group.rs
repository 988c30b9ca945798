//! `Group`: requests carried out in one transaction.

use bytes::Bytes;
use cache_core::{Cause, Entry, Key, Meta, Result, Stamp, Swept, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::config::SqliteConfig;
use crate::error::Outcome;
use crate::place::Identity;
use crate::record::Record;
use crate::room::{State, Stored, Tally, deadline, make_room, turn_of};

/// Entries that one sweep drops at most, whatever it is asked for: other writers wait meanwhile.
const SWEEP: usize = 1024;

/// What the writer is asked for.
#[derive(Debug)]
pub(crate) enum Request {
    Put(Key, Entry),
    Renew(Key, Stamp, Meta),
    Remove(Key),
    Sweep(Timestamp, usize),
    /// Drop the entry of this text of a key if it does not verify.
    Discard(String),
    /// Write down which keys were read.
    NoteSeen,
    /// This file is damaged, or not the one at the path, or none is open: see to it.
    Mend(Option<Identity>, Option<String>),
}

/// What came of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    Done,
    Renewed(bool),
    Removed(bool),
    Swept(Swept),
}

/// Requests carried out in one transaction.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    connection: &'a Connection,
    config: &'a SqliteConfig,
    state: State,
    now: Timestamp,
    tally: Tally,
}

impl<'a> Group<'a> {
    /// Begins inside of a transaction that has the right to write.
    pub(crate) fn begin(connection: &'a Connection, config: &'a SqliteConfig, now: Timestamp) -> Outcome<Self> {
        let state = match State::load(connection)? {
            Some(state) => state,
            None => State::mend(connection)?,
        };
        Ok(Self { connection, config, state, now, tally: Tally::default() })
    }

    /// Carries out one request. `Ok(Err(_))` is the failure of this request alone.
    pub(crate) fn apply(&mut self, request: &Request) -> Outcome<Result<Answer>> {
        let answer = match request {
            Request::Put(key, entry) => {
                let (record, weight) = match Record::seal(key, entry) {
                    Ok(sealed) => sealed,
                    Err(error) => return Ok(Err(error)),
                };
                self.put(key, entry, &record, weight)?;
                Answer::Done
            }
            Request::Renew(key, present, meta) => return self.renew(key, *present, meta),
            Request::Remove(key) => Answer::Removed(self.remove(key)?),
            Request::Sweep(now, limit) => Answer::Swept(self.sweep(*now, *limit)?),
            Request::Discard(key) => {
                self.discard(key)?;
                Answer::Done
            }
            Request::NoteSeen | Request::Mend(..) => Answer::Done,
        };
        Ok(Ok(answer))
    }

    /// Gives a second chance to entries that were read.
    pub(crate) fn note_seen(&self, keys: impl IntoIterator<Item = Key>) -> Outcome<()> {
        let mut statement = self.connection.prepare_cached("UPDATE entries SET seen = 1 WHERE key = ?1")?;
        for key in keys {
            statement.execute([key.as_str()])?;
        }
        Ok(())
    }

    /// Writes down the sums. The transaction is then to be committed, and the tally counted.
    pub(crate) fn finish(self) -> Outcome<Tally> {
        self.state.save(self.connection)?;
        Ok(self.tally)
    }

    fn put(&mut self, key: &Key, entry: &Entry, record: &Bytes, weight: u64) -> Outcome<()> {
        let (meta, now) = (&entry.meta, self.now);
        if meta.is_expired(now) {
            return Ok(());
        }
        let present = self.verified(key)?;
        if present.as_ref().is_some_and(|(_, present)| !present.is_expired(now) && present.stamp > meta.stamp) {
            return Ok(());
        }
        if weight > self.config.capacity || self.config.entries == 0 {
            // Never admitted: nothing has to leave for it, except what it replaces.
            return present.map_or(Ok(()), |(stored, _)| stored.delete(self.connection, &mut self.state));
        }
        if let Some((stored, present)) = &present {
            stored.make_way(&mut self.state);
            self.tally.expired += u64::from(present.is_expired(now));
        }
        let turn = turn_of(meta.role, &mut self.state);
        let body = present.map_or(turn, |(stored, _)| stored.body);
        let sql = "INSERT INTO entries VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0) ON CONFLICT (key) DO UPDATE SET \
                   record = excluded.record, weight = excluded.weight, expires = excluded.expires, \
                   turn = excluded.turn, seen = 0";
        let expires = deadline(meta.expires());
        let row = params![key.as_str(), &record[..], body, weight.cast_signed(), expires, turn];
        self.connection.prepare_cached(sql)?.execute(row)?;
        let sql = "INSERT INTO bodies VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
        self.connection.prepare_cached(sql)?.execute(params![body, &entry.body[..]])?;
        self.state.add(weight);
        self.make_room(key, meta).map(drop)
    }

    fn renew(&mut self, key: &Key, present: Stamp, meta: &Meta) -> Outcome<Result<Answer>> {
        if meta.is_expired(self.now) || meta.stamp < present {
            return Ok(Ok(Answer::Renewed(false)));
        }
        let Some((stored, found)) = self.verified(key)? else { return Ok(Ok(Answer::Renewed(false))) };
        let is_meant = found.stamp == present && found.role == meta.role && !found.is_expired(self.now);
        let Some(record) = stored.record.as_ref().filter(|_| is_meant) else { return Ok(Ok(Answer::Renewed(false))) };
        let (record, weight) = match record.renewed(key, meta.clone()) {
            Ok(sealed) => sealed,
            Err(error) => return Ok(Err(error)),
        };
        if weight > self.config.capacity {
            stored.delete(self.connection, &mut self.state)?;
            return Ok(Ok(Answer::Renewed(false)));
        }
        stored.make_way(&mut self.state);
        let turn = turn_of(meta.role, &mut self.state);
        let sql = "UPDATE entries SET record = ?2, weight = ?3, expires = ?4, turn = ?5 WHERE key = ?1";
        let row = params![key.as_str(), &record[..], weight.cast_signed(), deadline(meta.expires()), turn];
        self.connection.prepare_cached(sql)?.execute(row)?;
        self.state.add(weight);
        Ok(Ok(Answer::Renewed(self.make_room(key, meta)?)))
    }

    fn remove(&mut self, key: &Key) -> Outcome<bool> {
        let Some((stored, meta)) = self.verified(key)? else { return Ok(false) };
        stored.delete(self.connection, &mut self.state)?;
        let expired = meta.is_expired(self.now);
        self.tally.expired += u64::from(expired);
        Ok(!expired)
    }

    fn sweep(&mut self, now: Timestamp, limit: usize) -> Outcome<Swept> {
        let (mut swept, before) = (0, self.state.bytes);
        let limit = limit.min(SWEEP) as u64;
        let mut next = Stored::expired(self.connection, now)?;
        while let Some(expired) = next.take_if(|_| swept < limit) {
            expired.delete(self.connection, &mut self.state)?;
            self.tally.left(expired, Cause::Expired);
            swept += 1;
            next = Stored::expired(self.connection, now)?;
        }
        Ok(Swept::new(swept, before.saturating_sub(self.state.bytes), next.is_some() && limit > 0))
    }

    /// Drops the entry of `key` unless record and body verify. Who found it otherwise may have seen an older one.
    fn discard(&mut self, key: &str) -> Outcome<()> {
        let Some(stored) = Stored::find(self.connection, key)? else { return Ok(()) };
        let sql = "SELECT body FROM bodies WHERE id = ?1";
        let body: Option<Vec<u8>> =
            self.connection.prepare_cached(sql)?.query_row([stored.body], |row| row.get(0)).optional()?;
        let is_whole = |record: &Record| body.as_ref().is_some_and(|body| record.holds(body));
        let is_key = Key::parse(key).is_ok();
        if is_key && stored.record.as_ref().is_some_and(is_whole) { Ok(()) } else { self.drop_corrupt(stored) }
    }

    /// The row of `key` with its meta. One that does not verify is dropped.
    fn verified(&mut self, key: &Key) -> Outcome<Option<(Stored, Meta)>> {
        let Some(stored) = Stored::find(self.connection, key.as_str())? else { return Ok(None) };
        if let Some(meta) = stored.record.as_ref().map(|record| record.meta.clone()) {
            return Ok(Some((stored, meta)));
        }
        self.drop_corrupt(stored)?;
        Ok(None)
    }

    fn drop_corrupt(&mut self, stored: Stored) -> Outcome<()> {
        tracing::warn!(key = stored.key, "an entry did not verify and is dropped");
        stored.delete(self.connection, &mut self.state)?;
        self.tally.left(stored, Cause::Corrupt);
        // Its weight may be what was damaged.
        self.state = self.state.counted_anew(self.connection)?;
        Ok(())
    }

    fn make_room(&mut self, key: &Key, meta: &Meta) -> Outcome<bool> {
        let newcomer = (key, meta.role);
        make_room(self.connection, &mut self.state, &mut self.tally, self.config.limits(), self.now, newcomer)
    }
}
