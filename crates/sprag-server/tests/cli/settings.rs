//! `sprag config`, `sprag openapi` and `sprag profile`.

use insta::assert_snapshot;
use serde_json::json;

use crate::given::an_empty_folder;

#[test]
fn the_settings_in_force_are_shown_without_their_secrets() {
    const SECRET: &str = "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe";
    let folder = an_empty_folder().set("SPRAG_HS256_SECRET", SECRET).set("SPRAG_SIGNING_ALGORITHM", "HS256");
    let table = folder.run(&["config", "--listen", "127.0.0.1:9"]).succeeds();
    assert!(table.contains("hs256-secret") && table.contains("(set, hidden)") && !table.contains(SECRET));
    assert!(table.lines().any(|line| line.ends_with("flag --listen")), "{table}");
    let lines = folder.json(&["config", "--json"]);
    let first = json!({ "name": "listen", "value": "127.0.0.1:8080", "origin": "default" });
    assert_eq!(lines[0], first);
    assert!(folder.run(&["config", "--reference"]).succeeds().starts_with("# Settings\n"));
    assert!(folder.run(&["config", "--reference", "--json"]).was_misused().contains("cannot be used with"));
    assert!(folder.run(&["config", "--listen", "nowhere"]).fails().starts_with("sprag: --listen: "));
    assert!(folder.is_empty());
}

#[test]
fn the_api_is_described() {
    let document = an_empty_folder().json(&["openapi", "--public-url", "https://login.example.org"]);
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    assert!(document["paths"]["/api/v1/auth/login"]["post"].is_object());
}

#[test]
fn a_profile_is_shown_changed_and_checked() {
    let folder = an_empty_folder();
    let profile = folder.run(&["profile", "show", "sprag"]).succeeds();
    folder.write("shop.toml", &profile);
    assert_snapshot!(folder.run(&["profile", "check", "shop.toml"]).succeeds(), @r#"
    shop.toml is a profile: shop, id 1, 49 calls
      POST   /api/v1/auth/login                      login
      POST   /api/v1/auth/refresh                    refresh
      POST   /api/v1/auth/logout                     logout
      POST   /api/v1/auth/logout-all                 logout_all
      POST   /api/v1/auth/logout/all                 logout_all
      GET    /api/v1/auth/me                         me
      POST   /api/v1/auth/register                   register
      POST   /api/v1/auth/invites                    invite
      GET    /api/v1/auth/sessions                   sessions
      DELETE /api/v1/auth/sessions/{id}              end_session
      GET    /api/v1/auth/admin/sessions/{id}        explain
      POST   /api/v1/auth/password                   password
      GET    /api/v1/auth/me/export                  export_me
      DELETE /api/v1/auth/me                         delete_me
      POST   /api/v1/auth/me/delete                  delete_me
      POST   /api/v1/auth/me/keep                    keep_me
      POST   /api/v1/auth/password/forgot            forgot_password
      POST   /api/v1/auth/password/reset             reset_password
      POST   /api/v1/auth/email/verify               verify_email
      POST   /api/v1/auth/email/verification         send_verification
      POST   /api/v1/auth/email                      change_email
      POST   /api/v1/auth/email/confirm              confirm_email
      POST   /api/v1/auth/email/undo                 undo_email
      POST   /api/v1/auth/not-me                     not_me
      POST   /api/v1/auth/step-up                    step_up
      POST   /api/v1/auth/login/factor               login_factor
      GET    /api/v1/auth/factors                    factors
      DELETE /api/v1/auth/factors/{id}               end_factor
      POST   /api/v1/auth/factors/totp               add_totp
      POST   /api/v1/auth/factors/totp/{id}/confirm  confirm_totp
      POST   /api/v1/auth/factors/recovery-codes     new_recovery_codes
      POST   /api/v1/auth/factors/passkey/options    passkey_options
      POST   /api/v1/auth/factors/passkey            add_passkey
      POST   /api/v1/auth/login/passkey/options      passkey_request
      POST   /api/v1/auth/login/passkey              login_passkey
      GET    /api/v1/admin/users                     users
      POST   /api/v1/admin/users                     create_user
      GET    /api/v1/admin/users/{id}                user
      PATCH  /api/v1/admin/users/{id}                change_user
      DELETE /api/v1/admin/users/{id}                delete_user
      POST   /api/v1/admin/users/{id}/password       set_password
      GET    /api/v1/admin/users/{id}/sessions       user_sessions
      DELETE /api/v1/admin/users/{id}/sessions       end_user_sessions
      DELETE /api/v1/admin/sessions/{id}             end_any_session
      GET    /api/v1/admin/users/{id}/factors        user_factors
      DELETE /api/v1/admin/users/{id}/factors        reset_user_factors
      GET    /api/v1/admin/users/{id}/events         user_events
      GET    /api/v1/admin/events                    events
      GET    /api/v1/admin/report                    report
      GET    /api/v1/auth/challenge                  challenge, off until the setting proof-of-work is on
      POST   /api/v1/auth/code                       send_code, off until offers has "send_code"
      POST   /api/v1/auth/code/login                 login_by_code, off until offers has "login_by_code"
    "#);
    folder.write("shop.toml", profile.replacen("lifetimes =", "lifetime =", 1));
    let wrong = folder.run(&["profile", "check", "shop.toml"]).fails();
    assert_snapshot!(wrong, @r#"sprag: shop.toml:5: unknown key "lifetime"; did you mean "lifetimes"?"#);
    assert!(
        folder
            .run(&["profile", "check", "none.toml"])
            .fails()
            .contains("could not read the profile none.toml")
    );
    assert!(
        folder
            .run(&["profile", "show", "none"])
            .fails()
            .contains("there is no shipped profile \"none\"; there are ")
    );
    let told = folder.run(&["profile", "show"]).was_misused();
    assert!(told.contains("`sprag profile list`"), "{told}");
    let told = folder.run(&["profile", "check", "sprag"]).fails();
    assert!(
        told.contains("sprag is a shipped profile and no file")
            && told.contains("`sprag profile show sprag`")
    );
}

#[test]
fn lines_of_dotenv_that_nothing_was_taken_from_are_told_beside_the_settings() {
    let folder = an_empty_folder();
    folder.write(".env", "SPRAG_THREADS=2\nAPP_NAME=My App\nhunter2 hunter3\n");
    let run = folder.run(&["config"]);
    assert!(
        run.err.starts_with(".env line 3 is not NAME=value") && !run.err.contains("hunter2"),
        "{}",
        run.err
    );
    assert!(run.code == 0 && run.out.contains(".env line 1"), "{}", run.out);
}

#[test]
fn a_name_of_before_is_told_of_on_the_screen_and_in_the_log() {
    let folder = an_empty_folder();
    folder.write("sprag.toml", "database_lanes = 1\nprofiles = ['./shop.toml']\n");
    let profile = folder.run(&["profile", "show", "sprag"]).succeeds();
    folder.write("shop.toml", profile.replacen("body =", "adopts = true\nbody =", 1));
    let setting = "sprag.toml line 1: database_lanes still works and is now called database_batchers";
    let key =
        "shop.toml:11: refresh_token.adopts still works and is now called refresh_token.imported_tokens";
    let shown = folder.run(&["config"]);
    assert!(shown.code == 0 && shown.err.contains(setting) && shown.err.contains(key), "{}", shown.err);
    let logged = folder.run(&["migrate"]);
    assert!(logged.code == 0 && logged.err.contains(setting) && logged.err.contains(key), "{}", logged.err);
    assert!(logged.err.contains("WARN"), "{}", logged.err);
    let checked = folder.run(&["profile", "check", "shop.toml"]);
    assert!(checked.code == 0 && checked.err.contains(key), "{}", checked.err);
}

#[test]
fn a_profile_is_shown_as_it_is_written_and_in_one_piece() {
    let folder = an_empty_folder();
    folder.write(
        "shop.toml",
        "extends = \"sprag\"\nid = 1000\nabout = \"a shop\"\nlifetimes = { refresh = \"1h\" }\n",
    );
    assert!(folder.run(&["profile", "show", "./shop.toml"]).succeeds().starts_with("extends = \"sprag\""));
    let whole = folder.run(&["profile", "show", "./shop.toml", "--resolved"]).succeeds();
    let lifetimes = "[lifetimes]\nrefresh = \"1h\"\naccess = \"15m\"\nabsolute = \"30d\"\n";
    assert!(whole.contains(lifetimes) && !whole.contains("extends"), "{whole}");
    folder.write("whole.toml", &whole);
    let of = |file: &str| {
        let told = folder.run(&["profile", "check", file]).succeeds();
        told.split_once('\n').unwrap().1.to_owned()
    };
    assert_eq!(of("whole.toml"), of("shop.toml"));
}

#[test]
fn the_refusals_are_printed_as_their_reference() {
    let printed = an_empty_folder().run(&["profile", "refusals"]).succeeds();
    assert!(printed.starts_with("# Refusals and faults\n") && printed.contains("| `token_spent` | 401 |"));
}
