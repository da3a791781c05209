//! Which calls answer with which codes, in the words of the test.

use sprag_server::profile::{Input, Profile, Registration, Route};

/// Whether a call may be answered with `code`: written down a second time, by code and not by action.
pub(crate) fn may_answer(profile: &Profile, route: &Route, code: &str) -> bool {
    let is = |actions: &[&str]| actions.contains(&route.action.name());
    let takes = |input| route.takes.takes(input);
    let looks = is(&["explain", "users", "user", "user_sessions", "user_events", "events", "report"])
        || is(&["user_factors"]);
    let governs = is(&["create_user", "change_user", "delete_user", "set_password"])
        || is(&["end_user_sessions", "end_any_session", "invite", "reset_user_factors"]);
    let of_factors = is(&["end_factor", "add_totp", "confirm_totp", "new_recovery_codes"])
        || is(&["passkey_options", "add_passkey"]);
    let takes_passkey = is(&["login_passkey", "add_passkey"]);
    let shows_more = is(&["login_factor", "login_passkey"]);
    let asks_for_access_token = is(&["logout_all", "me", "sessions", "end_session", "password"])
        || is(&["send_verification", "change_email", "export_me", "delete_me", "factors"])
        || of_factors
        || (looks || governs)
        || (is(&["register"]) && profile.client.registration == Registration::Admin);
    let brings_token = asks_for_access_token || is(&["passkey_request"]);
    let by_mail = is(&["forgot_password", "reset_password", "verify_email", "send_code", "login_by_code"])
        || is(&["change_email", "confirm_email", "undo_email", "not_me", "keep_me"]);
    let reads_body = by_mail
        || is(&["login", "register", "refresh", "logout", "revoke", "password", "step_up"])
        || is(&["create_user", "change_user", "set_password", "invite", "delete_me"])
        || is(&["login_factor", "confirm_totp", "add_totp", "passkey_options", "passkey_request"])
        || takes_passkey
        || takes(Input::SessionId);
    let has_cookie = profile.wire.refresh.cookie.is_some();
    match code {
        // Chunks are read to their end whatever the call.
        "request_ambiguous" | "request_timeout" | "request_too_large" => true,
        "method_not_allowed" | "rate_limited" | "internal" | "unavailable" | "busy" => true,
        "request_invalid" => {
            !is(&["me", "sessions", "explain", "user", "challenge", "export_me", "factors", "user_factors"])
        }
        "link_invalid" => {
            is(&["reset_password", "verify_email", "register", "confirm_email", "undo_email", "not_me"])
                || is(&[
                    "login_by_code",
                    "login_factor",
                    "keep_me",
                    "add_totp",
                    "confirm_totp",
                    "passkey_options",
                    "add_passkey",
                    "passkey_request",
                ])
        }
        "enrolment_required" => is(&["login", "login_by_code", "register", "step_up"]),
        "registration_closed" => is(&["register", "invite"]),
        "second_factor_required" => is(&["login", "login_by_code", "step_up"]),
        "code_wrong" => {
            is(&["login_factor", "add_totp", "confirm_totp", "passkey_options", "step_up"]) || takes_passkey
        }
        "passkeys_unavailable" => is(&["passkey_options", "passkey_request"]) || takes(Input::Credential),
        "factor_unknown" => {
            is(&["end_factor", "confirm_totp", "new_recovery_codes", "reset_user_factors", "passkey_request"])
        }
        "factors_full" => is(&["add_totp", "confirm_totp", "passkey_options", "add_passkey"]),
        "field_missing" => {
            is(&["login", "register", "password", "create_user", "forgot_password", "send_code", "step_up"])
                || Input::ALL.iter().any(|i| route.takes.requires(*i))
        }
        "field_invalid" => Input::ALL.iter().any(|input| takes(*input)),
        "media_type_unsupported" => reads_body,
        "token_missing" => asks_for_access_token || is(&["refresh", "logout", "revoke", "step_up"]),
        "token_invalid" | "token_expired" => brings_token || is(&["refresh", "logout", "step_up"]),
        "token_spent" | "too_many_retries" => is(&["refresh", "step_up"]),
        "session_ended" => brings_token || is(&["refresh", "step_up"]),
        "account_disabled" => {
            brings_token || shows_more || is(&["login", "login_by_code", "refresh", "logout", "step_up"])
        }
        "account_unknown" => brings_token || is(&["step_up"]),
        "credentials_invalid" => is(&["login", "login_factor"]),
        "current_password_wrong" => is(&["password", "step_up", "change_email", "delete_me"]),
        "step_up_required" => {
            governs || of_factors || is(&["change_email", "export_me", "delete_me", "password"])
        }
        "forbidden" => looks || governs || is(&["delete_me"]) || (is(&["register"]) && asks_for_access_token),
        "origin_refused" => {
            let carries = is(&["login", "refresh", "logout", "logout_all", "revoke", "password", "step_up"]);
            has_cookie && (carries || route.opens_session() || takes(Input::Transport))
        }
        "session_unknown" => is(&["end_session", "explain", "end_any_session"]),
        "name_taken" => {
            is(&["register", "create_user", "change_user", "invite", "confirm_email", "undo_email"])
        }
        "name_invalid" => is(&["register", "create_user", "change_user", "invite", "change_email"]),
        "password_rejected" => {
            is(&["login", "register", "password", "step_up", "create_user", "set_password"])
                || is(&["reset_password", "change_email", "delete_me"])
        }
        "place_refused" => {
            is(&["login", "login_by_code", "register", "refresh", "password", "step_up"])
                || is(&["confirm_totp", "add_passkey"])
                || shows_more
        }
        "risk_refused" => is(&["login", "login_by_code"]) || shows_more,
        "email_unconfirmed" => is(&["confirm_totp", "add_passkey"]) || shows_more,
        "login_refused" => {
            is(&["login", "login_by_code", "register", "confirm_totp", "add_passkey"]) || shows_more
        }
        "not_found" => is(&["challenge"]),
        _ => panic!("say here which calls answer {code:?}; see docs/adding/a-refusal.md"),
    }
}
