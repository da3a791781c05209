//! What a route can do: one file for each action, with what there is to know of it (`SPEC`) and what it does (`run`).
//!
//! To add one, write its file and name it here twice: as a module, and in the list. `docs/adding/an-action.md` is the
//! recipe. The loader of profiles, the router, the description and the reference read the list.

use std::future::{Future, ready};
use std::pin::Pin;

use axum::response::Response;

use crate::edge::refusal::Problem;
use crate::profile::Action;

mod add_passkey;
mod add_totp;
mod challenge;
mod change_email;
mod change_user;
mod confirm_email;
mod confirm_totp;
mod context;
mod create_user;
mod delete_me;
mod delete_user;
mod end_any_session;
mod end_factor;
mod end_session;
mod end_user_sessions;
mod enrolling;
mod events;
mod explain;
mod export_me;
mod factors;
mod forgot_password;
mod invite;
mod keep_me;
mod listing;
mod load;
mod logging_in;
mod login;
mod login_by_code;
mod login_factor;
mod login_passkey;
mod logout;
mod logout_all;
mod me;
mod new_recovery_codes;
mod not_me;
mod pair_facts;
mod passkey_options;
mod passkey_request;
mod password;
mod refresh;
mod register;
mod report;
mod reset_password;
mod reset_user_factors;
mod revoke;
mod send_code;
mod send_verification;
mod sessions;
mod set_password;
mod step_up;
mod undo_email;
mod user;
mod user_events;
mod user_factors;
mod user_sessions;
mod users;
mod verify_email;

pub(crate) use context::{Call, RouteContext, ServedProfile};

/// How an action is carried out.
pub(crate) type Handler = for<'a> fn(&'a RouteContext, Call) -> Outcome<'a>;

/// What becomes of one request.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<Response, Problem>> + Send + 'a>>;

macro_rules! actions {
    ($($action:ident),* $(,)?) => {
        impl Action {
            /// Every action, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::of(&$action::SPEC)),*];
        }

        /// What carries `action` out.
        pub(crate) fn handler(action: Action) -> Handler {
            $(
                if action == Action::of(&$action::SPEC) {
                    return |context, call| Box::pin($action::run(context, call));
                }
            )*
            // No profile can name an action that is not in the list.
            |_, _| Box::pin(ready(Err(Problem::NotFound)))
        }
    };
}

actions![
    login,
    refresh,
    logout,
    logout_all,
    me,
    register,
    sessions,
    end_session,
    explain,
    password,
    revoke,
    step_up,
    users,
    create_user,
    user,
    change_user,
    delete_user,
    set_password,
    user_sessions,
    end_user_sessions,
    end_any_session,
    user_events,
    events,
    report,
    challenge,
    forgot_password,
    reset_password,
    verify_email,
    send_verification,
    login_factor,
    factors,
    end_factor,
    add_totp,
    confirm_totp,
    passkey_options,
    add_passkey,
    passkey_request,
    login_passkey,
    new_recovery_codes,
    user_factors,
    reset_user_factors,
    invite,
    delete_me,
    export_me,
    keep_me,
    change_email,
    confirm_email,
    undo_email,
    send_code,
    login_by_code,
    not_me,
];

impl Action {
    /// The action of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.is(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::profile::{CODES, Input, Pair};

    #[test]
    fn each_action_has_a_name_of_its_own_as_profiles_write_names() {
        let names: BTreeSet<&str> = Action::ALL.iter().map(|action| action.name()).collect();
        assert_eq!(names.len(), Action::ALL.len());
        for name in names {
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
            assert_eq!(Action::named(name).map(Action::name), Some(name));
        }
        assert_eq!(Action::named("Login"), None);
    }

    #[test]
    fn no_action_contradicts_itself() {
        for action in Action::ALL {
            let takes_token = action.inputs().contains(&Input::RefreshToken);
            if action.needs_refresh_token() {
                assert!(takes_token, "{action:?} needs a refresh token and takes none");
            }
            // A log-in shows by it that its device is known, and looks for the cookie besides, which tells no more.
            if takes_token && action.pair() != Pair::OfNewSession {
                assert!(action.reads_cookie(), "{action:?} takes a refresh token, but not from the cookie");
            }
            if action.only_reads() {
                assert!(
                    action.inputs().iter().all(|input| input.is_in_query()),
                    "{action:?} may be a GET, whose query stands in logs"
                );
                assert_eq!(action.pair(), Pair::Never, "{action:?} may be a GET, which any link sends");
            }
            if !action.only_reads() {
                assert!(action.inputs().iter().all(|input| !input.is_in_query()), "{action:?} has a body");
            }
            for code in action.refuses() {
                assert!(CODES.iter().any(|known| known.name == *code), "{action:?} refuses with {code:?}");
            }
        }
    }
}
