//! The table of printed numbers beside ours, as files.

use super::text::line;
use super::{Files, Published};
use gridsweep_common::findings::Row;
use serde_json::json;

/// The heads of its columns.
pub(super) const HEADS: [&str; 6] = ["cell", "metric", "printed", "found here", "replicates", "beside"];

/// Returns what a row says in each column.
pub(super) fn texts(row: &Row) -> [String; 6] {
    let (n, planned) = row.replicates;
    [
        row.cell.clone(),
        row.quantity.heading(),
        row.printed.clone(),
        if row.ours.is_empty() { "…".to_owned() } else { row.ours.clone() },
        format!("{n}/{planned}"),
        row.beside.text().to_owned(),
    ]
}

/// Returns the files of the table.
pub(super) fn files(published: &Published) -> Files {
    let rows: Vec<_> = published.rows.iter().map(texts).collect();
    let forms = [
        ("csv", csv(&rows)),
        ("md", markdown(published)),
        ("tex", latex(published)),
        ("json", json(published)),
    ];
    forms
        .into_iter()
        .map(|(ending, text)| (format!("tables/published.{ending}"), text.into_bytes()))
        .collect()
}

fn csv(rows: &[[String; 6]]) -> String {
    let field = |text: &String| match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.clone(),
    };
    let line = |row: &[String; 6]| row.each_ref().map(field).join(",") + "\n";
    line(&HEADS.map(str::to_owned)) + &rows.iter().map(line).collect::<String>()
}

/// Writes the table and its notes as Markdown.
pub(super) fn markdown(published: &Published) -> String {
    let row = |cells: &[String; 6]| {
        format!("| {} |\n", cells.each_ref().map(|text| line(text).replace('|', "\\|")).join(" | "))
    };
    let rule = "|---|---|---|---|---|---|\n";
    let rows: String = published.rows.iter().map(|of| row(&texts(of))).collect();
    let notes: String = published.notes.iter().map(|note| format!("- {}\n", line(note))).collect();
    row(&HEADS.map(str::to_owned)) + rule + &rows + "\n" + &notes
}

fn latex(published: &Published) -> String {
    let row =
        |cells: &[String; 6]| format!("{} \\\\\n", cells.each_ref().map(|text| escaped(text)).join(" & "));
    let heads = row(&HEADS.map(str::to_owned));
    let rows: String = published.rows.iter().map(|of| row(&texts(of))).collect();
    let notes: Vec<String> = published.notes.iter().map(|note| escaped(note)).collect();
    format!(
        "% \\usepackage{{booktabs,longtable}}\n\\begin{{longtable}}{{llrrll}}\n\\toprule\n{heads}\\midrule\n{rows}\\bottomrule\n\\end{{longtable}}\n\
         {{\\footnotesize {}.\\par}}\n",
        notes.join(";\n")
    )
}

fn escaped(text: &str) -> String {
    let one = |c: char| match c {
        '\\' => "\\textbackslash{}".to_owned(),
        '~' => "\\textasciitilde{}".to_owned(),
        '^' => "\\textasciicircum{}".to_owned(),
        '&' | '%' | '$' | '#' | '_' | '{' | '}' => format!("\\{c}"),
        '±' => "$\\pm$".to_owned(),
        '<' => "$<$".to_owned(),
        '…' => "\\dots{}".to_owned(),
        c if c.is_control() => " ".to_owned(),
        c => c.to_string(),
    };
    text.chars().map(one).collect()
}

fn json(published: &Published) -> String {
    let row = |row: &Row| {
        json!({
            "cell": row.cell, "metric": row.quantity.name(), "printed": row.printed, "mean": row.mean,
            "half_width": row.half_width, "replicates": row.replicates.0, "planned": row.replicates.1, "beside": row.beside.text(),
        })
    };
    let rows: Vec<_> = published.rows.iter().map(row).collect();
    format!(
        "{:#}\n",
        json!({ "schema": 1, "source": published.source, "numbers": rows, "notes": published.notes })
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridsweep_common::findings::Beside;
    use gridsweep_common::metric::Metric;
    use gridsweep_common::table::Quantity;

    fn published() -> Published {
        let row = Row {
            study: 0,
            cell: "L1 & \"L2\", coefficient=0.1".to_owned(),
            quantity: Quantity::Metric(Metric::TestAccuracy),
            printed: "0.9800".to_owned(),
            ours: "0.9810 ±0.0005".to_owned(),
            mean: Some(0.981),
            half_width: Some(0.0005),
            replicates: (2, 3),
            beside: Beside::Agrees,
        };
        Published {
            source: "s".to_owned(),
            claims: vec![],
            rows: vec![row],
            notes: vec!["it's 5 % <b>".to_owned()],
            fits: vec![],
        }
    }

    #[test]
    fn what_stands_in_a_cell_cannot_break_out_of_it() {
        let files = files(&published());
        let text =
            |ending: &str| String::from_utf8(files[&format!("tables/published.{ending}")].clone()).unwrap();
        assert!(text("csv").contains(
            "\"L1 & \"\"L2\"\", coefficient=0.1\",test_accuracy,0.9800,0.9810 ±0.0005,2/3,agrees\n"
        ));
        assert!(
            text("tex")
                .contains("L1 \\& \"L2\", coefficient=0.1 & test\\_accuracy & 0.9800 & 0.9810 $\\pm$0.0005")
        );
        assert!(text("md").contains("| test_accuracy | 0.9800 |"));
        assert!(text("md").ends_with("\n- it's 5 % \\<b>\n") && text("tex").contains("it's 5 \\% $<$b>."));
        let json: serde_json::Value = serde_json::from_str(&text("json")).unwrap();
        assert_eq!(json["numbers"][0]["mean"], 0.981);
        assert_eq!(
            (&json["numbers"][0]["half_width"], &json["notes"][0]),
            (&json!(0.0005), &json!("it's 5 % <b>"))
        );
    }
}
