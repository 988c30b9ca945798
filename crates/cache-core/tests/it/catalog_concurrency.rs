//! Hits under a shared lock: no entry moves, no order breaks.

use std::sync::{Barrier, PoisonError, RwLock};
use std::thread;
use std::time::Duration;

use cache_core::{Catalog, Limits, Offer, PolicyKind, Timestamp};

const ENTRIES: u64 = 64;
const THREADS: u64 = 4;
const ROUNDS: u64 = 2_000;

fn full(policy: PolicyKind) -> RwLock<Catalog<u64, u64>> {
    let mut catalog = Catalog::new(Limits::entries(ENTRIES), policy);
    for key in 0..ENTRIES {
        let offer = Offer {
            key,
            value: key,
            hash: key,
            weight: 1,
            cost: Duration::ZERO,
            expires: Timestamp::NEVER,
            pinned: false,
        };
        assert!(catalog.insert(offer, Timestamp::EPOCH).is_empty());
    }
    RwLock::new(catalog)
}

/// Each thread hits its own quarter of `keys`, in order, round after round, all at once.
fn hit_from_many_threads(catalog: &RwLock<Catalog<u64, u64>>, keys: u64) {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                for _ in 0..ROUNDS {
                    for key in (thread..keys).step_by(THREADS as usize) {
                        let catalog = catalog.read().unwrap_or_else(PoisonError::into_inner);
                        assert_eq!(catalog.get(key, &key, Timestamp::EPOCH), Some(&key));
                    }
                }
            });
        }
    });
}

#[test]
fn concurrent_hits_change_nothing_resident() {
    for policy in PolicyKind::ALL {
        let catalog = full(policy);
        hit_from_many_threads(&catalog, ENTRIES);
        let catalog = catalog.into_inner().unwrap();
        assert_eq!(catalog.validate(), Ok(()));
        let mut keys: Vec<u64> = catalog.iter(Timestamp::EPOCH).map(|(key, _)| *key).collect();
        keys.sort_unstable();
        assert!(keys.into_iter().eq(0..ENTRIES), "{policy}");
    }
}

#[test]
fn concurrent_hits_are_all_seen_by_lru_each_in_its_threads_order() {
    let catalog = full(PolicyKind::Lru);
    let hit = ENTRIES / 2;
    hit_from_many_threads(&catalog, hit);
    let mut catalog = catalog.into_inner().unwrap();
    let gone = catalog.resize(Limits::entries(0), Timestamp::EPOCH);
    let gone: Vec<u64> = gone.into_iter().map(|departure| departure.key).collect();
    let (unused, used) = gone.split_at(hit as usize);
    assert!(unused.iter().copied().eq(hit..ENTRIES), "what was not hit leaves first, oldest first: {unused:?}");
    for thread in 0..THREADS {
        let own = used.iter().copied().filter(|key| key % THREADS == thread);
        assert!(own.eq((thread..hit).step_by(THREADS as usize)), "{used:?}");
    }
}
