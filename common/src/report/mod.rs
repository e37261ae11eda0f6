//! The text forms of a [`Table`], one file a format.

mod csv;
mod html;
mod json;
mod latex;
mod markdown;
pub mod terminal;

use crate::metric::Better;
use crate::table::text::{Decimals, EntryText};
use crate::table::{Against, Effects, Row, Table};

/// One way to write a table down. The same table gives the same text, byte for byte, on every machine.
pub trait Format: Sync {
    /// Returns the name that chooses this format on a command line.
    fn name(&self) -> &'static str;

    /// Returns the ending of a file in this format, without a dot.
    fn extension(&self) -> &'static str;

    /// Writes the table down, with a line break at its end.
    fn render(&self, table: &Table) -> String;

    /// Writes down what share each axis has in the variance, with a line break at its end.
    fn render_effects(&self, effects: &Effects) -> String;
}

/// Every format, in the order of the help text.
pub const ALL: &[&dyn Format] =
    &[&terminal::Terminal, &markdown::Markdown, &csv::Csv, &json::Json, &latex::Latex, &html::Html];

/// Returns the format of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Format> {
    ALL.iter().copied().find(|format| format.name() == name)
}

/// One column of numbers: a part of a quantity within a group of columns.
#[derive(Clone, Copy)]
struct Leaf {
    group: usize,
    quantity: usize,
    part: Part,
    decimals: Decimals,
}

/// What of a quantity stands in a column.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Its mean over the replicates.
    Value,
    /// The difference to the baseline.
    Difference,
    /// How often it is better than the baseline.
    Won,
}

/// Returns the columns of numbers, group by group.
fn leaves(table: &Table) -> Vec<Leaf> {
    let quantities = (0..table.quantities.len()).flat_map(|quantity| {
        let parts = parts(table, quantity).into_iter();
        parts.map(move |part| (quantity, part, decimals(table, quantity, part))).collect::<Vec<_>>()
    });
    let quantities: Vec<_> = quantities.collect();
    let of_group = |group| {
        quantities.iter().map(move |&(quantity, part, decimals)| Leaf { group, quantity, part, decimals })
    };
    (0..table.groups.len()).flat_map(of_group).collect()
}

fn parts(table: &Table, quantity: usize) -> Vec<Part> {
    match table.quantities[quantity].better() {
        _ if table.baseline.is_empty() => vec![Part::Value],
        Better::Neither => vec![Part::Value, Part::Difference],
        Better::Lower | Better::Higher => vec![Part::Value, Part::Difference, Part::Won],
    }
}

/// Returns the decimals of a column: the same in every group, so that numbers compare across.
fn decimals(table: &Table, quantity: usize, part: Part) -> Decimals {
    let cells = table.rows.iter().flat_map(|row| row.cells.iter().flatten());
    let measured = cells.filter_map(|cell| cell.entries[quantity].measured());
    let summaries = measured.filter_map(|measurement| match (part, &measurement.against) {
        (Part::Value, _) => measurement.summary.as_ref(),
        (_, Against::Pairs(difference)) => Some(&difference.summary),
        (_, Against::Nothing | Against::Itself) => None,
    });
    Decimals::of(table.quantities[quantity], summaries)
}

/// Returns the heading of a column for people.
fn leaf_heading(table: &Table, leaf: Leaf) -> String {
    let quantity = table.quantities[leaf.quantity].heading();
    match leaf.part {
        Part::Value => quantity,
        Part::Difference => format!("Δ {quantity}"),
        // It stands beside the difference, which names the quantity.
        Part::Won => "P(better)".to_owned(),
    }
}

/// Returns the heading of a group of columns at one level, such as `activation relu`.
fn group_heading(table: &Table, group: usize, level: usize) -> String {
    one_line(&format!("{} {}", table.column_settings[level], table.groups[group][level]))
}

/// Returns whether two groups stand under one heading at this level: they agree there and above.
fn share_heading(table: &Table, a: usize, b: usize, level: usize) -> bool {
    table.groups[a][..=level] == table.groups[b][..=level]
}

/// Returns what a row has in a column; `None` where the study has no such cell.
fn entry_text(row: &Row, leaf: Leaf) -> Option<EntryText> {
    let cell = row.cells[leaf.group].as_ref()?;
    let entry = &cell.entries[leaf.quantity];
    Some(match leaf.part {
        Part::Value => EntryText::of(cell, entry, leaf.decimals),
        Part::Difference => EntryText::of_difference(cell, entry, leaf.decimals),
        Part::Won => EntryText::of_won(entry),
    })
}

/// Returns the heading line and the lines of a table of effects: the first column names, the others are numbers.
fn effect_lines(effects: &Effects) -> Vec<Vec<String>> {
    if effects.sources.is_empty() {
        return Vec::new();
    }
    let fixed = ["share of the variance".to_owned(), "degrees of freedom".to_owned()];
    let headings = fixed.into_iter().chain(effects.quantities.iter().map(|quantity| quantity.heading()));
    let mut lines = vec![headings.collect()];
    for source in &effects.sources {
        let share = |share: &Option<f64>| share.map_or(String::new(), |share| format!("{share:.3}"));
        let fixed = [one_line(&source.name()), source.dof.to_string()];
        lines.push(fixed.into_iter().chain(source.shares.iter().map(share)).collect());
    }
    lines
}

/// Joins with a space what is not empty.
fn join_words(words: [&str; 2]) -> String {
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Replaces control characters by spaces: a label from a sweep file can neither break a line nor command a terminal.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Appends `text` and spaces up to `width` characters.
fn push_padded(line: &mut String, text: &str, width: usize) {
    line.push_str(text);
    line.extend(std::iter::repeat_n(' ', width.saturating_sub(text.chars().count())));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{build, fixture};

    #[test]
    fn every_format_is_found_by_its_own_name() {
        for format in ALL {
            assert_eq!(by_name(format.name()).map(|found| found.name()), Some(format.name()));
            assert_eq!(ALL.iter().filter(|other| other.name() == format.name()).count(), 1);
        }
        assert!(by_name("pdf").is_none());
    }

    #[test]
    fn every_format_names_what_is_missing_and_ends_its_last_line() {
        for format in ALL {
            let text = format.render(&fixture::table());
            assert!(text.ends_with('\n'), "{}", format.name());
            assert!(text.contains("failed") && text.contains("diverged"), "{}", format.name());
        }
    }

    #[test]
    fn a_table_without_cells_renders() {
        for format in ALL {
            assert!(format.render(&build(&fixture::spec(), &[])).ends_with('\n'), "{}", format.name());
        }
    }

    #[test]
    fn labels_cannot_break_lines() {
        let mut cells = fixture::cells();
        cells[0].choices.insert("regularizer", "a\nb\u{1b}[2J".into());
        for format in ALL.iter().filter(|format| format.name() != "csv") {
            let text = format.render(&build(&fixture::spec(), &cells));
            assert!(!text.contains("a\nb") && !text.contains('\u{1b}'), "{}", format.name());
        }
    }
}
