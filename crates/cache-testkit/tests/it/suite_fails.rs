//! Each flaw is caught by the rule that forbids it, which passes without the flaw.

use cache_core::{Hlc, Result};
use cache_testkit::{Bench, Case, Conditions, NaiveModel, Stamps, suite};
use futures_util::future::BoxFuture;

use crate::bounded::Bounded;
use crate::flawed::{Flaw, Flawed};
use crate::noting::Noting;

type Rule = for<'a> fn(&'a Case) -> BoxFuture<'a, Result<()>>;

macro_rules! caught {
    ($($flaw:ident by $subject:ident::$rule:ident)*) => {$(
        #[expect(non_snake_case, reason = "named after the flaw")]
        mod $flaw {
            // One thread: races between tasks then have one outcome.
            #[tokio::test]
            async fn $rule() {
                let rule: super::Rule = |case| Box::pin(super::suite::$subject::$rule(case));
                assert!(super::passes(super::flawed(super::Flaw::None), rule).await, "the rule fails without a flaw");
                assert!(!super::passes(super::flawed(super::Flaw::$flaw), rule).await, "the rule does not see the flaw");
                let lenient = super::noting(super::flawed(super::Flaw::$flaw));
                assert!(!super::passes(lenient, rule).await, "the rule does not see it where notes are allowed");
            }
        }
    )*};
}

caught! {
    OlderStampWins by stamps::an_older_stamp_succeeds_and_changes_nothing
    EqualStampLoses by stamps::an_equal_stamp_replaces
    ExpiresLate by expiry::an_entry_is_gone_at_exactly_stale_until
    ReadsExtendLife by expiry::reads_do_not_move_deadlines
    ScanFindsExpired by scan::a_scan_leaves_out_expired_entries
    ScanTakesPrefixAsText by scan::a_scan_finds_exactly_the_keys_below_a_prefix
    MissIsError by roundtrip::an_absent_key_is_none_and_no_error
    BodyLosesEnd by roundtrip::a_body_comes_back_equal
    MetaLosesTags by roundtrip::every_field_of_meta_comes_back_equal
    DebugShowsBodies by roundtrip::debug_shows_no_body
    KeysFoldCase by keys::keys_that_differ_by_case_or_unicode_form_stay_distinct
    RefusalRemoves by bodies::a_longer_body_is_too_large_and_changes_nothing
    RemoveIsAlwaysTrue by remove::remove_tells_whether_an_entry_was_there
    GetManySorts by many::get_many_answers_in_order_with_duplicates_and_misses
    PutManyStopsAtError by many::put_many_refuses_one_by_one
    PutManyReverses by many::put_many_of_one_key_takes_effect_in_order
    LatePutRemoves by expiry::a_put_after_its_end_leaves_the_entry_present
    DroppedRemoveJams by concurrency::a_dropped_write_of_any_kind_leaves_the_key_usable
    UsageOnlyGrows by usage::usage_of_an_emptied_backend_is_that_of_a_fresh_one
    SweepIgnoresLimit by sweep::a_sweep_drops_at_most_its_limit_and_says_whether_more_remain
    SweepIgnoresInstant by sweep::a_sweep_goes_by_the_instant_it_is_given
    SweepNeverEnds by sweep::a_sweep_of_nothing_does_nothing
    PutIsTorn by concurrency::a_dropped_put_leaves_the_old_entry_the_new_one_or_none
    PutComparesEarly by concurrency::racing_writers_of_one_key_leave_the_newest_stamp
    PutRemovesFirst by concurrency::a_read_during_replacement_sees_a_whole_entry
    CloseDoesNothing by close::every_call_after_close_fails_as_closed
    CallsAfterClosePanic by close::every_call_after_close_fails_as_closed
    RolesAreForgotten by roundtrip::entries_of_every_role_are_kept
    RenewIsAlwaysTrue by renew::only_the_entry_with_the_stamp_is_renewed
    RenewIgnoresStamp by renew::only_the_entry_with_the_stamp_is_renewed
    RenewTakesOlderStamp by renew::an_older_stamp_renews_nothing
    RenewRevives by renew::an_expired_entry_is_not_renewed
    LateRenewRemoves by renew::a_meta_past_its_end_renews_nothing
    RenewKeepsDeadlines by renew::a_renewed_entry_lives_until_its_new_end
    RenewKeepsTags by renew::a_renewed_entry_has_the_new_meta_and_its_body
    RenewEmptiesBody by renew::a_renewed_entry_has_the_new_meta_and_its_body
    RenewTakesSteps by renew::a_renewal_never_brings_an_old_body_under_a_new_stamp
    RenewRemovesFirst by renew::a_dropped_renewal_leaves_the_old_meta_or_the_new_one
    RenewCountsTwice by renew::usage_counts_a_renewed_entry_once
    RenewAfterCloseIsFalse by close::every_call_after_close_fails_as_closed
    SecondCloseFails by close::a_second_close_succeeds
}

#[tokio::test]
async fn budget_that_a_remove_does_not_give_back_is_noticed() {
    let rule: Rule = |case| Box::pin(suite::usage::a_cleared_backend_holds_as_much_as_before(case));
    let bounded = |bench: &Bench| Bounded::new(NaiveModel::new(bench.clock.clone()), bench.limits);
    let bench = Bench::new(Conditions::Tight);
    assert!(passes(Case::new(bounded(&bench), bench.clock.clone()), rule).await);
    let bench = Bench::new(Conditions::Tight);
    assert!(!passes(Case::new(bounded(&bench).leaking(), bench.clock.clone()), rule).await);
    let bench = Bench::new(Conditions::Tight);
    assert!(!passes(noting(Case::new(bounded(&bench).leaking(), bench.clock.clone())), rule).await);
}

#[tokio::test]
async fn notes_of_removes_are_noticed_where_the_fixture_does_not_tell_of_them() {
    let rules: [Rule; 5] = [
        |case| Box::pin(suite::remove::remove_tells_whether_an_entry_was_there(case)),
        |case| Box::pin(suite::usage::usage_counts_each_entry(case)),
        |case| Box::pin(suite::usage::usage_of_an_emptied_backend_is_that_of_a_fresh_one(case)),
        |case| Box::pin(suite::usage::usage_ignores_a_put_that_changed_nothing(case)),
        |case| Box::pin(suite::renew::usage_counts_a_renewed_entry_once(case)),
    ];
    for (number, rule) in rules.into_iter().enumerate() {
        let bench = Bench::default();
        let case = Case::new(Noting::new(&bench), bench.clock);
        assert!(!passes(case, rule).await, "rule {number}");
    }
}

#[tokio::test]
async fn an_eviction_of_marks_is_noticed() {
    let rule: Rule = |case| Box::pin(suite::usage::marks_stay_while_values_are_evicted(case));
    let bounded = |bench: &Bench| Bounded::new(NaiveModel::new(bench.clock.clone()), bench.limits);
    let bench = Bench::new(Conditions::Tight);
    assert!(passes(Case::new(bounded(&bench), bench.clock.clone()), rule).await);
    let bench = Bench::new(Conditions::Tight);
    assert!(!passes(Case::new(bounded(&bench).evicting_marks(), bench.clock.clone()), rule).await);
}

fn flawed(flaw: Flaw) -> Case {
    let clock = Bench::default().clock;
    Case::new(Flawed::new(flaw, clock.clone()), clock)
}

/// `case`, as if its backend noted removes.
fn noting(case: Case) -> Case {
    let hlc = Hlc::new(case.clock.clone());
    case.noting_removes(Stamps::new(move || hlc.tick()))
}

/// Whether `rule` neither panics nor fails.
async fn passes(case: Case, rule: Rule) -> bool {
    tokio::spawn(async move { rule(&case).await }).await.is_ok_and(|verdict| verdict.is_ok())
}
