//! The long model check: every question of the everyday one, and larger ones.
//!
//! `cargo run --release --example model_check -p sprag`

#[path = "../tests/model"]
mod model {
    pub(crate) mod check;
    pub(crate) mod questions;
    pub(crate) mod row;
    pub(crate) mod setting;
    pub(crate) mod settle;
    pub(crate) mod watch;
    pub(crate) mod world;
}

use model::check::{Question, Sight};
use model::questions::{self, ONE_TAB, TABS, THIEF, WITH_IDS};
use model::setting::{Restores, RetryIdTheft, Setting};

fn main() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    for (title, questions) in [
        ("Every promise is kept:", questions::kept()),
        ("What remains:", questions::remainders()),
        ("Planted faults, found:", questions::faults()),
        ("At length, every promise is kept:", long()),
    ] {
        println!("{title}");
        for question in questions {
            let answer = question.settle(threads);
            println!("{:>9} states, {:>3} deep: {}", answer.states, answer.depth, question.name);
            if question.breaks.is_some() {
                println!("{}", answer.story);
            }
        }
    }
}

fn long() -> Vec<Question> {
    let kept = |name, setting, sights| Question { name, setting, breaks: None, sights };
    let crowded = Setting { has_duplicates: true, is_two_step: true, ..TABS };
    let robbed = Setting { has_thief: true, retry_id_theft: RetryIdTheft::FoundLater, ..WITH_IDS };
    vec![
        kept(
            "two tabs, duplicated, interleaved, ended meanwhile",
            Setting { has_ends: true, ..crowded },
            &[Sight::Missed, Sight::LoggedOut],
        ),
        kept(
            "two tabs, interleaved, a backup restored after a pause",
            Setting { has_duplicates: false, restores: Restores::Quietly, ..crowded },
            &[Sight::FastForwarded, Sight::Missed],
        ),
        kept(
            "two tabs and a thief, interleaved",
            Setting { is_two_step: true, ..THIEF },
            &[Sight::ReuseFound, Sight::Missed],
        ),
        kept(
            "two tabs and a thief, duplicated",
            Setting { has_duplicates: true, ..THIEF },
            &[Sight::ReuseFound, Sight::Retried],
        ),
        kept(
            "one tab and a thief, duplicated, interleaved, ended meanwhile",
            Setting {
                messages: 3,
                has_ends: true,
                has_duplicates: true,
                is_two_step: true,
                tabs: 1,
                ..THIEF
            },
            &[Sight::ReuseFound, Sight::LoggedOut],
        ),
        kept(
            "three tabs that take turns and a thief of retry ids, interleaved",
            Setting { tabs: 3, is_locked: true, is_two_step: true, ..robbed },
            &[Sight::ReuseFound, Sight::SameRequest],
        ),
        kept(
            "one tab, four messages at once, duplicated, interleaved",
            Setting { messages: 4, has_duplicates: true, is_two_step: true, ..ONE_TAB },
            &[Sight::Missed],
        ),
    ]
}
