//! What each call of a profile answers where all is well, and how the profile says no: compared with snapshots.

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value};
use sprag::engine::{
    EmailChangeRequest, LoggedIn as Outcome, LoginByMail, OpenRequest, PasskeyOf, Proof, Requester,
    StepUpRequest,
};
use sprag::letter::LetterKind;
use sprag::session::{AccountId, EndCause, Methods};
use sprag_server::profile::{CODES, FieldAtFault, IdOf, Input, Registration, Route};

use crate::call::{Answer, Call};
use crate::data::Data;
use crate::passkey::Key;
use crate::shape::{shape, tokens};
use crate::stage::{PASSWORD, Stage, everything_on, profile, slug};

/// A client that has logged in, as far as a profile lets it.
#[derive(Clone, Default)]
pub(crate) struct LoggedIn {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// The session's id.
    pub(crate) session: String,
    /// That of another session, for calls that tell nobody of the own one.
    pub(crate) other: String,
    /// The id of another account, for calls about those of others.
    pub(crate) account: String,
    /// The token of a letter, where the call takes one.
    pub(crate) token: String,
    /// The id of an app that shows codes, its next code, and what goes on with a log-in, where the call is about one.
    pub(crate) factor: String,
    pub(crate) code: String,
    pub(crate) mfa: String,
    /// What a browser answers with a passkey, where the call is about one.
    pub(crate) credential: String,
}

/// Compares with the snapshot of that name.
pub(crate) fn compare(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/profiles/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), text));
}

/// A call of the profile gets what it is for.
pub(crate) async fn succeeds(name: &'static str, data: &'static Data, position: usize) {
    let mut more = everything_on(name);
    if profile(name).wire.routes[position].action.name() == "invite" {
        // Nobody is invited where an administrator makes all accounts.
        more.insert("SPRAG_REGISTRATION".to_owned(), "open".to_owned());
    }
    let stage = Stage::of(name, data, &more).await;
    let route = stage.profile.wire.routes[position].clone();
    let mut client = logs_in(&stage).await;
    client.token = by_mail(&stage, &route, &client).await;
    has_app(&stage, &route, &mut client).await;
    has_passkey(&stage, &route, &mut client).await;
    if route.action.name() == "delete_me" {
        // Who administers others does not delete their own account.
        stage.world.meddles("update account set is_admin = 0");
    }
    let answer = stage.world.is_asked(call(&stage, &route, &client)).await;
    assert_eq!(answer.status, route.status, "{}: {}", route.on(), answer.text());
    compare(&format!("{name}__wire_{}", slug(&route)), &shape(&stage.profile, &answer));
}

/// What a profile says for each code there is.
pub(crate) fn refusals(name: &str) {
    let profile = profile(name);
    let said = CODES.iter().map(|code| {
        let mut body = Vec::new();
        let cause = (code.name == "session_ended").then(|| EndCause::LogoutAll.name());
        let is_of_field =
            ["field_missing", "field_invalid", "name_invalid", "name_taken", "password_rejected"];
        let message = "the usual sentence";
        let field = FieldAtFault { name: "the-field", code: code.name, message };
        let field = is_of_field.contains(&code.name).then_some(field);
        let status = profile.wire.refusal.write(code.name, message, cause, field.as_slice(), &mut body);
        format!("{}: {} {}", code.name, status.as_u16(), String::from_utf8_lossy(&body))
    });
    let said = said.collect::<Vec<_>>().join("\n");
    compare(&format!("{name}__refusals"), &format!("{}\n{said}", profile.wire.refusal.content_type));
}

/// The token of a letter that was sent to the client's account for what the route does.
async fn by_mail(stage: &Stage, route: &Route, client: &LoggedIn) -> String {
    let (engine, nobody) = (&stage.world.engine, Requester::nobody());
    let kind = match route.action.name() {
        "reset_password" => {
            let who = "ann@example.org";
            engine.letters().ask_for_reset(who, None, &nobody).await.expect("a letter");
            LetterKind::ResetPassword
        }
        "verify_email" => {
            let account = anns_account(stage).await;
            engine.letters().ask_for_verification(account, &nobody).await.expect("a letter");
            LetterKind::VerifyEmail
        }
        "confirm_email" | "undo_email" => {
            asks_for_another_address(stage, client).await;
            if route.action.name() == "undo_email" {
                let token = stage.world.token_by_mail(LetterKind::ChangeEmail).await;
                engine.letters().change_email(&token, &nobody).await.expect("another address");
                LetterKind::EmailChanged
            } else {
                LetterKind::ChangeEmail
            }
        }
        "login_by_code" => {
            let how = LoginByMail { profile: stage.profile.client.id, works_anywhere: true };
            engine.letters().ask_for_login("ann@example.org", how, None, &nobody).await.expect("a letter");
            LetterKind::LogIn
        }
        "not_me" => {
            let account = anns_account(stage).await;
            engine.accounts().set_password(account, PASSWORD, &nobody).await.expect("a password");
            stage.world.winds(61);
            LetterKind::News
        }
        "keep_me" => {
            let caller = engine.authenticate(&stage.profile.client_policy(), &client.access).await;
            let caller = caller.expect("somebody who is logged in");
            let planned = engine.accounts().plan_erasure(&caller, Duration::from_secs(3600), &nobody).await;
            planned.expect("an account that is there");
            LetterKind::AccountDeletion
        }
        _ => return String::new(),
    };
    stage.world.token_by_mail(kind).await
}

/// Gives an account an app that shows codes, where the route is about one, and the client what it needs then.
async fn has_app(stage: &Stage, route: &Route, client: &mut LoggedIn) {
    let (engine, policy) = (&stage.world.engine, stage.profile.client_policy());
    let (factors, nobody, action) = (engine.factors(), Requester::nobody(), route.action.name());
    let access = match action {
        "confirm_totp" | "end_factor" | "new_recovery_codes" | "login_factor" => client.access.clone(),
        "reset_user_factors" => {
            let ann = anns_account(stage).await;
            let ann = engine.authn().vouch_for(ann, Methods::PASSWORD).await.expect("an account");
            let opened = engine.open_session(&policy, ann, OpenRequest::default(), &nobody).await;
            opened.expect("a session").access_token
        }
        _ => return,
    };
    let caller = engine.authenticate(&policy, &access).await.expect("a caller");
    let account = caller.key.account;
    let new = factors.add_totp(account, None).await.expect("a seed");
    client.factor = new.id.to_string();
    client.code = new.seed.code(engine.now());
    if matches!(action, "confirm_totp" | "end_factor") {
        return;
    }
    factors.confirm_totp(&caller, new.id, &client.code, &nobody).await.expect("its first code");
    stage.world.winds(30);
    client.code = new.seed.code(engine.now());
    if action == "new_recovery_codes" {
        let request = StepUpRequest { proof: Proof::Code(&client.code), refresh_token: None, retry_id: None };
        let stepped_up = engine.sessions().step_up(&policy, Some(&caller), request, &nobody).await;
        client.access = stepped_up.expect("its next code").access_token;
    }
    if action == "login_factor" {
        let somebody = engine.authn().vouch_for(account, Methods::PASSWORD).await.expect("an account");
        let logged_in = engine.log_in(&policy, somebody, OpenRequest::default(), &nobody).await;
        let Outcome::Waits(waits) = logged_in.expect("a log-in") else { panic!("it is to wait") };
        client.mfa = waits.token.as_str().to_owned();
    }
}

/// Gives the client what a browser answers with a passkey, where the route is about one.
async fn has_passkey(stage: &Stage, route: &Route, client: &mut LoggedIn) {
    let (engine, policy, nobody) = (&stage.world.engine, stage.profile.client_policy(), Requester::nobody());
    let action = route.action.name();
    if !matches!(action, "add_passkey" | "passkey_request" | "login_passkey") {
        return;
    }
    let caller = engine.authenticate(&policy, &client.access).await.expect("a caller");
    let (factors, mut key) = (engine.factors(), Key::new(1));
    let options = factors.passkey_options(caller.key.account).await.expect("options");
    let mut credential = key.makes(&options);
    if action != "add_passkey" {
        factors.add_passkey(&caller, &credential, None, &nobody).await.expect("a passkey");
    }
    if action == "passkey_request" {
        let somebody = engine.authn().vouch_for(caller.key.account, Methods::PASSWORD).await;
        let somebody = somebody.expect("an account");
        let logged_in = engine.log_in(&policy, somebody, OpenRequest::default(), &nobody).await;
        let Outcome::Waits(waits) = logged_in.expect("a log-in") else { panic!("it is to wait") };
        client.mfa = waits.token.as_str().to_owned();
        return;
    }
    if action == "login_passkey" {
        let asked = engine.passkey_request(&policy, PasskeyOf::Anybody, &nobody).await.expect("options");
        credential = key.shows(&asked);
    }
    client.credential = credential.to_string();
}

/// The account that everybody in the tour logs in to; not all profiles tell its own id.
async fn anns_account(stage: &Stage) -> AccountId {
    stage.world.engine.accounts().find("ann@example.org").await.expect("an account").id
}

async fn asks_for_another_address(stage: &Stage, client: &LoggedIn) {
    let engine = &stage.world.engine;
    let policy = stage.profile.client_policy();
    let caller = engine.authenticate(&policy, &client.access).await.expect("a caller");
    let request = EmailChangeRequest {
        email: "carol@new.example",
        current_password: None,
        is_fresh: true,
        closes_undo: false,
    };
    let asked = engine.letters().ask_for_email_change(&caller, request, &Requester::nobody()).await;
    asked.expect("a letter");
}

/// Where the call of a path is, as that client makes it.
pub(crate) fn path(route: &Route, client: &LoggedIn) -> String {
    let id = match (route.action.name(), route.action.id_of()) {
        ("explain" | "end_any_session", _) => &client.other,
        (_, Some(IdOf::Account)) => &client.account,
        (_, Some(IdOf::Factor)) if !client.factor.is_empty() => &client.factor,
        _ => &client.session,
    };
    route.path.replace("{id}", id)
}

/// Logs the profile's administrator in, who may do whatever an account may.
pub(crate) async fn logs_in(stage: &Stage) -> LoggedIn {
    let route =
        stage.profile.wire.routes.iter().find(|route| route.action.name() == "login").expect("a log-in");
    let first = stage.world.is_asked(call(stage, route, &LoggedIn::default())).await;
    assert_eq!(first.status, route.status, "{}", first.text());
    if stage.profile.wire.routes.iter().all(|route| route.action.name() != "explain") {
        return kept(stage, &first, &first, String::new());
    }
    // Sessions of one moment would be listed in any order.
    stage.world.winds(1);
    let answer = stage.world.is_asked(call(stage, route, &LoggedIn::default())).await;
    assert_eq!(answer.status, route.status, "{}", answer.text());
    let accounts = stage.world.engine.accounts();
    // Where people have no names, they have addresses.
    let ann = match accounts.find("ann").await {
        Ok(ann) => ann,
        Err(_) => accounts.find("ann@example.org").await.expect("the file has people.ann"),
    };
    kept(stage, &answer, &first, ann.id.to_string())
}

fn kept(stage: &Stage, answer: &Answer, other: &Answer, account: String) -> LoggedIn {
    let id = |answer: &Answer| {
        let (_, refresh) = tokens(answer);
        let engine = &stage.world.engine;
        let token = engine.tokens().parse(&stage.profile.client_policy(), &refresh.expect("a token"));
        token.expect("a token of the profile").key.session.to_string()
    };
    let (access, refresh) = tokens(answer);
    let (access, refresh) = (access.expect("an access token"), refresh.expect("a refresh token"));
    LoggedIn { access, refresh, session: id(answer), other: id(other), account, ..LoggedIn::default() }
}

/// A call with all that it needs.
pub(crate) fn call(stage: &Stage, route: &Route, client: &LoggedIn) -> Call {
    let fields = fields(route, client);
    let path = path(route, client) + query(route);
    let call = bodiless_at(stage, route, client, &path);
    if fields.is_empty() { call } else { call.json(&Value::Object(fields)) }
}

/// What narrows a list down to what always comes in one order: what was made in one moment has none.
fn query(route: &Route) -> &'static str {
    match route.action.name() {
        "users" => "?query=ann",
        "events" => "?kind=session_opened&limit=5",
        _ => "",
    }
}

/// A call of a route without its body.
pub(crate) fn bodiless(stage: &Stage, route: &Route, client: &LoggedIn) -> Call {
    bodiless_at(stage, route, client, &path(route, client))
}

fn bodiless_at(stage: &Stage, route: &Route, client: &LoggedIn, path: &str) -> Call {
    let call = Call::new(route.method.as_str(), path).header("user-agent", "Phone/1.0");
    if needs_bearer(stage, route) { call.bearer(&client.access) } else { call }
}

/// Whether a call takes an access token.
pub(crate) fn needs_bearer(stage: &Stage, route: &Route) -> bool {
    let is_for_admins =
        route.action.name() == "register" && stage.profile.client.registration == Registration::Admin;
    route.action.needs_access_token() || is_for_admins
}

/// The fields of its body, one for each input.
pub(crate) fn fields(route: &Route, client: &LoggedIn) -> Map<String, Value> {
    let mut seen = Vec::new();
    let mut fields = Map::new();
    // What only reads finds what it takes in its query, and needs nothing of it.
    for field in route.takes.fields().iter().filter(|_| !route.action.only_reads()) {
        let value = match field.input {
            _ if seen.contains(&field.input) => continue,
            Input::Name if field.name.contains("mail") => "root@example.org",
            Input::Name => "root",
            Input::Username => "carol",
            Input::Email if route.action.name() == "login" => "root@example.org",
            Input::Email => "carol@example.org",
            Input::Password | Input::CurrentPassword => PASSWORD,
            Input::NewPassword => "another good password",
            Input::FullName => "Carol Jones",
            Input::GivenName => "Carol",
            Input::FamilyName => "Jones",
            Input::Language => "de",
            Input::RefreshToken => client.refresh.as_str(),
            Input::Device => "Carol's phone",
            Input::Transport => "body",
            Input::SessionId => client.session.as_str(),
            Input::Role => "editor",
            Input::IsAdmin | Input::IsDisabled | Input::IsEmailVerified => "true",
            Input::Query | Input::After | Input::Limit => continue,
            Input::Kind | Input::Severity | Input::Since | Input::By => continue,
            Input::Invite => continue,
            Input::ExpiresIn => "3600",
            Input::Token => client.token.as_str(),
            // The link is enough.
            Input::LoginId => continue,
            Input::Code if matches!(route.action.name(), "login_by_code" | "step_up") => continue,
            Input::Everywhere => "true",
            // For that one must have shown a second factor.
            Input::ClosesUndo => "false",
            Input::Altcha => "no solution, and none is needed",
            Input::MfaToken if client.mfa.is_empty() => "spo_none",
            Input::MfaToken => client.mfa.as_str(),
            Input::Code if client.code.is_empty() => "123456",
            Input::Code => client.code.as_str(),
            // One or the other: here it is the code, or the password.
            Input::Credential if matches!(route.action.name(), "login_factor" | "step_up") => continue,
            Input::Credential if client.credential.is_empty() => "{}",
            Input::Credential => client.credential.as_str(),
            Input::RememberDevice => "false",
            Input::DeviceToken => "spm_none",
            Input::Label => "her phone",
        };
        seen.push(field.input);
        fields.insert(field.name.clone(), value.into());
    }
    fields
}
