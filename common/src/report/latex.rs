//! For papers: a `table` in the style of the booktabs package, which the document must load.

use super::{Format, Leaf, effect_lines, entry_text, group_heading, join_words, leaf_heading, leaves};
use super::{one_line, share_heading};
use crate::table::{Effects, Mark, Row, Table};

/// A booktabs table.
pub(super) struct Latex;

impl Format for Latex {
    fn name(&self) -> &'static str {
        "latex"
    }

    fn extension(&self) -> &'static str {
        "tex"
    }

    fn render(&self, table: &Table) -> String {
        float(table.title.as_deref(), &tabular(table), &table.legend("bold", "italic"))
    }

    fn render_effects(&self, effects: &Effects) -> String {
        let lines = effect_lines(effects);
        let columns = effects.quantities.len() + 1;
        let mut body = String::new();
        for (index, fields) in lines.iter().enumerate() {
            body.push_str(&line(fields.iter().map(|field| escape(field))));
            body.push_str(if index == 0 { "\\midrule\n" } else { "" });
        }
        if !body.is_empty() {
            body = framed(&format!("l{}", "r".repeat(columns)), &body);
        }
        float(effects.title.as_deref(), &body, &effects.notes)
    }
}

/// Wraps a tabular and what is said below it.
fn float(title: Option<&str>, tabular: &str, legend: &[String]) -> String {
    let mut out = String::from("% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n");
    if let Some(title) = title {
        out.push_str(&format!("\\caption{{{}}}\n", escape(title)));
    }
    out.push_str(tabular);
    if !legend.is_empty() {
        let lines: Vec<String> = legend.iter().map(|line| escape(line)).collect();
        out.push_str(&format!("\n\\smallskip\n{{\\footnotesize {}.\\par}}\n", lines.join(";\n")));
    }
    out.push_str("\\end{table}\n");
    out
}

fn framed(columns: &str, body: &str) -> String {
    format!("\\begin{{tabular}}{{{columns}}}\n\\toprule\n{body}\\bottomrule\n\\end{{tabular}}\n")
}

fn tabular(table: &Table) -> String {
    let leaves = leaves(table);
    let labels = table.row_settings.len();
    let mut out = String::new();
    for level in 0..table.column_settings.len() {
        out.push_str(&group_line(table, &leaves, level));
    }
    let settings = table.row_settings.iter().map(|setting| escape(setting));
    let quantities = leaves.iter().map(|leaf| escape(&leaf_heading(table, *leaf)));
    out.push_str(&line(settings.chain(quantities)));
    out.push_str("\\midrule\n");
    for row in &table.rows {
        let labels = row.labels.iter().map(|label| escape(&label.to_string()));
        out.push_str(&line(labels.chain(leaves.iter().map(|leaf| entry(row, *leaf)))));
    }
    framed(&format!("{}{}", "l".repeat(labels), "r".repeat(leaves.len())), &out)
}

/// Writes the headings that span groups of columns, and a rule under each.
fn group_line(table: &Table, leaves: &[Leaf], level: usize) -> String {
    let labels = table.row_settings.len();
    let mut fields = vec![String::new(); labels];
    let mut rules = String::new();
    let mut first = labels + 1;
    for span in leaves.chunk_by(|a, b| share_heading(table, a.group, b.group, level)) {
        let heading = escape(&group_heading(table, span[0].group, level));
        fields.push(format!("\\multicolumn{{{}}}{{c}}{{{heading}}}", span.len()));
        rules.push_str(&format!("\\cmidrule(lr){{{first}-{}}}", first + span.len() - 1));
        first += span.len();
    }
    format!("{}{rules}\n", line(fields.into_iter()))
}

fn line(fields: impl Iterator<Item = String>) -> String {
    format!("{} \\\\\n", fields.collect::<Vec<_>>().join(" & "))
}

fn entry(row: &Row, leaf: Leaf) -> String {
    let Some(text) = entry_text(row, leaf) else { return String::new() };
    let value = escape(&text.value);
    let value = match text.mark {
        Mark::Plain => value,
        Mark::Best => format!("\\textbf{{{value}}}"),
        Mark::Tied => format!("\\textit{{{value}}}"),
    };
    join_words([&value, &escape(&text.remark)])
}

/// Writes text so that LaTeX prints it, also with the fonts and inputs of a plain `article`.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in one_line(text).chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            // A line break in a table takes a bracket or a star that follows as its own.
            '[' | ']' | '*' => out.extend(['{', c, '}']),
            '<' => out.push_str("$<$"),
            '>' => out.push_str("$>$"),
            '|' => out.push_str("$|$"),
            '±' => out.push_str("$\\pm$"),
            'Δ' => out.push_str("$\\Delta$"),
            '×' => out.push_str("$\\times$"),
            '−' => out.push_str("$-$"),
            '–' => out.push_str("--"),
            '…' => out.push_str("\\dots{}"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::fixture;

    #[test]
    fn a_booktabs_table() {
        insta::assert_snapshot!(Latex.render(&fixture::table()), @r"
        % needs \usepackage{booktabs}
        \begin{table}
        \centering
        \caption{Regularization \& structure $|$ 95\% draft}
        \begin{tabular}{llllrrrrrrrrrr}
        \toprule
         &  &  &  & \multicolumn{5}{c}{activation relu} & \multicolumn{5}{c}{activation tanh} \\
        \cmidrule(lr){5-9}\cmidrule(lr){10-14}
        regularizer & coefficient & hidden & batch\_size & test\_accuracy & epochs & sparsity 1 & sparsity 2 & sparsity 3 & test\_accuracy & epochs & sparsity 1 & sparsity 2 & sparsity 3 \\
        \midrule
        none & -- & 8 & 128 & \textit{0.9806 $\pm$0.0014} & 30.0 $\pm$2.5 & 0.000 $\pm$0.000 & 0.000 $\pm$0.000 &  & 0.9763 (1/3, 1 failed, \dots{}) & 41.0 (1/3, 1 failed, \dots{}) & 0.000 (1/3, 1 failed, \dots{}) & 0.000 (1/3, 1 failed, \dots{}) &  \\
        l1 & 0.001 & 8-4 & 128 & \textbf{0.9807 $\pm$0.0008} & 52.3 $\pm$6.3 & 0.920 $\pm$0.025 & 0.400 $\pm$0.025 & 0.053 $\pm$0.014 & \dots{} & \dots{} & \dots{} & \dots{} & \dots{} \\
        l1 & 0.1 & 8-4 & 128 & 0.1135 $\pm$0.0000 & 9.0 $\pm$0.0 & 1.000 $\pm$0.000 & 1.000 $\pm$0.000 & 1.000 $\pm$0.000 & failed & failed & failed & failed & failed \\
        l1 & 1 & 8-4 & 128 & 0.9821 $\pm$0.0013 (2/3, 1 diverged) & 9.7 $\pm$14.6 (1 diverged) & 0.500 $\pm$0.000 (2/3, 1 diverged) & 0.500 $\pm$0.000 (2/3, 1 diverged) & 0.500 $\pm$0.000 (2/3, 1 diverged) &  &  &  &  &  \\
        \bottomrule
        \end{tabular}

        \smallskip
        {\footnotesize bold: the best mean of its metric among the cells with the most replicates;
        italic: cannot be told from the best, the 95 \% interval of the paired difference contains 0;
        mean $\pm$ half-width of the 95 \% Student-t interval over 3 replicates;
        cells with fewer than two replicates in common with the best are not judged;
        (2/3): the mean is over those 2 of 3 planned replicates that have a value;
        diverged: a loss or a weight became not finite; such a replicate has no value for what needs final weights, and its cell is not compared there;
        failed: no result by the machine's doing (failed, cancelled or quarantined);
        \dots{}: not finished yet.\par}
        \end{table}
        ");
    }

    #[test]
    fn every_special_character_is_escaped() {
        assert_eq!(
            escape(r"a_b & 5% $x$ #1 {y} \z ~ ^ < [*]"),
            r"a\_b \& 5\% \$x\$ \#1 \{y\} \textbackslash{}z \textasciitilde{} \textasciicircum{} $<$ {[}{*}{]}"
        );
    }
}
