//! Rules: the convenience that every backend has works on it, with exact counts.

use cache_core::{BackendExt, Key, KeyPattern, KeyPrefix, MINUTE, Result, ttl};

use crate::Case;

/// `contains` follows an entry from put to expiry and remove.
pub async fn contains_follows_the_entry(case: &Case) -> Result<()> {
    let key = Key::parse("suite:contains")?;
    assert!(!case.backend.contains(&key).await?, "before the put");
    case.backend.put(&key, case.lasting(ttl(MINUTE), "x")).await?;
    assert!(case.backend.contains(&key).await?, "after the put");
    case.clock.advance(MINUTE);
    assert!(!case.backend.contains(&key).await?, "after its end");
    case.put(&key, "x").await?;
    case.backend.remove(&key).await?;
    assert!(!case.backend.contains(&key).await?, "after the remove");
    Ok(())
}

/// `remove_prefix` removes what is below, leaves the rest, and does not count what had expired.
pub async fn remove_prefix_counts_what_it_removed(case: &Case) -> Result<()> {
    for name in ["a", "a:b", "a:b:c", "ab", "b:a"] {
        case.put(&Key::parse(name)?, "x").await?;
    }
    case.backend.put(&Key::parse("a:expired")?, case.lasting(ttl(MINUTE), "x")).await?;
    case.clock.advance(MINUTE);
    let below = KeyPrefix::below(&Key::parse("a")?);
    assert_eq!(case.backend.remove_prefix(&below).await?, 3, "removed below a");
    assert_eq!(left(case).await?, ["ab", "b:a"]);
    assert_eq!(case.backend.remove_prefix(&below).await?, 0, "removed below a again");
    assert_eq!(case.backend.remove_prefix(&KeyPrefix::all()).await?, 2, "removed at all");
    assert_eq!(left(case).await?, [""; 0]);
    Ok(())
}

/// `clear_matching` removes exactly what the pattern selects.
pub async fn clear_matching_removes_exactly_the_matches(case: &Case) -> Result<()> {
    for name in ["v:1:frames", "v:1:text", "v:2:frames", "v:22:frames", "w:1:frames", "v%2A:1:frames"] {
        case.put(&Key::parse(name)?, "x").await?;
    }
    assert_eq!(case.backend.clear_matching(&KeyPattern::parse("v:?:frames")?).await?, 2, "v:?:frames");
    assert_eq!(left(case).await?, ["v%2A:1:frames", "v:1:text", "v:22:frames", "w:1:frames"]);
    assert_eq!(case.backend.clear_matching(&KeyPattern::parse("*:frames")?).await?, 3, "*:frames");
    assert_eq!(left(case).await?, ["v:1:text"]);
    Ok(())
}

async fn left(case: &Case) -> Result<Vec<String>> {
    Ok(case.all().await?.into_keys().map(|key| key.to_string()).collect())
}
