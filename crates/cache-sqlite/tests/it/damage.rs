//! Whatever stands at the path, the backend opens, and says what it moved aside.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use cache_core::{Backend, Entry, ErrorKind, Role};
use cache_sqlite::{Origin, SqliteBackend};
use rusqlite::Connection;
use xxhash_rust::xxh3::xxh3_64;

use crate::support::{aside, config, entry, file, fill, is_whole, key, mixed, open};

/// Opens what stands in `dir`, expects to find nothing in it, and that it works.
async fn starts_anew(dir: &Path) {
    let backend = open(dir).await;
    let report = backend.report();
    assert_eq!(report.origin, Origin::StartedAnew, "{report:?}");
    let (path, why) = report.moved_aside.unwrap();
    assert!(path.exists() && !why.is_empty(), "{}: {why}", path.display());
    assert_eq!(aside(dir), [path]);
    assert_eq!(backend.usage().await.unwrap().entries, 0);
    fill(&backend, 5).await;
    backend.close().await.unwrap();
    let backend = open(dir).await;
    assert_eq!(backend.report().origin, Origin::Found);
    is_whole(&backend, 5).await;
}

async fn closed_database(dir: &Path) {
    let backend = open(dir).await;
    fill(&backend, 20).await;
    backend.close().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_database_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(file(dir.path()), "not a database\n".repeat(1_000)).unwrap();
    starts_anew(dir.path()).await;
}

#[tokio::test]
async fn a_directory_in_the_way_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(file(dir.path())).unwrap();
    fs::write(file(dir.path()).join("theirs"), "x").unwrap();
    starts_anew(dir.path()).await;
}

#[tokio::test]
async fn a_pipe_and_a_dangling_link_in_the_way_are_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("mkfifo").arg(file(dir.path())).status().unwrap();
    assert!(made.success());
    starts_anew(dir.path()).await;
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(dir.path().join("nowhere"), file(dir.path())).unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().origin, Origin::StartedAnew);
}

#[tokio::test]
async fn a_link_to_a_database_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    closed_database(dir.path()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(file(dir.path()), file(elsewhere.path())).unwrap();
    let (direct, linked) = (open(dir.path()).await, open(elsewhere.path()).await);
    is_whole(&linked, 20).await;
    linked.put(&key(50), entry(1, 100)).await.unwrap();
    assert_eq!(direct.get(&key(50)).await.unwrap(), Some(entry(1, 100)));
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(file(dir.path()), "").unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().origin, Origin::Created);
    fill(&backend, 5).await;
    is_whole(&backend, 5).await;
}

/// Two versions that share a path would move each other's file aside in turn.
#[tokio::test]
async fn the_database_of_a_newer_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    closed_database(dir.path()).await;
    let newer = Connection::open(file(dir.path())).unwrap();
    newer.pragma_update(None, "user_version", 2).unwrap();
    newer.close().unwrap();
    let before = fs::read(file(dir.path())).unwrap();
    let error = SqliteBackend::open(config(dir.path())).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Invalid, Some("open")));
    assert!(error.to_string().contains("newer version"), "{error}");
    assert_eq!(fs::read(file(dir.path())).unwrap(), before);
    assert!(aside(dir.path()).is_empty());
}

#[tokio::test]
async fn a_version_that_no_program_wrote_is_moved_aside() {
    for version in [0, -1, 129, 1 << 20] {
        let dir = tempfile::tempdir().unwrap();
        closed_database(dir.path()).await;
        Connection::open(file(dir.path())).unwrap().pragma_update(None, "user_version", version).unwrap();
        starts_anew(dir.path()).await;
    }
}

#[tokio::test]
async fn what_analyze_writes_costs_no_entry() {
    let dir = tempfile::tempdir().unwrap();
    closed_database(dir.path()).await;
    Connection::open(file(dir.path())).unwrap().execute_batch("ANALYZE").unwrap();
    let backend = open(dir.path()).await;
    assert_eq!(backend.report().origin, Origin::Found, "{:?}", backend.report());
    is_whole(&backend, 20).await;
}

#[tokio::test]
async fn another_schema_under_our_name_is_moved_aside() {
    let dir = tempfile::tempdir().unwrap();
    closed_database(dir.path()).await;
    let trap = "CREATE TRIGGER trap AFTER DELETE ON bodies BEGIN DELETE FROM entries; END";
    Connection::open(file(dir.path())).unwrap().execute(trap, []).unwrap();
    starts_anew(dir.path()).await;
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let theirs = Connection::open(file(dir.path())).unwrap();
    theirs.execute("CREATE TABLE accounts(balance)", []).unwrap();
    theirs.close().unwrap();
    let before = fs::read(file(dir.path())).unwrap();
    let error = SqliteBackend::open(config(dir.path())).await.unwrap_err();
    assert_eq!((error.kind(), error.operation()), (ErrorKind::Invalid, Some("open")));
    assert!(error.to_string().contains("choose another path"), "{error}");
    assert_eq!(fs::read(file(dir.path())).unwrap(), before);
}

#[tokio::test]
async fn sums_that_do_not_verify_are_counted_anew() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 20).await;
    let before = backend.usage().await.unwrap();
    let other = Connection::open(file(dir.path())).unwrap();
    other.execute("UPDATE state SET bytes = 1, entries = 1", []).unwrap();
    assert_eq!(backend.usage().await.unwrap().bytes, before.bytes);
    backend.remove(&key(0)).await.unwrap();
    assert_eq!(backend.usage().await.unwrap().entries, 19);
    other.execute("DELETE FROM state", []).unwrap();
    assert_eq!(open(dir.path()).await.usage().await.unwrap().entries, 19);
}

#[tokio::test]
async fn one_damaged_entry_is_dropped_and_counted_and_the_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    fill(&backend, 6).await;
    let other = Connection::open(file(dir.path())).unwrap();
    let damage = [
        "UPDATE bodies SET body = zeroblob(length(body)) WHERE id = (SELECT body FROM entries WHERE key = 'test:2')",
        "UPDATE entries SET record = (SELECT record FROM entries WHERE key = 'test:0') WHERE key = 'test:1'",
        "UPDATE entries SET weight = weight + 1 WHERE key = 'test:3'",
        "UPDATE entries SET key = 'test:9' WHERE key = 'test:5'",
        "DELETE FROM bodies WHERE id = (SELECT body FROM entries WHERE key = 'test:4')",
    ];
    for damage in damage {
        assert_eq!(other.execute(damage, []).unwrap(), 1, "{damage}");
    }
    for number in [1, 2, 4, 9] {
        assert_eq!(backend.get(&key(number)).await.unwrap(), None, "key {number}");
    }
    assert!(backend.remove(&key(0)).await.unwrap());
    backend.put(&key(3), mixed(3)).await.unwrap();
    assert_eq!(backend.get(&key(3)).await.unwrap(), Some(mixed(3)));
    assert!(backend.remove(&key(3)).await.unwrap());
    let usage = backend.usage().await.unwrap();
    assert_eq!((usage.corrupt, usage.entries, usage.bytes), (5, 0, 0));
}

fn mark(stamp: u64) -> Entry {
    let mut mark = entry(stamp, 0);
    mark.meta.role = Role::Mark;
    mark
}

async fn ten_entries_stay_apart(backend: &SqliteBackend, from: usize) {
    for number in from..from + 10 {
        backend.put(&key(number), mixed(number)).await.unwrap();
    }
    for number in from..from + 10 {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(mixed(number)), "key {number}");
    }
}

#[tokio::test]
async fn a_damaged_entry_beside_a_mark_costs_no_other_one() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path()).await;
    backend.put(&key(1000), mark(1)).await.unwrap();
    backend.put(&key(0), entry(1, 100)).await.unwrap();
    let raw = Connection::open(file(dir.path())).unwrap();
    raw.execute("UPDATE entries SET record = zeroblob(length(record)) WHERE key = 'test:0'", []).unwrap();
    assert_eq!(backend.get(&key(0)).await.unwrap(), None);
    ten_entries_stay_apart(&backend, 1).await;
    backend.close().await.unwrap();
    ten_entries_stay_apart(&open(dir.path()).await, 21).await;
    assert_eq!(open(dir.path()).await.get(&key(1000)).await.unwrap(), Some(mark(1)));
}

/// The last turn before those of marks: the next ones would be the turns of marks.
#[tokio::test]
async fn a_file_that_saved_the_last_turn_is_put_right_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    closed_database(dir.path()).await;
    let last: i64 = (1 << 62) - 1;
    let raw = Connection::open(file(dir.path())).unwrap();
    raw.execute("DELETE FROM bodies WHERE id IN (SELECT body FROM entries WHERE key IN ('test:1', 'test:6'))", [])
        .unwrap();
    raw.execute("INSERT INTO bodies VALUES (?1, x'00')", [last]).unwrap();
    let shared = "UPDATE entries SET body = ?1, turn = ?1 WHERE key IN ('test:1', 'test:6')";
    assert_eq!(raw.execute(shared, [last]).unwrap(), 2);
    assert_eq!(raw.execute("UPDATE entries SET turn = ?1 WHERE key = 'test:2'", [last]).unwrap(), 1);
    let read = |at| raw.query_row("SELECT entries, bytes FROM state", [], |row| row.get::<_, i64>(at)).unwrap();
    let sums = [read(0), read(1), last].map(i64::to_le_bytes);
    let seal = xxh3_64(sums.as_flattened()).cast_signed();
    raw.execute("UPDATE state SET turn = ?1, seal = ?2", [last, seal]).unwrap();
    let backend = open(dir.path()).await;
    for number in (0..20).filter(|number| ![1, 6].contains(number)) {
        assert_eq!(backend.get(&key(number)).await.unwrap(), Some(mixed(number)), "key {number}");
    }
    assert_eq!(backend.usage().await.unwrap().entries, 18);
    ten_entries_stay_apart(&backend, 1).await;
    let most: i64 = raw.query_row("SELECT max(turn) FROM entries", [], |row| row.get(0)).unwrap();
    assert!(most < 1_000, "turn {most}");
}

/// Overwrites pages of the open file behind the back of SQLite, header excepted or not.
fn overwrite(path: &Path, from: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    file.write_all_at(&vec![0x5a; (len - from) as usize], from).unwrap();
    // Kept open for ever: closing it would release the locks that this process has on the file.
    std::mem::forget(file);
}

#[tokio::test]
async fn damage_found_while_running_starts_anew_for_every_backend() {
    for from in [0, 4096] {
        let dir = tempfile::tempdir().unwrap();
        closed_database(dir.path()).await;
        let (one, two) = (open(dir.path()).await, open(dir.path()).await);
        overwrite(&file(dir.path()), from);
        for number in 0..20 {
            assert_eq!(one.get(&key(number)).await.unwrap(), None, "key {number}");
        }
        one.put(&key(1), entry(7, 300)).await.unwrap();
        assert_eq!(two.get(&key(1)).await.unwrap(), Some(entry(7, 300)));
        two.put(&key(2), entry(8, 300)).await.unwrap();
        assert_eq!(one.get(&key(2)).await.unwrap(), Some(entry(8, 300)));
        assert_eq!(aside(dir.path()).len(), 1);
        assert_eq!((one.report().restarts, two.report().restarts), (1, 1));
        one.close().await.unwrap();
        two.close().await.unwrap();
        assert_eq!(open(dir.path()).await.usage().await.unwrap().entries, 2);
    }
}

#[tokio::test]
async fn only_the_newest_files_moved_aside_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        fs::write(file(dir.path()), "not a database\n".repeat(1_000)).unwrap();
        open(dir.path()).await.close().await.unwrap();
    }
    assert_eq!(aside(dir.path()).len(), 2);
}
