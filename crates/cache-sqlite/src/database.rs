//! A database file opened: judged, prepared, or replaced when it cannot be used.

use std::time::Duration;

use cache_core::{Error, ErrorKind};
use rusqlite::{Connection, OpenFlags, TransactionBehavior, config::DbConfig};

use crate::config::{Durability, SqliteConfig};
use crate::error::{Fault, Outcome};
use crate::place::{Identity, Place, PlaceLock};
use crate::report::Origin;
use crate::room::State;

/// Marks a database as this crate's: "RLCS".
const APPLICATION: i32 = 0x524c_4353;
/// The version of the schema below.
const VERSION: i32 = 1;
/// Versions are counted one by one: what is beyond is no newer one, but damage.
const LAST_VERSION: i32 = 100;
/// Bytes of a page.
const PAGE: u32 = 4096;
/// Pages of the log that are moved into the file at once.
const CHECKPOINT_PAGES: u32 = 1000;
/// Statements that a connection keeps compiled.
const STATEMENTS: usize = 32;

/// The schema, in the order in which it is made. `turn` is the order of eviction, `seen` a second chance in it; an
/// entry without `expires` never does. Bodies stand apart, so that neither looking through entries nor changing one
/// moves them.
const SCHEMA: [&str; 5] = [
    "CREATE TABLE entries(\
     key TEXT PRIMARY KEY NOT NULL, record BLOB NOT NULL, body INTEGER NOT NULL, weight INTEGER NOT NULL, \
     expires INTEGER, turn INTEGER NOT NULL, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE INDEX entries_by_turn ON entries(turn)",
    "CREATE INDEX entries_by_expiry ON entries(expires) WHERE expires IS NOT NULL",
    "CREATE TABLE bodies(id INTEGER PRIMARY KEY NOT NULL, body BLOB NOT NULL) STRICT",
    "CREATE TABLE state(\
     id INTEGER PRIMARY KEY NOT NULL, entries INTEGER NOT NULL, bytes INTEGER NOT NULL, turn INTEGER NOT NULL, \
     seal INTEGER NOT NULL) STRICT",
];

/// A database with all its connections.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) writer: Connection,
    pub(crate) readers: Vec<Connection>,
    pub(crate) identity: Identity,
    pub(crate) origin: Origin,
    /// What was moved aside to make room for it, and why.
    pub(crate) moved_aside: Option<(std::path::PathBuf, String)>,
}

/// What stands at a place.
enum Verdict {
    Empty,
    Ours,
}

impl Database {
    /// Opens what stands at `place`; moves it aside when it cannot be used, or is `unwanted`.
    pub(crate) fn open(
        place: &Place,
        config: &SqliteConfig,
        unwanted: Option<(Identity, String)>,
    ) -> cache_core::Result<Self> {
        let lock = place.lock(config.patience)?;
        // Another process may have moved the unwanted file aside already.
        let unwanted = unwanted.filter(|(identity, _)| place.identity() == Some(*identity)).map(|(_, why)| why);
        let mut moved_aside = None;
        if let Some(why) = unwanted.or_else(|| place.obstacle()) {
            moved_aside = Some((place.move_aside(&lock, &*config.clock)?, why));
        }
        let opened = match Self::try_open(place, config, &lock).map_err(|fault| fault.judged(place.path())) {
            Err(Fault::Damaged(why)) => {
                moved_aside = Some((place.move_aside(&lock, &*config.clock)?, why));
                Self::try_open(place, config, &lock)
            }
            opened => opened,
        };
        let mut opened = opened.map_err(Fault::into_error)?;
        if moved_aside.is_some() {
            opened.origin = Origin::StartedAnew;
            opened.moved_aside = moved_aside;
        }
        Ok(opened)
    }

    fn try_open(place: &Place, config: &SqliteConfig, lock: &PlaceLock) -> Outcome<Self> {
        if place.identity().is_none() {
            place.drop_companions(lock)?;
        }
        let mut writer = connect(place, config.patience, OpenFlags::SQLITE_OPEN_CREATE)?;
        let verdict = judge(&writer)?;
        prepare_file(&writer, config.durability)?;
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if matches!(verdict, Verdict::Empty) {
            for statement in SCHEMA {
                transaction.execute(statement, [])?;
            }
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
            State::default().save(&transaction)?;
        } else if State::load(&transaction)?.is_none() {
            State::mend(&transaction)?.save(&transaction)?;
        }
        transaction.commit()?;
        let identity = place.identity().ok_or(Fault::Moved)?;
        let readers = (0..config.readers).map(|_| reader(place, config.patience)).collect::<Outcome<Vec<_>>>()?;
        let origin = if matches!(verdict, Verdict::Empty) { Origin::Created } else { Origin::Found };
        Ok(Self { writer, readers, identity, origin, moved_aside: None })
    }
}

fn connect(place: &Place, patience: Duration, more: OpenFlags) -> Outcome<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | more;
    let connection = Connection::open_with_flags(place.path(), flags)?;
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

fn reader(place: &Place, patience: Duration) -> Outcome<Connection> {
    let connection = connect(place, patience, OpenFlags::empty())?;
    connection.pragma_update(None, "query_only", true)?;
    // Reads the schema while nobody may move the file.
    connection.query_row("SELECT count(*) FROM state", [], |_| Ok(()))?;
    Ok(connection)
}

/// What the database holds, without a change to it: it may be somebody else's.
fn judge(connection: &Connection) -> Outcome<Verdict> {
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    // Tables of SQLite's own, such as what `ANALYZE` finds, hold no entry.
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND NOT (type = 'table' AND name GLOB 'sqlite_*')";
    let mut statement = connection.prepare(sql)?;
    let found = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let known = found.iter().filter(|sql| SCHEMA.contains(&sql.as_str())).count();
    if found.is_empty() && application == 0 {
        return Ok(Verdict::Empty);
    }
    if application != APPLICATION && known == 0 {
        let message = "the database is another program's: choose another path";
        return Err(Error::new(ErrorKind::Invalid, message).into());
    }
    if (VERSION + 1..=LAST_VERSION).contains(&version) {
        let message = format!(
            "the database is of a newer version of this program (schema {version}, this one knows {VERSION}): \
             run that version, or choose another path"
        );
        return Err(Error::new(ErrorKind::Invalid, message).into());
    }
    if application != APPLICATION || version != VERSION || known != SCHEMA.len() || found.len() != known {
        return Err(Fault::Damaged("its schema is not the one that was made".to_owned()));
    }
    Ok(Verdict::Ours)
}

/// Settings of the file and of the connection that writes it.
fn prepare_file(connection: &Connection, durability: Durability) -> Outcome<()> {
    // These two take effect on an empty file alone.
    connection.pragma_update(None, "page_size", PAGE)?;
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        let message = format!("the file system gives no shared memory for a write-ahead log (mode {mode})");
        return Err(Error::new(ErrorKind::Unavailable, message).into());
    }
    let synchronous = match durability {
        Durability::Process => "NORMAL",
        Durability::Power => "FULL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    let set = |name: &str, value: u32| connection.pragma_update_and_check(None, name, value, |_| Ok(()));
    set("wal_autocheckpoint", CHECKPOINT_PAGES)?;
    set("journal_size_limit", CHECKPOINT_PAGES * PAGE)?;
    Ok(())
}
