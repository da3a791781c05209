//! What the generator needs to know of the profile it speaks.

use anyhow::bail;
use sprag_server::profile::{Input, Profile, Route};

use super::wire::Field;

/// A profile whose refresh tokens travel in bodies, and the paths on it.
pub(crate) struct LoadProfile {
    pub(crate) profile: Profile,
    pub(crate) refresh_path: String,
    pub(crate) token_field: String,
    pub(crate) logout_path: Option<String>,
    pub(crate) login: Option<LogInCall>,
}

/// How to log in at a profile.
pub(crate) struct LogInCall {
    pub(crate) path: String,
    pub(crate) name_field: String,
    pub(crate) password_field: String,
}

impl LoadProfile {
    /// The first of the configured profiles that can be loaded.
    pub(crate) fn pick(profiles: Vec<Profile>) -> anyhow::Result<Self> {
        let names: Vec<_> = profiles.iter().map(|profile| profile.name.clone()).collect();
        match profiles.into_iter().find_map(Self::of) {
            Some(profile) => Ok(profile),
            None => bail!(
                "none of the profiles ({}) takes refresh tokens in a body; name one that does with --profiles",
                names.join(", ")
            ),
        }
    }

    fn of(profile: Profile) -> Option<Self> {
        let token_field = profile.wire.refresh.body.clone()?;
        let path_of = |action| route_for(&profile, action).map(|route| route.path.clone());
        Some(Self {
            refresh_path: path_of("refresh")?,
            logout_path: path_of("logout"),
            login: route_for(&profile, "login").and_then(log_in_call),
            token_field,
            profile,
        })
    }

    pub(crate) fn field(&self) -> Field {
        Field::named(&self.token_field)
    }
}

fn route_for<'a>(profile: &'a Profile, action: &str) -> Option<&'a Route> {
    profile
        .wire
        .routes
        .iter()
        .find(|route| route.action.name() == action && route.method == hyper::Method::POST)
}

fn log_in_call(route: &Route) -> Option<LogInCall> {
    let field_for = |wanted: &[Input]| {
        let found = route.takes.fields().iter().find(|field| wanted.contains(&field.input));
        found.map(|field| field.name.clone())
    };
    Some(LogInCall {
        path: route.path.clone(),
        name_field: field_for(&[Input::Name, Input::Username])?,
        password_field: field_for(&[Input::Password])?,
    })
}

#[cfg(test)]
mod tests {
    use sprag_server::profile;

    use super::*;

    #[test]
    fn every_shipped_profile_tells_what_the_generator_needs() {
        for name in profile::builtin_names() {
            let profile = Profile::builtin(name).unwrap().unwrap();
            let has_body = profile.wire.refresh.body.is_some();
            let profile = LoadProfile::pick(vec![profile]);
            assert_eq!(profile.is_ok(), has_body, "{name}");
        }
    }
}
