//! The recorded figures: a table in a document, which is their history as well. The last row of a kind is what counts.

use anyhow::{Context as _, ensure};

/// What stands before and after the table.
const BEGIN: &str = "<!-- figures of `just cost` -->";
const END: &str = "<!-- end of the figures -->";

/// How many columns the table has.
const COLUMNS: usize = 8;

/// On what something was measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Subject {
    pub(crate) store: String,
    pub(crate) signing: String,
    pub(crate) sessions: u64,
}

/// Instructions of one request each.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Figure {
    pub(crate) refresh: Option<u64>,
    /// Of a refresh, without the blocks of SHA-256.
    pub(crate) without_sha256: Option<u64>,
    /// Without hashing the password.
    pub(crate) log_in: Option<u64>,
    pub(crate) healthz: Option<u64>,
}

/// All that are recorded, in order.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Figures(Vec<(Subject, Figure)>);

impl Figures {
    /// # Errors
    /// There is no such table, or a row of it cannot be understood.
    pub(crate) fn read(document: &str) -> anyhow::Result<Self> {
        let table = document.split_once(BEGIN).and_then(|(_, rest)| Some(rest.split_once(END)?.0));
        let table = table
            .with_context(|| format!("it stands between {BEGIN} and {END}, and one of them is missing"))?;
        let rows = table.lines().filter(|line| line.starts_with('|')).skip(2);
        rows.map(|row| read_row(row).with_context(|| format!("in the row {row}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The newest of that kind.
    pub(crate) fn of(&self, subject: &Subject) -> Option<Figure> {
        self.0.iter().rev().find(|(of, _)| of == subject).map(|(_, figure)| *figure)
    }
}

impl Figure {
    /// As a row of the table.
    pub(crate) fn row(&self, subject: &Subject, build: &str) -> String {
        let cells = [self.refresh, self.without_sha256, self.log_in, self.healthz];
        let cells = cells.map(|cell| cell.map_or_else(|| "-".to_owned(), grouped));
        let Subject { store, signing, sessions } = subject;
        format!("| {build} | {store} | {signing} | {} | {} |", grouped(*sessions), cells.join(" | "))
    }
}

fn read_row(row: &str) -> anyhow::Result<(Subject, Figure)> {
    let cells: Vec<_> = row.trim().trim_matches('|').split('|').map(str::trim).collect();
    ensure!(cells.len() == COLUMNS, "there are {} cells where {COLUMNS} belong", cells.len());
    let number = |cell: &str| {
        let digits: String = cell.chars().filter(|letter| *letter != ',').collect();
        digits.parse::<u64>().with_context(|| format!("{cell} is no number"))
    };
    let figure = |cell: &str| if cell == "-" { Ok(None) } else { number(cell).map(Some) };
    let subject =
        Subject { store: cells[1].to_owned(), signing: cells[2].to_owned(), sessions: number(cells[3])? };
    let figure = Figure {
        refresh: figure(cells[4])?,
        without_sha256: figure(cells[5])?,
        log_in: figure(cells[6])?,
        healthz: figure(cells[7])?,
    };
    Ok((subject, figure))
}

/// A number as people read it: 1,234,567.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "Words.\n\n<!-- figures of `just cost` -->\n\n\
        | build | store | signing | sessions | refresh | without SHA-256 | log-in | `/healthz` |\n\
        | --- | --- | --- | --- | --- | --- | --- | --- |\n\
        | first | SQLite | HS256 | 10,000 | 183,198 | 148,800 | 240,000 | 24,869 |\n\
        | second | SQLite | HS256 | 10,000 | 120,000 | - | - | 20,000 |\n\
        \n<!-- end of the figures -->\n| not | this |\n";

    fn subject() -> Subject {
        Subject { store: "SQLite".to_owned(), signing: "HS256".to_owned(), sessions: 10_000 }
    }

    #[test]
    fn the_last_row_of_a_kind_counts() {
        let figures = Figures::read(TABLE).unwrap();
        let figure = figures.of(&subject()).unwrap();
        assert_eq!(figure, Figure { refresh: Some(120_000), healthz: Some(20_000), ..Figure::default() });
        assert_eq!(figures.of(&Subject { sessions: 1_000_000, ..subject() }), None);
    }

    #[test]
    fn a_row_that_is_printed_can_be_read() {
        let figure =
            Figure { refresh: Some(1_234_567), without_sha256: None, log_in: Some(999), healthz: Some(1000) };
        assert_eq!(read_row(&figure.row(&subject(), "a build")).unwrap(), (subject(), figure));
    }

    #[test]
    fn a_table_that_cannot_be_read_says_why() {
        let why = |document: &str| format!("{:#}", Figures::read(document).unwrap_err());
        assert!(why("nothing").contains("one of them is missing"));
        assert!(why(&TABLE.replace("183,198", "many")).contains("many is no number"));
        assert!(why(&TABLE.replace("| 183,198 ", "")).contains("7 cells where 8 belong"));
    }

    #[test]
    fn the_document_has_figures_that_can_be_read() {
        let document = include_str!("../../../../docs/reference/performance.md");
        let figures = Figures::read(document).unwrap();
        assert!(figures.of(&subject()).is_some(), "`just cost` compares with something");
    }
}
