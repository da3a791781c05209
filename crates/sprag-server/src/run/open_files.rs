//! How many files this process may have open, and how many connections that leaves room for.

use rustix::process::{Resource, getrlimit};

/// How many files everything but connections has open at most, about: the database, its connections, the log.
const OTHERS: usize = 128;

/// How many connections the limit of open files leaves room for.
pub(crate) fn room() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).map_or(usize::MAX, room_within)
}

/// What is to be said where there is not room for so many connections.
pub(crate) fn too_few_for(connections: usize) -> Option<String> {
    let room = room();
    let needed = connections.saturating_add(OTHERS);
    (room < connections).then(|| {
        format!(
            "this process may open too few files for --max-connections {connections}: there is room for {room}, and then \
             the longest idle connection gives way to each one more; allow {needed} open files (LimitNOFILE={needed} in \
             the systemd unit, `ulimit -n {needed}` in a shell), or set --max-connections {room}"
        )
    })
}

fn room_within(limit: usize) -> usize {
    limit.saturating_sub(OTHERS).max(limit / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_is_left_to_them() {
        assert_eq!(room_within(1024), 1024 - OTHERS);
        assert_eq!(room_within(64), 32, "the connections have half of what is far too little");
        assert_eq!(room_within(0), 1);
    }
}
