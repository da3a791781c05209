//! How much processor time a process has had.

use std::time::Duration;

use anyhow::Context as _;

use crate::process_file;

/// How many ticks of `/proc` a second has. Linux shows a hundred to every program, whatever its own clock does.
const TICKS_PER_SECOND: u64 = 100;

/// Processor time of all threads of a process, those that have ended too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ProcessTime {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl ProcessTime {
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        process_file::read(pid, "stat", Self::read)
    }

    /// Of the threads of that name that are alive.
    pub(crate) fn of_threads(pid: u32, name: &str) -> anyhow::Result<Self> {
        let tasks = process_file::path(pid, "task");
        let tasks = std::fs::read_dir(&tasks)
            .with_context(|| format!("could not look into {}; has the server ended?", tasks.display()))?;
        let mut sum = Self { user: Duration::ZERO, system: Duration::ZERO };
        for task in tasks.filter_map(Result::ok) {
            // A thread may have ended meanwhile.
            let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            if read("comm").trim() == name
                && let Some(time) = Self::read(&read("stat"))
            {
                sum = Self { user: sum.user + time.user, system: sum.system + time.system };
            }
        }
        Ok(sum)
    }

    pub(crate) fn total(&self) -> Duration {
        self.user + self.system
    }

    fn read(stat: &str) -> Option<Self> {
        // The name stands in brackets and may contain anything, brackets too. Fields 14 and 15, counted from 1.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ').skip(11).map(|field| field.parse().ok().map(ticks));
        Some(Self { user: fields.next()??, system: fields.next()?? })
    }
}

fn ticks(count: u64) -> Duration {
    Duration::from_millis(count * 1000 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_moves_no_field() {
        let stat = "17 (a) b) (c) S 1 17 17 0 -1 4194560 900 0 3 0 250 70 9 8 20 0 12 0 100 1 2";
        let time = ProcessTime { user: Duration::from_millis(2500), system: Duration::from_millis(700) };
        assert_eq!(ProcessTime::read(stat), Some(time));
        assert_eq!(ProcessTime::read("17 (sprag) S 1"), None);
    }
}
