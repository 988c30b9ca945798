//! Unit tests of marks: what they cover, and their bounds.

use super::state::{MOST_KEYS, MOST_WIDE};
use super::*;

fn key(text: impl std::fmt::Display) -> Key {
    Key::of(text).build().unwrap()
}

fn stamp(number: usize) -> Stamp {
    Stamp::from_u64(number as u64)
}

fn mark(selector: Selector, at: usize) -> Mark {
    Mark { selector, stamp: stamp(at) }
}

fn unused(_: &Key) -> bool {
    false
}

#[test]
fn what_is_older_and_selected_is_covered() {
    let marks = Marks::default();
    assert!(!marks.covers(&key("a"), stamp(0), &[]));
    marks.add(mark(Selector::tag("x"), 5), None, Whose::Others, unused);
    marks.add(mark(Selector::Key(key("a")), 7), None, Whose::Others, unused);
    assert!(marks.covers(&key("a"), stamp(6), &[]) && !marks.covers(&key("a"), stamp(7), &[]));
    assert!(marks.covers(&key("b"), stamp(4), &["x".into()]) && !marks.covers(&key("b"), stamp(4), &[]));
    assert!(!marks.covers(&key("b"), stamp(5), &["x".into()]));
}

#[test]
fn the_epoch_counts_marks_of_more_than_a_key() {
    let marks = Marks::default();
    marks.add(mark(Selector::Key(key("a")), 1), None, Whose::Others, unused);
    assert_eq!(marks.epoch(), 0);
    marks.add(mark(Selector::tag("x"), 2), None, Whose::Others, unused);
    marks.add(mark(Selector::tag("x"), 2), None, Whose::Others, unused);
    marks.add(mark(Selector::tag("x"), 1), None, Whose::Others, unused);
    assert_eq!(marks.epoch(), 1, "neither again nor older");
}

#[test]
fn a_mark_takes_the_place_of_an_older_one_of_the_same_selection() {
    let marks = Marks::default();
    let [old, new, late] = [key("old"), key("new"), key("late")];
    assert!(marks.add(mark(Selector::tag("x"), 2), Some(old.clone()), Whose::Others, unused).new);
    let added = marks.add(mark(Selector::tag("x"), 3), Some(new.clone()), Whose::Others, unused);
    assert_eq!((added.new, added.needless), (true, vec![old]));
    let added = marks.add(mark(Selector::tag("x"), 1), Some(late.clone()), Whose::Others, unused);
    assert_eq!((added.new, added.needless), (false, vec![late]));
    assert_eq!(marks.named(), [(new.clone(), mark(Selector::tag("x"), 3))]);
    let added = marks.add(mark(Selector::all(), 4), None, Whose::Others, unused);
    assert_eq!((added.new, added.needless), (true, vec![new]));
}

#[test]
fn too_many_wide_marks_are_folded_and_still_cover() {
    let marks = Marks::default();
    let tags: Vec<Arc<str>> = (0..=MOST_WIDE).map(|number| format!("tag {number}").into()).collect();
    let mut folded = None;
    for (at, tag) in tags.iter().enumerate() {
        let added = marks.add(mark(Selector::tag(tag.clone()), at + 10), Some(key(at)), Whose::Others, unused);
        folded = folded.or(added.folded.map(|mark| (mark, added.needless)));
    }
    let (floor, needless) = folded.unwrap();
    assert_eq!(floor.selector, Selector::all());
    assert_eq!(needless.len(), MOST_WIDE / 16);
    for (at, tag) in tags.iter().enumerate() {
        assert!(marks.covers(&key("any"), stamp(at + 9), std::slice::from_ref(tag)), "{tag}");
    }
    assert!(!marks.covers(&key("any"), stamp(MOST_WIDE / 2), &[]), "a floor covers no newer ones");
    assert!(marks.state.read().named().len() <= MOST_WIDE);
}

#[test]
fn too_many_marks_of_keys_are_folded_unless_they_are_settled_and_unused() {
    let marks = Marks::default();
    let used = key(1);
    for number in 0..MOST_KEYS {
        marks.add(mark(Selector::Key(key(number)), number + 10), None, Whose::Others, unused);
    }
    for number in 0..10 {
        marks.settle(&key(number), stamp(number + 10), Stamp::ZERO, |_| true);
    }
    let one_used = |key: &Key| *key == used;
    assert_eq!(marks.add(mark(Selector::Key(key("more")), 90_000), None, Whose::Others, one_used).folded, None);
    assert!(marks.covers(&used, stamp(10), &[]) && !marks.covers(&key(2), stamp(11), &[]));
    let epoch = marks.epoch();
    let added = (0..20).map(|number| {
        let more = mark(Selector::Key(key(format!("more {number}"))), 90_001 + number);
        marks.add(more, None, Whose::Others, |_| true)
    });
    let folded: Vec<Added> = added.filter(|added| added.folded_here).collect();
    assert_eq!((folded.len(), marks.epoch()), (1, epoch + 1));
    assert_eq!(folded[0].folded, None, "tiers hold none of them, and get none");
    assert!((10..MOST_KEYS).all(|number| marks.covers(&key(number), stamp(number + 9), &[])));
}

#[test]
fn marks_that_tiers_hold_are_folded_into_one_for_the_tiers() {
    let marks = Marks::default();
    let mut folded = Vec::new();
    for number in 0..=MOST_KEYS {
        let added = marks.add(mark(Selector::Key(key(number)), number + 10), Some(key(number)), Whose::Others, unused);
        assert!(added.folded.is_some() || added.needless.is_empty());
        folded.extend(added.folded.map(|mark| (mark, added.needless.len())));
    }
    assert_eq!(folded, [(mark(Selector::all(), MOST_KEYS / 16 + 9), MOST_KEYS / 16)]);
    assert!((0..MOST_KEYS).all(|number| marks.covers(&key(number), stamp(number + 9), &[])));
}

#[test]
fn a_mark_of_others_is_released_once_it_is_settled_and_an_own_one_at_once() {
    for (whose, early) in [(Whose::Others, None), (Whose::Own, Some(key("name")))] {
        let marks = Marks::default();
        marks.add(mark(Selector::Key(key("a")), 5), Some(key("name")), whose, unused);
        assert_eq!(marks.release(&key("a"), stamp(5)), early, "{whose:?}");
        assert_eq!(marks.covers(&key("a"), stamp(4), &[]), early.is_none(), "{whose:?}");
        marks.settle(&key("a"), stamp(5), Stamp::ZERO, unused);
        assert_eq!(marks.release(&key("a"), stamp(5)).is_some(), early.is_none(), "{whose:?}");
    }
}

#[test]
fn a_settled_mark_lingers_until_its_time_or_until_room_is_needed() {
    for needs_room in [false, true] {
        let marks = Marks::default();
        marks.add(mark(Selector::Key(key("a")), 5), None, Whose::Others, unused);
        marks.settle(&key("a"), stamp(5), stamp(50), unused);
        marks.tidy(stamp(50), unused);
        assert!(marks.covers(&key("a"), stamp(4), &[]));
        if needs_room {
            let more = (0..MOST_KEYS).map(|number| mark(Selector::Key(key(number)), number + 10));
            let added = more.map(|mark| marks.add(mark, None, Whose::Others, unused));
            assert!(added.into_iter().all(|added| !added.folded_here));
        } else {
            marks.tidy(stamp(51), unused);
        }
        assert!(!marks.covers(&key("a"), stamp(4), &[]), "needs room: {needs_room}");
    }
}

#[test]
fn a_settled_mark_of_a_key_stays_while_the_key_is_read() {
    let marks = Marks::default();
    marks.add(mark(Selector::Key(key("a")), 5), None, Whose::Others, unused);
    assert_eq!(marks.open(9), [mark(Selector::Key(key("a")), 5)]);
    marks.settle(&key("a"), stamp(5), Stamp::ZERO, |_| true);
    assert!(marks.covers(&key("a"), stamp(4), &[]) && marks.open(9).is_empty());
    marks.settle(&key("a"), stamp(5), Stamp::ZERO, unused);
    assert!(!marks.covers(&key("a"), stamp(4), &[]));
}
