//! From the cells of a study to a table.

use super::{Against, Cell, CellResults, Column, Counts, Entry, Heading, Label, Mark, Measurement};
use super::{Quantity, Replicate, Row, Table, TableSpec, baseline, mark, notes};
use crate::choice::Value;
use crate::metric::Ending;
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use std::collections::BTreeMap;

/// Arranges `cells` by the row and column headings of `spec`, summarizes each over its replicates, marks the best, and
/// compares each with its baseline.
///
/// Rows and groups of columns stand in order of first appearance. Two cells with the same labels, which headings that
/// name every axis rule out, get a row each: none is ever dropped or merged.
pub fn build(spec: &TableSpec, cells: &[CellResults]) -> Table {
    let quantities = quantities(&spec.cells, cells);
    let (rows, groups, places) = arrange(spec, cells, &quantities);
    let mut table = Table {
        title: None,
        row_settings: settings(&spec.rows),
        column_settings: settings(&spec.columns),
        groups,
        quantities,
        baseline: spec.baseline.clone(),
        rows,
        notes: Vec::new(),
    };
    let comparison = mark::mark_best(&mut table);
    let missing = baseline::compare(&mut table, spec, cells, &places);
    table.notes = notes::of(&table, comparison, missing);
    table
}

/// Returns mean and half-width of `quantity` over those replicates of `cell` that have it, `None` where none has.
pub fn summarize(cell: &CellResults, quantity: Quantity) -> Option<Summary> {
    measure(cell, quantity, &mut TQuantiles::new(CONFIDENCE)).summary
}

/// Returns one quantity a column, and as many for `sparsity` as the deepest net has weight matrices.
pub(super) fn quantities(columns: &[Column], cells: &[CellResults]) -> Vec<Quantity> {
    // At least one column: what was asked for shows, also where nothing tells the depth yet.
    let deepest = cells.iter().filter_map(matrix_count).max().unwrap_or(1);
    let expand = |column: &Column| match *column {
        Column::Metric(metric) => vec![Quantity::Metric(metric)],
        Column::Sparsity => (1..=deepest).map(Quantity::Sparsity).collect(),
    };
    columns.iter().flat_map(expand).collect()
}

/// Returns how many weight matrices the cell's net has: what its outcomes have, or will have by its hidden layers, so
/// that a table does not grow columns as it fills. `None` where nothing tells.
fn matrix_count(cell: &CellResults) -> Option<usize> {
    let measured = cell.replicates.iter().filter_map(|replicate| match replicate {
        Replicate::Finished(outcome) => Some(outcome.evaluation.as_ref()?.matrices.len()),
        Replicate::Pending | Replicate::Missing => None,
    });
    let planned = || match cell.choices.get("hidden")? {
        Value::List(layers) => Some(layers.len() + 1),
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => None,
    };
    measured.max().or_else(planned)
}

pub(super) fn settings(headings: &[Heading]) -> Vec<String> {
    headings.iter().flat_map(|heading| heading.settings.iter().cloned()).collect()
}

fn labels(cell: &CellResults, headings: &[Heading]) -> Vec<Label> {
    let settings = headings.iter().flat_map(|heading| &heading.settings);
    settings.map(|setting| Label::of(&cell.choices, setting)).collect()
}

/// Numbers keys in order of first appearance.
struct Numbering<K>(BTreeMap<K, usize>);

impl<K: Ord> Numbering<K> {
    fn number(&mut self, key: K) -> usize {
        let next = self.0.len();
        *self.0.entry(key).or_insert(next)
    }

    fn into_keys(self) -> Vec<K> {
        let mut numbered: Vec<(usize, K)> = self.0.into_iter().map(|(key, number)| (number, key)).collect();
        numbered.sort_by_key(|(number, _)| *number);
        numbered.into_iter().map(|(_, key)| key).collect()
    }
}

/// Where a cell stands: its row and its group of columns.
pub(super) type Place = (usize, usize);

/// Returns the rows, the labels of the groups of columns, and the place of each cell.
fn arrange(
    spec: &TableSpec,
    cells: &[CellResults],
    quantities: &[Quantity],
) -> (Vec<Row>, Vec<Vec<Label>>, Vec<Place>) {
    let mut groups = Numbering(BTreeMap::new());
    let mut rows = Numbering(BTreeMap::new());
    let mut seen: BTreeMap<(Vec<Label>, usize), usize> = BTreeMap::new();
    if spec.columns.is_empty() {
        groups.number(Vec::new());
    }
    let mut places = Vec::with_capacity(cells.len());
    for cell in cells {
        let group = groups.number(labels(cell, &spec.columns));
        let row_labels = labels(cell, &spec.rows);
        let repeats = seen.entry((row_labels.clone(), group)).or_insert(0);
        places.push((rows.number((row_labels, *repeats)), group));
        *repeats += 1;
    }

    let groups = groups.into_keys();
    let empty = |(labels, _repeats)| Row { labels, cells: vec![None; groups.len()] };
    let mut rows: Vec<Row> = rows.into_keys().into_iter().map(empty).collect();
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    for (cell, &(row, group)) in cells.iter().zip(&places) {
        rows[row].cells[group] = Some(fill(cell, quantities, &mut quantiles));
    }
    (rows, groups, places)
}

fn fill(cell: &CellResults, quantities: &[Quantity], quantiles: &mut TQuantiles) -> Cell {
    let matrices = matrix_count(cell).unwrap_or(usize::MAX);
    let entry = |quantity: &Quantity| match *quantity {
        Quantity::Sparsity(matrix) if matrix > matrices => Entry::Absent,
        Quantity::Sparsity(_) | Quantity::Metric(_) => Entry::Measured(measure(cell, *quantity, quantiles)),
    };
    Cell { counts: Counts::of(&cell.replicates), entries: quantities.iter().map(entry).collect() }
}

pub(super) fn measure(cell: &CellResults, quantity: Quantity, quantiles: &mut TQuantiles) -> Measurement {
    let (mut lost_to_divergence, mut undefined) = (0, 0);
    let mut values = Vec::with_capacity(cell.replicates.len());
    for replicate in &cell.replicates {
        let Replicate::Finished(outcome) = replicate else {
            values.push(None);
            continue;
        };
        let value = quantity.of(outcome);
        values.push(value);
        match (value, outcome.ending) {
            (Some(_), _) => {}
            (None, Ending::Diverged) => lost_to_divergence += 1,
            (None, Ending::Succeeded) => undefined += 1,
        }
    }
    let present: Vec<f64> = values.iter().copied().flatten().collect();
    let summary = quantiles.summarize(&present);
    let (mark, against) = (Mark::Plain, Against::Nothing);
    Measurement { values, summary, lost_to_divergence, undefined, mark, against }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cell, cells, diverged, heading, spec, succeeded, table};
    use super::*;
    use crate::metric::Metric;

    #[test]
    fn rows_and_groups_stand_in_order_of_first_appearance() {
        let table = table();
        assert_eq!(table.row_settings, ["regularizer", "coefficient", "hidden", "batch_size"]);
        let label = |row: &Row| row.labels.iter().map(Label::to_string).collect::<Vec<_>>().join(" ");
        let labels: Vec<String> = table.rows.iter().map(label).collect();
        assert_eq!(labels, ["none – 8 128", "l1 0.001 8-4 128", "l1 0.1 8-4 128", "l1 1 8-4 128"]);
        let groups: Vec<String> = table.groups.iter().map(|group| group[0].to_string()).collect();
        assert_eq!(groups, ["relu", "tanh"]);
        assert!(table.rows[3].cells[1].is_none(), "the excluded cell");
    }

    #[test]
    fn a_table_setting_is_labelled_by_its_entries() {
        let mut one = cell("none", None, "relu", &[8.0], Vec::new());
        one.choices.insert("optimizer.kind", "sgd".into());
        one.choices.insert("optimizer.momentum", 0.9.into());
        one.choices.insert("optimizer_other", 1.0.into());
        let labels = labels(&one, &[heading("optimizer", &["optimizer"])]);
        assert_eq!(labels[0].to_string(), "kind=sgd momentum=0.9");
    }

    #[test]
    fn sparsity_has_a_column_a_matrix_of_the_deepest_net() {
        let names: Vec<String> = table().quantities.iter().map(|quantity| quantity.name()).collect();
        assert_eq!(names, ["test_accuracy", "epochs", "sparsity_1", "sparsity_2", "sparsity_3"]);
        let shallow = table().rows[0].cells[0].clone().unwrap();
        assert!(matches!(shallow.entries[3], Entry::Measured(_)));
        assert_eq!(shallow.entries[4], Entry::Absent);
    }

    #[test]
    fn a_table_does_not_grow_columns_as_it_fills() {
        let pending = |mut cell: CellResults| {
            cell.replicates.fill_with(|| Replicate::Pending);
            cell
        };
        let planned: Vec<CellResults> = cells().into_iter().map(pending).collect();
        assert_eq!(build(&spec(), &planned).quantities, table().quantities);
    }

    #[test]
    fn every_replicate_is_counted_once() {
        let table = table();
        for cell in table.rows.iter().flat_map(|row| row.cells.iter().flatten()) {
            let counts = cell.counts;
            assert_eq!(counts.planned, counts.done() + counts.failed + counts.pending);
            for measurement in cell.entries.iter().filter_map(Entry::measured) {
                let n = measurement.summary.map_or(0, |summary| summary.n);
                let without = measurement.lost_to_divergence + measurement.undefined;
                assert_eq!(n + without + counts.failed + counts.pending, counts.planned);
            }
        }
    }

    #[test]
    fn a_failed_or_diverged_replicate_is_never_averaged_over() {
        let of = |replicates| {
            summarize(&cell("l1", None, "relu", &[8.0], replicates), Quantity::Metric(Metric::TestAccuracy))
        };
        let complete = of(vec![succeeded(0.9, 9, &[]), succeeded(0.8, 9, &[])]).unwrap();
        for lost in [Replicate::Missing, Replicate::Pending, diverged(2)] {
            let with_lost = of(vec![succeeded(0.9, 9, &[]), lost.clone(), succeeded(0.8, 9, &[])]).unwrap();
            assert_eq!(with_lost, complete);
            assert_eq!(with_lost.n, 2);
            assert_eq!(of(vec![lost]), None);
        }
    }

    #[test]
    fn epochs_of_a_diverged_replicate_are_a_result() {
        let one = cell("l1", None, "relu", &[8.0], vec![diverged(3)]);
        assert_eq!(summarize(&one, Quantity::Metric(Metric::Epochs)).unwrap().mean, 3.0);
    }

    #[test]
    fn cells_with_the_same_labels_are_neither_dropped_nor_merged() {
        let twice = [cells(), cells()].concat();
        let table = build(&spec(), &twice);
        let placed = table.rows.iter().flat_map(|row| row.cells.iter().flatten()).count();
        assert_eq!(placed, twice.len());
    }

    #[test]
    fn ten_thousand_trials_make_a_table() {
        let replicates = |c: usize| (0..2).map(|r| succeeded((c + r) as f64 / 1e4, 1, &[])).collect();
        let cells: Vec<CellResults> =
            (0..5000).map(|c| cell("l1", Some(c as f64), "relu", &[8.0], replicates(c))).collect();
        let table = build(&spec(), &cells);
        assert_eq!(table.rows.len(), 5000);
        let best = table.rows[4999].cells[0].as_ref().unwrap().entries[0].measured().unwrap();
        assert_eq!(best.mark, Mark::Best);
    }
}
