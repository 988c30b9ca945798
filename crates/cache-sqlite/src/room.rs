//! `State`: what the database holds in all, kept with it, and who leaves when there is no room.

use cache_core::{Cause, Key, Limits, Role, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Outcome;
use crate::record::Record;

/// Marks have turns from here on: behind all others.
const MARKS: i64 = 1 << 62;
/// Turns are below: a number beyond, which a damaged file may hold, is never counted from.
const LAST: i64 = MARKS - (1 << 32);
/// Second chances given for one entry that needs room, so that a put is bounded work.
const CHANCES: usize = 32;

/// The sums over all entries, and the next turn. One row of the database, changed with the entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    turn: i64,
}

/// What became of entries in one transaction.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) evicted: u64,
    pub(crate) expired: u64,
    pub(crate) corrupt: u64,
    /// Those of them that were there before.
    pub(crate) gone: Vec<Gone>,
}

/// A row that left by itself, as listeners are told.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) key: String,
    pub(crate) cause: Cause,
    pub(crate) weight: u64,
    pub(crate) made: Timestamp,
}

/// A row of the table of entries.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) key: String,
    /// `None` when it does not verify.
    pub(crate) record: Option<Record>,
    pub(crate) body: i64,
    pub(crate) weight: u64,
    turn: i64,
    seen: bool,
}

impl State {
    /// The sums in the database; `None` when they do not verify, or leave no turns.
    pub(crate) fn load(connection: &Connection) -> Outcome<Option<Self>> {
        let mut statement = connection.prepare_cached("SELECT entries, bytes, turn, seal FROM state WHERE id = 1")?;
        let number = |row: &Row<'_>, at| row.get::<_, i64>(at);
        let found = statement
            .query_row([], |row| Ok((number(row, 0)?, number(row, 1)?, number(row, 2)?, number(row, 3)?)))
            .optional()?;
        let Some((entries, bytes, turn, seal)) = found else { return Ok(None) };
        let state = Self { entries: entries.cast_unsigned(), bytes: bytes.cast_unsigned(), turn };
        Ok((state.seal() == seal && (0..LAST).contains(&turn)).then_some(state))
    }

    pub(crate) fn save(&self, connection: &Connection) -> Outcome<()> {
        let mut statement = connection.prepare_cached("INSERT OR REPLACE INTO state VALUES (1, ?1, ?2, ?3, ?4)")?;
        statement.execute(params![self.entries.cast_signed(), self.bytes.cast_signed(), self.turn, self.seal()])?;
        Ok(())
    }

    /// The sums counted anew: looks at every entry.
    pub(crate) fn count(connection: &Connection) -> Outcome<Self> {
        let sums = "SELECT count(*), coalesce(sum(weight), 0) FROM entries";
        let (entries, bytes) =
            connection.query_row(sums, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        // Bodies are numbered by turns, those of marks by theirs, and stay when their entries get new ones.
        let last = "SELECT max(coalesce((SELECT max(turn) FROM entries WHERE turn < ?1), 0), \
                    coalesce((SELECT max(turn) - ?2 FROM entries WHERE turn < ?3), 0), \
                    coalesce((SELECT max(id) FROM bodies WHERE id < ?1), 0), \
                    coalesce((SELECT max(id) - ?2 FROM bodies WHERE id < ?3), 0))";
        let turn: i64 = connection.query_row(last, [LAST, MARKS, MARKS + LAST], |row| row.get(0))?;
        Ok(Self { entries: entries.max(0).cast_unsigned(), bytes: bytes.max(0).cast_unsigned(), turn })
    }

    /// The sums counted anew, once what wrong turns have left is put right: entries that share one body, of which one can
    /// be whole at most, are dropped, and who would never leave gets a turn. Looks at every entry and body.
    pub(crate) fn mend(connection: &Connection) -> Outcome<Self> {
        let turn = Self::count(connection)?.turn;
        let shared = "DELETE FROM entries WHERE body IN (SELECT body FROM entries GROUP BY body HAVING count(*) > 1)";
        connection.execute(shared, [])?;
        connection.execute("DELETE FROM bodies WHERE id NOT IN (SELECT body FROM entries)", [])?;
        for (from, to, turn) in [(LAST, MARKS - 1, turn), (MARKS + LAST, i64::MAX, MARKS + turn)] {
            connection.execute("UPDATE entries SET turn = ?3 WHERE turn BETWEEN ?1 AND ?2", [from, to, turn])?;
        }
        Self::count(connection)
    }

    /// The sums counted anew, with the turn that is known.
    pub(crate) fn counted_anew(&self, connection: &Connection) -> Outcome<Self> {
        let counted = Self::count(connection)?;
        Ok(Self { turn: counted.turn.max(self.turn), ..counted })
    }

    /// The next turn.
    pub(crate) fn next(&mut self) -> i64 {
        self.turn += 1;
        self.turn
    }

    pub(crate) fn add(&mut self, weight: u64) {
        self.entries += 1;
        self.bytes += weight;
    }

    fn subtract(&mut self, weight: u64) {
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(weight);
    }

    fn exceeds(&self, limits: Limits) -> bool {
        self.bytes > limits.weight || self.entries > limits.entries
    }

    fn seal(&self) -> i64 {
        let numbers = [self.entries, self.bytes, self.turn.cast_unsigned()].map(u64::to_le_bytes);
        xxh3_64(numbers.as_flattened()).cast_signed()
    }
}

impl Tally {
    /// `stored` was deleted for `cause`.
    pub(crate) fn left(&mut self, stored: Stored, cause: Cause) {
        match cause {
            Cause::Expired => self.expired += 1,
            Cause::Corrupt => self.corrupt += 1,
            _ => self.evicted += 1,
        }
        let Stored { key, record, weight, .. } = stored;
        let made = record.map_or(Timestamp::EPOCH, |record| record.meta.stamp.instant());
        self.gone.push(Gone { key, cause, weight, made });
    }
}

impl Stored {
    /// The row of `key`.
    pub(crate) fn find(connection: &Connection, key: &str) -> Outcome<Option<Self>> {
        Self::first(connection, "SELECT key, record, body, weight, turn, seen FROM entries WHERE key = ?1", [key])
    }

    /// A row that has expired at `now`.
    pub(crate) fn expired(connection: &Connection, now: Timestamp) -> Outcome<Option<Self>> {
        let sql = "SELECT key, record, body, weight, turn, seen FROM entries \
                   WHERE expires <= ?1 ORDER BY expires LIMIT 1";
        Self::first(connection, sql, [column_of(now)])
    }

    /// The row whose turn it is to leave, other than that of `key`.
    fn next_to_leave(connection: &Connection, key: &str) -> Outcome<Option<Self>> {
        let sql = "SELECT key, record, body, weight, turn, seen FROM entries \
                   WHERE key <> ?1 ORDER BY turn LIMIT 1";
        Self::first(connection, sql, [key])
    }

    /// Deletes the row and its body.
    pub(crate) fn delete(&self, connection: &Connection, state: &mut State) -> Outcome<()> {
        connection.prepare_cached("DELETE FROM entries WHERE key = ?1")?.execute([&self.key])?;
        connection.prepare_cached("DELETE FROM bodies WHERE id = ?1")?.execute([self.body])?;
        state.subtract(self.weight);
        Ok(())
    }

    /// Takes the row out of the sums: another one takes its place.
    pub(crate) fn make_way(&self, state: &mut State) {
        state.subtract(self.weight);
    }

    /// Puts the row to the end of the order of eviction.
    fn give_chance(&self, connection: &Connection, state: &mut State) -> Outcome<()> {
        let sql = "UPDATE entries SET turn = ?2, seen = 0 WHERE key = ?1";
        let turn = if self.is_mark() { MARKS + state.next() } else { state.next() };
        connection.prepare_cached(sql)?.execute(params![self.key, turn])?;
        Ok(())
    }

    fn is_mark(&self) -> bool {
        self.turn >= MARKS
    }

    fn first(connection: &Connection, sql: &str, by: impl rusqlite::Params) -> Outcome<Option<Self>> {
        let found = connection.prepare_cached(sql)?.query_row(by, Self::read).optional()?;
        Ok(found)
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let key: String = row.get(0)?;
        let weight = row.get::<_, i64>(3)?.cast_unsigned();
        let record = Record::open(&key, row.get_ref(1)?.as_blob()?).filter(|record| record.weight(&key) == weight);
        Ok(Self { record, body: row.get(2)?, weight, turn: row.get(4)?, seen: row.get(5)?, key })
    }
}

/// The turn of a new or renewed entry of `role`.
pub(crate) fn turn_of(role: Role, state: &mut State) -> i64 {
    if role == Role::Mark { MARKS + state.next() } else { state.next() }
}

/// A deadline as a column: `None` for never.
pub(crate) fn deadline(expires: Timestamp) -> Option<i64> {
    (expires != Timestamp::NEVER).then(|| column_of(expires))
}

/// Drops entries until `limits` hold: expired ones first, then by turns, marks last; `newcomer` only when nothing else
/// may leave. Whether it stayed.
///
/// An entry that was read since its last turn gets another one, up to a bound: a second chance.
pub(crate) fn make_room(
    connection: &Connection,
    state: &mut State,
    tally: &mut Tally,
    limits: Limits,
    now: Timestamp,
    newcomer: (&Key, Role),
) -> Outcome<bool> {
    let (key, role) = (newcomer.0.as_str(), newcomer.1);
    let mut chances = CHANCES;
    while state.exceeds(limits) {
        if let Some(expired) = Stored::expired(connection, now)? {
            expired.delete(connection, state)?;
            tally.left(expired, Cause::Expired);
            continue;
        }
        let victim = Stored::next_to_leave(connection, key)?;
        match victim.filter(|victim| !victim.is_mark() || role == Role::Mark) {
            Some(victim) if victim.seen && chances > 0 => {
                victim.give_chance(connection, state)?;
                chances -= 1;
            }
            Some(victim) => {
                victim.delete(connection, state)?;
                tally.left(victim, Cause::Capacity);
            }
            None => {
                if let Some(refused) = Stored::find(connection, key)? {
                    refused.delete(connection, state)?;
                }
                tally.evicted += 1;
                return Ok(false);
            }
        }
    }
    Ok(true)
}

fn column_of(instant: Timestamp) -> i64 {
    i64::try_from(instant.as_millis()).unwrap_or(i64::MAX)
}
