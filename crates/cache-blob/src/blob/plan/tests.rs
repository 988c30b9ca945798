//! Tests of `Plan`: what is fetched next, by hand.

use super::*;

const ANYWHERE: Reach = Reach { join: 2, ahead: 3, ranges: true, fetches: 2 };
const IN_ORDER: Reach = Reach { ranges: false, ..ANYWHERE };

fn plan(reach: Reach, segments: u64, edge: u64) -> Plan {
    Plan::new(reach, Some(segments), edge)
}

/// What a fetch does next; the segment is then kept.
fn step(plan: &mut Plan, fetch: u64, next: Option<u64>) -> Option<u64> {
    let job = plan.assign(fetch, next)?;
    plan.end(job.index, &job.filling);
    plan.note_kept(job.index);
    Some(job.index)
}

#[test]
fn nothing_is_fetched_for_nobody() {
    assert_eq!(plan(ANYWHERE, 100, 0).hire(), None);
    assert_eq!(plan(IN_ORDER, 100, 0).hire(), None);
}

#[test]
fn a_reader_is_followed_so_far_ahead_and_to_its_last_segment() {
    let mut plan = plan(ANYWHERE, 100, 0);
    let reader = plan.join(10, 15);
    let fetch = plan.hire().unwrap();
    assert_eq!([10, 11, 12, 13].map(|at| step(&mut plan, fetch, Some(at))), [10, 11, 12, 13].map(Some));
    assert_eq!(step(&mut plan, fetch, Some(14)), None);
    plan.advance(reader, 13);
    assert_eq!([14, 15, 16].map(|at| step(&mut plan, fetch, Some(at))), [Some(14), Some(15), None]);
    plan.leave(reader);
    assert_eq!(plan.hire(), None);
}

#[test]
fn a_reader_close_ahead_of_a_fetch_waits_for_it_and_one_far_ahead_gets_its_own() {
    let mut plan = plan(ANYWHERE, 100, 0);
    plan.join(0, 99);
    let first = plan.hire().unwrap();
    let _job = plan.assign(first, None).unwrap();
    let _close = plan.want(2, false);
    assert_eq!(plan.hire(), None, "segment 2 is on the way");
    let _far = plan.want(50, false);
    let second = plan.hire().unwrap();
    assert_eq!(plan.assign(second, None).map(|job| job.index), Some(50));
    let _third = plan.want(80, false);
    assert_eq!(plan.hire(), None, "no more than two fetches");
}

#[test]
fn readers_beyond_the_fetches_take_turns() {
    let mut plan = plan(Reach { fetches: 1, ahead: 0, ..ANYWHERE }, 100, 0);
    let _waits = [10, 40, 70].map(|at| plan.want(at, false));
    let fetch = plan.hire().unwrap();
    assert_eq!(step(&mut plan, fetch, None), Some(10));
    let _again = plan.want(11, false);
    assert_eq!([11, 41, 71].map(|at| step(&mut plan, fetch, Some(at))), [Some(40), Some(70), Some(11)]);
}

#[test]
fn who_left_is_not_waited_for() {
    let mut plan = plan(ANYWHERE, 100, 0);
    drop(plan.want(40, false));
    let _stays = plan.want(70, false);
    let fetch = plan.hire().unwrap();
    assert_eq!(step(&mut plan, fetch, None), Some(70));
}

#[test]
fn both_ends_come_early() {
    let mut plan = plan(ANYWHERE, 100, 2);
    let one = plan.hire().unwrap();
    assert_eq!(plan.assign(one, None).map(|job| job.index), Some(0));
    let other = plan.hire().unwrap();
    assert_eq!(plan.assign(other, None).map(|job| job.index), Some(98));
}

#[test]
fn ends_that_meet_are_fetched_once() {
    assert_eq!(plan(ANYWHERE, 3, 2).edges, [0, 1, 2]);
    assert_eq!(plan(ANYWHERE, 1, 2).edges, [0]);
    assert_eq!(plan(IN_ORDER, 100, 2).edges, [0, 1]);
}

#[test]
fn without_ranges_one_stream_goes_on_and_begins_anew_for_who_is_behind() {
    let mut plan = plan(IN_ORDER, 100, 0);
    let _far = plan.want(5, false);
    let fetch = plan.hire().unwrap();
    assert_eq!(step(&mut plan, fetch, None), Some(0), "what is passed is kept, too");
    assert_eq!(plan.hire(), None);
    assert_eq!([1, 2, 3].map(|at| step(&mut plan, fetch, Some(at))), [1, 2, 3].map(Some));
    let _behind = plan.want(1, false);
    assert_eq!(step(&mut plan, fetch, Some(4)), Some(1));
    assert_eq!(step(&mut plan, fetch, Some(2)), Some(4), "the kept ones are passed");
}

#[test]
fn a_found_end_sends_back_who_waits_behind_it() {
    let mut plan = Plan::new(IN_ORDER, None, 0);
    let mut behind = plan.want(9, false);
    plan.set_segments(4);
    assert!(matches!(behind.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    assert_eq!(plan.hire(), None);
}

#[test]
fn a_failing_source_is_asked_only_for_who_waits() {
    let mut plan = plan(ANYWHERE, 100, 2);
    plan.join(0, 99);
    plan.note_health(true);
    assert_eq!(plan.hire(), None);
    let _wait = plan.want(7, false);
    let fetch = plan.hire().unwrap();
    assert_eq!(plan.assign(fetch, Some(3)).map(|job| job.index), Some(7));
    assert_eq!(plan.assign(fetch, Some(8)).map(|job| job.index), None);
    plan.note_health(false);
    assert!(plan.has_work(fetch, Some(8)));
}

#[test]
fn everything_is_fetched_when_asked() {
    let mut plan = plan(ANYWHERE, 4, 0);
    plan.note_kept(1);
    plan.set_to_the_end(true);
    let fetch = plan.hire().unwrap();
    assert_eq!([0, 1, 3].map(|at| step(&mut plan, fetch, Some(at))), [Some(0), Some(2), Some(3)]);
    assert!(plan.is_complete());
    assert_eq!(step(&mut plan, fetch, Some(4)), None);
}

#[test]
fn a_reach_behind_the_end_is_one_to_the_end() {
    for reach in [ANYWHERE, IN_ORDER] {
        let mut plan = plan(Reach { ahead: u64::MAX >> 16, ..reach }, 3, 0);
        let fetch = plan.id();
        plan.fetches.insert(fetch, None);
        assert!(!plan.has_work(fetch, None), "there is no reader");
        plan.join(0, u64::MAX);
        assert_eq!([0, 1, 2].map(|at| step(&mut plan, fetch, Some(at))), [0, 1, 2].map(Some));
        assert_eq!(step(&mut plan, fetch, Some(3)), None);
        assert_eq!(step(&mut plan, fetch, None), None);
    }
}

#[test]
fn a_backend_that_refuses_gets_only_what_is_waited_for() {
    let mut plan = plan(ANYWHERE, 100, 2);
    plan.join(0, 99);
    plan.note_refusal(true);
    assert_eq!(plan.hire(), None);
    let _wait = plan.want(7, false);
    let fetch = plan.hire().unwrap();
    assert_eq!(plan.assign(fetch, Some(3)).map(|job| job.index), Some(7));
    plan.note_refusal(false);
    assert!(plan.has_work(fetch, Some(8)));
}
