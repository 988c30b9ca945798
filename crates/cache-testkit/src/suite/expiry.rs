//! Rules: an entry is served until its deadline, and never from it on.

use std::time::Duration;

use cache_core::{BackendExt, HOUR, Key, MINUTE, Result, Timestamp, ttl};

use crate::Case;

const MILLISECOND: Duration = Duration::from_millis(1);

/// The last millisecond before `stale_until` still serves; that instant does not, in any read.
pub async fn an_entry_is_gone_at_exactly_stale_until(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stale-until")?;
    let entry = case.lasting(ttl(MINUTE).stale(MINUTE), "x");
    case.backend.put(&key, entry.clone()).await?;
    let deadline = entry.meta.stale_until;
    case.clock.set(before(deadline));
    case.assert_holds(&key, &entry).await?;
    case.clock.set(deadline);
    case.assert_absent(&key).await?;
    assert!(!case.backend.contains(&key).await?, "contains {key}");
    Ok(())
}

/// `valid_until` ends an entry at its millisecond, however long it would be fresh.
pub async fn an_entry_is_gone_at_exactly_valid_until(case: &Case) -> Result<()> {
    let key = Key::parse("suite:valid-until")?;
    let mut entry = case.entry("a signed link");
    let deadline = case.now().after(MINUTE);
    entry.meta.valid_until = deadline;
    case.backend.put(&key, entry.clone()).await?;
    case.clock.set(before(deadline));
    case.assert_holds(&key, &entry).await?;
    case.clock.set(deadline);
    case.assert_absent(&key).await
}

/// An entry past `fresh_until` is stale, not absent: whether to serve it is the caller's choice.
pub async fn a_stale_entry_is_returned(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stale")?;
    let entry = case.lasting(ttl(MINUTE).stale(HOUR), "x");
    case.backend.put(&key, entry.clone()).await?;
    case.clock.set(entry.meta.fresh_until);
    case.assert_holds(&key, &entry).await?;
    case.clock.advance(30 * MINUTE);
    case.assert_holds(&key, &entry).await
}

/// Reading often neither lengthens a life nor changes what meta says of it.
pub async fn reads_do_not_move_deadlines(case: &Case) -> Result<()> {
    let key = Key::parse("suite:deadline")?;
    let entry = case.lasting(ttl(MINUTE), "x");
    case.backend.put(&key, entry.clone()).await?;
    for _ in 0..6 {
        case.assert_holds(&key, &entry).await?;
        case.clock.advance(MINUTE / 6);
    }
    case.assert_absent(&key).await
}

/// An entry that has expired when it is put is not stored.
pub async fn an_entry_put_after_its_end_is_not_there(case: &Case) -> Result<()> {
    let key = Key::parse("suite:late")?;
    let entry = case.lasting(ttl(MINUTE), "x");
    case.clock.set(entry.meta.stale_until);
    case.backend.put(&key, entry).await?;
    case.assert_absent(&key).await?;
    let usage = case.backend.usage().await?;
    assert_eq!(usage.entries, 0, "entries after the put of an expired one");
    Ok(())
}

/// Not even a newer stamp lets an entry that has expired when it is put take the place of one that has not.
pub async fn a_put_after_its_end_leaves_the_entry_present(case: &Case) -> Result<()> {
    let key = Key::parse("suite:late-again")?;
    let present = case.put(&key, "stays").await?;
    let mut late = case.entry("comes too late");
    late.meta.valid_until = case.now();
    case.backend.put(&key, late).await?;
    case.assert_holds(&key, &present).await
}

/// After a replacement the old deadline has no force, be the new one later or earlier.
pub async fn a_replacement_brings_its_own_deadlines(case: &Case) -> Result<()> {
    let [longer, shorter] = [Key::parse("suite:longer")?, Key::parse("suite:shorter")?];
    case.backend.put(&longer, case.lasting(ttl(MINUTE), "short")).await?;
    let long = case.lasting(ttl(HOUR), "long");
    case.backend.put(&longer, long.clone()).await?;
    case.put(&shorter, "without end").await?;
    case.backend.put(&shorter, case.lasting(ttl(MINUTE), "short")).await?;
    case.clock.advance(MINUTE);
    case.assert_holds(&longer, &long).await?;
    case.assert_absent(&shorter).await?;
    case.clock.set(before(long.meta.stale_until));
    case.assert_holds(&longer, &long).await
}

fn before(deadline: Timestamp) -> Timestamp {
    Timestamp::from_millis(deadline.since(Timestamp::EPOCH.after(MILLISECOND)).as_millis() as u64)
}
