//! Rules: usage is exact but for notes of removes, and the budget holds.

use bytes::Bytes;
use cache_core::{BackendExt, Error, ErrorKind, Key, KeyPrefix, Mark, Result, Role, Selector, Stamp, Usage};

use crate::Case;

/// Each entry counts as one and weighs something; each remove takes that back.
pub async fn usage_counts_each_entry(case: &Case) -> Result<()> {
    let mut figures = vec![case.backend.usage().await?];
    assert_eq!(figures[0].entries, 0, "entries of a fresh backend");
    for number in 1..=20 {
        case.put(&Key::of("suite").part(number).build()?, "a body").await?;
        let usage = case.backend.usage().await?;
        assert_eq!(usage.entries, number, "entries after {number} puts");
        assert!(usage.bytes > figures[figures.len() - 1].bytes, "bytes grow with put {number}: {usage:?}");
        figures.push(usage);
    }
    for number in (1..=20).rev() {
        case.backend.remove(&Key::of("suite").part(number).build()?).await?;
        let usage = case.backend.usage().await?;
        let notes = case.notes_on(21 - number);
        let entries = number - 1..=number - 1 + notes.entries;
        assert!(entries.contains(&usage.entries), "entries after the remove of {number}: {usage:?}");
        let most = figures[number as usize].bytes + notes.bytes;
        assert!(usage.bytes < most, "bytes shrink with the remove of {number}: {usage:?}");
    }
    Ok(())
}

/// Replacing an entry, by a body as long, longer or shorter, counts the newest alone.
pub async fn usage_counts_a_replaced_entry_once(case: &Case) -> Result<()> {
    let key = Key::parse("suite:replaced")?;
    case.put(&key, Bytes::from(vec![1; 1_000])).await?;
    let once = case.backend.usage().await?;
    for len in [1_000, 100_000, 10, 1_000] {
        case.put(&key, Bytes::from(vec![2; len])).await?;
    }
    let usage = case.backend.usage().await?;
    assert_eq!((usage.entries, usage.bytes), (1, once.bytes), "(entries, bytes) after four replacements");
    Ok(())
}

/// When everything was removed, entries and bytes are what they were at first.
pub async fn usage_of_an_emptied_backend_is_that_of_a_fresh_one(case: &Case) -> Result<()> {
    let fresh = case.backend.usage().await?;
    let mut keys = Vec::new();
    for number in 0..30 {
        let key = Key::of("suite").part(number).build()?;
        case.put(&key, Bytes::from(vec![0; number * 700])).await?;
        case.put(&key, Bytes::from(vec![0; number * 900])).await?;
        keys.push(key);
    }
    for key in &keys {
        assert!(case.backend.remove(key).await?, "remove of {key}");
    }
    let emptied = case.backend.usage().await?;
    case.assert_usage(emptied, fresh.entries, fresh.bytes, 30, "emptied");
    Ok(())
}

/// A put with an older stamp and a remove of nothing leave usage as it is.
pub async fn usage_ignores_a_put_that_changed_nothing(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stamp")?;
    let older = case.entry(Bytes::from(vec![0; 5_000]));
    case.put(&key, "newer").await?;
    let usage = case.backend.usage().await?;
    case.backend.put(&key, older).await?;
    case.backend.remove(&Key::parse("suite:absent")?).await?;
    let after = case.backend.usage().await?;
    case.assert_usage(after, usage.entries, usage.bytes, 1, "after the put and a remove of nothing");
    Ok(())
}

/// Neither budget is exceeded after any put, by many small bodies or by some long ones.
pub async fn the_capacity_is_never_exceeded(case: &Case) -> Result<()> {
    let usage = case.backend.usage().await?;
    let share = share_of(&usage, case, 6);
    for number in 0..240 {
        let len = if number % 3 == 0 { share } else { 100 };
        case.put(&Key::of("suite").part(number % 200).build()?, Bytes::from(vec![0; len])).await?;
        let usage = case.backend.usage().await?;
        assert_within(&usage);
    }
    Ok(())
}

/// After fill, clear and refill there are as many entries as after the first fill.
pub async fn a_cleared_backend_holds_as_much_as_before(case: &Case) -> Result<()> {
    let fresh = case.backend.usage().await?;
    let filled = fill(case).await?;
    assert!(filled.0 > 0, "a fresh backend holds something");
    for round in 1..=2 {
        let removed = case.backend.remove_prefix(&KeyPrefix::all()).await?;
        let cleared = case.backend.usage().await?;
        case.assert_usage(cleared, fresh.entries, fresh.bytes, removed, "cleared");
        let refilled = fill(case).await?;
        assert_eq!(refilled, filled, "(entries, found by scan) after clear {round}");
    }
    Ok(())
}

/// Where there is a budget, entries that hold marks outlast any number of values, and the budget holds.
pub async fn marks_stay_while_values_are_evicted(case: &Case) -> Result<()> {
    let mut marks = Vec::new();
    for number in 0..5 {
        let mut mark = case.entry("");
        mark.meta.role = Role::Mark;
        mark.body = mark_of(&Key::of("marked").part(number).build()?, mark.meta.stamp)?;
        let key = Key::of("~marks").part(number).build()?;
        case.backend.put(&key, mark.clone()).await?;
        marks.push((key, mark));
    }
    for _ in 0..3 {
        fill(case).await?;
    }
    for (key, mark) in &marks {
        case.assert_holds(key, mark).await?;
    }
    Ok(())
}

/// A mark of one key, as the body of an entry: a stack reads what it finds in a tier.
fn mark_of(key: &Key, stamp: Stamp) -> Result<Bytes> {
    let mark = Mark { selector: Selector::Key(key.clone()), stamp };
    let body = rmp_serde::to_vec_named(&mark);
    body.map(Bytes::from).map_err(|error| Error::new(ErrorKind::Internal, "a mark is not encoded").with_source(error))
}

/// Puts entries until the budget is reached, or 60 where there is none; entries reported and found.
async fn fill(case: &Case) -> Result<(u64, usize)> {
    let usage = case.backend.usage().await?;
    let share = share_of(&usage, case, 20);
    let vast = usage.capacity.is_some_and(|capacity| capacity / 20 > share as u64);
    let count = if vast || (usage.capacity.is_none() && usage.max_entries.is_some()) { 300 } else { 60 };
    for number in 0..count {
        case.put(&Key::of("fill").part(number).build()?, Bytes::from(vec![0; share])).await?;
    }
    let usage = case.backend.usage().await?;
    assert_within(&usage);
    Ok((usage.entries, case.all().await?.len()))
}

/// The body length of which `parts` fill the capacity, 1 MiB at most: a vast or unknown capacity is not filled.
fn share_of(usage: &Usage, case: &Case, parts: u64) -> usize {
    let most = case.backend.info().max_body.min(1 << 20);
    usage.capacity.map_or(1_000, |capacity| (capacity / parts).min(most)) as usize
}

fn assert_within(usage: &Usage) {
    assert!(usage.capacity.is_none_or(|capacity| usage.bytes <= capacity), "bytes exceed the capacity: {usage:?}");
    assert!(usage.max_entries.is_none_or(|most| usage.entries <= most), "entries exceed their limit: {usage:?}");
}
