//! The catalog at its edges, one rule each.

use std::time::Duration;

use cache_core::{Catalog, Cause, Limits, Offer, PolicyKind, Timestamp};

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn offer(key: u8, weight: u64, expires: Timestamp) -> Offer<u8, u8> {
    Offer { key, value: key, hash: 0, weight, cost: Duration::ZERO, expires, pinned: false }
}

fn insert(catalog: &mut Catalog<u8, u8>, key: u8, weight: u64, expires: Timestamp) -> Vec<(u8, Cause)> {
    let left = catalog.insert(offer(key, weight, expires), at(100));
    assert_eq!(catalog.validate(), Ok(()));
    left.into_iter().map(|departure| (departure.key, departure.cause)).collect()
}

#[test]
fn an_entry_is_there_until_the_millisecond_before_its_deadline() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(10), policy);
        insert(&mut catalog, 1, 1, at(150));
        assert_eq!(catalog.get(0, &1, at(149)), Some(&1));
        assert_eq!(catalog.peek(0, &1, at(149)), Some(&1));
        assert_eq!(catalog.iter(at(149)).count(), 1);
        assert_eq!(catalog.expire(at(149), 9), []);
        assert_eq!(catalog.get(0, &1, at(150)), None);
        assert_eq!(catalog.peek(0, &1, at(150)), None);
        assert_eq!(catalog.iter(at(150)).count(), 0);
        assert_eq!(catalog.expire(at(150), 9).len(), 1);
    }
}

#[test]
fn an_entry_that_has_expired_already_is_not_kept() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(10), policy);
        assert_eq!(insert(&mut catalog, 1, 1, at(100)), [(1, Cause::Expired)]);
        assert_eq!(insert(&mut catalog, 1, 1, at(101)), []);
    }
}

#[test]
fn a_zero_capacity_holds_nothing_not_even_what_has_no_weight() {
    for policy in PolicyKind::ALL {
        for limits in [Limits::weight(0), Limits::entries(0)] {
            let mut catalog = Catalog::new(limits, policy);
            for weight in [0, 1, u64::MAX] {
                assert_eq!(insert(&mut catalog, 1, weight, Timestamp::NEVER), [(1, Cause::Refused)]);
            }
        }
        let mut catalog = Catalog::new(Limits::weight(10), policy);
        insert(&mut catalog, 1, 0, Timestamp::NEVER);
        assert_eq!(catalog.resize(Limits::weight(0), at(100)).len(), 1);
    }
}

#[test]
fn what_is_heavier_than_the_capacity_displaces_only_its_own_key() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(10), policy);
        insert(&mut catalog, 1, 5, Timestamp::NEVER);
        insert(&mut catalog, 2, 5, Timestamp::NEVER);
        assert_eq!(insert(&mut catalog, 3, 11, Timestamp::NEVER), [(3, Cause::Refused)]);
        assert_eq!(insert(&mut catalog, 2, u64::MAX, Timestamp::NEVER), [(2, Cause::Replaced), (2, Cause::Refused)]);
        assert_eq!(catalog.weight(), 5);
    }
}

#[test]
fn weights_up_to_the_largest_add_up() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(u64::MAX), policy);
        assert_eq!(insert(&mut catalog, 1, u64::MAX, Timestamp::NEVER), []);
        assert_eq!(insert(&mut catalog, 2, u64::MAX, Timestamp::NEVER), [(1, Cause::Capacity)]);
        assert_eq!(insert(&mut catalog, 3, 0, Timestamp::NEVER), []);
        assert_eq!(insert(&mut catalog, 4, 1, Timestamp::NEVER).last(), Some(&(2, Cause::Capacity)));
    }
}

#[test]
fn the_overdue_make_room_before_the_live() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(10), policy);
        assert!(catalog.insert(offer(1, 5, Timestamp::NEVER), at(0)).is_empty());
        assert!(catalog.insert(offer(2, 5, at(50)), at(0)).is_empty());
        assert_eq!(insert(&mut catalog, 3, 5, Timestamp::NEVER), [(2, Cause::Expired)]);
        assert_eq!(catalog.weight(), 10);
    }
}

#[test]
fn keys_of_equal_hashes_are_different_keys() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(255), policy);
        for key in 0..=254 {
            assert_eq!(insert(&mut catalog, key, 1, Timestamp::NEVER), []);
        }
        assert!(catalog.remove(0, &7, at(0)).is_some());
        assert_eq!(catalog.remove(0, &7, at(0)), None);
        assert!((0..=254).all(|key| catalog.get(0, &key, at(0)).copied() == (key != 7).then_some(key)));
    }
}

#[test]
fn a_scan_passes_by_what_was_hit_under_s3fifo() {
    let mut catalog = Catalog::new(Limits::weight(100), PolicyKind::S3Fifo);
    let mut offered = 0..;
    let mut insert = |catalog: &mut Catalog<u32, ()>| {
        let key = offered.next().unwrap();
        let offer =
            Offer { key, value: (), hash: key.into(), weight: 1, cost: Duration::ZERO, expires: at(9), pinned: false };
        let _ = catalog.insert(offer, at(0));
    };
    for _ in 0..80 {
        insert(&mut catalog);
    }
    for key in (0..80_u32).chain(0..80) {
        catalog.get(key.into(), &key, at(0));
    }
    for _ in 0..10_000 {
        insert(&mut catalog);
    }
    assert!((0..80_u32).all(|key| catalog.peek(key.into(), &key, at(0)).is_some()));
}

#[test]
fn a_key_keeps_its_place_when_its_value_is_replaced() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(255), policy);
        for key in 0..20 {
            insert(&mut catalog, key, 1, Timestamp::NEVER);
        }
        let first: Vec<u8> = catalog.page(0, 10, at(100)).map(|(key, _)| *key).collect();
        for key in 0..20 {
            insert(&mut catalog, key, 2, Timestamp::NEVER);
        }
        let (again, rest) = (catalog.page(0, 10, at(100)), catalog.page(10, usize::MAX, at(100)));
        assert_eq!(again.map(|(key, _)| *key).collect::<Vec<_>>(), first);
        assert!(rest.map(|(key, _)| *key).eq((0..20).filter(|key| !first.contains(key))));
        assert_eq!(catalog.page(catalog.places(), usize::MAX, at(100)).count(), 0);
    }
}

#[test]
fn a_pinned_entry_leaves_only_when_nothing_else_is_left() {
    let mut catalog = Catalog::new(Limits::entries(3), PolicyKind::Lru);
    let _ = catalog.insert(Offer { pinned: true, ..offer(0, 1, Timestamp::NEVER) }, Timestamp::EPOCH);
    for key in [1, 2, 3, 4] {
        let _ = catalog.insert(offer(key, 1, Timestamp::NEVER), Timestamp::EPOCH);
    }
    let held = |catalog: &Catalog<u8, u8>, key: u8| catalog.peek(0, &key, Timestamp::EPOCH).is_some();
    assert!(held(&catalog, 0) && held(&catalog, 4) && catalog.len() == 3);
    assert_eq!(catalog.resize(Limits::entries(1), Timestamp::EPOCH).len(), 2);
    assert!(held(&catalog, 0));
    assert_eq!(catalog.resize(Limits::entries(0), Timestamp::EPOCH).len(), 1, "a limit is a limit");
    catalog.validate().unwrap();
}

#[test]
fn what_expired_leaves_as_expired_when_it_is_removed() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(10), policy);
        insert(&mut catalog, 1, 1, at(150));
        insert(&mut catalog, 2, 1, at(150));
        assert_eq!(catalog.remove(0, &1, at(149)).map(|left| left.cause), Some(Cause::Removed));
        assert_eq!(catalog.remove(0, &2, at(150)).map(|left| left.cause), Some(Cause::Expired));
    }
}

#[test]
fn a_deadline_given_up_for_none_takes_nothing_out() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::weight(10), policy);
        insert(&mut catalog, 1, 1, at(150));
        assert_eq!(insert(&mut catalog, 1, 1, Timestamp::NEVER), [(1, Cause::Replaced)]);
        assert_eq!(catalog.next_expiry(), None);
        insert(&mut catalog, 1, 1, at(170));
        insert(&mut catalog, 1, 1, at(160));
        assert_eq!(catalog.expire(at(159), 9), []);
        assert_eq!(catalog.expire(at(160), 9).len(), 1);
    }
}

#[test]
fn a_replacement_of_the_same_weight_counts_as_a_hit() {
    let mut catalog = Catalog::new(Limits::entries(3), PolicyKind::Lru);
    for key in [1, 2, 3, 1] {
        let _ = catalog.insert(offer(key, 1, Timestamp::NEVER), at(0));
    }
    let left: Vec<u8> = catalog.insert(offer(4, 1, Timestamp::NEVER), at(0)).into_iter().map(|left| left.key).collect();
    assert_eq!(left, [2]);
}

#[test]
fn pinned_and_not_it_is_the_same_entry() {
    for policy in PolicyKind::ALL {
        let mut catalog = Catalog::new(Limits::entries(3), policy);
        for (round, pinned) in [true, false, true, true, false].into_iter().enumerate() {
            let left = catalog.insert(Offer { pinned, ..offer(1, 1, Timestamp::NEVER) }, at(0));
            assert_eq!(left.len(), usize::from(round > 0));
            assert_eq!((catalog.len(), catalog.validate()), (1, Ok(())));
        }
        for key in 2..=9 {
            let _ = catalog.insert(Offer { pinned: true, ..offer(key, 1, Timestamp::NEVER) }, at(0));
            assert_eq!(catalog.validate(), Ok(()));
        }
        let held: Vec<u8> = (0..=9).filter(|key| catalog.peek(0, key, at(0)).is_some()).collect();
        assert_eq!(held, [7, 8, 9], "of the pinned, the one held longest goes first");
        assert!(catalog.remove(0, &8, at(0)).is_some());
        assert_eq!((catalog.len(), catalog.validate()), (2, Ok(())));
    }
}

#[test]
fn among_many_deadlines_far_apart_every_call_does_a_bounded_part() {
    const ENTRIES: u32 = 10_000;
    let mut catalog = Catalog::new(Limits::entries(u64::from(ENTRIES)), PolicyKind::Lru);
    for key in 0..ENTRIES {
        let expires = at(1 << 40 | u64::from(key) << 8);
        let offer = Offer { key, value: (), hash: key.into(), weight: 1, cost: Duration::ZERO, expires, pinned: false };
        let _ = catalog.insert(offer, at(0));
    }
    let (now, mut expired) = (at(1 << 50), Vec::new());
    while catalog.is_overdue(now) {
        expired.extend(catalog.expire(now, 10).into_iter().map(|left| left.key));
    }
    assert!(expired.into_iter().eq(0..ENTRIES), "all of them, in order");
    assert_eq!(catalog.validate(), Ok(()));
}

#[test]
fn what_never_expires_does_not_even_at_the_end_of_time() {
    let mut catalog = Catalog::new(Limits::weight(10), PolicyKind::Lru);
    assert!(catalog.insert(offer(1, 1, Timestamp::NEVER), Timestamp::NEVER).is_empty());
    assert_eq!(catalog.get(0, &1, Timestamp::NEVER), Some(&1));
    assert_eq!(catalog.peek(0, &1, Timestamp::NEVER), Some(&1));
    assert_eq!(catalog.iter(Timestamp::NEVER).count(), 1);
    assert_eq!(catalog.expire(Timestamp::NEVER, 9), []);
    assert_eq!(catalog.remove(0, &1, Timestamp::NEVER).map(|left| left.cause), Some(Cause::Removed));
}

#[test]
fn a_policy_knows_the_weights_of_all_or_of_none() {
    let goes = |limits: Limits| {
        let mut catalog = Catalog::new(limits, PolicyKind::Gdsf);
        let offer = |key, weight| Offer { cost: Duration::from_secs(1), ..offer(key, weight, Timestamp::NEVER) };
        assert!(catalog.insert(offer(1, 1_000), at(0)).is_empty());
        assert!(catalog.resize(Limits::weight(1_500), at(0)).is_empty());
        assert!(catalog.insert(offer(2, 10), at(0)).is_empty());
        catalog.insert(offer(3, 495), at(0)).into_iter().map(|left| left.key).collect::<Vec<_>>()
    };
    assert_eq!(goes(Limits::entries(1_000)), [1]);
    assert_eq!(goes(Limits::weight(1_000_000)), [1]);
}
