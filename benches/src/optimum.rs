//! What a cache that knows the future serves: Belady's rule, and a bound for weights and costs.

use std::collections::BinaryHeap;

use crate::replay::{Served, shares, worth};
use crate::trace::Trace;

/// What a trace holds of the future, read once for all capacities.
#[derive(Debug)]
pub struct Future<'a> {
    trace: &'a Trace,
    /// For each request, the position of the next one for the same key; the number of requests if there is none.
    next: Vec<u32>,
    /// For each key, the fewest bytes that it ever has.
    least: Vec<u64>,
}

impl<'a> Future<'a> {
    /// Reads the future of a trace of less than 2^32 requests.
    #[must_use]
    pub fn of(trace: &'a Trace) -> Self {
        let never = trace.requests.len() as u32;
        let (mut seen, mut next) = (vec![never; trace.keys], vec![never; trace.requests.len()]);
        let mut least = vec![u64::MAX; trace.keys];
        for (at, request) in trace.requests.iter().enumerate().rev() {
            let key = request.key as usize;
            next[at] = std::mem::replace(&mut seen[key], at as u32);
            least[key] = least[key].min(request.bytes);
        }
        Self { trace, next, least }
    }

    /// What Belady's rule serves: while there is no room, the entry whose next request is farthest away goes, be it
    /// the newest one (Belady, IBM Systems Journal 1966, there called MIN).
    ///
    /// Where all weights are equal, no cache has more hits. Where they are not, it is only a good one.
    #[must_use]
    pub fn belady(&self, capacity: u64) -> Served {
        let mut held: Vec<Option<Held>> = vec![None; self.trace.keys];
        let mut weight = 0;
        let mut farthest = BinaryHeap::new();
        let hit = self.trace.requests.iter().zip(&self.next).filter(|&(request, &next)| {
            let before = held[request.key as usize];
            let bytes = before.map_or(request.bytes, |before| before.bytes);
            weight += if before.is_none() { bytes } else { 0 };
            held[request.key as usize] = Some(Held { next, bytes });
            farthest.push((next, request.key));
            while weight > capacity {
                let Some((next, key)) = farthest.pop() else { break };
                // What was requested since has another place in the order.
                if let Some(victim) = held[key as usize].take_if(|held| held.next == next) {
                    weight -= victim.bytes;
                }
            }
            before.is_some()
        });
        shares(self.trace, hit.map(|(request, _)| request))
    }

    /// More than this no cache of that capacity serves, of requests, of bytes, and of costs, each for itself.
    ///
    /// It is PFOO-L (Berger, Beckmann and Harchol-Balter, SIGMETRICS 2018): holding an entry from one request to the
    /// next takes its weight times that time, all hits together cannot take more than the capacity times the length of
    /// the trace, so they are not worth more than the cheapest that fit into that. The one that does not fit any more
    /// counts in part, so that the bound holds for any worth. Where weights are equal, requests are bounded by
    /// [`belady`](Self::belady) instead, which is exact.
    #[must_use]
    pub fn bound(&self, capacity: u64) -> Served {
        let all = worth(self.trace.requests.iter());
        let mut bound = [0, 1, 2].map(|what| if all[what] > 0.0 { self.most(what, capacity) / all[what] } else { 0.0 });
        if !self.trace.sized {
            let exact = self.belady(capacity);
            bound[0] = exact.requests;
            bound[1] = exact.bytes;
        }
        bound.into()
    }

    /// What the cheapest hits are worth.
    fn most(&self, what: usize, capacity: u64) -> f64 {
        let requests = &self.trace.requests;
        let hits = self.next.iter().enumerate().filter(|&(_, &next)| (next as usize) < requests.len());
        let mut hits: Vec<(f64, f64)> = hits
            .map(|(at, &next)| {
                let request = &requests[next as usize];
                let worth = [1.0, request.bytes as f64, f64::from(request.cost)][what];
                // What it weighs was told by an earlier request: at least this much.
                ((next as usize - at) as f64 * self.least[request.key as usize] as f64, worth)
            })
            .filter(|&(_, worth)| worth > 0.0)
            .collect();
        hits.sort_unstable_by(|a, b| (a.0 / a.1).total_cmp(&(b.0 / b.1)));
        let mut room = capacity as f64 * requests.len() as f64;
        let mut sum = 0.0;
        for (takes, worth) in hits {
            if takes > room {
                return sum + worth * room / takes;
            }
            room -= takes;
            sum += worth;
        }
        sum
    }
}

/// An entry as Belady's rule sees it.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// The position of its next request.
    next: u32,
    /// What it weighs since it was loaded.
    bytes: u64,
}
