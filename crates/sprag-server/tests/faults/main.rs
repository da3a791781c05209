//! The real binary on a real PostgreSQL that is killed, frozen, slow, full, fails over or stands behind a pooler.
//!
//! Each test has a database server of its own and waits most of its time, so more of them run at once than there are cores.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod away;
mod changes;
mod clocks;
mod crash;
mod crowd;
mod failover;
mod far;
mod frozen;
mod held;
mod pooler;
mod slow;
mod stage;
mod start;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use sprag_testkit::binary::{late, people, server, token, wire};

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");

/// How many tests run at once unless somebody says otherwise.
const AT_ONCE: usize = 7;

/// Makes a trial of each test. One that is left out is never used, which the compiler tells.
macro_rules! trials {
    ($($module:ident::$test:ident,)*) => {
        vec![$(Trial::test(concat!(stringify!($module), "::", stringify!($test)), || {
            $module::$test();
            Ok(())
        })),*]
    };
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(AT_ONCE);
    // The longest first.
    let trials = trials![
        slow::f6_a_slow_database_ends_no_session,
        crash::f3_a_database_that_crashes_and_recovers_ends_no_session,
        frozen::f6_a_frozen_database_puts_clients_off_and_ends_no_session,
        frozen::f3_a_database_that_was_away_for_longer_than_the_window_ends_no_session,
        frozen::f13_a_node_cut_off_from_the_database_ends_no_session,
        held::f6_sessions_held_for_longer_than_the_window_do_not_end,
        slow::f6_a_flood_of_refreshes_on_a_frozen_database_fills_no_memory,
        failover::f4_a_synchronous_standby_takes_over_and_loses_nothing,
        failover::t12_what_an_asynchronous_failover_lost_is_noticed_and_ends_nobody,
        failover::t12_the_last_count_that_is_lost_is_not_hidden_by_the_next_one,
        failover::t11_a_restored_backup_is_noticed_and_ends_nobody,
        held::f6_one_connection_and_a_held_account_keep_no_refresh_waiting,
        changes::a_change_of_password_that_was_put_off_is_answered_when_it_comes_again,
        away::who_was_put_off_while_the_database_was_away_is_no_thief_when_it_is_back,
        clocks::a_clock_of_the_database_that_jumps_ends_nobody_and_is_noticed,
        clocks::t14_f12_nodes_with_wrong_clocks_agree_with_the_database,
        pooler::everything_works_behind_a_pooler,
        far::every_call_works_on_a_database_two_tenths_of_a_second_away,
        far::imports_and_a_crowd_work_on_a_database_that_is_far_away,
        far::commands_work_on_a_database_that_is_far_away,
        far::a_store_moves_to_a_database_that_is_far_away,
        start::a_database_that_comes_up_later_is_waited_for,
        start::a_database_that_never_comes_is_given_up_after_the_time_that_is_set,
        start::a_wait_for_the_database_ends_at_once_when_told_to,
        start::the_time_for_connecting_is_the_urls,
        start::a_start_that_may_talk_to_another_machine_in_clear_warns_of_it,
        start::a_database_that_forgets_what_it_commits_is_refused,
        start::a_server_that_forgets_and_its_standby_are_refused,
        start::a_database_that_is_read_only_is_refused,
        start::a_database_that_cannot_be_reached_is_named,
        start::a_wrong_password_is_refused_and_not_repeated,
        start::tables_of_somebody_elses_are_left_alone,
        start::a_schema_that_needs_a_newer_build_is_refused,
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}
