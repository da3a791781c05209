//! Calls that are off until one line turns them on: where that line is told, and where it is refused.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::json;

use crate::given::{Folder, an_empty_folder};

const SECRET: &str = "Vq3!fK8wZt5LpX0nRb7YcJd2HsGm9TuE";

/// All that the profile can offer.
const EVERYTHING: &str = "register,me,password,forgot_password,reset_password,verify_email,send_verification,invite,export_me,\
                          delete_me,keep_me,change_email,confirm_email,undo_email,not_me,send_code,login_by_code,\
                          login_factor,step_up,factors,end_factor,add_totp,confirm_totp,new_recovery_codes,passkey_options,\
                          add_passkey,passkey_request,login_passkey";

fn a_template() -> Folder {
    let folder = an_empty_folder().set("SPRAG_PROFILES", "fastapi-template");
    folder.set("SECRET_KEY", SECRET).set("SPRAG_LOG", "error")
}

#[test]
fn the_list_of_profiles_says_what_is_off_and_which_line_turns_it_on() {
    let listed = an_empty_folder().run(&["profile", "list"]).succeeds();
    let line = |name: &str| listed.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(line("sprag").contains("off: send_code, login_by_code; SPRAG_OFFERS="), "{}", line("sprag"));
    let told = line("fastapi-template");
    assert!(
        told.contains(
            "off: register, me, password and 25 more; SPRAG_OFFERS=register,me,password turns them on"
        ),
        "{told}"
    );
    assert!(told.ends_with("; sprag profile show fastapi-template has all"), "{told}");
    for name in ["express-mongo", "fastapi-events", "fastapi-monorepo", "node-sequelize"] {
        assert!(line(name).contains("password"), "{}", line(name));
    }
}

#[test]
fn the_start_says_which_line_turns_on_what_is_off_and_nothing_once_it_is_on() {
    for (folder, told) in [
        (
            a_template(),
            Some(
                "register, me, password and 25 more of fastapi-template, now off: SPRAG_OFFERS=register,me,password \
                 (sprag profile show fastapi-template has all)",
            ),
        ),
        (
            a_template().set("SPRAG_OFFERS", "me"),
            Some(
                "register, password, forgot_password and 24 more of fastapi-template, now off: \
                 SPRAG_OFFERS=me,register,password,forgot_password (sprag profile show fastapi-template has all)",
            ),
        ),
        (a_template().set("SPRAG_OFFERS", EVERYTHING), None),
    ] {
        let mut command = folder.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let screen: Vec<_> = lines.by_ref().take_while(|line| !line.contains("read on")).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        let found = screen.iter().find_map(|line| line.trim().strip_prefix("turn on")).map(str::trim);
        assert_eq!(found, told);
    }
}

#[test]
fn a_line_that_turns_on_what_no_profile_has_is_refused() {
    let told = a_template().set("SPRAG_OFFERS", "register,sessions").run(&["openapi"]).fails();
    assert!(told.contains("SPRAG_OFFERS in the environment names \"sessions\""), "{told}");
    assert!(told.contains("fastapi-template has register, me, password"), "{told}");
    let folder = an_empty_folder().set("SPRAG_PROFILES", "node-sequelize").set("JWT_SECRET", SECRET);
    let told = folder.set("SPRAG_REGISTRATION", "admin").run(&["openapi"]).fails();
    assert!(
        told.contains("SPRAG_REGISTRATION in the environment is admin, and POST /auth/register"),
        "{told}"
    );
}

#[test]
fn what_is_off_is_no_part_of_the_description_and_a_copys_own_line_turns_it_on() {
    let folder = an_empty_folder().set("SPRAG_PROFILES", "./own.toml").set("SECRET_KEY", SECRET);
    let shown = folder.run(&["profile", "show", "fastapi-template"]).succeeds();
    folder.write("own.toml", &shown);
    let checked = folder.run(&["profile", "check", "own.toml"]).succeeds();
    assert!(checked.contains("register, off until offers has \"register\""), "{checked}");
    let paths = |folder: &Folder| folder.json(&["openapi"])["paths"].clone();
    assert_eq!(paths(&folder)["/api/v1/auth/register"], json!(null));
    assert_eq!(paths(&folder)["/api/v1/auth/me"], json!(null));
    folder.write("own.toml", shown.replace("\noffers = []", "\noffers = [\"register\", \"me\"]"));
    assert!(paths(&folder)["/api/v1/auth/register"]["post"].is_object());
    assert!(paths(&folder)["/api/v1/auth/me"]["get"].is_object());
    assert_eq!(paths(&folder)["/api/v1/auth/change-password"], json!(null));
    folder.write(
        "own.toml",
        "extends = \"fastapi-template\"\nid = 1000\nabout = \"ours\"\noffers = [\"password\"]\n",
    );
    assert!(paths(&folder)["/api/v1/auth/change-password"]["post"].is_object());
    folder.write("own.toml", shown.replace("\noffers = []", "\noffers = [\"regster\"]"));
    let told = folder.run(&["openapi"]).fails();
    assert!(told.contains("own.toml:11: offers cannot be \"regster\""), "{told}");
    assert!(told.contains("did you mean \"register\"?"), "{told}");
}

#[test]
fn offers_by_which_somebody_could_add_a_second_factor_and_never_log_in_with_it_are_refused() {
    let with = |offers: &str| a_template().set("SPRAG_OFFERS", offers);
    for adds in ["add_totp,confirm_totp", "passkey_options,add_passkey"] {
        let told = with(adds).run(&["openapi"]).fails();
        assert!(told.contains("could not log in there any more"), "{told}");
        assert!(told.contains("add login_factor to SPRAG_OFFERS"), "{told}");
        with(&format!("{adds},login_factor")).run(&["openapi"]).succeeds();
    }
    let required = |offers: &str| with(offers).set("SPRAG_SECOND_FACTOR", "required");
    let told = required("me").run(&["openapi"]).fails();
    assert!(told.contains("add add_totp, confirm_totp, login_factor to SPRAG_OFFERS"), "{told}");
    let told = required("confirm_totp,login_factor").run(&["openapi"]).fails();
    assert!(told.contains("add add_totp to SPRAG_OFFERS"), "{told}");
    required("add_totp,confirm_totp,login_factor").run(&["openapi"]).succeeds();
}

#[test]
fn a_risk_from_which_a_factor_is_asked_for_is_refused_where_no_call_takes_one() {
    let with = |offers: &str| a_template().set("SPRAG_OFFERS", offers).set("SPRAG_RISK_SECOND_FACTOR", "40");
    let told = with("me").run(&["openapi"]).fails();
    assert!(told.contains("at a risk of 40 or more is asked for a second factor"), "{told}");
    assert!(told.contains("add login_factor to SPRAG_OFFERS"), "{told}");
    with("me,login_factor").run(&["openapi"]).succeeds();
}
