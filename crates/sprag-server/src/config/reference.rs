//! What is derived from the table for people: the flags, the table of `sprag config`, the reference.

use std::fmt::Write as _;

use clap::{Arg, ArgMatches};

use super::Line;
use super::settings::{SETTINGS, Setting};
use super::sources::Flags;
use crate::old_names;

/// The defaults and the reasons for them, as a file of settings with every line commented out.
pub const DEFAULTS: &str = include_str!("../../config.default.toml");

/// The settings as flags that every command takes.
#[must_use]
pub fn args() -> Vec<Arg> {
    let those = SETTINGS.iter().filter(|setting| setting.has_flag());
    those
        .map(|setting| {
            let help =
                format!("{} [env: {}] [default: {}]", setting.help, setting.env, setting.default.text());
            Arg::new(setting.name)
                .long(setting.name)
                .value_name(setting.placeholder)
                .help(help)
                .help_heading("Settings")
                .global(true)
        })
        .chain(old_flags())
        .collect()
}

/// Flags that have been renamed: taken, and not shown.
fn old_flags() -> impl Iterator<Item = Arg> {
    old_names::settings().map(|name| Arg::new(name.old).long(name.old).hide(true).global(true))
}

/// Which of these flags were given; a command that has none of them gave none.
#[must_use]
pub fn flags(matches: &ArgMatches) -> Flags {
    let given = |name: &str| matches.try_get_one::<String>(name).ok().flatten().cloned();
    let old = old_names::settings().map(|name| name.old);
    SETTINGS
        .iter()
        .map(|setting| setting.name)
        .chain(old)
        .filter_map(|name| Some((name, given(name)?)))
        .collect()
}

/// The lines as `sprag config` prints them.
#[must_use]
pub fn table(lines: &[Line]) -> String {
    let width =
        |text: fn(&Line) -> &str| lines.iter().map(|line| text(line).chars().count()).max().unwrap_or(0);
    let (name, value) = (width(|line| line.name), width(|line| &line.value).min(48));
    lines.iter().fold(String::new(), |mut table, line| {
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{:name$}  {:value$}  {}", line.name, line.value, line.origin);
        table
    })
}

/// `docs/reference/config.md`: the table, and for each setting the reason for its default from [`DEFAULTS`].
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for setting in SETTINGS {
        let flag = if setting.has_flag() { format!("`--{}`", setting.name) } else { "–".to_owned() };
        let keys: Vec<String> =
            [setting.file_key(), setting.file_key_of_file()].into_iter().flatten().collect();
        let key = if keys.is_empty() { "–".to_owned() } else { format!("`{}`", keys.join("`, `")) };
        let _ = write!(
            text,
            "\n## {}\n\n| flag | environment | file | default |\n|---|---|---|---|\n| {flag} | {} | {key} | {} |\n\n{}\n",
            setting.name,
            variables(setting),
            match setting.default {
                super::settings::Fallback::Value(value) => format!("`{value}`"),
                super::settings::Fallback::Derived(words) => words.replace('<', "\\<"),
            },
            explanation(setting)
        );
    }
    text
}

fn variables(setting: &Setting) -> String {
    match setting.file_env() {
        Some(file) => format!("`{}`, `{file}`", setting.env),
        None => format!("`{}`", setting.env),
    }
}

/// The comment that stands above a setting in [`DEFAULTS`]: its meaning, and then why its default is the
/// default.
fn explanation(setting: &Setting) -> String {
    let head = setting.file_key().unwrap_or_else(|| setting.env.to_owned());
    let line = format!("# {head} = ");
    let (above, _) = DEFAULTS.split_once(&line).unwrap_or_default();
    let block = above.rsplit("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = block.lines().map(|line| line.trim_start_matches('#').trim()).collect();
    words.join(" ").trim().to_owned()
}

const HEAD: &str = "\
# Settings

<!-- Made from the tables in `crates/sprag-server/src/config/` and from `config.default.toml`.
     Make it anew: just reference -->

A setting is taken from the first place that gives it:

1. its flag, which every command takes; `sprag serve --help` lists them all, another command's help those that it uses;
2. its variable in the environment;
3. its variable in `.env` in the working directory, which is read and never put into the environment;
4. where it is or has a secret, a credential that systemd hands over;
5. a profile's own name for it (the profile's `[environment]`), in the environment and then in `.env`;
6. its key in `sprag.toml` in the working directory, or in the file that `--config` names;
7. its default.

All of it is read once, at the start. `sprag config` prints what is in force and where it came from, with
secrets hidden; `sprag config --json` the same for machines. Whatever is wrong stops the start with a sentence
that says where it stands and what would be right: a value that is not understood, an empty one, a name that is
no setting (also of a variable that begins with `SPRAG_`, unless it is one that Kubernetes adds for a service of
that name), a combination that is not safe.

- A duration is a whole number and a unit: `30s`, `15m`, `12h`, `7d`.
- Secrets, a database URL with a password in it too, are taken from the environment, `.env` and files of their own only:
  flags can be read in the list of processes, and files of settings get copied about.
- A secret's variable with `_FILE` behind its name (`SPRAG_DATABASE_URL_FILE`) names a file with nothing but the secret in
  it; a line's end behind it is no part of it. Set one of the two, not both. In the file of settings, `database_url_file` and
  the like name such a file. Among systemd's credentials
  (`$CREDENTIALS_DIRECTORY`) the one called as the setting is taken: `LoadCredential=key-ring:/etc/sprag/keys.json`.
- In a database URL, write `@` as `%40` in user name, password and parameters, `/` as `%2F`, `?` as `%3F`, `#` as `%23`. One
  that can be read in two ways is refused, and none of it shown.
- In `.env`, put a value with blanks, `#`, `$`, backslashes or double quotes in it into single quotes, and one with a
  single quote in it into double quotes. A value of ours that npm's dotenv, python-dotenv and Sprag would not read alike
  is refused with its line. Lines for others are left alone, however they are written; one that is not `NAME=value`, or
  opens a quote that nothing closes, is told of at the start.
- Paths are relative to the working directory, wherever they are written.
- In `sprag.toml` a list may stand for commas: `profiles = [\"sprag\", \"./profiles/shop.toml\"]`.

What is refused together: listening for other machines without a public URL; an access token that outlives the
idle timeout, or an idle timeout longer than the absolute lifetime (also against a profile's own); an HS256
secret that is shorter than 32 bytes, a placeholder or on a public list of secrets, or one while another algorithm signs. Where
a profile has a name of its own for the HS256 secret and that variable is set, HS256 is the default; if another
algorithm is set, that variable is left to whom it belongs.
";
