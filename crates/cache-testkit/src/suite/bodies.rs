//! Rules: bodies of every legal length come back, longer ones are refused.

use bytes::Bytes;
use cache_core::{Entry, ErrorKind, Key, Result};

use crate::{Case, body_of};

/// An empty body is an entry, not a miss.
pub async fn an_empty_body_is_an_entry(case: &Case) -> Result<()> {
    let key = Key::parse("suite:empty")?;
    let entry = case.put(&key, Bytes::new()).await?;
    case.assert_holds(&key, &entry).await
}

/// Lengths around the limits at which storage changes its form.
pub async fn bodies_of_every_magnitude_come_back_equal(case: &Case) -> Result<()> {
    let max = longest(case);
    let powers = (2..=21).map(|power| 1_usize << power);
    let lens = [1, 2].into_iter().chain(powers.flat_map(|power| [power - 1, power, power + 1]));
    let mut entries = Vec::new();
    for len in lens.filter(|len| *len <= max) {
        let key = Key::of("suite").param("len", len).build()?;
        let entry = case.put(&key, body_of(len as u64, len)).await?;
        entries.push((key, entry));
    }
    for (key, entry) in &entries {
        assert!(case.backend.get(key).await?.as_ref() == Some(entry), "{key} comes back otherwise");
    }
    Ok(())
}

/// A body of exactly `max_body` bytes is taken, and comes back where the capacity has room for it twice.
pub async fn the_longest_body_comes_back_equal(case: &Case) -> Result<()> {
    let key = Key::parse("suite:longest")?;
    let max = longest(case);
    let entry = case.put(&key, body_of(7, max)).await?;
    let capacity = case.backend.usage().await?.capacity;
    match case.backend.get(&key).await? {
        Some(found) => assert!(found == entry, "a body of {max} bytes comes back otherwise"),
        None => assert!(
            capacity.is_some_and(|capacity| capacity / 2 < max as u64),
            "a body of {max} bytes is absent from an empty capacity of {capacity:?}"
        ),
    }
    Ok(())
}

/// One byte more than `max_body` is [`ErrorKind::TooLarge`], on a fresh key and on one that holds an entry.
pub async fn a_longer_body_is_too_large_and_changes_nothing(case: &Case) -> Result<()> {
    let [fresh, held] = [Key::parse("suite:fresh")?, Key::parse("suite:held")?];
    let entry = case.put(&held, "stays").await?;
    let usage = case.backend.usage().await?;
    let body = Bytes::from(vec![0; longest(case) + 1]);
    for key in [&fresh, &held] {
        let answer = case.backend.put(key, case.entry(body.clone())).await;
        assert_eq!(answer.map_err(|error| error.kind()), Err(ErrorKind::TooLarge), "put of {key}");
    }
    case.assert_absent(&fresh).await?;
    case.assert_holds(&held, &entry).await?;
    let after = case.backend.usage().await?;
    assert_eq!((after.entries, after.bytes), (usage.entries, usage.bytes), "entries and bytes after the refusals");
    Ok(())
}

fn longest(case: &Case) -> usize {
    case.backend.info().max_body.min(Entry::MAX_BODY) as usize
}
