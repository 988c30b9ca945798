//! `Served`: what a cache saved of a trace.

use crate::trace::{Request, Trace};

/// A cache that a trace is replayed through.
pub trait Replayed {
    /// Whether the request is a hit. After a miss the value is offered.
    fn request(&mut self, request: &Request) -> bool;
}

/// What a cache saved, or what can be saved at most: shares of all requests, of their bytes and of their costs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Served {
    /// Share of the requests that hit.
    pub requests: f64,
    /// Share of the requested bytes that hit.
    pub bytes: f64,
    /// Share of the seconds of loading that hits saved.
    pub cost: f64,
}

impl Served {
    /// The three, in the order of the fields.
    #[must_use]
    pub const fn shares(self) -> [f64; 3] {
        [self.requests, self.bytes, self.cost]
    }
}

impl From<[f64; 3]> for Served {
    fn from([requests, bytes, cost]: [f64; 3]) -> Self {
        Self { requests, bytes, cost }
    }
}

/// Replays a trace through an empty cache.
pub fn replay(trace: &Trace, cache: &mut dyn Replayed) -> Served {
    shares(trace, trace.requests.iter().filter(|request| cache.request(request)))
}

/// What these hits are of the whole trace.
pub(crate) fn shares<'a>(trace: &'a Trace, hits: impl Iterator<Item = &'a Request>) -> Served {
    let all = worth(trace.requests.iter());
    let hit = worth(hits);
    let share = |at: usize| if all[at] > 0.0 { hit[at] / all[at] } else { 0.0 };
    [share(0), share(1), share(2)].into()
}

/// Requests, bytes and costs summed up.
pub(crate) fn worth<'a>(requests: impl Iterator<Item = &'a Request>) -> [f64; 3] {
    let (mut count, mut bytes, mut cost) = (0_u64, 0_u128, 0_u64);
    for request in requests {
        count += 1;
        bytes += u128::from(request.bytes);
        cost += u64::from(request.cost);
    }
    [count as f64, bytes as f64, cost as f64]
}
