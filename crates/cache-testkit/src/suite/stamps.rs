//! Rules: the order of stamps decides which entry stays.

use cache_core::{Key, MINUTE, Result, ttl};

use crate::Case;

/// A newer stamp replaces body and meta.
pub async fn a_newer_stamp_replaces(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stamp")?;
    case.put(&key, "first").await?;
    let second = case.put(&key, "the second is longer").await?;
    case.assert_holds(&key, &second).await
}

/// A put with an older stamp answers `Ok` and leaves the newer entry as it is.
pub async fn an_older_stamp_succeeds_and_changes_nothing(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stamp")?;
    let older = case.entry("older");
    let newer = case.put(&key, "newer").await?;
    case.backend.put(&key, older).await?;
    case.assert_holds(&key, &newer).await
}

/// A put with the stamp that is there already replaces.
pub async fn an_equal_stamp_replaces(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stamp")?;
    let first = case.put(&key, "first").await?;
    let mut second = case.entry("second");
    second.meta.stamp = first.meta.stamp;
    case.backend.put(&key, second.clone()).await?;
    case.assert_holds(&key, &second).await
}

/// An expired entry is absent, so its stamp holds nobody back.
pub async fn an_older_stamp_wins_over_an_expired_entry(case: &Case) -> Result<()> {
    let key = Key::parse("suite:stamp")?;
    let older = case.entry("older");
    let newer = case.lasting(ttl(MINUTE), "newer, but short-lived");
    case.backend.put(&key, newer).await?;
    case.clock.advance(MINUTE);
    case.backend.put(&key, older.clone()).await?;
    case.assert_holds(&key, &older).await
}
