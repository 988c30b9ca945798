//! `Addresses`: how many connections each machine has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

/// How many connections each machine has; as many machines as there are connections at most. Cloning shares it.
#[derive(Debug, Clone)]
pub(super) struct Addresses {
    open: Arc<Mutex<HashMap<IpAddr, u64>>>,
    most: u64,
}

/// One connection of a machine; dropped, it has gone.
#[derive(Debug)]
pub(super) struct Place {
    of: Option<(Addresses, IpAddr)>,
}

impl Addresses {
    /// At most `most` connections of one machine.
    pub(super) fn new(most: u64) -> Self {
        Self { open: Arc::default(), most }
    }

    /// A place for one more of `address`, if it has not got the most. This machine has no most: a proxy on it speaks for
    /// all others.
    pub(super) fn take(&self, address: IpAddr) -> Option<Place> {
        if address.to_canonical().is_loopback() {
            return Some(Place { of: None });
        }
        let machine = machine(address);
        let mut open = self.open.lock();
        let count = open.entry(machine).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Place { of: Some((self.clone(), machine)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((addresses, machine)) = &self.of else { return };
        let mut open = addresses.open.lock();
        if let Some(count) = open.get_mut(machine) {
            *count -= 1;
            if *count == 0 {
                open.remove(machine);
            }
        }
    }
}

/// What one machine may have at least: of the new addresses, 2 to the 64th.
pub(super) fn machine(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn trust_10_one_machine_takes_no_more_connections_than_its_share() {
        let addresses = Addresses::new(2);
        let mut held = Vec::new();
        for text in ["2001:db8::1", "2001:db8::2:1"] {
            held.push(addresses.take(address(text)).unwrap());
        }
        assert!(addresses.take(address("2001:db8::3")).is_none());
        assert!(addresses.take(address("2001:db8:0:1::1")).is_some(), "another machine");
        held.pop();
        assert!(addresses.take(address("2001:db8::3")).is_some());
        for text in ["192.0.2.1", "::ffff:192.0.2.1"] {
            held.push(addresses.take(address(text)).unwrap());
        }
        assert!(addresses.take(address("192.0.2.1")).is_none());
        held.clear();
        assert!(addresses.open.lock().is_empty(), "who has gone takes no memory");
    }

    #[test]
    fn trust_10_this_machine_has_no_share() {
        let addresses = Addresses::new(1);
        let held: Vec<_> = ["127.0.0.1", "127.0.0.1", "::1", "::ffff:127.0.0.1"].map(address).into();
        let held: Vec<_> = held.into_iter().filter_map(|address| addresses.take(address)).collect();
        assert_eq!(held.len(), 4);
    }
}
