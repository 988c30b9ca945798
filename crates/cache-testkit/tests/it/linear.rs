//! The checker of linearizability: it accepts what some order explains, and nothing else.

use cache_testkit::linear::{
    Call, History, KeyAnswer, KeyOp, Model, Register, RegisterAnswer, RegisterOp, Verdict, check, check_key,
};
use proptest::prelude::*;

use RegisterAnswer::{Done, Removed, Value};
use RegisterOp::{Get, Put, Remove};

/// More steps than any history here takes.
const LIMIT: usize = 100_000;

type Registered = Call<RegisterOp, RegisterAnswer>;
type Loaded = Call<KeyOp, KeyAnswer>;

fn call<O, A>(begin: u64, end: u64, op: O, answer: A) -> Call<O, A> {
    Call { op, answer: Some(answer), begin, end }
}

fn lost<O, A>(begin: u64, op: O) -> Call<O, A> {
    Call { op, answer: None, begin, end: u64::MAX }
}

fn register(calls: &[Registered]) -> Verdict {
    check(&Register::default(), calls, LIMIT)
}

fn accepts(calls: &[Registered]) -> bool {
    register(calls).is_linearizable()
}

fn load(begin: u64, end: u64, value: u64) -> Loaded {
    call(begin, end, KeyOp::Load, KeyAnswer::Value(Some(value)))
}

fn run(begin: u64, end: u64, value: u64) -> Loaded {
    call(begin, end, KeyOp::Run(value), KeyAnswer::Done)
}

fn get(begin: u64, end: u64, value: Option<u64>) -> Loaded {
    call(begin, end, KeyOp::Get, KeyAnswer::Value(value))
}

fn put(begin: u64, end: u64, value: u64) -> Loaded {
    call(begin, end, KeyOp::Put(value), KeyAnswer::Done)
}

fn remove(begin: u64, end: u64, found: bool) -> Loaded {
    call(begin, end, KeyOp::Remove, KeyAnswer::Removed(found))
}

fn accepts_loads(calls: &[Loaded]) -> bool {
    let verdict = check_key(None, calls, LIMIT);
    assert!(!matches!(verdict, Verdict::Undecided(_)), "{verdict}");
    verdict.is_linearizable()
}

#[test]
fn an_empty_history_is_linearizable() {
    assert!(accepts(&[]));
}

#[test]
fn overlapping_calls_take_effect_in_either_order() {
    for found in [None, Some(1)] {
        assert!(accepts(&[call(0, 3, Put(1), Done), call(1, 2, Get, Value(found))]));
    }
}

#[test]
fn a_stale_read_after_an_acknowledged_remove_is_a_violation() {
    let stale = [call(0, 1, Put(1), Done), call(2, 3, Remove, Removed(true)), call(4, 5, Get, Value(Some(1)))];
    assert!(!accepts(&stale));
}

#[test]
fn a_lost_put_is_a_violation() {
    let lost = [call(0, 1, Put(1), Done), call(2, 3, Put(2), Done), call(4, 5, Get, Value(Some(1)))];
    assert!(!accepts(&lost));
    assert!(!accepts(&[call(0, 1, Put(1), Done), call(2, 3, Get, Value(None))]));
}

#[test]
fn two_reads_that_see_two_puts_in_opposite_orders_are_a_violation() {
    let puts = [call(0, 9, Put(1), Done), call(1, 10, Put(2), Done)];
    let reads = |first, second| [call(2, 3, Get, Value(Some(first))), call(4, 5, Get, Value(Some(second)))];
    assert!(accepts(&[puts, reads(1, 2)].concat()));
    assert!(accepts(&[puts, reads(2, 1)].concat()));
    let and_back = [call(6, 7, Get, Value(Some(1)))];
    assert!(!accepts(&[&puts[..], &reads(1, 2), &and_back].concat()));
}

#[test]
fn a_lost_write_may_take_effect_late_or_never_but_not_before_it_began() {
    let before = call(0, 1, Get, Value(Some(1)));
    let absent = call(3, 4, Get, Value(None));
    let late = call(5, 6, Get, Value(Some(1)));
    assert!(accepts(&[lost(2, Put(1)), absent]));
    assert!(accepts(&[lost(2, Put(1)), absent, late]));
    assert!(!accepts(&[before, lost(2, Put(1))]));
    let undone = call(7, 8, Get, Value(None));
    assert!(!accepts(&[lost(2, Put(1)), late, undone]));
}

#[test]
fn a_call_without_an_answer_takes_no_effect_after_its_end() {
    let maybe = Call { op: Put(1), answer: None, begin: 0, end: 3 };
    let read = |begin, found| call(begin, begin + 1, Get, Value(found));
    assert!(accepts(&[maybe, read(1, Some(1)), read(4, Some(1))]));
    assert!(accepts(&[maybe, read(1, None), read(4, None)]));
    assert!(!accepts(&[maybe, call(1, 2, Get, Value(None)), call(5, 6, Get, Value(None)), read(7, Some(1))]));
}

#[test]
fn a_search_that_takes_too_long_is_undecided() {
    let puts: Vec<Registered> = (0..30).map(|value| call(value, 100 + value, Put(value), Done)).collect();
    let impossible = [&puts[..], &[call(200, 201, Get, Value(None))]].concat();
    assert_eq!(check(&Register::default(), &impossible, 1_000), Verdict::Undecided(1_000));
}

#[test]
fn a_violation_shows_the_history_up_to_the_answer_that_nothing_explains() {
    let calls = [
        call(0, 1, Put(1), Done),
        call(2, 3, Remove, Removed(true)),
        call(4, 5, Get, Value(Some(1))),
        call(6, 7, Put(2), Done),
    ];
    let picture = register(&calls).to_string();
    assert!(picture.contains("Get -> Value(Some(1))  <- here"), "{picture}");
    assert!(!picture.contains("Put(2)"), "{picture}");
}

#[test]
fn long_histories_of_few_callers_are_cheap() {
    let history = History::new();
    for value in 0..2_000 {
        let put = history.begin(Put(value));
        history.begin(Get).answered(Value(value.checked_sub(1)));
        put.answered(Done);
    }
    assert!(check(&Register::default(), &history.calls(), 20_000).is_linearizable());
}

#[test]
fn a_loaded_value_is_kept_by_the_time_it_is_answered() {
    assert!(accepts_loads(&[load(0, 5, 7), run(1, 2, 7), get(3, 4, None), get(6, 7, Some(7))]));
    assert!(!accepts_loads(&[load(0, 5, 7), run(1, 2, 7), get(6, 7, None)]));
}

#[test]
fn those_who_wait_get_the_value_of_a_load_that_a_write_overtook() {
    let overtaken = [load(0, 7, 7), run(1, 6, 7), remove(2, 3, false)];
    assert!(accepts_loads(&[&overtaken[..], &[get(8, 9, None)]].concat()));
    let replaced = [load(0, 7, 7), run(1, 6, 7), put(2, 3, 8), get(8, 9, Some(8))];
    assert!(accepts_loads(&replaced));
}

#[test]
fn a_load_that_a_write_overtook_is_not_kept() {
    let overtaken = [load(0, 7, 7), run(1, 6, 7), remove(2, 3, false)];
    assert!(!accepts_loads(&[&overtaken[..], &[get(8, 9, Some(7))]].concat()));
    // Nor when the write has not ended as the load answers.
    assert!(!accepts_loads(&[load(0, 7, 7), run(1, 6, 7), remove(5, 9, false), get(10, 11, Some(7))]));
}

#[test]
fn who_asks_after_a_write_is_not_served_by_a_load_begun_before_it() {
    let overtaken = [load(0, 9, 7), run(1, 8, 7), remove(2, 3, false)];
    assert!(!accepts_loads(&[&overtaken[..], &[load(4, 10, 7)]].concat()));
    let joined_before = [load(0, 9, 7), run(1, 8, 7), load(2, 10, 7), remove(3, 4, false)];
    assert!(accepts_loads(&joined_before));
}

#[test]
fn who_asks_during_a_write_may_be_served_by_a_load_that_is_not_kept() {
    let calls = [
        put(0, 1, 1),
        load(2, 12, 7),
        run(3, 11, 7),
        remove(4, 9, true),
        get(5, 6, None),
        load(7, 13, 7),
        get(14, 15, None),
    ];
    assert!(accepts_loads(&calls));
}

#[test]
fn a_read_during_a_write_sees_what_was_there_before_it_or_what_is_there_after_it() {
    let during = |first, second| {
        let reads = [get(3, 4, first), get(5, 6, second)];
        accepts_loads(&[&[put(0, 1, 1), remove(2, 9, true)], &reads[..]].concat())
    };
    assert!(during(Some(1), None));
    assert!(during(None, Some(1)));
    let replaced = [put(0, 1, 1), put(2, 3, 2), remove(4, 9, true)];
    assert!(accepts_loads(&[&replaced[..], &[get(5, 6, Some(2))]].concat()));
    assert!(!accepts_loads(&[&replaced[..], &[get(5, 6, Some(1))]].concat()));
}

#[test]
fn what_a_load_replaced_is_not_read_any_more_not_even_during_a_write() {
    let replaced = [put(0, 1, 1), load(2, 5, 7), run(3, 4, 7), remove(6, 9, true)];
    assert!(accepts_loads(&[&replaced[..], &[get(7, 8, Some(7))]].concat()));
    assert!(!accepts_loads(&[&replaced[..], &[get(7, 8, Some(1))]].concat()));
}

#[test]
fn what_was_there_at_first_is_outdated_by_a_put_from_its_first_tick_on() {
    for initial in [None, Some(9)] {
        let history = History::new();
        history.begin(KeyOp::Put(1)).answered(KeyAnswer::Done);
        let put = history.begin(KeyOp::Put(2));
        history.begin(KeyOp::Get).answered(KeyAnswer::Value(initial));
        put.answered(KeyAnswer::Done);
        assert!(!check_key(initial, &history.calls(), LIMIT).is_linearizable(), "{initial:?}");
    }
}

#[test]
fn a_loader_that_runs_from_the_first_tick_on_may_be_kept() {
    assert!(accepts_loads(&[run(0, 2, 7), load(1, 3, 7), get(4, 5, Some(7))]));
}

#[test]
fn a_dropped_load_may_be_kept_later() {
    let dropped = [lost(0, KeyOp::Load), run(1, 2, 7)];
    assert!(accepts_loads(&[&dropped[..], &[get(3, 4, None), get(5, 6, Some(7))]].concat()));
    assert!(accepts_loads(&[&dropped[..], &[get(3, 4, None)]].concat()));
}

#[test]
fn a_value_that_nobody_made_is_a_violation() {
    assert!(!accepts_loads(&[put(0, 5, 1), load(1, 2, 9)]));
}

/// Tries every order of every choice of the calls: too simple to be wrong.
fn by_force(calls: &[Registered]) -> bool {
    fn extend(calls: &[Registered], done: &mut Vec<usize>, state: Option<u64>) -> bool {
        let is_open = |at: &usize| !done.contains(at);
        let open: Vec<usize> = (0..calls.len()).filter(is_open).collect();
        if open.iter().all(|at| calls[*at].answer.is_none()) {
            return true;
        }
        open.into_iter().any(|at| {
            let after_all = done.iter().all(|before| calls[*before].begin < calls[at].end);
            let state = Register::default().step(&state, &calls[at].op, calls[at].answer.as_ref());
            let Some(state) = state.filter(|_| after_all) else { return false };
            done.push(at);
            let explained = in_time(calls, done) && extend(calls, done, state);
            done.pop();
            explained
        })
    }
    /// Whether nothing that was answered before the last one began is still to come.
    fn in_time(calls: &[Registered], done: &[usize]) -> bool {
        let Some(last) = done.last() else { return true };
        let late = |at: usize| calls[at].answer.is_some() && calls[at].end < calls[*last].begin;
        (0..calls.len()).all(|at| done.contains(&at) || !late(at))
    }
    extend(calls, &mut Vec::new(), None)
}

fn some_call() -> impl Strategy<Value = (RegisterOp, RegisterAnswer)> {
    let values = || prop::option::weighted(0.7, 0..3_u64);
    prop_oneof![
        (0..3_u64).prop_map(|value| (Put(value), Done)),
        any::<bool>().prop_map(|found| (Remove, Removed(found))),
        values().prop_map(|found| (Get, Value(found))),
    ]
}

prop_compose! {
    fn some_history()(calls in prop::collection::vec((some_call(), 0..40_u64, 1..12_u64, prop::bool::weighted(0.15)), 0..=6))
        -> Vec<Registered> {
        let ticks = |(at, ((op, answer), begin, span, lost)): (usize, ((RegisterOp, RegisterAnswer), u64, u64, bool))| {
            // Ticks are unique: the remainder names the call, begins are even and ends odd.
            let (at, begin, end) = (2 * at as u64, begin * 16, (begin + span) * 16);
            let (answer, end) = if lost { (None, u64::MAX) } else { (Some(answer), end + at + 1) };
            Call { op, answer, begin: begin + at, end }
        };
        calls.into_iter().enumerate().map(ticks).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_agrees_with_a_search_by_force(calls in some_history()) {
        let verdict = register(&calls);
        prop_assert_eq!(verdict.is_linearizable(), by_force(&calls), "{}", verdict);
    }
}
