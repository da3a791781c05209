//! What every store must do, as one suite of checks. Whoever writes a store runs it.
//!
//! ```
//! # use std::sync::Arc;
//! # use sprag::clock::Timestamp;
//! # use sprag::session::{AccountId, Epoch};
//! use sprag::store::contract::{self, Subject};
//! use sprag::store::{Store, memory::MemoryStore};
//!
//! struct InMemory(MemoryStore);
//!
//! #[async_trait::async_trait]
//! impl Subject for InMemory {
//!     fn store(&self) -> &dyn Store {
//!         &self.0
//!     }
//!
//!     async fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>) {
//!         self.0.place_account(id, epoch, disabled_at);
//!     }
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
//! # runtime.block_on(async {
//! contract::run(async || InMemory(MemoryStore::new())).await;
//! # });
//! ```
//!
//! A check panics where the store breaks its promise; [`run`] goes on to the next and names all that failed.
//! The checks race tasks against one another, so run them on a runtime with several threads. They sleep nowhere
//! and tell no time: all moments are made up.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use super::Store;
use crate::clock::Timestamp;
use crate::session::{AccountId, Epoch};

mod accounts;
mod along;
mod budgets;
mod commits;
mod daily_counts;
mod erasures;
mod factors;
mod imported;
mod journal;
mod kept;
mod marks;
mod numbers;
mod one_time;
mod outbox;
mod progress;
mod races;
mod rings;
mod rotation;
mod sessions;
mod steps;
mod world;

/// A store to be checked, and the one thing that no method of a store does.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The store; empty when the subject is made.
    fn store(&self) -> &dyn Store;

    /// Sets an account's epoch and state, and leaves its sessions as they are.
    ///
    /// No method of a store leaves a live session behind in an old epoch; a restored backup might, and a store
    /// that forgot the account in the condition of a write would then not be noticed.
    async fn place_account(&self, id: AccountId, epoch: Epoch, disabled_at: Option<Timestamp>);
}

/// One check, on a subject of its own.
pub type Check = fn(Arc<dyn Subject>) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! checks {
    ($($module:ident: $($name:ident),*;)*) => {
        /// Every check by its name.
        pub const CHECKS: &[(&str, Check)] = &[
            $($((stringify!($name), |subject| Box::pin($module::$name(subject))),)*)*
        ];
    };
}

checks! {
    sessions:
        a_session_is_found_as_it_was_opened,
        a_session_opens_only_if_its_account_stands_as_verified,
        an_id_opens_once,
        a_new_session_takes_the_place_of_the_one_it_replaces,
        the_longest_unused_sessions_give_way,
        where_the_rest_is_spared_one_session_gives_way,
        without_a_bound_nothing_gives_way_or_is_removed,
        of_one_accounts_ended_sessions_the_last_thousand_are_kept,
        sessions_are_listed_in_slices,
        an_end_is_told_once,
        an_imported_token_is_bound_once_and_an_ended_session_stays_ended,
        ending_all_spares_the_exception_and_other_accounts,
        a_sweep_ends_what_has_expired_and_removes_what_ended_long_ago,
        a_sweep_goes_slice_by_slice_to_the_end,
        a_sweep_says_how_many_sessions_live_and_how_many_each_account_has;
    imported:
        an_imported_session_is_found_by_its_id_alone_until_it_is_swept_away,
        an_imported_session_is_one_accounts,
        of_two_accounts_that_import_one_session_one_has_it;
    rotation:
        a_row_turns_exactly_where_the_rotation_applies,
        a_retry_counts_exactly_where_it_applies,
        an_event_is_written_only_with_its_rotation,
        nothing_moves_once_an_end_is_acknowledged;
    races:
        one_generation_turns_once_however_many_try,
        no_rotation_succeeds_after_an_acknowledged_end,
        no_log_in_outlives_the_disabling_of_its_account,
        no_log_in_outlives_a_password_change,
        one_password_change_wins,
        a_name_is_given_once;
    accounts:
        an_account_is_found_by_each_of_its_names,
        an_account_with_a_taken_name_leaves_nothing_behind,
        a_name_of_an_earlier_build_leads_where_it_did_and_is_given_to_nobody_else,
        two_names_of_earlier_builds_that_have_one_form_lead_to_their_own_accounts,
        an_account_is_renamed_and_its_old_name_is_free,
        accounts_are_listed_in_slices,
        names_are_listed_by_how_they_begin,
        disabling_ends_everything_and_enabling_revives_nothing,
        a_deleted_account_is_gone_its_names_are_free_and_its_journal_stays,
        what_is_told_of_an_account_is_told_anew,
        a_password_change_replaces_the_session_and_ends_the_others,
        a_password_change_that_comes_late_changes_nothing,
        a_hash_is_replaced_only_if_it_is_still_the_old_one,
        accounts_without_a_password_are_found;
    journal:
        entries_form_a_chain_however_many_write,
        entries_and_heads_are_read_in_slices,
        a_journal_tells_which_sessions_it_mentions,
        a_clock_gone_back_does_not_show,
        the_newest_entries_of_all_accounts_are_read_by_time,
        checkpoints_are_kept_by_number,
        cuts_are_kept_by_number,
        a_chain_is_cut_at_its_beginning_and_goes_on_at_its_end;
    erasures:
        the_journal_forgets_an_account_and_its_chain_holds,
        a_chain_is_made_anew_with_the_checkpoint_that_covers_it_or_not_at_all,
        whoever_adds_while_the_journal_forgets_goes_on_from_what_is_left,
        each_entry_has_a_salt_of_its_own;
    steps:
        a_commit_does_what_its_steps_say_or_nothing,
        a_commit_is_about_one_account,
        of_commits_with_one_expectation_one_wins,
        a_credential_is_replaced_once_however_many_try;
    factors:
        of_many_that_use_one_step_or_code_at_once_one_does,
        factors_are_listed_with_what_goes_with_them_and_nothing_else,
        a_step_that_expects_no_factor_applies_to_nobody_who_has_one,
        a_step_that_expects_a_session_applies_until_that_ends;
    one_time:
        of_many_that_spend_one_token_at_once_one_does,
        a_code_is_tried_five_times_however_many_try_at_once,
        a_right_code_spends_its_token_once_and_only_with_the_try_that_had_it,
        a_token_of_another_epoch_is_worth_nothing_and_one_of_none_stays,
        tokens_that_have_expired_are_swept_away;
    kept:
        accounts_that_are_to_be_erased_are_found_when_they_are_due,
        what_is_kept_of_an_account_is_listed_and_nothing_of_others;
    outbox:
        of_many_nodes_that_take_one_message_one_has_it,
        what_became_of_a_message_is_noted_by_whoever_has_it,
        a_message_that_was_given_up_is_tried_again_where_somebody_asks,
        the_longest_due_come_first_and_all_are_listed_in_slices,
        what_was_settled_is_swept_away_and_what_waits_stays;
    along:
        what_tells_others_of_an_event_is_put_with_it_or_not_at_all,
        a_rotation_tells_others_only_where_it_applies,
        a_sweep_tells_others_what_it_ends,
        a_name_that_comes_to_lead_to_nobody_was_held,
        how_much_waits_is_counted_by_kind;
    rings:
        the_first_ring_is_admitted_and_whichever_shares_a_key,
        of_two_first_rings_one_is_admitted,
        a_ring_that_replaces_takes_the_place_of_all_others;
    marks:
        a_mark_moves_and_goes_with_its_node,
        an_outage_is_noted_once_and_only_grows,
        nodes_move_their_marks_at_once;
    numbers:
        numbers_begin_above_the_floor_and_each_profile_has_its_own,
        a_raised_floor_is_jumped_to_and_a_lower_one_changes_nothing,
        however_many_ask_no_number_is_handed_out_twice,
        where_no_number_is_left_none_is_handed_out,
        the_highest_number_is_found_whoever_gave_it;
    budgets:
        a_budget_gives_its_burst_and_then_one_per_interval,
        all_budgets_are_reserved_or_none,
        however_many_ask_at_once_no_budget_gives_more_than_its_burst,
        two_hundred_that_ask_one_budget_at_once_get_its_burst,
        a_budget_of_a_clock_that_went_back_is_spent_no_longer_than_a_burst_takes,
        what_is_given_back_can_be_had_again,
        budgets_that_are_whole_are_swept_away;
    daily_counts:
        a_sum_that_is_written_again_counts_once_and_never_shrinks,
        what_was_counted_is_read_day_by_day_in_slices,
        sums_are_replaced_all_or_none_and_once;
    progress:
        what_is_committed_moves_the_store_on_and_what_nobody_misses_does_not,
        a_store_counts_on_beyond_what_was_seen_and_remembers_since_when;
}

/// Runs every check, each on a fresh subject.
///
/// # Panics
/// Where a check fails; the message names all that did.
pub async fn run<S: Subject + 'static>(make: impl AsyncFn() -> S) {
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        let subject: Arc<dyn Subject> = Arc::new(make().await);
        if tokio::spawn(check(subject)).await.is_err() {
            failed.push(*name);
        }
    }
    assert!(failed.is_empty(), "the store breaks its promises: {failed:?}; what each found stands above");
}
