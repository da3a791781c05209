//! What commands print: lists for people or for machines, moments in UTC, progress.
//!
//! Results go to standard output, everything about them to standard error.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;
use sprag::text::{shown, shown_json, shown_lines};

pub(super) use crate::moment::{minute, rfc3339, told as moment};

/// The widest line of a table: what two windows side by side still show.
const MAX_WIDTH: usize = 100;

/// How narrow a column may be cut.
const MIN_WIDTH: usize = 8;

/// How many rows a table looks at before it settles on its widths.
const HELD_ROWS: usize = 200;

/// How often progress is drawn.
const REDRAW: Duration = Duration::from_millis(100);

/// What a shell knows this program as where it is on the path.
const NAME: &str = "sprag";

/// This program as a shell in the same folder finds it: neither `cargo run` nor an unpacked archive puts it on the path.
#[expect(clippy::disallowed_methods, reason = "where a shell finds programs, not a setting of this server")]
pub(super) fn program() -> String {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let is_on_path = std::env::split_paths(&folders).any(|folder| folder.join(NAME).is_file());
    called(&std::env::args_os().next().unwrap_or_default().to_string_lossy(), is_on_path).to_owned()
}

fn called(by: &str, is_on_path: bool) -> &str {
    let is_path = by.contains('/') && (!by.starts_with('/') || !is_on_path);
    let is_plain = by.chars().all(|letter| letter.is_ascii_alphanumeric() || "/._-".contains(letter));
    if is_path && is_plain { by } else { NAME }
}

/// A column of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    heading: &'static str,
    may_be_cut: bool,
}

impl Column {
    /// A column whose cells are always shown whole.
    pub(super) const fn whole(heading: &'static str) -> Self {
        Self { heading, may_be_cut: false }
    }

    /// A column that gives way where the line gets too long.
    pub(super) const fn cut(heading: &'static str) -> Self {
        Self { heading, may_be_cut: true }
    }
}

/// A list that is printed while it is read, however long it is.
pub(super) struct List<W: Write = BufWriter<Stdout>> {
    out: W,
    form: Form,
    count: u64,
}

enum Form {
    /// One JSON document: an array.
    Json,
    /// Aligned columns. The first rows are held back until the widths are known.
    Table { columns: Vec<Column>, held: Vec<Vec<String>>, widths: Option<Vec<usize>> },
}

impl List {
    /// A list on standard output.
    pub(super) fn new(columns: &[Column], is_json: bool) -> Self {
        Self::on(BufWriter::new(io::stdout()), columns, is_json)
    }
}

impl<W: Write> List<W> {
    fn on(out: W, columns: &[Column], is_json: bool) -> Self {
        let table = || Form::Table { columns: columns.to_vec(), held: Vec::new(), widths: None };
        Self { out, form: if is_json { Form::Json } else { table() }, count: 0 }
    }

    /// Adds a row: `record` for machines, `cells` for people.
    pub(super) fn add(&mut self, record: &impl Serialize, cells: Vec<String>) -> io::Result<()> {
        self.count += 1;
        match &mut self.form {
            Form::Json => {
                self.out.write_all(if self.count == 1 { b"[\n" } else { b",\n" })?;
                self.out.write_all(shown_json(&serde_json::to_string(record)?).as_bytes())
            }
            Form::Table { columns, held, widths: Some(widths) } => {
                debug_assert!(held.is_empty(), "rows are held only until the widths are known");
                write_row(&mut self.out, columns, widths, &shown_cells(cells))
            }
            Form::Table { held, .. } => {
                held.push(shown_cells(cells));
                if held.len() < HELD_ROWS { Ok(()) } else { self.settle() }
            }
        }
    }

    /// Ends the list. Where it is empty, people are told `nothing`.
    pub(super) fn finish(mut self, nothing: &str) -> io::Result<()> {
        match (&self.form, self.count) {
            (Form::Json, 0) => self.out.write_all(b"[]\n")?,
            (Form::Json, _) => self.out.write_all(b"\n]\n")?,
            (Form::Table { .. }, 0) => tell(nothing),
            (Form::Table { .. }, _) => self.settle()?,
        }
        self.out.flush()
    }

    /// Settles on the widths and prints what was held back.
    fn settle(&mut self) -> io::Result<()> {
        let Form::Table { columns, held, widths: widths @ None } = &mut self.form else { return Ok(()) };
        let settled = fitting(columns, held);
        let headings: Vec<_> = columns.iter().map(|column| column.heading.to_owned()).collect();
        write_row(&mut self.out, columns, &settled, &headings)?;
        for row in held.drain(..) {
            write_row(&mut self.out, columns, &settled, &row)?;
        }
        *widths = Some(settled);
        Ok(())
    }
}

/// As wide as the cells are, or narrower where the line would be too long and a column may be cut.
fn fitting(columns: &[Column], rows: &[Vec<String>]) -> Vec<usize> {
    let width = |text: &str| text.chars().count();
    let natural = |(at, column): (usize, &Column)| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| width(cell));
        cells.max().unwrap_or(0).max(width(column.heading))
    };
    let mut widths: Vec<usize> = columns.iter().enumerate().map(natural).collect();
    let gaps = 2 * columns.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > MAX_WIDTH {
        let may_shrink = |(at, column): &(usize, &Column)| column.may_be_cut && widths[*at] > MIN_WIDTH;
        let widest = columns.iter().enumerate().filter(may_shrink).max_by_key(|(at, _)| widths[*at]);
        let Some((at, _)) = widest else { break };
        widths[at] -= 1;
    }
    widths
}

fn write_row(out: &mut impl Write, columns: &[Column], widths: &[usize], cells: &[String]) -> io::Result<()> {
    let mut line = String::new();
    for ((column, &width), cell) in columns.iter().zip(widths).zip(cells) {
        let is_long = column.may_be_cut && cell.chars().count() > width;
        let shown = if is_long { format!("{}…", head(cell, width - 1)) } else { cell.clone() };
        line += &format!("{shown:width$}  ");
    }
    writeln!(out, "{}", line.trim_end())
}

fn head(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(end, _)| &text[..end])
}

fn shown_cells(cells: Vec<String>) -> Vec<String> {
    cells.into_iter().map(|cell| shown(&cell)).collect()
}

/// Prints a result: whoever's text is in it moves no cursor and turns no line around.
pub(super) fn say(text: impl Display) -> io::Result<()> {
    write_line(shown_lines(&text.to_string()))
}

/// Prints a result for machines.
pub(super) fn say_json(record: &impl Serialize) -> anyhow::Result<()> {
    Ok(write_line(shown_json(&serde_json::to_string_pretty(record)?))?)
}

/// Prints one of many results for machines, on a line of its own.
pub(super) fn say_json_line(record: &impl Serialize) -> anyhow::Result<()> {
    Ok(write_line(shown_json(&serde_json::to_string(record)?))?)
}

fn write_line(text: String) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Tells whoever watches something about the result.
pub(super) fn tell(text: impl Display) {
    // With nobody to read it there is nobody to tell.
    let _ = writeln!(io::stderr(), "{}", shown_lines(&text.to_string()));
}

/// Says how a command is used where clap cannot.
pub(super) fn misused(sentence: &str) -> ExitCode {
    tell(format_args!("sprag: {sentence}"));
    ExitCode::from(2)
}

/// `1 session`, `2 sessions`.
pub(super) fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// One line on the terminal that says how far something long has come; nothing where there is no terminal.
pub(super) struct Progress {
    is_shown: bool,
    drawn: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self { is_shown: io::stderr().is_terminal(), drawn: None }
    }

    /// Redraws the line, unless that was done a moment ago.
    pub(super) fn show(&mut self, text: impl Display) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.is_shown && is_due {
            self.drawn = Some(Instant::now());
            let _ = write!(io::stderr(), "\r\x1b[2K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.drawn.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::whole("ID"), Column::cut("NAME"), Column::cut("NOTE")];

    fn printed(is_json: bool, rows: &[[&str; 3]]) -> String {
        let mut out = Vec::new();
        let mut list = List::on(&mut out, &COLUMNS, is_json);
        for row in rows {
            list.add(&serde_json::json!({ "id": row[0] }), row.map(str::to_owned).to_vec()).unwrap();
        }
        list.finish("nothing").unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_to_be_typed_next_begins_as_this_program_was_called_where_no_path_leads_to_it() {
        for is_on_path in [false, true] {
            assert_eq!(called("target/debug/sprag", is_on_path), "target/debug/sprag");
            assert_eq!(called("./sprag", is_on_path), "./sprag");
            for elsewhere in ["sprag", "", "its folder/sprag", "/its folder/sprag"] {
                assert_eq!(called(elsewhere, is_on_path), "sprag", "{elsewhere:?}");
            }
        }
        assert_eq!(called("/usr/lib/sprag/sprag", true), "sprag");
        assert_eq!(called("/opt/sprag-1/sprag", false), "/opt/sprag-1/sprag");
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let table = printed(false, &[["1", "ann", "-"], ["22", "bartholomew", "x"]]);
        assert_eq!(table, "ID  NAME         NOTE\n1   ann          -\n22  bartholomew  x\n");
    }

    #[test]
    fn the_widest_cells_are_cut_until_the_line_fits() {
        let (id, long) = ("9".repeat(60), "n".repeat(300));
        let table = printed(false, &[[&id, "ann", &long], [&id, &long, "é"]]);
        for line in table.lines() {
            assert!(line.chars().count() <= MAX_WIDTH, "{line}");
        }
        assert!(table.contains(&id) && table.contains('…'));
    }

    #[test]
    fn a_list_longer_than_what_is_held_back_stays_aligned() {
        let table = printed(false, &[["1", "ann", "x"]; HELD_ROWS + 7]);
        assert_eq!(table.lines().count(), HELD_ROWS + 8);
        assert_eq!(table.lines().filter(|line| *line == "1   ann   x").count(), HELD_ROWS + 7);
    }

    #[test]
    fn a_list_for_machines_is_one_document_however_long() {
        for count in [0, 1, 3] {
            let text = printed(true, &vec![["1", "ann", "x"]; count]);
            let document: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
            assert_eq!(document.len(), count);
        }
    }
}
