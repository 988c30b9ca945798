//! How long an answer is kept: what a loader tells its cache.

use std::time::Duration;

use cache_core::{Result, Timestamp, ttl};
use cache_tiered::Load;

use crate::{Extent, Failure, Links, Reason, Validity};

/// Takes the links that have ended out of what a provider answered at `now`, and tells `load` how long the rest is kept.
pub(crate) fn settle(load: &Load, provider: &str, mut links: Links, now: Timestamp) -> Result<Links> {
    let there = links.links.len();
    links.links.retain(|link| now < link.validity.ends());
    if links.links.len() < there {
        if links.is_empty() {
            let message = "every link of the answer has ended already: see whether the clock of this machine is right";
            return Err(Failure::new(Reason::Expired, message).into_error(provider, "links"));
        }
        links.extent = Extent::Partial;
    }
    if links.is_empty() {
        load.set_empty();
    } else if links.extent == Extent::Partial {
        load.set_partial();
    }
    keep_within(load, links.validity(), now);
    Ok(links)
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
