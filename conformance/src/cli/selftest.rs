//! `selftest`: the matrix, line by line.

use super::{CONTRADICTION, DONE};
use crate::{report::Style, selftest};

pub(super) async fn run(style: Style) -> u8 {
    let rows = selftest::matrix(|row| print(row, style)).await;
    let wrong = rows.iter().filter(|row| !row.holds()).count();
    say!(
        "\n{} peers, {wrong} judged otherwise than written down",
        rows.len()
    );
    if wrong == 0 { DONE } else { CONTRADICTION }
}

fn print(row: &selftest::Row, style: Style) {
    let (symbol, code) = match row.holds() {
        true => ('✓', "32"),
        false => ('✗', "31"),
    };
    let symbol = match style.colour {
        true => format!("\u{1b}[{code}m{symbol}\u{1b}[0m"),
        false => symbol.to_string(),
    };
    say!(
        "{symbol} {:<8} {:<44} {:>6} ms  {}",
        row.kind,
        row.name,
        row.took.as_millis(),
        row.got
    );
    if !row.holds() {
        say!("  {:<8} {:<44} {:>9}  {}", "", "expected", "", row.expected);
    }
}
