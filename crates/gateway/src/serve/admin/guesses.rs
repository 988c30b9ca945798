//! `Guesses`: how often an address may be told that it may not.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::serve::addresses::machine;

/// Refusals of one address in a row, before it has to wait.
const BURST: u32 = 10;
/// After so long one more.
const REFILL: Duration = Duration::from_secs(6);
/// Addresses that are kept apart; further ones share what there is.
const MOST: usize = 1_024;

/// How many refusals each address has left. A token that is known passes all the same: nobody is locked out by those who
/// share an address with them, and what is guessed has 16 characters or more.
#[derive(Debug, Default)]
pub(super) struct Guesses(Mutex<HashMap<IpAddr, Spent>>);

#[derive(Debug, Clone, Copy)]
struct Spent {
    refusals: u32,
    since: Instant,
}

impl Guesses {
    /// Whether `address` is to be refused in so many words; after the burst only that it is to wait.
    pub(super) fn take(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let mut spent = self.0.lock();
        let mut address = machine(address);
        if !spent.contains_key(&address) && spent.len() >= MOST {
            spent.retain(|_, spent| spent.left(now).refusals > 0);
            if spent.len() >= MOST {
                address = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            }
        }
        let entry = spent.entry(address).or_insert(Spent { refusals: 0, since: now });
        *entry = entry.left(now);
        let is_told = entry.refusals < BURST;
        entry.refusals += u32::from(is_told);
        is_told
    }
}

impl Spent {
    /// What is left of it at `now`.
    fn left(self, now: Instant) -> Self {
        let forgiven =
            u32::try_from(now.duration_since(self.since).as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if forgiven >= self.refusals {
            return Self { refusals: 0, since: now };
        }
        Self { refusals: self.refusals - forgiven, since: self.since + REFILL * forgiven }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn trust_29_refusals_of_an_address_are_bounded_in_time_and_those_of_others_are_not_touched() {
        let guesses = Guesses::default();
        let told = |text: &str, times: usize| (0..times).filter(|_| guesses.take(address(text))).count();
        assert_eq!((told("192.0.2.1", 100), told("192.0.2.2", 1)), (10, 1));
        tokio::time::advance(REFILL * 3).await;
        assert_eq!(told("192.0.2.1", 100), 3);
        tokio::time::advance(REFILL * 1_000).await;
        assert_eq!(told("192.0.2.1", 100), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn trust_29_addresses_that_one_machine_has_count_as_one() {
        let guesses = Guesses::default();
        let of_one = (0..100_u16).filter(|n| guesses.take(address(&format!("2001:db8:1:2::{n:x}")))).count();
        assert_eq!(of_one, 10);
        assert!(guesses.take(address("2001:db8:1:3::1")));
        let same = (0..100).filter(|_| guesses.take(address("::ffff:192.0.2.1"))).count();
        assert_eq!((same, guesses.take(address("192.0.2.1"))), (10, false));
    }

    #[tokio::test(start_paused = true)]
    async fn trust_29_the_table_of_addresses_is_bounded() {
        let guesses = Guesses::default();
        for n in 0..4_000_u32 {
            guesses.take(IpAddr::from(n.to_be_bytes()));
        }
        assert!(guesses.0.lock().len() <= MOST + 1);
        tokio::time::advance(REFILL * 20).await;
        assert!(guesses.take(address("203.0.113.9")), "those that came long ago make room");
        assert!(guesses.0.lock().len() < 10);
    }
}
