//! Commands that may be the first in a store: they make one only where that is asked for.

/// `--create`, for a command that takes it and was not given it: what tests run in folders of their own shall make a store
/// wherever there is none.
#[must_use]
pub fn asked_to_create(args: &[&str]) -> Option<&'static str> {
    let takes_it = match args {
        ["user", "create" | "import", ..] | ["restore", ..] => true,
        ["migrate", ..] => !args.contains(&"--check"),
        _ => false,
    };
    (takes_it && !args.contains(&"--create")).then_some("--create")
}
