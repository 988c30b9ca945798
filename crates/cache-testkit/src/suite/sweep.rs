//! Rules: a sweep drops what has expired, in bounded steps, and nothing else.

use cache_core::{Entry, Key, MINUTE, Result, Swept, ttl};

use crate::Case;

/// No sweep drops more than its limit, and `more` says whether expired entries remain because of it.
pub async fn a_sweep_drops_at_most_its_limit_and_says_whether_more_remain(case: &Case) -> Result<()> {
    expire(case, 10).await?;
    for (limit, most, more) in [(4, 4, true), (4, 4, true), (2, 2, false), (4, 0, false)] {
        let swept = case.backend.sweep(case.now(), limit).await?;
        if case.backend.info().native_ttl {
            assert!(swept.expired <= limit as u64, "a sweep of at most {limit} dropped {}", swept.expired);
        } else {
            assert_eq!((swept.expired, swept.more), (most, more), "(expired, more) of a sweep of at most {limit}");
        }
    }
    Ok(())
}

/// Sweeps end, and by then all that expired is gone from usage and all that did not is there.
pub async fn sweeps_drop_every_expired_entry_and_no_other(case: &Case) -> Result<()> {
    let mut live: Vec<(Key, Entry)> = Vec::new();
    for (number, lifetime) in [ttl(MINUTE).stale(MINUTE), ttl(2 * MINUTE), ttl(30 * MINUTE)].into_iter().enumerate() {
        let key = Key::of("live").part(number).build()?;
        let entry = case.lasting(lifetime, "stays");
        case.backend.put(&key, entry.clone()).await?;
        live.push((key, entry));
    }
    let eternal = Key::parse("live:eternal")?;
    let entry = case.put(&eternal, "stays").await?;
    live.push((eternal, entry));
    let before = case.backend.usage().await?;
    expire(case, 25).await?;

    let mut total = Swept::default();
    for _ in 0..25 {
        let swept = case.backend.sweep(case.now(), 7).await?;
        assert!(swept.expired <= 7, "a sweep of at most 7 dropped {}", swept.expired);
        total.expired += swept.expired;
        if !swept.more {
            break;
        }
    }
    if !case.backend.info().native_ttl {
        assert_eq!(total.expired, 25, "entries that the sweeps dropped");
    }
    let after = case.backend.usage().await?;
    assert_eq!((after.entries, after.bytes), (before.entries, before.bytes), "(entries, bytes) after the sweeps");
    for (key, entry) in &live {
        case.assert_holds(key, entry).await?;
    }
    Ok(())
}

/// A sweep goes by the instant that it is given: what has expired only since then is left for the next one.
pub async fn a_sweep_goes_by_the_instant_it_is_given(case: &Case) -> Result<()> {
    let earlier = case.now();
    expire(case, 3).await?;
    if !case.backend.info().native_ttl {
        assert_eq!(case.backend.sweep(earlier, 100).await?, Swept::default(), "nothing had expired at that instant");
        assert_eq!(case.backend.sweep(case.now(), 100).await?.expired, 3, "entries that have expired by now");
    }
    Ok(())
}

/// With nothing expired, or a limit of nothing, nothing happens.
pub async fn a_sweep_of_nothing_does_nothing(case: &Case) -> Result<()> {
    assert_eq!(case.backend.sweep(case.now(), 100).await?, Swept::default(), "sweep of an empty backend");
    let key = Key::parse("suite:fresh")?;
    let entry = case.put(&key, "x").await?;
    assert_eq!(case.backend.sweep(case.now(), 100).await?, Swept::default(), "sweep without expired entries");
    assert_eq!(case.backend.sweep(case.now(), 0).await?, Swept::default(), "sweep of at most nothing");
    case.assert_holds(&key, &entry).await
}

/// Puts `count` entries and lets them expire.
async fn expire(case: &Case, count: usize) -> Result<()> {
    for number in 0..count {
        let entry = case.lasting(ttl(MINUTE), format!("expires {number}"));
        case.backend.put(&Key::of("expires").part(number).build()?, entry).await?;
    }
    case.clock.advance(MINUTE);
    Ok(())
}
