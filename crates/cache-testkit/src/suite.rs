//! The rules of the contract, one function each, by subject.
//!
//! Each takes a [`Case`](crate::Case) of a fresh, empty backend. A broken rule panics; an error that the backend
//! should not have answered is returned. [`conformance!`](crate::conformance) runs them all.

#![expect(clippy::missing_panics_doc, reason = "every rule panics when it is broken")]

pub mod bodies;
pub mod close;
pub mod concurrency;
pub mod expiry;
pub mod ext;
pub mod keys;
pub mod many;
pub mod remove;
pub mod renew;
pub mod roundtrip;
pub mod scan;
pub mod stamps;
pub mod sweep;
pub mod usage;

/// Expands to one `#[test]` for each rule, by subject; a rule is on this list or it is not run.
#[doc(hidden)]
#[macro_export]
macro_rules! __rules {
    () => {
        $crate::__rules! {
            roundtrip: Standard [
                a_body_comes_back_equal
                every_field_of_meta_comes_back_equal
                an_absent_key_is_none_and_no_error
                entries_of_every_role_are_kept
                info_is_constant
                debug_shows_no_body
            ]
            stamps: Standard [
                a_newer_stamp_replaces
                an_older_stamp_succeeds_and_changes_nothing
                an_equal_stamp_replaces
                an_older_stamp_wins_over_an_expired_entry
            ]
            expiry: Standard [
                an_entry_is_gone_at_exactly_stale_until
                an_entry_is_gone_at_exactly_valid_until
                a_stale_entry_is_returned
                reads_do_not_move_deadlines
                an_entry_put_after_its_end_is_not_there
                a_put_after_its_end_leaves_the_entry_present
                a_replacement_brings_its_own_deadlines
            ]
            remove: Standard [
                remove_tells_whether_an_entry_was_there
                removing_an_expired_entry_is_false
                remove_leaves_all_other_keys
                a_removed_key_takes_a_new_entry
            ]
            renew: Standard [
                a_renewed_entry_has_the_new_meta_and_its_body
                only_the_entry_with_the_stamp_is_renewed
                an_expired_entry_is_not_renewed
                an_older_stamp_renews_nothing
                a_meta_past_its_end_renews_nothing
                a_renewed_entry_lives_until_its_new_end
                usage_counts_a_renewed_entry_once
            ]
            renew: Parallel [
                a_renewal_never_brings_an_old_body_under_a_new_stamp
                a_dropped_renewal_leaves_the_old_meta_or_the_new_one
            ]
            scan: Standard [
                a_scan_finds_exactly_the_keys_below_a_prefix
                the_empty_prefix_finds_every_key
                a_scan_leaves_out_expired_entries
                a_scan_sees_each_key_once
                a_scan_sees_what_stays_while_other_keys_come_and_go
                a_dropped_scan_has_no_effect
            ]
            many: Standard [
                get_many_answers_in_order_with_duplicates_and_misses
                get_many_leaves_out_expired_entries
                put_many_stores_every_entry
                put_many_of_one_key_twice_keeps_the_newest_stamp
                put_many_of_one_key_takes_effect_in_order
                put_many_refuses_one_by_one
                many_of_nothing_is_nothing
            ]
            keys: Standard [
                hostile_keys_stay_distinct
                keys_that_differ_by_case_or_unicode_form_stay_distinct
                a_key_and_keys_below_it_coexist
                the_longest_keys_stay_distinct
            ]
            bodies: Roomy [
                an_empty_body_is_an_entry
                bodies_of_every_magnitude_come_back_equal
                the_longest_body_comes_back_equal
                a_longer_body_is_too_large_and_changes_nothing
            ]
            usage: Standard [
                usage_counts_each_entry
                usage_counts_a_replaced_entry_once
                usage_of_an_emptied_backend_is_that_of_a_fresh_one
                usage_ignores_a_put_that_changed_nothing
            ]
            usage: Tight [
                the_capacity_is_never_exceeded
                a_cleared_backend_holds_as_much_as_before
                marks_stay_while_values_are_evicted
            ]
            sweep: Standard [
                a_sweep_drops_at_most_its_limit_and_says_whether_more_remain
                sweeps_drop_every_expired_entry_and_no_other
                a_sweep_goes_by_the_instant_it_is_given
                a_sweep_of_nothing_does_nothing
            ]
            concurrency: Parallel [
                racing_writers_of_one_key_leave_the_newest_stamp
                racing_writers_of_many_keys_lose_nothing
                a_read_during_replacement_sees_a_whole_entry
                a_dropped_put_leaves_the_old_entry_the_new_one_or_none
                a_dropped_write_of_any_kind_leaves_the_key_usable
                a_dropped_read_has_no_effect
            ]
            close: Standard [
                every_call_after_close_fails_as_closed
                a_second_close_succeeds
            ]
            close: Parallel [
                a_call_that_races_close_succeeds_or_fails_as_closed
            ]
            ext: Standard [
                contains_follows_the_entry
                remove_prefix_counts_what_it_removed
                clear_matching_removes_exactly_the_matches
            ]
        }
    };
    ($($subject:ident: $conditions:ident [$($rule:ident)*])*) => {$($(
        #[test]
        fn $rule() -> $crate::__private::Verdict {
            let rule: $crate::__private::Rule = |case| ::std::boxed::Box::pin($crate::suite::$subject::$rule(case));
            $crate::__private::check($crate::Conditions::$conditions, rule, open)
        }
    )*)*};
}

/// What a task of a rule answered; its panic becomes the rule's.
async fn joined<T>(task: tokio::task::JoinHandle<T>) -> T {
    match task.await {
        Ok(answer) => answer,
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn every_rule_is_on_the_list() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/suite");
        let list = include_str!("suite.rs");
        let mut rules = 0;
        for file in fs::read_dir(folder).unwrap() {
            let source = fs::read_to_string(file.unwrap().path()).unwrap();
            for rule in source.split("\npub async fn ").skip(1) {
                let name = rule.split('(').next().unwrap();
                assert!(list.contains(&format!(" {name}\n")), "{name} is never run");
                rules += 1;
            }
        }
        assert!(rules > 50, "found {rules} rules only");
    }
}
