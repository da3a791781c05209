//! What a profile's file holds; `main.rs` says what it means.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;

pub(crate) type Texts = BTreeMap<String, String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) environment: Texts,
    pub(crate) people: BTreeMap<String, Someone>,
    #[serde(default)]
    pub(crate) setting: Vec<Setting>,
    pub(crate) scene: Vec<Scene>,
}

/// Somebody with an account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Someone {
    pub(crate) external_id: String,
    pub(crate) username: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) given_name: Option<String>,
    pub(crate) family_name: Option<String>,
    pub(crate) role: Option<String>,
    #[serde(default)]
    pub(crate) is_admin: bool,
}

/// Variables, and what the settings are then.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) given: Texts,
    #[serde(default)]
    pub(crate) means: Texts,
    pub(crate) refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scene {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) environment: Texts,
    pub(crate) step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    pub(crate) clock: Option<String>,
    pub(crate) imports: Option<Import>,
    pub(crate) disables: Option<String>,
    pub(crate) sweeps: Option<Sweep>,
    pub(crate) send: Option<String>,
    pub(crate) json: Option<String>,
    pub(crate) form: Option<Texts>,
    pub(crate) parts: Option<Texts>,
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) headers: Texts,
    pub(crate) bearer: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) client: Option<String>,
    pub(crate) status: Option<u16>,
    pub(crate) answer: Option<String>,
    #[serde(default)]
    pub(crate) contains: Vec<String>,
    #[serde(default)]
    pub(crate) cookies: Vec<String>,
    #[serde(default)]
    pub(crate) tells: Texts,
    pub(crate) claims: Option<String>,
    pub(crate) lives: Option<String>,
    #[serde(default)]
    pub(crate) unchanged: bool,
    pub(crate) why: Option<Why>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    pub(crate) user: String,
    pub(crate) token: String,
    pub(crate) expires: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sweep {
    pub(crate) ended: u64,
    pub(crate) removed: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Why {
    pub(crate) of: String,
    pub(crate) says: Vec<String>,
}

impl Data {
    /// The file of a profile.
    ///
    /// # Errors
    /// There is none, or it is not as `main.rs` says.
    pub(crate) fn of(profile: &str) -> Result<Self, String> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/profiles/{profile}.toml"));
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|error| {
            format!("{shown}: {error}; each shipped profile has a file of scenes that show its promises")
        })?;
        let data: Self = toml::from_str(&text).map_err(|error| format!("{shown}: {error}"))?;
        let scenes = data.scene.iter().map(|scene| scene.name.clone());
        let settings = data.setting.iter().map(|setting| format!("settings-{}", setting.name));
        let mut names: Vec<String> = scenes.chain(settings).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("{shown}: two of them are called {}", pair[0])),
            None => Ok(data),
        }
    }
}
