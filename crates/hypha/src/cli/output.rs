//! What commands print: tables and text for people, JSON for scripts.
//!
//! Names and texts of others are shown without control characters: a terminal obeys some of them.

use std::io::{ErrorKind, Write, stdout};

use anyhow::Result;
use comfy_table::{Table, presets};
use hypha_wire::Value;
use hypha_wire::convert::to_json;
use serde_json::Value as Json;

/// Longest text in a cell of a table, in characters.
const MAX_CELL: usize = 80;

/// Prints a line, or several.
///
/// # Errors
/// Nobody reads.
pub(super) fn line(text: &str) -> Result<()> {
    writeln!(stdout().lock(), "{text}")?;
    Ok(())
}

/// Prints a JSON document.
///
/// # Errors
/// Nobody reads.
pub(super) fn json(document: &Json) -> Result<()> {
    line(&format!("{document:#}"))
}

/// Prints a table; `empty` in place of one without rows.
///
/// # Errors
/// Nobody reads.
pub(super) fn table(header: &[&str], rows: Vec<Vec<String>>, empty: &str) -> Result<()> {
    if rows.is_empty() {
        return line(empty);
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.iter().map(|text| cell(text)));
    }
    // The first column starts at the edge of the screen.
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    line(&table.trim_fmt())
}

/// A value for people: texts as they are, everything else as JSON over several lines.
pub(super) fn human(value: &Value) -> String {
    match value {
        Value::Str(text) => harmless(text),
        other => format!("{:#}", to_json(other)),
    }
}

/// The text of an entry of a map; empty when there is none.
pub(super) fn text_of(map: &Value, key: &str) -> String {
    match map.get(key) {
        None | Some(Value::Nil) => String::new(),
        Some(Value::Str(text)) => text.clone(),
        Some(other) => to_json(other).to_string(),
    }
}

/// A text without control characters other than line breaks and tabs.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\n' && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// Whether an error says that nobody reads the output any more.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// The first line of a text, cut to what a table can show.
fn cell(text: &str) -> String {
    let text = text.trim().lines().next().unwrap_or_default().replace('\t', " ");
    let text = harmless(&text);
    match text.char_indices().nth(MAX_CELL) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_cannot_drive_the_terminal() {
        assert_eq!(cell("\u{1b}[31mred\u{9b}1m\nsecond"), "\u{fffd}[31mred\u{fffd}1m");
        assert_eq!(human(&Value::from("a\nb\u{7}")), "a\nb\u{fffd}");
        assert_eq!(cell(&"x".repeat(100)).chars().count(), MAX_CELL + 1);
    }

    #[test]
    fn values() {
        assert_eq!(human(&Value::Float(2.5)), "2.5");
        assert_eq!(human(&Value::Nil), "null");
        let map: Value = [("a", Value::from(1)), ("b", Value::from("x"))]
            .into_iter()
            .collect();
        assert_eq!(human(&map), "{\n  \"a\": 1,\n  \"b\": \"x\"\n}");
        assert_eq!(
            (text_of(&map, "a"), text_of(&map, "b"), text_of(&map, "c")),
            ("1".into(), "x".into(), String::new())
        );
    }
}
