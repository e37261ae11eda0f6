//! For spreadsheets and scripts: one line a cell, numbers in full.
//!
//! Columns: the row settings, the column settings, `n_done` (succeeded or diverged), `n_planned`, `n_diverged`,
//! `n_failed`, and for each quantity `…_mean`, `…_half_width` (of the 95 % interval) and `…_n`, the number of replicates
//! that the mean is over: compare it with `n_planned` before using the mean. With a baseline each quantity also has
//! `…_difference` and `…_difference_half_width` (of the mean of the paired differences to it), `…_pairs`, their number, and,
//! where one direction is better, `…_won` (the share of the pairs that the cell wins), `…_won_lower` and `…_won_upper`; all
//! empty in a baseline itself and where there is none. A number is the shortest text that reads
//! back as the same `f64`; what does not exist is empty. Fields are quoted as RFC 4180 says; lines end in a line feed
//! alone, as everything else that gridsweep prints.

use super::Format;
use crate::choice::Number;
use crate::frame::csv::line;
use crate::metric::Better;
use crate::table::{Against, Cell, Difference, Effects, Entry, Label, Quantity, Row, Table};

/// Comma-separated values.
pub(super) struct Csv;

impl Format for Csv {
    fn name(&self) -> &'static str {
        "csv"
    }

    fn extension(&self) -> &'static str {
        "csv"
    }

    fn render(&self, table: &Table) -> String {
        let mut out = String::new();
        write_line(&mut out, header(table));
        for row in &table.rows {
            for (group, cell) in table.groups.iter().zip(&row.cells) {
                if let Some(cell) = cell {
                    write_line(&mut out, record(table, row, group, cell));
                }
            }
        }
        out
    }

    /// Columns: `source` (axes joined by ` × `), `dof`, and a share a quantity. What people are told of it is left out.
    fn render_effects(&self, effects: &Effects) -> String {
        let mut out = String::new();
        let names = effects.quantities.iter().map(|quantity| quantity.name());
        write_line(&mut out, ["source", "dof"].map(str::to_owned).into_iter().chain(names).collect());
        for source in &effects.sources {
            let fixed = [source.name(), source.dof.to_string()];
            write_line(
                &mut out,
                fixed.into_iter().chain(source.shares.iter().map(|of| number(*of))).collect(),
            );
        }
        out
    }
}

fn header(table: &Table) -> Vec<String> {
    let mut fields: Vec<String> = table.row_settings.iter().chain(&table.column_settings).cloned().collect();
    fields.extend(["n_done", "n_planned", "n_diverged", "n_failed"].map(str::to_owned));
    for quantity in &table.quantities {
        let parts = ["mean", "half_width", "n"].iter().chain(compared_parts(table, *quantity));
        fields.extend(parts.map(|part| format!("{}_{part}", quantity.name())));
    }
    fields
}

/// Names the columns in which a quantity is compared with the baseline.
fn compared_parts(table: &Table, quantity: Quantity) -> &'static [&'static str] {
    const PARTS: [&str; 6] =
        ["difference", "difference_half_width", "pairs", "won", "won_lower", "won_upper"];
    match quantity.better() {
        _ if table.baseline.is_empty() => &[],
        Better::Neither => &PARTS[..3],
        Better::Lower | Better::Higher => &PARTS,
    }
}

fn record(table: &Table, row: &Row, group: &[Label], cell: &Cell) -> Vec<String> {
    let mut fields: Vec<String> = row.labels.iter().chain(group).map(label).collect();
    let counts = cell.counts;
    fields.extend([counts.done(), counts.planned, counts.diverged, counts.failed].map(|n| n.to_string()));
    for (entry, quantity) in cell.entries.iter().zip(&table.quantities) {
        fields.extend(numbers(entry));
        let compared = compared_parts(table, *quantity).len();
        fields.extend(comparison(entry).into_iter().take(compared));
    }
    fields
}

fn label(label: &Label) -> String {
    if *label == Label::Absent { String::new() } else { label.to_string() }
}

/// Returns mean, half-width and the number of values.
fn numbers(entry: &Entry) -> [String; 3] {
    let Some(measurement) = entry.measured() else { return Default::default() };
    let Some(summary) = measurement.summary else { return [String::new(), String::new(), "0".to_owned()] };
    [number(Some(summary.mean)), number(summary.half_width), summary.n.to_string()]
}

/// Returns the difference to the baseline, its half-width, the number of pairs, and how often the cell wins.
fn comparison(entry: &Entry) -> [String; 6] {
    let Some(Against::Pairs(Difference { summary, won })) = entry.measured().map(|of| of.against) else {
        return Default::default();
    };
    let won = won.map_or([None; 3], |won| [won.share, won.lower, won.upper].map(Some)).map(number);
    let [share, lower, upper] = won;
    [number(Some(summary.mean)), number(summary.half_width), summary.n.to_string(), share, lower, upper]
}

fn number(value: Option<f64>) -> String {
    value.and_then(Number::new).map(|number| number.to_string()).unwrap_or_default()
}

fn write_line(out: &mut String, fields: Vec<String>) {
    out.push_str(&line(fields.into_iter()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::fixture;

    #[test]
    fn one_line_a_cell_and_numbers_in_full() {
        insta::assert_snapshot!(Csv.render(&fixture::table()), @r"
        regularizer,coefficient,hidden,batch_size,activation,n_done,n_planned,n_diverged,n_failed,test_accuracy_mean,test_accuracy_half_width,test_accuracy_n,epochs_mean,epochs_half_width,epochs_n,sparsity_1_mean,sparsity_1_half_width,sparsity_1_n,sparsity_2_mean,sparsity_2_half_width,sparsity_2_n,sparsity_3_mean,sparsity_3_half_width,sparsity_3_n
        none,,8,128,relu,3,3,0,0,0.9806,0.0013831093423845317,3,30,2.48413771175033,3,0,0,3,0,0,3,,,
        none,,8,128,tanh,1,3,0,1,0.9763,,1,41,,1,0,,1,0,,1,,,
        l1,0.001,8-4,128,relu,3,3,0,0,0.9807333333333333,0.0007985385511443242,3,52.333333333333336,6.251609479375774,3,0.92,0.024841377117503317,3,0.4,0.024841377117503248,3,0.05333333333333334,0.01434217576583153,3
        l1,0.001,8-4,128,tanh,0,3,0,0,,,0,,,0,,,0,,,0,,,0
        l1,0.1,8-4,128,relu,3,3,0,0,0.1135,0,3,9,0,3,1,0,3,1,0,3,1,0,3
        l1,0.1,8-4,128,tanh,0,3,0,3,,,0,,,0,,,0,,,0,,,0
        l1,1,8-4,128,relu,3,3,1,0,0.9821,0.001270620473617329,2,9.666666666666666,14.555718665491774,3,0.5,0,2,0.5,0,2,0.5,0,2
        ");
    }

    #[test]
    fn means_read_back_to_the_bit() {
        let value = 0.1 + 0.2;
        assert_eq!(number(Some(value)).parse::<f64>().unwrap().to_bits(), value.to_bits());
    }
}
