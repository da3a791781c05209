//! `sprag profile`: profiles, before they are served.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use clap::Subcommand;

use super::output::{say, tell};
use crate::config::ProfileRef;
use crate::profile::{self, Profile, Route, builtin_names, named_off, refusals_reference};
use crate::run::node::{load_profiles, profile_text};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the names of the shipped profiles, and which of their calls are off until a line turns them on
    List,
    /// Check a profile of your own, and list its calls
    Check {
        /// The profile
        file: PathBuf,
    },
    /// Print a shipped profile, to read or to start an own one from
    Show {
        /// Its name; `sprag profile list` prints them all. Or the path of one of your own
        name: Option<String>,
        /// With what it extends put in, in one piece
        #[arg(long)]
        resolved: bool,
    },
    /// Print every refusal that a profile can word, as docs/reference/errors.md
    Refusals,
}

pub(super) fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => list()?,
        Command::Check { file } => {
            refuse_shipped(file)?;
            let profiles = load_profiles(&[ProfileRef::File(file.clone())], None)?;
            profiles.iter().flat_map(|profile| &profile.old_keys).for_each(tell);
            profiles.iter().try_for_each(|profile| say(summary(profile)))?;
        }
        Command::Show { name: None, .. } => {
            tell(
                "sprag: there is no name; `sprag profile list` prints those of the shipped profiles, and \
                 `sprag profile show NAME` prints one of them",
            );
            return Ok(ExitCode::from(2));
        }
        Command::Show { name: Some(name), resolved } => {
            let (file, text) = text_of(name)?;
            let text = if *resolved { profile::resolved(&file, &text)? } else { text };
            say(text.trim_end())?;
        }
        Command::Refusals => say(refusals_reference(profile::Action::ALL).trim_end())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list() -> anyhow::Result<()> {
    let width = builtin_names().map(str::len).max().unwrap_or(0);
    for name in builtin_names() {
        let off = Profile::builtin(name).transpose()?.map(|profile| profile.turned_off()).unwrap_or_default();
        match off.as_slice() {
            [] => say(name)?,
            off => say(format_args!("{name:width$}  {}", told_off(name, off)))?,
        }
    }
    Ok(())
}

/// What turns calls on that are off.
fn told_off(profile: &str, off: &[&'static str]) -> String {
    let (named, told, all) = named_off(profile, off);
    let keys: Vec<_> = named.iter().map(|action| format!("{action:?}")).collect();
    let all = all.map(|all| format!("; {all}")).unwrap_or_default();
    format!(
        "off: {told}; SPRAG_OFFERS={} turns them on, or offers = [{}] in a copy{all}",
        named.join(","),
        keys.join(", ")
    )
}

/// The file and the text of a profile that is named, or of what shipped ones share.
fn text_of(name: &str) -> anyhow::Result<(String, String)> {
    if name.contains('/') || name.ends_with(".toml") {
        return Ok((name.to_owned(), profile_text(Path::new(name))?));
    }
    let Some((file, text)) = Profile::base(name) else {
        let known = builtin_names().collect::<Vec<_>>().join(", ");
        bail!("there is no shipped profile {name:?}; there are {known}")
    };
    Ok((file, text.to_owned()))
}

/// The name of a shipped profile in place of a file is a slip that "no such file" does not explain.
fn refuse_shipped(file: &Path) -> anyhow::Result<()> {
    let name = file.to_str().filter(|name| Profile::builtin_text(name).is_some());
    match name.filter(|_| !file.exists()) {
        Some(name) => bail!(
            "{name} is a shipped profile and no file, and needs no check; `sprag profile show {name}` prints it, to keep as a \
             file of your own"
        ),
        None => Ok(()),
    }
}

fn summary(profile: &Profile) -> String {
    let (on, off) = (&profile.wire.routes, &profile.wire.off);
    let path_width = on.iter().chain(off).map(|route| route.path.len()).max().unwrap_or(0);
    let line = |route: &Route| {
        format!("\n  {:6} {:path_width$}  {}", route.method.as_str(), route.path, route.action.name())
    };
    let mut text = format!(
        "{} is a profile: {}, id {}, {} calls",
        profile.file,
        profile.name,
        profile.client.id.0,
        on.len()
    );
    text.extend(on.iter().map(line));
    text.extend(off.iter().map(|route| {
        let name = route.action.name();
        match route.action.turned_on_by() {
            Some(setting) => format!("{}, off until the setting {setting} is on", line(route)),
            None => format!("{}, off until offers has {name:?}", line(route)),
        }
    }));
    text
}
