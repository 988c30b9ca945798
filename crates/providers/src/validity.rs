//! `Validity`: until when a link works.

mod dates;
mod headers;
mod secrets;
mod signed;
mod tokens;

#[cfg(feature = "http")]
pub(crate) use dates::{http as http_date, iso as iso_date};
pub(crate) use secrets::{is_secret_segment, is_signed, is_signed_path};

use std::time::Duration;

use cache_core::{DAY, Timestamp};
use serde::{Deserialize, Serialize};

/// The shortest and the longest margin.
const MARGINS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_mins(30));
/// An expiry further back than this, or further ahead than that, is none.
const PLAUSIBLE: (Duration, Duration) = (DAY, Duration::from_hours(24 * 400));

/// Until when a link works: absolute, so that no copy, hit or promotion extends it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Validity {
    /// It does not work from here on.
    ends: Timestamp,
    /// It is not handed out from here on; never later than `ends`.
    until: Timestamp,
}

impl Validity {
    /// Of a link that nobody has set an end.
    pub const FOREVER: Self = Self { ends: Timestamp::NEVER, until: Timestamp::NEVER };

    /// Of a link that works until `ends`, found out at `now`. The margin is a tenth of what remains, at least 30 seconds
    /// and at most half an hour.
    pub fn ending(ends: Timestamp, now: Timestamp) -> Self {
        if ends == Timestamp::NEVER {
            return Self::FOREVER;
        }
        let margin = (ends.since(now) / 10).clamp(MARGINS.0, MARGINS.1);
        Self { ends, until: before(ends, margin) }
    }

    /// Of a link that works for somebody who uses it at once, and whose end nobody has told: it is not kept.
    pub fn once(now: Timestamp) -> Self {
        Self::renewed(now)
    }

    /// Of a link whose end nobody has told, and which is to be asked for anew from `until` on.
    pub fn renewed(until: Timestamp) -> Self {
        Self { ends: Timestamp::NEVER, until }
    }

    /// The instant from which on the link does not work; [`Timestamp::NEVER`] if there is none.
    pub fn ends(self) -> Timestamp {
        self.ends
    }

    /// The instant from which on the link is not to be handed out: its end less the margin.
    pub fn until(self) -> Timestamp {
        self.until
    }

    /// The shorter of both, in either respect.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { ends: self.ends.min(other.ends), until: self.until.min(other.until) }
    }

    /// With a margin of at least `margin`: how long a player needs it, for instance.
    #[must_use]
    pub fn with_margin(self, margin: Duration) -> Self {
        if self.ends == Timestamp::NEVER {
            return self;
        }
        Self { until: self.until.min(before(self.ends, margin)), ..self }
    }
}

impl Default for Validity {
    fn default() -> Self {
        Self::FOREVER
    }
}

/// Until when the link `url` works, found out at `now`: the earliest of what its own text, the `headers` it came with
/// and its API (`told`) say, less a margin.
///
/// The text is asked for the expiry parameters of signed links: `expire`, `exp`, `X-Amz-Expires`, `se`, `ex`, `oe`,
/// the `Policy` of `CloudFront`, Akamai's `~exp=`, JSON web tokens, and so on. One counts only next to a signature, or bound
/// into one, and when it is less than a day past and less than 400 days ahead. A link that must not be stored, by its
/// headers, is handed out [once](Validity::once). Header names count in any case.
///
/// Costs a pass over the query; nothing is fetched.
///
/// ```
/// # use cache_core::{MINUTE, Timestamp};
/// # use providers::link_validity;
/// let now = Timestamp::from_millis(1_784_000_000_000);
/// let validity = link_validity("https://rr1---sn-x.googlevideo.com/v?expire=1784021600&sig=A", &[], None, now);
/// assert_eq!(validity.ends(), Timestamp::from_millis(1_784_021_600_000));
/// assert_eq!(validity.until(), Timestamp::from_millis(1_784_019_800_000));
/// ```
pub fn link_validity(url: &str, headers: &[(&str, &str)], told: Option<Timestamp>, now: Timestamp) -> Validity {
    let signed = signed::expiries(url, now).filter(|end| is_plausible(*end, now)).min();
    let (kept, storing) = headers::limits(headers, now);
    let ends = [signed, told, kept].into_iter().flatten().min().unwrap_or(Timestamp::NEVER);
    let validity = Validity::ending(ends, now);
    if storing { validity } else { validity.and(Validity::once(now)) }
}

/// Until when an answer with these `headers` may be kept, if they say so.
#[cfg(feature = "http")]
pub(crate) fn kept_until(headers: &[(&str, &str)], now: Timestamp) -> Option<Timestamp> {
    let (kept, storing) = headers::limits(headers, now);
    if storing { kept } else { Some(now) }
}

/// Whether the text of `url` binds it to an address, and to which.
pub fn bound_address(url: &str) -> Option<String> {
    signed::bound_address(url)
}

/// What of the path of `url` is the same in all links to one file, however often they are signed anew: all of it, or the last
/// part of one that a signature or a token is in. Others may end alike.
///
/// ```
/// # use providers::unsigned_path;
/// assert_eq!(unsigned_path("https://cdn.example/films/a.mp4?exp=1784021600&sig=A"), "/films/a.mp4");
/// assert_eq!(unsigned_path("https://cdn.example/expire/1784021600/sig/s3cret/a.mp4"), "a.mp4");
/// ```
pub fn unsigned_path(url: &str) -> &str {
    let (whole, _) = signed::parts(url);
    let rest = whole.split_once("://").map_or(whole, |(_, rest)| rest);
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default();
    if !is_signed_path(path) {
        return path;
    }
    let mut ends = path.rsplit('/');
    let (last, before) = (ends.next().unwrap_or_default(), ends.next().unwrap_or_default());
    if is_secret_segment(before, last) { "" } else { last }
}

fn is_plausible(end: Timestamp, now: Timestamp) -> bool {
    end.after(PLAUSIBLE.0) > now && end < now.after(PLAUSIBLE.1)
}

fn before(instant: Timestamp, span: Duration) -> Timestamp {
    Timestamp::from_millis(instant.as_millis().saturating_sub(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
