//! Keeps what is in the process's memory, keys and passwords among it, out of files that a crash would leave.

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// Has the system write no core of this process, and let no other process of the same user look into its memory.
///
/// Either alone would do for most systems: a limit of zero does not hold where cores are piped to a program, and what
/// cannot be dumped may be made so again.
///
/// # Errors
/// The system refuses it, as a sentence that says what to do.
pub fn prevent() -> Result<(), String> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let limited = setrlimit(Resource::Core, none);
    let undumpable = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    match limited.and(undumpable) {
        Ok(()) => Ok(()),
        Err(error) => Err(format!(
            "a crash may leave a core file with keys in it, for the system refused to prevent that: {error}; set \
             LimitCORE=0 for the service, or run `ulimit -c 0` before it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn no_core_is_written_and_nobody_looks_into_the_memory() {
        prevent().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
