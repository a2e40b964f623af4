//! The contract of a store, sentence by sentence. Each case gets a fresh store; what the memory store answers,
//! every store answers. `docs/STORAGE.md` names the case of each sentence.

pub mod access;
pub mod batches;
pub mod commits;
pub mod generated;
pub mod listings;
pub mod loads;
pub mod logs;
pub mod races;
pub mod reads;
mod spread;
pub mod surveys;

/// Hands the names of all cases to a macro, as `module: case case …;`.
#[macro_export]
macro_rules! conformance_cases {
    ($then:ident) => {
        $then! {
            commits:
                a_change_set_applies_wholly_or_not_at_all
                the_same_id_is_applied_once
                the_same_id_in_another_home_is_another_commit
                refusals_come_in_the_order_of_the_contract
                not_after_is_judged_by_the_stores_clock
                guards_hold_present_keys_to_their_version
                guards_hold_absent_keys_to_their_absence
                tallies_stay_within_their_ranges
                adding_nothing_checks_the_range_alone
                writes_apply_in_order
                nothing_is_missing_that_was_made
                no_receipt_is_passed_over
                malformed_change_sets_are_refused;
            batches:
                commit_all_answers_each_set_by_itself
                commit_all_answers_for_many_homes
                commit_all_applies_sets_of_one_home_in_order
                commit_all_takes_more_than_one_transaction_carries;
            logs:
                the_log_is_dense_and_chained
                time_never_goes_back_in_a_home
                the_log_is_read_in_pages
                the_log_is_filtered_by_person
                the_log_is_filtered_by_actor_action_and_time
                the_log_is_filtered_as_in_memory
                homes_that_only_point_have_no_log
                what_names_a_person_is_forgotten_and_the_chain_stays;
            reads:
                an_empty_home_reads_as_empty
                reads_that_wait_together_are_each_their_own
                every_kind_of_record_comes_back_as_it_was
                put_replaces_and_remove_removes
                the_due_index_follows_its_records
                a_dump_holds_everything_but_the_log
                homes_come_in_the_order_of_their_printed_form
                a_store_answers_ping;
            access:
                access_answers_what_is_asked_and_nothing_else
                access_judges_by_the_later_of_clock_and_log
                m7_nothing_asked_after_a_removal_sees_the_member_however_many_ask;
            listings:
                members_are_listed_as_in_memory
                accounts_are_listed_as_in_memory
                invitations_and_sessions_are_listed_as_in_memory
                records_are_listed_as_in_memory
                directories_are_listed_as_in_memory
                keys_and_memberships_are_listed_by_id
                what_is_due_is_listed_earliest_first
                a_row_that_stays_comes_exactly_once
                listings_of_nothing_are_empty;
            surveys:
                t5_reports_are_as_in_memory
                t5_surveys_keep_to_the_accounts_that_are_named
                a_survey_hands_out_each_line_once;
            loads:
                a_loaded_store_holds_what_was_there
                what_is_derived_is_derived_again
                only_an_empty_store_is_loaded
                a_step_out_of_turn_adds_nothing
                the_log_goes_on_after_a_load
                commits_are_known_after_a_load
                records_come_in_pages_in_the_order_of_their_keys
                many_serve_or_one_is_alone
                a_store_describes_itself;
            races:
                one_of_many_with_the_same_guard_wins
                one_of_many_takes_the_last_place
                a_refused_commit_leaves_those_beside_it_alone
                commits_without_common_guards_do_not_conflict
                a_read_is_of_one_instant
                a_commit_goes_on_without_its_caller
                a_name_is_taken_while_it_is_forgotten;
        }
    };
}
