//! Rules: what the caller removes is gone.

use cache_core::{Key, MINUTE, Result, ttl};

use crate::Case;

/// The first remove of an entry answers true, each further one false.
pub async fn remove_tells_whether_an_entry_was_there(case: &Case) -> Result<()> {
    let key = Key::parse("suite:remove")?;
    assert!(!case.backend.remove(&key).await?, "there was nothing to remove");
    case.put(&key, "x").await?;
    assert!(case.backend.remove(&key).await?, "there was an entry to remove");
    case.assert_absent(&key).await?;
    assert!(!case.backend.remove(&key).await?, "the entry was removed already");
    Ok(())
}

/// An expired entry is absent: removing it answers false, and it stays away.
pub async fn removing_an_expired_entry_is_false(case: &Case) -> Result<()> {
    let key = Key::parse("suite:remove")?;
    case.backend.put(&key, case.lasting(ttl(MINUTE), "x")).await?;
    case.clock.advance(MINUTE);
    assert!(!case.backend.remove(&key).await?, "the entry had expired");
    case.assert_absent(&key).await
}

/// Removing a key leaves its neighbours and the keys below it.
pub async fn remove_leaves_all_other_keys(case: &Case) -> Result<()> {
    let key = Key::parse("suite:a")?;
    case.put(&key, "goes").await?;
    let mut others = Vec::new();
    for name in ["suite", "suite:a:b", "suite:ab", "suite:A"] {
        let other = Key::parse(name)?;
        let entry = case.put(&other, "stays").await?;
        others.push((other, entry));
    }
    case.backend.remove(&key).await?;
    case.assert_absent(&key).await?;
    for (other, entry) in &others {
        case.assert_holds(other, entry).await?;
    }
    Ok(())
}

/// A key that was removed takes a newer entry like any other.
pub async fn a_removed_key_takes_a_new_entry(case: &Case) -> Result<()> {
    let key = Key::parse("suite:again")?;
    case.put(&key, "first").await?;
    case.backend.remove(&key).await?;
    let second = case.put(&key, "second").await?;
    case.assert_holds(&key, &second).await
}
