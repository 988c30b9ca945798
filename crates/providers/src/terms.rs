//! How long an answer is kept: what a loader tells its cache.

use std::time::Duration;

use cache_core::{Result, Timestamp, ttl};
use cache_tiered::Load;

use crate::sites::settled;
use crate::{Extent, Failure, Link, Links, Reason, Song, Validity};

/// What is handed out for some time only.
pub(crate) trait Lasting {
    /// Until when it may be handed out, and works.
    fn lasts(&self) -> Validity;
}

impl Lasting for Links {
    fn lasts(&self) -> Validity {
        self.validity()
    }
}

impl Lasting for Song {
    fn lasts(&self) -> Validity {
        self.playable()
    }
}

/// Takes the links that cannot be handed out of what a provider answered at `now`, and tells `load` how long the rest is
/// kept.
pub(crate) fn settle(load: &Load, provider: &str, links: Links, now: Timestamp) -> Result<Links> {
    // Providers of others have not done it.
    let mut links = settled::checked(links);
    let mut refused = None;
    links.links.retain(|link| match usable(link, now) {
        Ok(()) => true,
        Err(failure) => {
            refused = Some(failure);
            false
        }
    });
    if let Some(failure) = refused {
        if links.is_empty() {
            return Err(failure.into_error(provider, "links"));
        }
        links.extent = Extent::Partial;
    }
    weigh(load, links.is_empty(), links.extent);
    keep_within(load, links.validity(), now);
    Ok(links)
}

/// Tells `load` how much there is of its value.
pub(crate) fn weigh(load: &Load, is_empty: bool, extent: Extent) {
    if extent == Extent::Partial {
        load.set_partial();
    } else if is_empty {
        load.set_empty();
    }
}

/// Whether `link` may be handed out at `now`.
pub(crate) fn usable(link: &Link, now: Timestamp) -> Result<(), Failure> {
    if !link.is_fetchable() {
        return Err(Failure::new(Reason::Malformed, "the answer has an address that nobody may be sent to"));
    }
    if link.validity.ends() <= now {
        let message = "the link has ended already when it came: see whether the clock of this machine is right";
        return Err(Failure::new(Reason::Expired, message));
    }
    Ok(())
}

/// Why nothing is handed out, when an answer has ended while others were waited for, and so has the one after it.
pub(crate) fn ended() -> Failure {
    Failure::new(Reason::Expired, "the link has ended while it was waited for: ask again, for fewer at once")
}

/// Tells `load` that its value is kept as long as it may be handed out. What works only for a moment is given to those
/// who wait for it, and to nobody after them.
pub(crate) fn keep_within(load: &Load, validity: Validity, now: Timestamp) {
    let end = if validity.until() <= now {
        load.set_lifetime(ttl(Duration::ZERO));
        validity.ends()
    } else {
        validity.until()
    };
    if end != Timestamp::NEVER {
        load.set_valid_until(end);
    }
}
