//! What is wrong with a profile, told of one that was right before.

use sprag_server::profile::Profile;

pub fn error(text: &str) -> String {
    match Profile::parse("x", "profiles/x.toml", text) {
        Ok(_) => "no error".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The error after `old` in `profile` became `new`.
#[track_caller]
pub fn assert_wrong_in(profile: &str, old: &str, new: &str, expected: &str) {
    assert_eq!(profile.matches(old).count(), 1, "{old} stands once in the profile");
    assert_eq!(error(&profile.replace(old, new)), format!("profiles/x.toml:{expected}"));
}
