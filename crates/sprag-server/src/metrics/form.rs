//! The two forms of the text.

/// A form of the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// The older form of Prometheus, version 0.0.4, which everything reads.
    Plain,
}

impl Form {
    /// This form of what was written as OpenMetrics.
    pub(super) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Plain => plain(&open_metrics),
        }
    }
}

/// The older form of the text: a counter is described by the name that its samples have, and neither units nor an end are
/// told of.
fn plain(open_metrics: &str) -> String {
    let type_of = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        Some((name.to_owned(), kind == "counter"))
    };
    let counters: Vec<String> = open_metrics
        .lines()
        .filter_map(type_of)
        .filter(|(_, is_counter)| *is_counter)
        .map(|(name, _)| name)
        .collect();
    let mut text = String::with_capacity(open_metrics.len() + 256);
    for line in open_metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let described =
            ["# HELP ", "# TYPE "].into_iter().find_map(|head| Some((head, line.strip_prefix(head)?)));
        match described.and_then(|(head, rest)| Some((head, rest.split_once(' ')?))) {
            Some((head, (name, rest))) if counters.iter().any(|counter| counter == name) => {
                text.extend([head, name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}
