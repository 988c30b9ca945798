//! Rules: what is put comes back as it was.

use std::sync::Arc;
use std::time::Duration;

use cache_core::{HOUR, Key, MINUTE, Result, Role, ttl};

use crate::Case;

/// A body comes back with every byte value in place, from every read.
pub async fn a_body_comes_back_equal(case: &Case) -> Result<()> {
    let key = Key::parse("suite:body")?;
    let body: Vec<u8> = (0..=u8::MAX).cycle().take(3_000).collect();
    let entry = case.put(&key, body).await?;
    case.assert_holds(&key, &entry).await
}

/// Every field of meta comes back as it was put, from every read.
pub async fn every_field_of_meta_comes_back_equal(case: &Case) -> Result<()> {
    let key = Key::parse("suite:meta")?;
    let mut entry = case.lasting(ttl(MINUTE).stale(HOUR), "{}");
    entry.meta.valid_until = case.now().after(2 * HOUR);
    // Meta keeps microseconds of it.
    entry.meta.cost = Duration::from_micros(12_345_678);
    entry.meta.tags = ["artist:Björk", "batch 7"].map(Arc::from).into();
    entry.meta.content_type = Some("application/json".into());
    entry.meta.etag = Some("\"a3f4\"".into());
    entry.meta.codec = Some("json".into());
    entry.meta.schema = u64::MAX;
    case.backend.put(&key, entry.clone()).await?;
    case.assert_holds(&key, &entry).await
}

/// What is no value is kept as a value is: marks below their reserved prefix, and tombstones, which a composed backend
/// may show as absent, but which keep older entries away in any case.
pub async fn entries_of_every_role_are_kept(case: &Case) -> Result<()> {
    for len in [0, 100, 10_000] {
        for (root, role) in [("suite", Role::Value), ("~marks", Role::Mark), ("tombs", Role::Tombstone)] {
            let key = Key::of(root).part(len).build()?;
            let older = case.lasting(ttl(HOUR), "older");
            let mut entry = case.lasting(ttl(HOUR), vec![7; len]);
            entry.meta.role = role;
            case.backend.put(&key, entry.clone()).await?;
            if role != Role::Mark {
                case.backend.put(&key, older).await?;
            }
            match case.backend.get(&key).await? {
                None if role == Role::Tombstone => case.assert_absent(&key).await?,
                _ => case.assert_holds(&key, &entry).await?,
            }
        }
    }
    Ok(())
}

/// Reads of a key that was never put answer with nothing, not with an error.
pub async fn an_absent_key_is_none_and_no_error(case: &Case) -> Result<()> {
    case.assert_absent(&Key::parse("suite:absent")?).await?;
    case.put(&Key::parse("suite:present")?, "here").await?;
    case.assert_absent(&Key::parse("suite:absent")?).await
}

/// `info` answers the same before and after work, and after `close`.
pub async fn info_is_constant(case: &Case) -> Result<()> {
    let info = case.backend.info();
    assert!(!info.name.is_empty(), "a backend has a name");
    case.put(&Key::parse("suite:info")?, "x").await?;
    assert_eq!(case.backend.info(), info);
    case.backend.close().await?;
    assert_eq!(case.backend.info(), info);
    Ok(())
}

/// `Debug` works and prints no body.
pub async fn debug_shows_no_body(case: &Case) -> Result<()> {
    case.put(&Key::parse("suite:secret")?, "SECRETBODY").await?;
    let shown = format!("{:?} {:#?}", case.backend, case.backend);
    let as_numbers = format!("{:?}", b"SECRETBODY");
    assert!(!shown.contains("SECRETBODY"), "Debug prints a body: {shown}");
    assert!(!shown.contains(as_numbers.trim_matches(['[', ']'])), "Debug prints a body: {shown}");
    Ok(())
}
