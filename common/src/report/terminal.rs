//! For reading at once: aligned columns, stacked in blocks where the terminal is too narrow for one.

use super::{Format, Leaf, effect_lines, entry_text, group_heading, join_words, leaf_heading, leaves};
use super::{one_line, push_padded, share_heading};
use crate::table::{Effects, Mark, Row, Table};

/// Aligned columns of any width.
pub(super) struct Terminal;

impl Format for Terminal {
    fn name(&self) -> &'static str {
        "table"
    }

    fn extension(&self) -> &'static str {
        "txt"
    }

    fn render(&self, table: &Table) -> String {
        render(table, None)
    }

    fn render_effects(&self, effects: &Effects) -> String {
        render_effects(effects, None)
    }
}

/// Between two columns.
const GAP: &str = "  ";

/// Writes the table for a terminal of `width` characters, `None` for one without bounds. Columns that do not fit go
/// into further blocks below, each with the row labels again; a column that is too wide alone is written nevertheless:
/// nothing is ever cut.
pub fn render(table: &Table, width: Option<usize>) -> String {
    let width = width.unwrap_or(usize::MAX);
    let labels: Vec<TextColumn> = (0..table.row_settings.len()).map(|i| label_column(table, i)).collect();
    let numbers: Vec<(Leaf, TextColumn)> =
        leaves(table).into_iter().map(|leaf| (leaf, number_column(table, leaf))).collect();
    let blocks = blocks(&labels, &numbers, width);
    let blocks = blocks.iter().map(|block| write_block(table, &labels, block)).collect();
    page(table.title.as_deref(), blocks, &table.legend("*", "~"), width)
}

/// Writes the shares of the axes in the variance for a terminal of `width` characters.
pub fn render_effects(effects: &Effects, width: Option<usize>) -> String {
    let lines = effect_lines(effects);
    let column = |index: usize| {
        let mut texts = lines.iter().map(|line| line[index].clone());
        TextColumn::new(texts.next().unwrap_or_default(), texts.collect(), 0)
    };
    let columns: Vec<TextColumn> = (0..lines.first().map_or(0, Vec::len)).map(column).collect();
    let columns: Vec<&TextColumn> = columns.iter().collect();
    let mut block = String::new();
    if !columns.is_empty() {
        write_lines(&mut block, &columns);
    }
    page(effects.title.as_deref(), vec![block], &effects.notes, width.unwrap_or(usize::MAX))
}

/// Puts a title above blocks and sentences below.
fn page(title: Option<&str>, blocks: Vec<String>, legend: &[String], width: usize) -> String {
    let mut parts = Vec::new();
    parts.extend(title.map(|title| wrap(&one_line(title), width)));
    parts.extend(blocks);
    parts.push(legend.iter().map(|line| wrap(line, width)).collect());
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// One column as text: its heading and one line a row.
struct TextColumn {
    heading: String,
    lines: Vec<String>,
    width: usize,
}

impl TextColumn {
    fn new(heading: String, lines: Vec<String>, least: usize) -> TextColumn {
        let texts = lines.iter().chain([&heading]);
        let width = texts.map(|text| text.chars().count()).max().unwrap_or(0).max(least);
        TextColumn { heading, lines, width }
    }
}

fn label_column(table: &Table, index: usize) -> TextColumn {
    let lines = table.rows.iter().map(|row| one_line(&row.labels[index].to_string())).collect();
    TextColumn::new(one_line(&table.row_settings[index]), lines, 0)
}

fn number_column(table: &Table, leaf: Leaf) -> TextColumn {
    let texts: Vec<(String, String)> = table.rows.iter().map(|row| number_and_remark(row, leaf)).collect();
    let before_point = texts.iter().map(|(value, _)| whole_digits(value)).max().unwrap_or(0);
    let line = |(value, remark): &(String, String)| {
        let shift = if value.is_empty() { 0 } else { before_point - whole_digits(value) };
        join_words([&format!("{:shift$}{value}", ""), remark])
    };
    let group_headings =
        (0..table.column_settings.len()).map(|level| group_heading(table, leaf.group, level));
    let least = group_headings.map(|heading| heading.chars().count()).max().unwrap_or(0);
    let heading = leaf_heading(table, leaf);
    TextColumn::new(heading, texts.iter().map(line).collect(), least)
}

/// Returns the number with its mark, and what is said beside it.
fn number_and_remark(row: &Row, leaf: Leaf) -> (String, String) {
    let Some(text) = entry_text(row, leaf) else { return Default::default() };
    let mark = match text.mark {
        Mark::Plain => "",
        Mark::Best => "*",
        Mark::Tied => "~",
    };
    (format!("{}{mark}", text.value), text.remark)
}

/// Returns how many characters stand before the decimal point, by which numbers are aligned.
fn whole_digits(value: &str) -> usize {
    value.find(|c: char| !matches!(c, '-' | '+') && !c.is_ascii_digit()).unwrap_or(value.len())
}

/// Splits the columns of numbers so that each block fits the width with the labels, at least one column a block.
fn blocks<'a>(
    labels: &[TextColumn],
    numbers: &'a [(Leaf, TextColumn)],
    width: usize,
) -> Vec<&'a [(Leaf, TextColumn)]> {
    let labels_width: usize = labels.iter().map(|column| column.width + GAP.len()).sum();
    let mut blocks = Vec::new();
    let (mut start, mut used) = (0, labels_width);
    for (index, (_, column)) in numbers.iter().enumerate() {
        if index > start && used + column.width > width {
            blocks.push(&numbers[start..index]);
            (start, used) = (index, labels_width);
        }
        used += column.width + GAP.len();
    }
    blocks.push(&numbers[start..]);
    blocks
}

fn write_block(table: &Table, labels: &[TextColumn], numbers: &[(Leaf, TextColumn)]) -> String {
    let columns: Vec<&TextColumn> = labels.iter().chain(numbers.iter().map(|(_, column)| column)).collect();
    let mut out = String::new();
    for level in 0..table.column_settings.len() {
        let headings = (0..numbers.len()).map(|index| block_heading(table, numbers, index, level));
        let blanks = labels.iter().map(|_| String::new());
        write_line(&mut out, &columns, blanks.chain(headings));
    }
    write_lines(&mut out, &columns);
    out
}

/// Writes the headings, a rule, and every line.
fn write_lines(out: &mut String, columns: &[&TextColumn]) {
    write_line(out, columns, columns.iter().map(|column| column.heading.clone()));
    write_line(out, columns, columns.iter().map(|column| "─".repeat(column.width)));
    let lines = columns.iter().map(|column| column.lines.len()).max().unwrap_or(0);
    for line in 0..lines {
        write_line(out, columns, columns.iter().map(|column| column.lines[line].clone()));
    }
}

/// Returns the heading of a group above its first column in the block, and nothing above the others.
fn block_heading(table: &Table, numbers: &[(Leaf, TextColumn)], index: usize, level: usize) -> String {
    let group = numbers[index].0.group;
    let goes_on = index > 0 && share_heading(table, numbers[index - 1].0.group, group, level);
    if goes_on { String::new() } else { group_heading(table, group, level) }
}

fn write_line(out: &mut String, columns: &[&TextColumn], texts: impl Iterator<Item = String>) {
    let mut line = String::new();
    for (index, (column, text)) in columns.iter().zip(texts).enumerate() {
        if index > 0 {
            line.push_str(GAP);
        }
        push_padded(&mut line, &text, column.width);
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// Breaks a sentence at spaces into lines of at most `width` characters where its words allow, the later ones indented.
fn wrap(text: &str, width: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push_str("\n  ");
            used = 2;
        } else if used > 0 {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += length;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::fixture;

    #[test]
    fn one_block_without_a_width() {
        insta::assert_snapshot!(render(&fixture::narrow_table(), None), @r"
                                                      activation relu                                            activation tanh
        regularizer  coefficient  hidden  batch_size  test_accuracy                     epochs                   test_accuracy              epochs
        ───────────  ───────────  ──────  ──────────  ────────────────────────────────  ───────────────────────  ─────────────────────────  ───────────────────────
        none         –            8       128         0.9806 ±0.0014~                   30.0 ±2.5                0.9763 (1/3, 1 failed, …)  41.0 (1/3, 1 failed, …)
        l1           0.001        8-4     128         0.9807 ±0.0008*                   52.3 ±6.3                …                          …
        l1           0.1          8-4     128         0.1135 ±0.0000                     9.0 ±0.0                failed                     failed
        l1           1            8-4     128         0.9821 ±0.0013 (2/3, 1 diverged)   9.7 ±14.6 (1 diverged)

        *: the best mean of its metric among the cells with the most replicates
        ~: cannot be told from the best, the 95 % interval of the paired difference contains 0
        mean ± half-width of the 95 % Student-t interval over 3 replicates
        cells with fewer than two replicates in common with the best are not judged
        (2/3): the mean is over those 2 of 3 planned replicates that have a value
        diverged: a loss or a weight became not finite; such a replicate has no value for what needs final weights, and its cell is not compared there
        failed: no result by the machine's doing (failed, cancelled or quarantined)
        …: not finished yet
        ");
    }

    #[test]
    fn a_narrow_terminal_gets_blocks_with_the_labels_again() {
        insta::assert_snapshot!(render(&fixture::table(), Some(140)), @r"
        Regularization & structure | 95% draft

                                                      activation relu
        regularizer  coefficient  hidden  batch_size  test_accuracy                     epochs                   sparsity 1
        ───────────  ───────────  ──────  ──────────  ────────────────────────────────  ───────────────────────  ──────────────────────────────
        none         –            8       128         0.9806 ±0.0014~                   30.0 ±2.5                0.000 ±0.000
        l1           0.001        8-4     128         0.9807 ±0.0008*                   52.3 ±6.3                0.920 ±0.025
        l1           0.1          8-4     128         0.1135 ±0.0000                     9.0 ±0.0                1.000 ±0.000
        l1           1            8-4     128         0.9821 ±0.0013 (2/3, 1 diverged)   9.7 ±14.6 (1 diverged)  0.500 ±0.000 (2/3, 1 diverged)

                                                      activation relu                                                 activation tanh
        regularizer  coefficient  hidden  batch_size  sparsity 2                      sparsity 3                      test_accuracy
        ───────────  ───────────  ──────  ──────────  ──────────────────────────────  ──────────────────────────────  ─────────────────────────
        none         –            8       128         0.000 ±0.000                                                    0.9763 (1/3, 1 failed, …)
        l1           0.001        8-4     128         0.400 ±0.025                    0.053 ±0.014                    …
        l1           0.1          8-4     128         1.000 ±0.000                    1.000 ±0.000                    failed
        l1           1            8-4     128         0.500 ±0.000 (2/3, 1 diverged)  0.500 ±0.000 (2/3, 1 diverged)

                                                      activation tanh
        regularizer  coefficient  hidden  batch_size  epochs                   sparsity 1                sparsity 2                sparsity 3
        ───────────  ───────────  ──────  ──────────  ───────────────────────  ────────────────────────  ────────────────────────  ───────────────
        none         –            8       128         41.0 (1/3, 1 failed, …)  0.000 (1/3, 1 failed, …)  0.000 (1/3, 1 failed, …)
        l1           0.001        8-4     128         …                        …                         …                         …
        l1           0.1          8-4     128         failed                   failed                    failed                    failed
        l1           1            8-4     128

        *: the best mean of its metric among the cells with the most replicates
        ~: cannot be told from the best, the 95 % interval of the paired difference contains 0
        mean ± half-width of the 95 % Student-t interval over 3 replicates
        cells with fewer than two replicates in common with the best are not judged
        (2/3): the mean is over those 2 of 3 planned replicates that have a value
        diverged: a loss or a weight became not finite; such a replicate has no value for what needs final weights, and its cell is not compared
          there
        failed: no result by the machine's doing (failed, cancelled or quarantined)
        …: not finished yet
        ");
    }

    #[test]
    fn no_width_cuts_a_word_of_the_table() {
        let table = fixture::table();
        let words = |text: &str| -> std::collections::BTreeSet<String> {
            text.split_whitespace().filter(|word| !word.starts_with('─')).map(str::to_owned).collect()
        };
        let all = words(&render(&table, None));
        for width in [0, 1, 20, 60, 80, 120, 200] {
            let text = render(&table, Some(width));
            assert_eq!(words(&text), all, "at width {width}");
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(width < 80 || longest <= width, "{longest} characters at width {width}");
        }
    }
}
