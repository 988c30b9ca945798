//! Rules: a scan finds what is below its prefix.

use std::collections::BTreeSet;

use cache_core::{Key, KeyPrefix, MINUTE, Result, ttl};
use futures_util::StreamExt;

use crate::Case;

/// A prefix selects whole segments: `a` finds `a` and `a:b`, not `ab`.
pub async fn a_scan_finds_exactly_the_keys_below_a_prefix(case: &Case) -> Result<()> {
    for name in ["a", "a:b", "a:b:c=1", "a:bc", "ab", "ab:c", "b", "b:a", "a%3A", "a%3Ab", "A:b"] {
        case.put(&Key::parse(name)?, "x").await?;
    }
    let expected: [(&str, &[&str]); 5] = [
        ("a", &["a", "a:b", "a:b:c=1", "a:bc"]),
        ("a:b", &["a:b", "a:b:c=1"]),
        ("ab", &["ab", "ab:c"]),
        ("a:b:c", &[]),
        ("c", &[]),
    ];
    for (prefix, keys) in expected {
        let mut found = names(case, &KeyPrefix::below(&Key::parse(prefix)?)).await?;
        found.sort();
        assert_eq!(found, keys, "below {prefix}");
    }
    Ok(())
}

/// The empty prefix selects everything, however much that is.
pub async fn the_empty_prefix_finds_every_key(case: &Case) -> Result<()> {
    assert_eq!(names(case, &KeyPrefix::all()).await?, [""; 0], "a fresh backend is empty");
    let mut keys = BTreeSet::new();
    for number in 0..300 {
        let key = Key::of(number % 7).part(number).build()?;
        case.put(&key, "x").await?;
        keys.insert(key.to_string());
    }
    let found = names(case, &KeyPrefix::all()).await?;
    assert_eq!(found.len(), keys.len(), "each key once");
    assert_eq!(BTreeSet::from_iter(found), keys);
    Ok(())
}

/// Expired entries are absent from a scan, swept or not.
pub async fn a_scan_leaves_out_expired_entries(case: &Case) -> Result<()> {
    case.backend.put(&Key::parse("a:short")?, case.lasting(ttl(MINUTE), "x")).await?;
    case.backend.put(&Key::parse("a:long")?, case.lasting(ttl(2 * MINUTE), "x")).await?;
    case.clock.advance(MINUTE);
    assert_eq!(names(case, &KeyPrefix::all()).await?, ["a:long"]);
    assert_eq!(names(case, &KeyPrefix::below(&Key::parse("a")?)).await?, ["a:long"]);
    Ok(())
}

/// A key that was replaced, or removed and put again, is seen once, with its present meta.
pub async fn a_scan_sees_each_key_once(case: &Case) -> Result<()> {
    let [replaced, again] = [Key::parse("a:replaced")?, Key::parse("a:again")?];
    for _ in 0..3 {
        case.put(&replaced, "x").await?;
        case.put(&again, "x").await?;
        case.backend.remove(&again).await?;
    }
    let first = case.put(&again, "last").await?;
    let second = case.put(&replaced, "last").await?;
    let mut found = case.scan(&KeyPrefix::all()).await?;
    found.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(found, [(again, first.meta), (replaced, second.meta)]);
    Ok(())
}

/// Entries that are there during the whole scan are seen once, whatever happens to others meanwhile.
pub async fn a_scan_sees_what_stays_while_other_keys_come_and_go(case: &Case) -> Result<()> {
    let mut staying = Vec::new();
    for number in 0..50 {
        let key = Key::of("stays").part(number).build()?;
        case.put(&key, "x").await?;
        case.put(&Key::of("goes").part(number).build()?, "x").await?;
        staying.push(key);
    }
    let mut seen = Vec::new();
    let mut scan = case.backend.scan(&KeyPrefix::all());
    while let Some(found) = scan.next().await {
        let step = seen.len();
        seen.push(found?.0);
        case.backend.remove(&Key::of("goes").part(step % 50).build()?).await?;
        if step < 50 {
            case.put(&Key::of("comes").part(step).build()?, "x").await?;
        }
    }
    for key in &staying {
        assert_eq!(seen.iter().filter(|found| *found == key).count(), 1, "times that {key} was seen");
    }
    Ok(())
}

/// A scan that is dropped half-way leaves the backend as it was.
pub async fn a_dropped_scan_has_no_effect(case: &Case) -> Result<()> {
    for number in 0..20 {
        case.put(&Key::of("a").part(number).build()?, "x").await?;
    }
    drop(case.backend.scan(&KeyPrefix::all()));
    let mut scan = case.backend.scan(&KeyPrefix::all());
    assert!(scan.next().await.transpose()?.is_some(), "a scan of 20 entries finds one");
    drop(scan);
    case.put(&Key::parse("b")?, "x").await?;
    assert_eq!(names(case, &KeyPrefix::all()).await?.len(), 21);
    Ok(())
}

async fn names(case: &Case, prefix: &KeyPrefix) -> Result<Vec<String>> {
    let found = case.scan(prefix).await?;
    Ok(found.into_iter().map(|(key, _)| key.to_string()).collect())
}
