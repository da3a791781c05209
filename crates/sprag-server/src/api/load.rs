//! Reading profiles: their reader is in [`profile`](crate::profile), the actions that they may name are here.

use crate::profile::{Action, Profile, ProfileError};

impl Profile {
    /// Reads a profile. `file` is only for messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, ProfileError> {
        Self::read(Action::ALL, name, file, text)
    }

    /// A profile that is part of the binary; `None` if there is none of that name.
    #[must_use]
    pub fn builtin(name: &str) -> Option<Result<Self, ProfileError>> {
        Self::builtin_text(name).map(|text| Self::parse(name, &format!("profiles/{name}.toml"), text))
    }
}
