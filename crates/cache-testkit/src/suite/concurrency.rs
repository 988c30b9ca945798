//! Rules: calls that race or are dropped leave whole entries and the right winner.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use cache_core::{Backend, BackendExt, Entry, Key, KeyPrefix, Result};
use tokio::task::JoinHandle;

use super::joined;
use crate::case::describe;
use crate::{Case, Rng, body_of, eventually, writer_of};

/// How many polls a dropped call gets at most.
pub(super) const POLLS: usize = 20;

/// Whatever the order in which racing writers arrive, the newest stamp stays, and no reader sees a mixture.
pub async fn racing_writers_of_one_key_leave_the_newest_stamp(case: &Case) -> Result<()> {
    let key = Key::parse("suite:contended")?;
    let done = Arc::new(AtomicBool::new(false));
    let reader = spawn_reader(case, &key, &done, false);
    let mut rng = Rng::new(1);
    // Many short races: one that is lost shows only while no newer stamp has covered it up.
    for round in 0..25 {
        let mut entries: Vec<Entry> = (0..8).map(|writer| whole(case, round * 8 + writer)).collect();
        let newest = entries[entries.len() - 1].clone();
        shuffle(&mut entries, &mut rng);
        let writers: Vec<_> = entries.chunks(2).map(|share| spawn_writer(case, &key, share.to_vec())).collect();
        for writer in writers {
            joined(writer).await?;
        }
        case.assert_holds(&key, &newest).await?;
    }
    done.store(true, Ordering::Release);
    joined(reader).await?;
    assert_eq!(case.backend.usage().await?.entries, 1, "entries after races on one key");
    Ok(())
}

/// Writers of different keys lose nothing to each other.
pub async fn racing_writers_of_many_keys_lose_nothing(case: &Case) -> Result<()> {
    let mut entries = Vec::new();
    let mut writers = Vec::new();
    for task in 0..4 {
        let mut share = Vec::new();
        for number in 0..30 {
            share.push((Key::of(number).part(task).build()?, whole(case, task * 100 + number)));
        }
        entries.extend(share.clone());
        let backend = case.backend.clone();
        writers.push(tokio::spawn(async move {
            for (key, entry) in share {
                backend.put(&key, entry).await?;
            }
            Ok(())
        }));
    }
    for writer in writers {
        joined(writer).await?;
    }
    for (key, entry) in &entries {
        case.assert_holds(key, entry).await?;
    }
    assert_eq!(case.backend.usage().await?.entries, entries.len() as u64, "entries after all writers");
    Ok(())
}

/// While an entry is replaced, every read finds it, old or new, whole, and never an older one after a newer.
pub async fn a_read_during_replacement_sees_a_whole_entry(case: &Case) -> Result<()> {
    let key = Key::parse("suite:replaced")?;
    let entries: Vec<Entry> = (0..150).map(|writer| whole(case, writer)).collect();
    case.backend.put(&key, entries[0].clone()).await?;
    let done = Arc::new(AtomicBool::new(false));
    let readers = [(); 2].map(|()| spawn_reader(case, &key, &done, true));
    let written = joined(spawn_writer(case, &key, entries)).await;
    done.store(true, Ordering::Release);
    for reader in readers {
        joined(reader).await?;
    }
    written
}

/// A put dropped after any number of polls leaves the old entry, the new one or none, and the key usable.
pub async fn a_dropped_put_leaves_the_old_entry_the_new_one_or_none(case: &Case) -> Result<()> {
    let fresh = case.backend.usage().await?;
    let key = Key::parse("suite:dropped")?;
    for polls in 0..=POLLS {
        let old = whole(case, 1);
        case.backend.put(&key, old.clone()).await?;
        let new = whole(case, 2);
        poll_times(polls, case.backend.put(&key, new.clone())).await;
        let found = case.backend.get(&key).await?;
        assert!(
            found.as_ref().is_none_or(|found| *found == old || *found == new),
            "after {polls} polls of a put there is {}",
            describe(found.as_ref())
        );
        let last = case.put(&key, body_of(3, 100)).await?;
        case.assert_holds(&key, &last).await?;
    }
    let (backend, key) = (&case.backend, &key);
    // A dropped put may still be under way in the background, where nothing announces its end.
    let emptied = eventually(Duration::from_secs(30), || async move {
        let removed = backend.remove(key).await.is_ok();
        let usage = backend.usage().await.ok();
        removed && usage.is_some_and(|usage| case.counts(usage, fresh.entries, fresh.bytes, 1))
    });
    assert!(emptied.await, "dropped puts leaked: {:?}, at first {fresh:?}", case.backend.usage().await);
    Ok(())
}

/// Whatever write is dropped after any number of polls, the key goes on to work.
pub async fn a_dropped_write_of_any_kind_leaves_the_key_usable(case: &Case) -> Result<()> {
    let key = Key::parse("suite:dropped-writes")?;
    for polls in 0..=POLLS {
        let entry = case.put(&key, "before").await?;
        poll_times(polls, case.backend.remove(&key)).await;
        poll_times(polls, case.backend.put_many(vec![(key.clone(), entry)])).await;
        poll_times(polls, case.backend.sweep(case.now(), 10)).await;
        case.backend.remove(&key).await?;
    }
    let last = case.put(&key, "last").await?;
    case.assert_holds(&key, &last).await
}

/// Reads dropped after any number of polls leave entries and usage alone.
pub async fn a_dropped_read_has_no_effect(case: &Case) -> Result<()> {
    let key = Key::parse("suite:read")?;
    let entry = whole(case, 1);
    case.backend.put(&key, entry.clone()).await?;
    let usage = case.backend.usage().await?;
    for polls in 0..=POLLS {
        poll_times(polls, case.backend.get(&key)).await;
        poll_times(polls, case.backend.stat(&key)).await;
        poll_times(polls, case.backend.get_many(std::slice::from_ref(&key))).await;
        poll_times(polls, case.backend.contains(&key)).await;
        poll_times(polls, case.scan(&KeyPrefix::all())).await;
    }
    case.assert_holds(&key, &entry).await?;
    let after = case.backend.usage().await?;
    assert_eq!((after.entries, after.bytes), (usage.entries, usage.bytes), "(entries, bytes) after dropped reads");
    Ok(())
}

/// An entry that says in every eighth byte who wrote it, of a length of the writer's own.
fn whole(case: &Case, writer: u64) -> Entry {
    case.entry(body_of(writer, 8 + (writer as usize * 977) % 20_000))
}

fn shuffle(entries: &mut [Entry], rng: &mut Rng) {
    for end in (1..entries.len()).rev() {
        entries.swap(end, rng.below(end as u64 + 1) as usize);
    }
}

fn spawn_writer(case: &Case, key: &Key, entries: Vec<Entry>) -> JoinHandle<Result<()>> {
    let (backend, key) = (case.backend.clone(), key.clone());
    tokio::spawn(async move {
        for entry in entries {
            backend.put(&key, entry).await?;
        }
        Ok(())
    })
}

/// Reads `key` until `done`: whole bodies only, stamps never falling, and, if `present`, never a miss.
fn spawn_reader(case: &Case, key: &Key, done: &Arc<AtomicBool>, present: bool) -> JoinHandle<Result<()>> {
    let (backend, key, done) = (case.backend.clone(), key.clone(), done.clone());
    tokio::spawn(async move {
        let mut newest = None;
        while !done.load(Ordering::Acquire) {
            newest = read_whole(&*backend, &key, newest, present).await?;
            tokio::task::yield_now().await;
        }
        Ok(())
    })
}

async fn read_whole(backend: &dyn Backend, key: &Key, newest: Option<Entry>, present: bool) -> Result<Option<Entry>> {
    let found = backend.get(key).await?;
    if let Some(found) = &found {
        assert!(writer_of(&found.body).is_some(), "a mixture of bodies: {}", describe(Some(found)));
    }
    if let (Some(newest), Some(found)) = (&newest, &found) {
        assert!(found.meta.stamp >= newest.meta.stamp, "{:?} was read after {:?}", found.meta, newest.meta);
        assert!(found.meta.stamp > newest.meta.stamp || found == newest, "body and meta of different writers");
    }
    assert!(found.is_some() || !(present || newest.is_some()), "{key} was there and is missed");
    Ok(found)
}

/// Polls `call` up to `times` times, whenever it likes to be, and drops it.
pub(super) async fn poll_times<T>(times: usize, call: impl Future<Output = T>) {
    let mut call = pin!(call);
    for _ in 0..times {
        let polled = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
        if polled.is_ready() {
            return;
        }
        tokio::task::yield_now().await;
    }
}
