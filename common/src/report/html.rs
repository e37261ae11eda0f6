//! For web pages: a `<table>` in a `<figure>`, without styles of its own. Classes and attributes are what a page styles and
//! sorts by:
//!
//! * `figure.sweep-table`, or `figure.sweep-effects` for the shares of variance; below the table `ul.notes`
//! * `td.best`, `td.tied`: how a cell stands against the best one
//! * `td.incomplete`: replicates are missing, named in `span.remark`; with `td.diverged`, `td.failed`, `td.pending` or
//!   `td.undefined` by why. `td.excluded`: the study has no such cell; `td.absent`: the net has no such matrix;
//!   `td.baseline`: what the others are compared with
//! * `data-sort`: the number in full, or the text, by which a column is sorted; absent where there is nothing

use super::share_heading;
use super::{Format, Leaf, Part, effect_lines, entry_text, group_heading, leaf_heading, leaves, one_line};
use crate::choice::{Number, Value};
use crate::table::{Against, Cell, Effects, Label, Mark, Measurement, Row, Table};

/// A table for a page.
pub(super) struct Html;

impl Format for Html {
    fn name(&self) -> &'static str {
        "html"
    }

    fn extension(&self) -> &'static str {
        "html"
    }

    fn render(&self, table: &Table) -> String {
        let leaves = leaves(table);
        let mut out = head(table, &leaves);
        out.push_str("<tbody>\n");
        for row in &table.rows {
            out.push_str("<tr>");
            row.labels.iter().for_each(|label| out.push_str(&label_cell(label)));
            leaves.iter().for_each(|leaf| out.push_str(&number_cell(row, *leaf)));
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n");
        figure("sweep-table", table.title.as_deref(), &out, &table.legend("bold", "italic"))
    }

    fn render_effects(&self, effects: &Effects) -> String {
        let mut out = String::new();
        for (index, line) in effect_lines(effects).iter().enumerate() {
            out.push_str(if index == 0 { "<thead>\n<tr>" } else { "<tr>" });
            for (column, text) in line.iter().enumerate() {
                let text = escape(text);
                out.push_str(&match (index, column) {
                    (0, _) => format!("<th scope=\"col\">{text}</th>"),
                    (_, 0) => format!("<th scope=\"row\" data-sort=\"{text}\">{text}</th>"),
                    _ if text.is_empty() => "<td class=\"absent\"></td>".to_owned(),
                    _ => format!("<td data-sort=\"{text}\">{text}</td>"),
                });
            }
            out.push_str(if index == 0 { "</tr>\n</thead>\n<tbody>\n" } else { "</tr>\n" });
        }
        if !out.is_empty() {
            out.push_str("</tbody>\n");
        }
        figure("sweep-effects", effects.title.as_deref(), &out, &effects.notes)
    }
}

/// Wraps the parts of a table and what is said below it.
fn figure(class: &str, title: Option<&str>, parts: &str, legend: &[String]) -> String {
    let mut out = format!("<figure class=\"{class}\">\n");
    let caption = title.map_or(String::new(), |title| format!("<caption>{}</caption>\n", escape(title)));
    if parts.is_empty() {
        out.push_str(&title.map_or(String::new(), |title| format!("<p>{}</p>\n", escape(title))));
    } else {
        out.push_str(&format!("<table>\n{caption}{parts}</table>\n"));
    }
    if !legend.is_empty() {
        let lines: String = legend.iter().map(|line| format!("<li>{}</li>\n", escape(line))).collect();
        out.push_str(&format!("<ul class=\"notes\">\n{lines}</ul>\n"));
    }
    out.push_str("</figure>\n");
    out
}

/// Writes the headings: one line a column setting, whose groups span their columns, and one for the quantities.
fn head(table: &Table, leaves: &[Leaf]) -> String {
    let levels = table.column_settings.len();
    let mut out = String::from("<thead>\n");
    for level in 0..levels {
        out.push_str("<tr>");
        if level == 0 {
            out.push_str(&label_headings(table, levels + 1));
        }
        for span in leaves.chunk_by(|a, b| share_heading(table, a.group, b.group, level)) {
            let heading = heading(&group_heading(table, span[0].group, level));
            out.push_str(&format!("<th scope=\"colgroup\" colspan=\"{}\">{heading}</th>", span.len()));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("<tr>");
    if levels == 0 {
        out.push_str(&label_headings(table, 1));
    }
    for leaf in leaves {
        out.push_str(&format!("<th scope=\"col\">{}</th>", heading(&leaf_heading(table, *leaf))));
    }
    out.push_str("</tr>\n</thead>\n");
    out
}

fn label_headings(table: &Table, lines: usize) -> String {
    let span = if lines > 1 { format!(" rowspan=\"{lines}\"") } else { String::new() };
    let one = |setting: &String| format!("<th scope=\"col\"{span}>{}</th>", heading(setting));
    table.row_settings.iter().map(one).collect()
}

/// Writes a heading that may be broken behind its underscores where there is little room: on paper.
fn heading(text: &str) -> String {
    escape(text).replace('_', "_<wbr>")
}

fn label_cell(label: &Label) -> String {
    let text = escape(&label.to_string());
    let sort = match label {
        Label::Absent => String::new(),
        Label::Value(Value::Number(number)) => format!(" data-sort=\"{number}\""),
        Label::Value(_) | Label::Table(_) => format!(" data-sort=\"{text}\""),
    };
    format!("<th scope=\"row\"{sort}>{text}</th>")
}

fn number_cell(row: &Row, leaf: Leaf) -> String {
    let Some(cell) = &row.cells[leaf.group] else { return "<td class=\"excluded\"></td>".to_owned() };
    let Some(measurement) = cell.entries[leaf.quantity].measured() else {
        return "<td class=\"absent\"></td>".to_owned();
    };
    let text = entry_text(row, leaf).unwrap_or_default();
    let classes = classes(cell, measurement, leaf.part);
    let class = if classes.is_empty() { String::new() } else { format!(" class=\"{}\"", classes.join(" ")) };
    let sort = sorted_by(measurement, leaf.part).and_then(Number::new);
    let sort = sort.map_or(String::new(), |number| format!(" data-sort=\"{number}\""));
    let mut parts = Vec::new();
    if !text.value.is_empty() {
        parts.push(escape(&text.value));
    }
    if !text.remark.is_empty() {
        parts.push(format!("<span class=\"remark\">{}</span>", escape(&text.remark)));
    }
    format!("<td{class}{sort}>{}</td>", parts.join(" "))
}

fn classes(cell: &Cell, measurement: &Measurement, part: Part) -> Vec<&'static str> {
    if part != Part::Value {
        return if measurement.against == Against::Itself { vec!["baseline"] } else { Vec::new() };
    }
    let counts = cell.counts;
    let is_incomplete = measurement.summary.map_or(0, |summary| summary.n) < counts.planned;
    let states = [
        (measurement.mark == Mark::Best, "best"),
        (measurement.mark == Mark::Tied, "tied"),
        (is_incomplete, "incomplete"),
        (counts.diverged > 0, "diverged"),
        (counts.failed > 0, "failed"),
        (counts.pending > 0, "pending"),
        (measurement.undefined > 0, "undefined"),
    ];
    states.into_iter().filter(|(holds, _)| *holds).map(|(_, class)| class).collect()
}

fn sorted_by(measurement: &Measurement, part: Part) -> Option<f64> {
    match (part, measurement.against) {
        (Part::Value, _) => measurement.summary.map(|summary| summary.mean),
        (Part::Difference, Against::Pairs(difference)) => Some(difference.summary.mean),
        (Part::Won, Against::Pairs(difference)) => difference.won.map(|won| won.share),
        (Part::Difference | Part::Won, Against::Nothing | Against::Itself) => None,
    }
}

/// Writes text so that a page shows it, in an element and in a quoted attribute.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{build, fixture};

    #[test]
    fn text_from_a_sweep_file_is_never_markup() {
        let mut cells = fixture::cells();
        cells[0].choices.insert("regularizer", "<script>\"'&".into());
        let mut table = build(&fixture::spec(), &cells);
        table.title = Some("</caption><b>".to_owned());
        let html = Html.render(&table);
        assert!(html.contains("&lt;script&gt;&quot;&#39;&amp;"), "{html}");
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
    }

    #[test]
    fn every_state_has_its_class_and_a_number_to_sort_by() {
        let html = Html.render(&fixture::table());
        for class in
            ["best", "tied", "incomplete failed pending", "incomplete diverged", "excluded", "absent"]
        {
            assert!(html.contains(&format!("<td class=\"{class}\"")), "{class}: {html}");
        }
        assert!(html.contains("data-sort=\"0.9807333333333333\">0.9807 ±0.0008</td>"), "{html}");
        assert!(html.contains("<th scope=\"row\" data-sort=\"0.001\">0.001</th>"), "{html}");
    }

    #[test]
    fn every_row_has_as_many_cells_as_the_heading_has_columns() {
        let html = Html.render(&fixture::table());
        let cells = |line: &str| line.matches("<td").count() + line.matches("<th ").count();
        let rows: Vec<usize> =
            html.lines().filter(|line| line.contains("scope=\"row\"")).map(cells).collect();
        assert_eq!(rows, [14; 4]);
        assert!(html.contains("rowspan=\"2\"") && html.contains("colspan=\"5\""));
    }
}
