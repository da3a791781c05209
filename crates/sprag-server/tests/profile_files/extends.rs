//! What several profiles share stands in one file that they extend.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;

use sprag_server::profile::{Profile, ProfileError, builtin_names, resolved};
use tempfile::TempDir;

const SHOP: &str = r#"extends = "./base.toml"
id = 1000
about = "a shop"
lifetimes = { refresh = "14d" }

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { own = "$access_token", r = "$refresh_token" }

[[route]]
on = "GET /me"
does = "me"
gives = { id = "$account.id" }
"#;

const BASE: &str = r#"# What the shops share.
lifetimes = { access = "5m", refresh = "7d" }
refresh_token = { cookie = { name = "shop", path = "/" }, body = "token" }

[[route]]
on = "POST /login"
does = "login"
takes = { email = "$email", password = "$password" }
gives = { a = "$access_token", r = "$refresh_token" }

[[route]]
on = "POST /refresh"
does = "refresh"
gives = { base = "$access_token", r = "$refresh_token" }

[refusal]
gives = { detail = "$message" }
[refusal.codes]
forbidden = { message = "no" }
not_found = { message = "nothing" }
"#;

/// The files of a folder, of which `shop.toml` is the profile.
struct Shelf(TempDir);

impl Shelf {
    fn of(files: &[(&str, &str)]) -> Self {
        let shelf = Self(TempDir::new().unwrap());
        for (name, text) in files {
            fs::write(shelf.0.path().join(name), text).unwrap();
        }
        shelf
    }

    fn file(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn profile(&self) -> Result<Profile, ProfileError> {
        let file = self.file("shop.toml");
        Profile::parse("shop", &file, &fs::read_to_string(&file).unwrap())
    }

    /// What is wrong, with the names of files alone.
    fn told(&self) -> String {
        let told = self.profile().unwrap_err().to_string();
        told.replace("/./", "/").replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn shop(own: &str, base: &str) -> Shelf {
    Shelf::of(&[("shop.toml", own), ("base.toml", base)])
}

#[test]
fn tables_are_merged_key_by_key_and_the_nearer_value_holds() {
    let profile = shop(SHOP, BASE).profile().unwrap();
    let minutes = |span: std::time::Duration| span.as_secs() / 60;
    assert_eq!(minutes(profile.policy.access_ttl), 5);
    assert_eq!(minutes(profile.policy.idle_timeout), 14 * 24 * 60);
    assert_eq!(profile.wire.refresh.body.as_deref(), Some("token"));
    let own = format!("{SHOP}\n[refresh_token.cookie]\nname = \"mine\"\n");
    let cookie = shop(&own, BASE).profile().unwrap().wire.refresh.cookie.unwrap();
    assert_eq!((cookie.name.as_str(), cookie.path.as_str()), ("mine", "/"));
}

#[test]
fn the_codes_of_a_base_may_be_worded_otherwise_one_by_one() {
    let own = format!("{SHOP}\n[refusal.codes]\nforbidden = {{ status = 404 }}\n");
    let profile = shop(&own, BASE).profile().unwrap();
    let said = |code: &str| {
        let mut out = Vec::new();
        let status = profile.wire.refusal.write(code, "usual", None, &[], &mut out);
        format!("{} {}", status.as_u16(), String::from_utf8(out).unwrap())
    };
    assert_eq!(said("forbidden"), r#"404 {"detail":"no"}"#);
    assert_eq!(said("not_found"), r#"404 {"detail":"nothing"}"#);
}

#[test]
fn an_answer_is_one_value_and_takes_the_place_of_the_bases_as_a_whole() {
    let own = format!("{SHOP}\n[refusal]\ngives = {{ message = \"$message\" }}\n");
    let profile = shop(&own, BASE).profile().unwrap();
    let mut out = Vec::new();
    profile.wire.refusal.write("busy", "later", None, &[], &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"message":"later"}"#);
}

#[test]
fn a_route_takes_the_place_of_the_bases_of_the_same_call_and_others_are_added() {
    let profile = shop(SHOP, BASE).profile().unwrap();
    let calls: Vec<_> = profile.wire.routes.iter().map(|route| (route.action.name(), route.on())).collect();
    let expected = [("login", "POST /login"), ("refresh", "POST /refresh"), ("me", "GET /me")];
    assert_eq!(calls, expected.map(|(action, on)| (action, on.to_owned())));
    assert!(
        profile.wire.routes[0].file.ends_with("base.toml")
            && profile.wire.routes[1].file.ends_with("shop.toml")
    );
    let twice = format!("{SHOP}\n[[route]]\non = \"GET /me\"\ndoes = \"me\"\ngives = {{}}\n");
    assert!(shop(&twice, BASE).told().contains("GET /me already belongs to"), "one file says a call once");
}

#[test]
fn what_a_profile_is_for_and_the_id_that_its_tokens_carry_are_its_own() {
    let base = format!("id = 7\nabout = \"a base\"\n{BASE}");
    let profile = shop(SHOP, &base).profile().unwrap();
    assert_eq!((profile.client.id.0, profile.about.as_str()), (1000, "a shop"));
    let told = shop(&SHOP.replace("id = 1000\n", ""), &base).told();
    assert_eq!(told, "shop.toml:1: the profile has no \"id\"; add it");
}

#[test]
fn what_is_wrong_in_a_base_is_told_with_its_file_and_line() {
    let told = |from: &str, to: &str| shop(SHOP, &BASE.replace(from, to)).told();
    assert_eq!(told("access =", "acess ="), "base.toml:2: unknown key \"acess\"; did you mean \"access\"?");
    assert_eq!(
        told("[refusal]", "[refusals]"),
        "base.toml:16: unknown key \"refusals\"; did you mean \"refusal\"?"
    );
    assert!(
        told("\"login\"", "\"log_in\"").starts_with("base.toml:7: "),
        "{}",
        told("\"login\"", "\"log_in\"")
    );
    assert!(
        told("[refusal]", "[refusal").starts_with("base.toml:16: "),
        "TOML's own words have the place too"
    );
    assert!(
        told("path = \"/\"", "path = \"/x\"")
            .contains("shop.toml:7: the cookie's path \"/x\" does not cover")
    );
    let told = told("path = \"/\"", "path = \"/x\"");
    assert!(told.ends_with("widen the path of refresh_token.cookie at base.toml:3"), "{told}");
}

#[test]
fn a_base_that_there_is_not_is_told_with_the_names_there_are() {
    let told = shop(&SHOP.replace("./base.toml", "./nowhere.toml"), BASE).told();
    assert!(told.starts_with("shop.toml:1: could not read the base nowhere.toml: "), "{told}");
    let told = shop(&SHOP.replace("./base.toml", "nothing"), BASE).told();
    assert!(
        told.starts_with("shop.toml:1: there is no profile \"nothing\" to extend; shipped are"),
        "{told}"
    );
    assert!(told.contains("\"sprag\"") && told.ends_with("by a path that ends in .toml"), "{told}");
    let told = shop(&SHOP.replace("\"./base.toml\"", "1"), BASE).told();
    assert!(told.starts_with("shop.toml:1: extends must be a text in quotes"), "{told}");
}

#[test]
fn bases_have_an_end() {
    let told = shop(SHOP, &format!("extends = \"./shop.toml\"\n{BASE}")).told();
    assert!(told.starts_with("base.toml:1: this leads back to shop.toml, which comes before it"), "{told}");
    let link = |to: &str| format!("extends = \"./{to}.toml\"\n");
    let deep =
        [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")].map(|(of, to)| (format!("{of}.toml"), link(to)));
    let mut files: Vec<(&str, &str)> =
        deep.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let own = SHOP.replace("base", "a");
    files.extend([("shop.toml", own.as_str()), ("e.toml", BASE)]);
    let told = Shelf::of(&files).told();
    assert!(told.starts_with("d.toml:1: this is more than 4 profiles that extend one another"), "{told}");
    files.retain(|(name, _)| *name != "d.toml");
    files.push(("d.toml", BASE));
    Shelf::of(&files).profile().unwrap();
}

#[test]
fn a_shipped_profile_can_be_extended_by_its_name() {
    let text =
        "extends = \"sprag\"\nid = 1000\nabout = \"ours, for an hour\"\nlifetimes = { refresh = \"1h\" }\n";
    let profile = Profile::parse("shop", "shop.toml", text).unwrap();
    let ours = Profile::builtin("sprag").unwrap().unwrap();
    assert_eq!(profile.wire.routes, ours.wire.routes);
    assert_eq!(profile.policy.idle_timeout.as_secs(), 3600);
}

#[test]
fn an_old_name_in_a_base_is_told_of_at_the_base() {
    let base = BASE.replace("body = \"token\"", "body = \"token\", adopts = true");
    let shelf = shop(SHOP, &base);
    let profile = shelf.profile().unwrap();
    assert!(profile.wire.refresh.takes_imported_tokens);
    assert!(profile.old_keys[0].contains("base.toml:3: refresh_token.adopts"), "{:?}", profile.old_keys);
    let own = format!("{SHOP}\n[refresh_token]\nimported_tokens = false\n");
    assert!(!shop(&own, &base).profile().unwrap().wire.refresh.takes_imported_tokens, "the nearer one holds");
}

#[test]
fn a_resolved_profile_is_in_one_piece_and_says_what_the_layers_say() {
    let shelf = shop(SHOP, BASE);
    let file = shelf.file("shop.toml");
    let whole = resolved(&file, SHOP).unwrap();
    assert!(!whole.contains("extends"), "{whole}");
    let (one, other) = (Profile::parse("shop", &file, &whole).unwrap(), shelf.profile().unwrap());
    assert_eq!(without_places(one), without_places(other));
    for name in builtin_names() {
        let (file, text) = Profile::base(name).unwrap();
        let whole = resolved(&file, text).unwrap();
        let (one, other) = (Profile::parse(name, &file, &whole), Profile::parse(name, &file, text));
        assert_eq!(without_places(one.unwrap()), without_places(other.unwrap()), "{name}");
    }
}

fn without_places(mut profile: Profile) -> Profile {
    profile.client.id_line = 0;
    for route in profile.wire.routes.iter_mut().chain(&mut profile.wire.off) {
        (route.file, route.line) = (String::new(), 0);
    }
    if let Some(cookie) = &mut profile.wire.refresh.cookie {
        (cookie.file, cookie.line) = (String::new(), 0);
    }
    profile
}
