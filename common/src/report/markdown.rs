//! For documents: a pipe table as GitHub reads it (GitHub Flavored Markdown Spec, 4.10), aligned in its source too.

use super::{Format, Leaf, effect_lines, entry_text, group_heading, join_words, leaf_heading, leaves};
use super::{one_line, push_padded};
use crate::table::{Effects, Mark, Row, Table};

/// A pipe table with its notes as a list below.
pub(super) struct Markdown;

impl Format for Markdown {
    fn name(&self) -> &'static str {
        "md"
    }

    fn extension(&self) -> &'static str {
        "md"
    }

    fn render(&self, table: &Table) -> String {
        document(table.title.as_deref(), pipe_table(table), &table.legend("bold", "italic"))
    }

    fn render_effects(&self, effects: &Effects) -> String {
        let escaped = |line: Vec<String>| line.iter().map(|field| escape(field)).collect();
        let lines = effect_lines(effects).into_iter().map(escaped).collect();
        document(effects.title.as_deref(), aligned(lines, 1), &effects.notes)
    }
}

/// Puts a title above a table and a list below.
fn document(title: Option<&str>, table: String, legend: &[String]) -> String {
    let mut parts = Vec::new();
    parts.extend(title.map(|title| format!("**{}**\n", escape(title))));
    parts.push(table);
    parts.push(legend.iter().map(|line| format!("- {}\n", escape(line))).collect());
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn pipe_table(table: &Table) -> String {
    let leaves = leaves(table);
    let labels = table.row_settings.len();
    let settings = table.row_settings.iter().map(|setting| escape(setting));
    let mut lines: Vec<Vec<String>> =
        vec![settings.chain(leaves.iter().map(|leaf| heading(table, *leaf))).collect()];
    lines.extend(table.rows.iter().map(|row| {
        let labels = row.labels.iter().map(|label| escape(&label.to_string()));
        labels.chain(leaves.iter().map(|leaf| entry(row, *leaf))).collect()
    }));
    aligned(lines, labels)
}

/// Writes a heading line and lines of as many fields, the first `labels` of which are aligned to the left.
fn aligned(mut lines: Vec<Vec<String>>, labels: usize) -> String {
    let Some(columns) = lines.first().map(Vec::len) else { return String::new() };
    let width =
        |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0).max(3);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let rule = |column: usize| {
        let dashes = "-".repeat(widths[column] - 1);
        if column < labels { format!(":{dashes}") } else { format!("{dashes}:") }
    };
    lines.insert(1, (0..columns).map(rule).collect());
    lines.iter().map(|line| write_line(line, &widths, labels)).collect()
}

/// Pipe tables have one line of headings: the group's stands before the quantity's.
fn heading(table: &Table, leaf: Leaf) -> String {
    let quantity = leaf_heading(table, leaf);
    let levels = 0..table.column_settings.len();
    let group: Vec<String> = levels.map(|level| group_heading(table, leaf.group, level)).collect();
    escape(&if group.is_empty() { quantity } else { format!("{}: {quantity}", group.join(", ")) })
}

fn entry(row: &Row, leaf: Leaf) -> String {
    let Some(text) = entry_text(row, leaf) else { return String::new() };
    let value = escape(&text.value);
    let value = match text.mark {
        Mark::Plain => value,
        Mark::Best => format!("**{value}**"),
        Mark::Tied => format!("_{value}_"),
    };
    join_words([&value, &escape(&text.remark)])
}

fn write_line(line: &[String], widths: &[usize], labels: usize) -> String {
    let mut out = String::new();
    for (column, (text, width)) in line.iter().zip(widths).enumerate() {
        out.push_str(if column == 0 { "| " } else { " | " });
        let padding = width.saturating_sub(text.chars().count());
        if column < labels {
            push_padded(&mut out, text, *width);
        } else {
            out.extend(std::iter::repeat_n(' ', padding));
            out.push_str(text);
        }
    }
    out.push_str(" |\n");
    out
}

/// Keeps what Markdown would read as its own. An underscore within a word, as in most names of settings, stays.
fn escape(text: &str) -> String {
    let text = one_line(text);
    let mut out = String::new();
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let within_word = before.is_alphanumeric() && rest.peek().is_some_and(|next| next.is_alphanumeric());
        if matches!(c, '|' | '\\' | '*' | '`' | '<' | '[' | ']' | '~' | '&' | '$')
            || (c == '_' && !within_word)
        {
            out.push('\\');
        }
        out.push(c);
        before = c;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::fixture;

    #[test]
    fn a_pipe_table() {
        insta::assert_snapshot!(Markdown.render(&fixture::table()), @r"
        **Regularization \& structure \| 95% draft**

        | regularizer | coefficient | hidden | batch_size |   activation relu: test_accuracy | activation relu: epochs |    activation relu: sparsity 1 |    activation relu: sparsity 2 |    activation relu: sparsity 3 | activation tanh: test_accuracy | activation tanh: epochs | activation tanh: sparsity 1 | activation tanh: sparsity 2 | activation tanh: sparsity 3 |
        | :---------- | :---------- | :----- | :--------- | -------------------------------: | ----------------------: | -----------------------------: | -----------------------------: | -----------------------------: | -----------------------------: | ----------------------: | --------------------------: | --------------------------: | --------------------------: |
        | none        | –           | 8      | 128        |                 _0.9806 ±0.0014_ |               30.0 ±2.5 |                   0.000 ±0.000 |                   0.000 ±0.000 |                                |      0.9763 (1/3, 1 failed, …) | 41.0 (1/3, 1 failed, …) |    0.000 (1/3, 1 failed, …) |    0.000 (1/3, 1 failed, …) |                             |
        | l1          | 0.001       | 8-4    | 128        |               **0.9807 ±0.0008** |               52.3 ±6.3 |                   0.920 ±0.025 |                   0.400 ±0.025 |                   0.053 ±0.014 |                              … |                       … |                           … |                           … |                           … |
        | l1          | 0.1         | 8-4    | 128        |                   0.1135 ±0.0000 |                9.0 ±0.0 |                   1.000 ±0.000 |                   1.000 ±0.000 |                   1.000 ±0.000 |                         failed |                  failed |                      failed |                      failed |                      failed |
        | l1          | 1           | 8-4    | 128        | 0.9821 ±0.0013 (2/3, 1 diverged) |  9.7 ±14.6 (1 diverged) | 0.500 ±0.000 (2/3, 1 diverged) | 0.500 ±0.000 (2/3, 1 diverged) | 0.500 ±0.000 (2/3, 1 diverged) |                                |                         |                             |                             |                             |

        - bold: the best mean of its metric among the cells with the most replicates
        - italic: cannot be told from the best, the 95 % interval of the paired difference contains 0
        - mean ± half-width of the 95 % Student-t interval over 3 replicates
        - cells with fewer than two replicates in common with the best are not judged
        - (2/3): the mean is over those 2 of 3 planned replicates that have a value
        - diverged: a loss or a weight became not finite; such a replicate has no value for what needs final weights, and its cell is not compared there
        - failed: no result by the machine's doing (failed, cancelled or quarantined)
        - …: not finished yet
        ");
    }

    #[test]
    fn markup_in_labels_is_text() {
        assert_eq!(escape("a|b *c* _d_ e_f <g> \\"), r"a\|b \*c\* \_d\_ e_f \<g> \\");
    }
}
