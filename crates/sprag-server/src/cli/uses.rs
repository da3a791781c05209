//! Which settings each command uses: its help lists those and no others.
//!
//! Every command takes the flag of every setting, because what stands in a script or in the environment is for all of
//! them; only `sprag serve` uses nearly all.

use clap::Command;

use crate::config;

/// Where a command finds the store, and what it says of its work.
const STORE: &[&str] =
    &["config", "profiles", "data-dir", "database-url", "database-start-timeout", "log", "log-format"];

/// What a command uses beside the [`STORE`], by its name with the one above it; one that is not named uses that alone.
const MORE: &[(&str, &[&str])] = &[
    ("import-store", &["database-connections"]),
    ("user import", &["database-connections"]),
    (
        "session import",
        &["idle-timeout", "absolute-lifetime", "sessions-per-account", "database-connections"],
    ),
    ("key list", &["signing-algorithm", "access-ttl"]),
    ("key rotate", &["signing-algorithm", "access-ttl", "idle-timeout", "absolute-lifetime"]),
    ("key replace", &["signing-algorithm", "access-ttl", "idle-timeout", "absolute-lifetime"]),
    ("key retire", &["signing-algorithm", "access-ttl", "idle-timeout", "absolute-lifetime"]),
    ("sweep", &["keep-ended"]),
    ("mail test", &["mail-url", "mail-from", "mail-words", "service-name", "public-url"]),
    ("webhook test", &["webhooks", "webhook-secret", "hook-networks"]),
    ("webhook replay", &["webhooks"]),
    ("why", &["keep-ended"]),
];

/// The commands that use other settings than those.
const OTHERWISE: &[(&str, &[&str])] = &[
    ("openapi", &["config", "profiles", "public-url", "listen"]),
    ("healthy", &["config", "profiles", "listen"]),
    ("config", &["config"]),
    ("profile list", &[]),
    ("profile check", &[]),
    ("profile show", &[]),
    ("profile refusals", &[]),
    ("demo", &[]),
];

const ALL_OF_THEM: &str = "`sprag serve --help` lists the server's settings, `sprag config --reference` explains all of \
                           them, and `sprag config` prints those in force.";

/// The command line with the flags of the settings, each shown by the commands that use it.
pub(super) fn shown_where_used(command: Command) -> Command {
    let every = config::args().into_iter().map(|arg| arg.hide(true));
    below(command, "").args(every).after_help(ALL_OF_THEM)
}

fn below(command: Command, path: &str) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|below| below.get_name().to_owned()).collect();
    if names.is_empty() {
        return leaf(command, path);
    }
    names.into_iter().fold(command, |command, name| {
        let path = format!("{path} {name}");
        command.mut_subcommand(name, |command| below(command, path.trim_start()))
    })
}

fn leaf(command: Command, path: &str) -> Command {
    let named = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(name, _)| *name == path).map(|(_, settings)| *settings)
    };
    let is_used = |name: &str| match named(OTHERWISE) {
        _ if path == "serve" => true,
        Some(settings) => settings.contains(&name),
        None => STORE.contains(&name) || named(MORE).is_some_and(|settings| settings.contains(&name)),
    };
    let used: Vec<clap::Arg> =
        config::args().into_iter().filter(|arg| is_used(arg.get_id().as_str())).collect();
    let command = if used.is_empty() || path == "serve" { command } else { command.after_help(ALL_OF_THEM) };
    command.args(used)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Cli;

    fn help_of(words: &[&str]) -> String {
        let mut command = shown_where_used(Cli::command());
        command.build();
        let found =
            words.iter().fold(&mut command, |command, word| command.find_subcommand_mut(word).unwrap());
        found.render_long_help().to_string()
    }

    fn flags(help: &str) -> Vec<&str> {
        help.split_whitespace().filter_map(|word| word.strip_prefix("--")).collect()
    }

    #[test]
    fn the_help_of_a_command_lists_what_the_command_uses() {
        let all = config::settings::SETTINGS.iter().filter(|setting| setting.has_flag());
        let serve = help_of(&["serve"]);
        for setting in all.clone() {
            assert!(flags(&serve).contains(&setting.name), "serve uses {}", setting.name);
        }
        let create = help_of(&["user", "create"]);
        assert!(create.contains("--data-dir") && create.contains("--database-url"), "{create}");
        for name in ["hash-queue", "listen", "cors-origins", "keep-alive", "retry", "max-connections"] {
            assert!(!flags(&create).contains(&name), "user create does not use {name}");
        }
        let top = help_of(&[]);
        let found = all.filter(|setting| flags(&top).contains(&setting.name)).count();
        assert!(found == 0 && top.contains("`sprag serve --help`"), "{top}");
        assert!(!help_of(&["profile", "check"]).contains("--data-dir"));
        assert!(!help_of(&["user"]).contains("--data-dir"));
    }

    #[test]
    fn a_command_takes_the_flag_of_a_setting_that_it_does_not_show() {
        for words in [
            &["sprag", "user", "list", "--listen", "127.0.0.1:1"][..],
            &["sprag", "--listen", "127.0.0.1:1", "user", "list"],
            &["sprag", "user", "--listen", "127.0.0.1:1", "list"],
            &["sprag", "serve", "--listen", "127.0.0.1:1"],
            &["sprag", "--listen", "127.0.0.1:1", "serve"],
        ] {
            let matches = shown_where_used(Cli::command()).try_get_matches_from(words).unwrap();
            let given = config::flags(&matches);
            assert_eq!(given.get("listen").map(String::as_str), Some("127.0.0.1:1"), "{words:?}");
        }
    }

    #[test]
    fn the_tables_name_commands_and_settings_that_there_are() {
        let command = shown_where_used(Cli::command());
        for (path, settings) in MORE.iter().chain(OTHERWISE) {
            let found = path.split(' ').try_fold(&command, |command, word| command.find_subcommand(word));
            assert!(found.is_some() || cfg!(not(feature = "import")), "{path} is no command");
            for name in *settings {
                assert!(config::settings::Setting::named(name).is_some(), "{name} is no setting");
            }
        }
        assert!(STORE.iter().all(|name| config::settings::Setting::named(name).is_some()));
    }
}
