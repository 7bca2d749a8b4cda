//! Tables on the terminal. Invariant: cells are padded by their width on the screen, never cut; to
//! a pipe a row is one line, so that `grep` finds it whole.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use std::io::IsTerminal;

/// Indented by four it is 100: for paper, logs, and terminals that are wider than eyes.
const WIDEST: u16 = 96;

/// Rows under their header, two spaces apart.
pub fn columns(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty();
    if std::io::stdout().is_terminal() {
        let (_, wide) = console::Term::stdout().size();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(wide.max(40));
    }
    fill(table, header, rows)
}

/// As [`columns`], wrapped at 96 columns wherever it goes: for prose in cells.
pub fn prose(header: &[&str], rows: &[Vec<String>]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).force_no_tty();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(WIDEST);
    fill(table, header, rows)
}

fn fill(mut table: Table, header: &[&str], rows: &[Vec<String>]) -> String {
    if !header.is_empty() {
        table.set_header(header);
    }
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}
