//! Rules: a renewal changes the meta of exactly the entry that is meant, and never its body.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cache_core::{Backend, Entry, HOUR, Hlc, Key, MINUTE, Meta, Result, Role, Stamp, Timestamp, ttl};

use super::concurrency::{POLLS, poll_times};
use super::joined;
use crate::case::describe;
use crate::{Case, Rng, body_of, writer_of};

/// Lengths of bodies that backends may keep in different ways.
const LENS: [usize; 4] = [0, 100, 5_000, 100_000];

/// Every read finds the new meta, whole, and the body as it was, also when it is renewed again, replaced or removed.
pub async fn a_renewed_entry_has_the_new_meta_and_its_body(case: &Case) -> Result<()> {
    for len in LENS {
        let key = Key::of("suite").part(len).build()?;
        let mut entry = case.lasting(ttl(MINUTE), body_of(7, len));
        entry.meta.tags = ["old".into()].into();
        case.backend.put(&key, entry.clone()).await?;
        for tag in ["new", "newer", "newest"] {
            let present = entry.meta.stamp;
            entry.meta = case.lasting(ttl(HOUR).stale(HOUR), "").meta;
            entry.meta.tags = [tag.into()].into();
            entry.meta.content_type = Some("video/mp4".into());
            assert!(case.backend.renew(&key, present, entry.meta.clone()).await?, "renewal of {len} bytes");
            case.assert_holds(&key, &entry).await?;
        }
        // The same stamp is new enough.
        entry.meta.tags = ["last".into()].into();
        assert!(case.backend.renew(&key, entry.meta.stamp, entry.meta.clone()).await?, "renewal with an equal stamp");
        case.assert_holds(&key, &entry).await?;
        let other = case.put(&key, body_of(8, len)).await?;
        case.assert_holds(&key, &other).await?;
        assert!(renew(case, &key, other.meta.stamp).await?);
        assert!(case.backend.remove(&key).await?, "remove of a renewed entry");
        case.assert_absent(&key).await?;
    }
    Ok(())
}

/// Without an entry, and with one of another stamp, the answer is false and nothing changes.
pub async fn only_the_entry_with_the_stamp_is_renewed(case: &Case) -> Result<()> {
    let key = Key::parse("suite:renewed")?;
    let (older, newer) = (case.stamp(), case.stamp());
    assert!(!renew(case, &key, older).await?, "renewal of an absent entry");
    case.assert_absent(&key).await?;
    let mut entry = case.entry("x");
    entry.meta.stamp = newer;
    case.backend.put(&key, entry.clone()).await?;
    for other in [older, case.stamp(), Stamp::ZERO] {
        assert!(!renew(case, &key, other).await?, "renewal of {other:?} where {newer:?} is");
        case.assert_holds(&key, &entry).await?;
    }
    // A tombstone is not made a value.
    let mut other = entry.meta.clone();
    other.role = Role::Tombstone;
    assert!(!case.backend.renew(&key, newer, other).await?, "renewal under another role");
    case.assert_holds(&key, &entry).await?;
    let absent = Key::parse("suite:renewed:below")?;
    assert!(!renew(case, &absent, newer).await?, "renewal of another key");
    case.assert_absent(&absent).await
}

/// A renewal does not bring back what has expired.
pub async fn an_expired_entry_is_not_renewed(case: &Case) -> Result<()> {
    let key = Key::parse("suite:expired")?;
    let entry = case.lasting(ttl(MINUTE), "x");
    case.backend.put(&key, entry.clone()).await?;
    case.clock.set(entry.meta.stale_until);
    assert!(!renew(case, &key, entry.meta.stamp).await?, "renewal of an expired entry");
    case.assert_absent(&key).await
}

/// A meta with an older stamp than that of the entry is refused.
pub async fn an_older_stamp_renews_nothing(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stamp")?;
    let older = case.entry("").meta;
    let entry = case.put(&key, "x").await?;
    assert!(!case.backend.renew(&key, entry.meta.stamp, older).await?, "renewal with an older stamp");
    case.assert_holds(&key, &entry).await
}

/// A meta whose time has come already leaves the entry as it is.
pub async fn a_meta_past_its_end_renews_nothing(case: &Case) -> Result<()> {
    let key = Key::parse("suite:late")?;
    let entry = case.put(&key, "x").await?;
    for ends_stale in [true, false] {
        let mut meta = case.entry("").meta;
        let end = if ends_stale { &mut meta.stale_until } else { &mut meta.valid_until };
        *end = case.now();
        assert!(!case.backend.renew(&key, entry.meta.stamp, meta).await?, "renewal with a meta past its end");
        case.assert_holds(&key, &entry).await?;
    }
    Ok(())
}

/// The new end counts, be it later or earlier than the old one, for reads and for sweeps.
pub async fn a_renewed_entry_lives_until_its_new_end(case: &Case) -> Result<()> {
    for (before, after) in [(MINUTE, HOUR), (HOUR, MINUTE)] {
        for len in LENS {
            let key = Key::of("suite").part(len).build()?;
            let mut entry = case.lasting(ttl(before), body_of(7, len));
            case.backend.put(&key, entry.clone()).await?;
            let present = entry.meta.stamp;
            entry.meta = case.lasting(ttl(after), "").meta;
            assert!(case.backend.renew(&key, present, entry.meta.clone()).await?);
            case.clock.set(Timestamp::from_millis(entry.meta.stale_until.as_millis() - 1));
            case.backend.sweep(case.now(), 100).await?;
            case.assert_holds(&key, &entry).await?;
            case.clock.set(entry.meta.stale_until);
            case.assert_absent(&key).await?;
            assert_eq!(case.backend.sweep(case.now(), 100).await?.expired, 1, "swept at the new end");
        }
    }
    Ok(())
}

/// A renewed entry counts as one that was put with that meta, and its removal gives all of it back.
pub async fn usage_counts_a_renewed_entry_once(case: &Case) -> Result<()> {
    let key = Key::parse("suite:usage")?;
    let fresh = case.backend.usage().await?;
    for len in LENS {
        let mut entry = case.lasting(ttl(MINUTE), body_of(7, len));
        entry.meta.etag = Some("a tag".into());
        case.backend.put(&key, entry.clone()).await?;
        let once = case.backend.usage().await?;
        for _ in 0..3 {
            let present = entry.meta.stamp;
            entry.meta.stamp = case.stamp();
            entry.meta.stale_until = case.now().after(HOUR);
            assert!(case.backend.renew(&key, present, entry.meta.clone()).await?);
            let usage = case.backend.usage().await?;
            assert_eq!((usage.entries, usage.bytes), (1, once.bytes), "(entries, bytes) after a renewal");
        }
        case.backend.remove(&key).await?;
        let usage = case.backend.usage().await?;
        case.assert_usage(usage, fresh.entries, fresh.bytes, 1, "after the remove");
    }
    Ok(())
}

/// While others put, a renewal hits the body that it was made for or nothing: no body comes back once it was replaced.
pub async fn a_renewal_never_brings_an_old_body_under_a_new_stamp(case: &Case) -> Result<()> {
    let race = Race {
        backend: case.backend.clone(),
        stamps: Hlc::new(case.clock.clone()),
        key: Key::parse("suite:race")?,
        done: AtomicBool::new(false),
    };
    race.stamps.observe(case.stamp());
    race.backend.put(&race.key, race.entry(0)).await?;
    let race = Arc::new(race);
    let writer = tokio::spawn(race.clone().write());
    let readers = [(1, false), (2, true), (3, true)];
    let readers = readers.map(|(seed, renews)| tokio::spawn(race.clone().read(seed, renews)));
    let written = joined(writer).await;
    race.done.store(true, Ordering::Release);
    for reader in readers {
        joined(reader).await?;
    }
    written
}

/// A renewal dropped after any number of polls leaves the body with the old meta or the new one, and the key usable.
pub async fn a_dropped_renewal_leaves_the_old_meta_or_the_new_one(case: &Case) -> Result<()> {
    let key = Key::parse("suite:dropped-renewal")?;
    for len in [100, 10_000] {
        for polls in 0..=POLLS {
            let old = case.put(&key, body_of(1, len)).await?;
            let new = Entry::new(case.entry("").meta, old.body.clone());
            poll_times(polls, case.backend.renew(&key, old.meta.stamp, new.meta.clone())).await;
            let found = case.backend.get(&key).await?;
            assert!(
                found.as_ref().is_some_and(|found| *found == old || *found == new),
                "after {polls} polls of a renewal there is {}",
                describe(found.as_ref())
            );
            let last = case.put(&key, body_of(2, len)).await?;
            case.assert_holds(&key, &last).await?;
        }
    }
    Ok(())
}

/// Renews the entry of stamp `present` with the newest stamp and no deadlines.
async fn renew(case: &Case, key: &Key, present: Stamp) -> Result<bool> {
    case.backend.renew(key, present, case.entry("").meta).await
}

/// Writes and renewals of one key. Every meta names the writer of the body that it was made for.
struct Race {
    backend: Arc<dyn Backend>,
    stamps: Hlc,
    key: Key,
    done: AtomicBool,
}

impl Race {
    fn entry(&self, writer: u64) -> Entry {
        let stamp = self.stamps.tick();
        let mut meta = Meta::new(stamp, stamp.instant());
        meta.etag = Some(writer.to_string().into());
        Entry::new(meta, body_of(writer, 8 + (writer as usize * 977) % 20_000))
    }

    async fn write(self: Arc<Self>) -> Result<()> {
        let mut rng = Rng::new(0);
        for writer in 1..=150 {
            let entry = self.entry(writer);
            // Others may take newer stamps now: their renewals then race this put.
            pause(&mut rng).await;
            self.backend.put(&self.key, entry).await?;
            pause(&mut rng).await;
        }
        Ok(())
    }

    /// Reads until all is written, and renews what it has read: writers never fall, metas fit their bodies.
    async fn read(self: Arc<Self>, seed: u64, renews: bool) -> Result<()> {
        let mut rng = Rng::new(seed);
        let mut newest = 0;
        while !self.done.load(Ordering::Acquire) {
            let found = self.backend.get(&self.key).await?;
            let writer = found.as_ref().and_then(|found| writer_of(&found.body));
            let named = found.as_ref().and_then(|found| found.meta.etag.as_deref()?.parse().ok());
            assert!(writer.is_some(), "found {}", describe(found.as_ref()));
            assert_eq!(named, writer, "the meta of one entry with the body of another");
            let (Some(found), Some(writer)) = (found, writer) else { continue };
            assert!(writer >= newest, "body {writer} came back after {newest}");
            newest = writer;
            if renews {
                let (present, mut meta) = (found.meta.stamp, found.meta);
                meta.stamp = self.stamps.tick();
                self.backend.renew(&self.key, present, meta).await?;
            }
            pause(&mut rng).await;
        }
        Ok(())
    }
}

/// Lets other tasks run, once or some more times, so that they meet in ever other orders.
async fn pause(rng: &mut Rng) {
    for _ in 0..=rng.below(4) {
        tokio::task::yield_now().await;
    }
}
