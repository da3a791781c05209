//! What callgrind counted: instructions, by thread and by function.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// The function that hashes blocks with SHA-256. Valgrind knows none of the instructions that processors have for it, so
/// here it takes ten to twenty times the instructions that it takes elsewhere.
const SHA256_BLOCKS: &str = "sha256_block_data_order";

/// What the threads that hash passwords are called, and those that wake beside them.
const HASHING: &str = "sprag-hash";
const DESK: &str = "sprag-hash-desk";

/// Instructions.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Counts {
    by_thread: BTreeMap<String, u64>,
    by_function: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds what one thread did, as callgrind writes it.
    pub(crate) fn add(&mut self, thread: &str, dump: &str) {
        let (mut names, mut total) = (BTreeMap::new(), 0);
        let (mut function, mut is_of_a_call) = ("", false);
        for line in dump.lines() {
            if let Some(told) = line.strip_prefix("fn=") {
                function = name_of(told, &mut names);
            } else if let Some(told) = line.strip_prefix("cfn=") {
                name_of(told, &mut names);
            } else if line.starts_with("calls=") {
                is_of_a_call = true;
            } else if let Some(instructions) = own_instructions(line) {
                if !is_of_a_call {
                    total += instructions;
                    self.by_function.entry(function.to_owned()).or_default().add_assign(instructions);
                }
                is_of_a_call = false;
            }
        }
        if total > 0 {
            self.by_thread.entry(group(thread).to_owned()).or_default().add_assign(total);
        }
    }

    /// Adds what was counted at another time.
    pub(crate) fn take_in(&mut self, other: &Self) {
        for (sums, counted) in
            [(&mut self.by_thread, &other.by_thread), (&mut self.by_function, &other.by_function)]
        {
            for (name, instructions) in counted {
                sums.entry(name.clone()).or_default().add_assign(*instructions);
            }
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.by_thread.values().sum()
    }

    /// By groups of threads, the busiest first.
    pub(crate) fn threads(&self) -> Vec<(&str, u64)> {
        busiest(&self.by_thread)
    }

    /// By functions, the busiest first.
    pub(crate) fn functions(&self) -> Vec<(&str, u64)> {
        busiest(&self.by_function)
    }

    /// What hashing a password took.
    pub(crate) fn hashing(&self) -> u64 {
        self.by_thread.get(HASHING).copied().unwrap_or_default()
    }

    /// What blocks of SHA-256 took; `None` where the binary has no names of functions.
    pub(crate) fn sha256(&self) -> Option<u64> {
        let of_blocks = self.by_function.iter().filter(|(name, _)| name.contains(SHA256_BLOCKS));
        let instructions: Vec<_> = of_blocks.map(|(_, instructions)| *instructions).collect();
        (!instructions.is_empty()).then(|| instructions.iter().sum())
    }
}

fn busiest(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut counts: Vec<_> =
        counts.iter().map(|(name, instructions)| (name.as_str(), *instructions)).collect();
    counts.sort_by_key(|(_, instructions)| std::cmp::Reverse(*instructions));
    counts
}

/// What threads of that name do.
fn group(thread: &str) -> &str {
    match thread {
        "sprag" => "requests",
        DESK => HASHING,
        "" => "others",
        own => own,
    }
}

/// A function that is named, `(7) malloc`, or whose name is known by now, `(7)`.
fn name_of<'a>(told: &'a str, names: &mut BTreeMap<&'a str, &'a str>) -> &'a str {
    match told.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(told).copied().unwrap_or(told),
    }
}

/// The instructions of a line `position instructions`.
fn own_instructions(line: &str) -> Option<u64> {
    let (position, instructions) = line.split_once(' ')?;
    let is_position = position.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first));
    if is_position { instructions.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMP: &str = "version: 1\npid: 5403\nthread: 2\npositions: line\nevents: Ir\nsummary: 60\n\nfl=(1) a.c\n\
        fn=(3) parse\n10 7\n+1 3\ncfi=(2) b.S\ncfn=(4) aws_lc_sha256_block_data_order_avx\ncalls=2 +35\n* 40\n\
        * 5\n\nfl=(2)\nfn=(4)\n1 30\n-1 10\n\nfn=(3)\n12 5\n\ntotals: 60\n";

    #[test]
    fn what_a_function_called_is_not_its_own() {
        let mut counts = Counts::default();
        counts.add("sprag", DUMP);
        assert_eq!(counts.total(), 60);
        assert_eq!(counts.functions(), [("aws_lc_sha256_block_data_order_avx", 40), ("parse", 20)]);
        assert_eq!(counts.sha256(), Some(40));
    }

    #[test]
    fn threads_of_one_name_are_one_group() {
        let mut counts = Counts::default();
        for thread in ["sprag", "sprag", "sprag-hash", ""] {
            counts.add(thread, DUMP);
        }
        assert_eq!(counts.threads(), [("requests", 120), ("others", 60), ("sprag-hash", 60)]);
        assert_eq!(counts.hashing(), 60);
    }

    #[test]
    fn what_was_counted_in_two_dumps_is_what_was_counted_in_one() {
        let (mut sums, mut both) = (Counts::default(), Counts::default());
        for thread in ["sprag", "sprag-hash"] {
            let mut one = Counts::default();
            one.add(thread, DUMP);
            both.add(thread, DUMP);
            sums.take_in(&one);
        }
        assert_eq!(sums, both);
    }

    #[test]
    fn what_wakes_beside_a_hash_is_counted_with_it() {
        let mut counts = Counts::default();
        for thread in ["sprag-hash", "sprag-hash-desk", "sprag"] {
            counts.add(thread, DUMP);
        }
        assert_eq!((counts.hashing(), counts.total()), (120, 180));
    }

    #[test]
    fn a_binary_without_names_tells_nothing_of_sha256() {
        let mut counts = Counts::default();
        counts.add("sprag", "fn=(1) 0x0000000000123456\n0 9\n");
        assert_eq!((counts.total(), counts.sha256()), (9, None));
    }
}
