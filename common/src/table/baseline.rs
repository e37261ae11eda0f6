//! Each cell beside its baseline: the differences of the replicates that both have.

use super::build::{Place, settings};
use super::{Against, CellResults, Difference, Entry, Label, Quantity, Table, TableSpec};
use crate::choice::{Choices, Value};
use crate::stats::{CONFIDENCE, TQuantiles, outperforming};
use std::collections::BTreeMap;

/// What a comparison could not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Missing {
    /// Cells for which the study has no baseline.
    pub(super) without: usize,
    /// Cells for which it has several, so that none was taken.
    pub(super) ambiguous: usize,
}

/// Compares every cell with its baseline. `places` says where each of `cells` stands in the table.
pub(super) fn compare(
    table: &mut Table,
    spec: &TableSpec,
    cells: &[CellResults],
    places: &[Place],
) -> Missing {
    let mut missing = Missing::default();
    if spec.baseline.is_empty() {
        return missing;
    }
    let baselines = Baselines::of(spec, cells);
    let values: Vec<Vec<Option<Vec<Option<f64>>>>> =
        places.iter().map(|place| values_of(table, *place)).collect();
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    for (cell, place) in cells.iter().zip(places) {
        match baselines.find(&cell.choices) {
            Found::Itself => set(table, *place, |_, _, _| Against::Itself),
            Found::Other(base) => set(table, *place, |column, quantity, of_cell| {
                against(quantity, of_cell, values[base][column].as_deref(), &mut quantiles)
            }),
            Found::Nothing => missing.without += 1,
            Found::Several => missing.ambiguous += 1,
        }
    }
    missing
}

/// Returns the values of the replicates of the cell at a place, by quantity.
fn values_of(table: &Table, (row, group): Place) -> Vec<Option<Vec<Option<f64>>>> {
    let cell = table.rows[row].cells[group].as_ref();
    let entries = cell.map_or(&[][..], |cell| &cell.entries);
    entries.iter().map(|entry| entry.measured().map(|measurement| measurement.values.clone())).collect()
}

/// Says for each quantity of the cell at a place how it stands against its baseline.
fn set(
    table: &mut Table,
    (row, group): Place,
    mut against: impl FnMut(usize, Quantity, &[Option<f64>]) -> Against,
) {
    let Some(cell) = &mut table.rows[row].cells[group] else { return };
    for (column, (entry, quantity)) in cell.entries.iter_mut().zip(&table.quantities).enumerate() {
        if let Entry::Measured(measurement) = entry {
            measurement.against = against(column, *quantity, &measurement.values);
        }
    }
}

fn against(
    quantity: Quantity,
    values: &[Option<f64>],
    base: Option<&[Option<f64>]>,
    quantiles: &mut TQuantiles,
) -> Against {
    let both = values.iter().zip(base.unwrap_or_default());
    let pairs: Vec<(f64, f64)> = both.filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
    let won = outperforming(&pairs, quantity.better());
    match quantiles.summarize(&differences) {
        Some(summary) => Against::Pairs(Difference { summary, won }),
        None => Against::Nothing,
    }
}

/// The cells that a baseline may be, found by what they must have in common with the cell that is compared.
struct Baselines<'a> {
    named: &'a [(String, Value)],
    /// For each set of settings that some baselines have: those baselines by the labels there.
    by_settings: BTreeMap<Vec<String>, BTreeMap<Vec<Label>, Vec<usize>>>,
}

enum Found {
    Nothing,
    Itself,
    Other(usize),
    Several,
}

impl<'a> Baselines<'a> {
    /// Collects the cells that have the named values. A setting that a baseline does not have, as a penalty's coefficient
    /// without a penalty, need not be the same in the cell that is compared with it; all others that are not named must be.
    fn of(spec: &'a TableSpec, cells: &[CellResults]) -> Baselines<'a> {
        let named = &spec.baseline;
        let is_named =
            |setting: &String| named.iter().any(|(name, _)| name == setting || is_under(name, setting));
        let mut others = settings(&spec.rows);
        others.extend(settings(&spec.columns));
        others.retain(|setting| !is_named(setting));
        let mut by_settings: BTreeMap<Vec<String>, BTreeMap<Vec<Label>, Vec<usize>>> = BTreeMap::new();
        for (index, cell) in cells.iter().enumerate().filter(|(_, cell)| has(&cell.choices, named)) {
            let of = |setting: &String| Label::of(&cell.choices, setting);
            let present: Vec<String> =
                others.iter().filter(|setting| of(setting) != Label::Absent).cloned().collect();
            let labels = present.iter().map(of).collect();
            by_settings.entry(present).or_default().entry(labels).or_default().push(index);
        }
        Baselines { named, by_settings }
    }

    fn find(&self, choices: &Choices) -> Found {
        if has(choices, self.named) {
            return Found::Itself;
        }
        let labels =
            |settings: &[String]| settings.iter().map(|setting| Label::of(choices, setting)).collect();
        let found = |(settings, cells): (&Vec<String>, &BTreeMap<Vec<Label>, Vec<usize>>)| {
            cells.get::<Vec<Label>>(&labels(settings)).cloned().unwrap_or_default()
        };
        match self.by_settings.iter().flat_map(found).collect::<Vec<_>>()[..] {
            [] => Found::Nothing,
            [one] => Found::Other(one),
            _ => Found::Several,
        }
    }
}

fn is_under(name: &str, table: &str) -> bool {
    name.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
}

fn has(choices: &Choices, named: &[(String, Value)]) -> bool {
    named.iter().all(|(setting, value)| choices.get(setting) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cell, cells, spec, succeeded};
    use super::super::{Replicate, build};
    use super::*;
    use crate::stats::paired_interval;

    fn accuracies(values: &[f64]) -> Vec<Replicate> {
        values.iter().map(|value| succeeded(*value, 10, &[])).collect()
    }

    fn against_of(named: &[(&str, Value)], cells: &[CellResults]) -> (Vec<Against>, Vec<String>) {
        let named = named.iter().map(|(setting, value)| ((*setting).to_owned(), value.clone())).collect();
        let table = build(&TableSpec { baseline: named, ..spec() }, cells);
        let mut found = Vec::new();
        for place in table.rows.iter().flat_map(|row| row.cells.iter().flatten()) {
            found.extend(place.entries[0].measured().map(|measurement| measurement.against));
        }
        (found, table.notes)
    }

    #[test]
    fn differences_are_of_pairs_with_the_cell_that_is_alike_but_for_the_baseline() {
        let [none, none_tanh, l1, l1_tanh] = [
            ("none", None, "relu", [0.90, 0.91, 0.92]),
            ("none", None, "tanh", [0.80, 0.81, 0.82]),
            ("l1", Some(0.1), "relu", [0.91, 0.92, 0.92]),
            ("l1", Some(0.1), "tanh", [0.79, 0.80, 0.80]),
        ]
        .map(|(name, coefficient, activation, values)| {
            cell(name, coefficient, activation, &[8.0], accuracies(&values))
        });
        let (found, notes) = against_of(&[("regularizer", "none".into())], &[none, none_tanh, l1, l1_tanh]);
        assert_eq!(found[..2], [Against::Itself, Against::Itself]);
        let Against::Pairs(relu) = found[2] else { panic!("{found:?}") };
        let expected = paired_interval(&[(0.91, 0.90), (0.92, 0.91), (0.92, 0.92)], 0.95).unwrap();
        assert_eq!(
            (relu.summary.mean, relu.summary.half_width),
            (expected.estimate, Some(expected.half_width))
        );
        assert_eq!(relu.won.unwrap().share, 2.5 / 3.0);
        let Against::Pairs(tanh) = found[3] else { panic!("{found:?}") };
        assert_eq!((tanh.won.unwrap().share, tanh.summary.n), (0.0, 3));
        assert!(!notes.iter().any(|note| note.contains("no baseline")), "{notes:?}");
    }

    #[test]
    fn only_replicates_that_both_have_make_pairs() {
        let base = vec![succeeded(0.9, 9, &[]), Replicate::Missing, succeeded(0.8, 9, &[])];
        let other = vec![Replicate::Pending, succeeded(0.9, 9, &[]), succeeded(0.9, 9, &[])];
        let none_in_common = vec![Replicate::Pending, succeeded(0.9, 9, &[]), Replicate::Pending];
        let cells = [
            cell("none", None, "relu", &[8.0], base),
            cell("l1", Some(0.1), "relu", &[8.0], other),
            cell("l1", Some(0.2), "relu", &[8.0], none_in_common),
        ];
        let (found, _) = against_of(&[("regularizer", "none".into())], &cells);
        let Against::Pairs(difference) = found[1] else { panic!("{found:?}") };
        assert_eq!((difference.summary.n, difference.summary.half_width), (1, None));
        assert_eq!(found[2], Against::Nothing);
    }

    #[test]
    fn a_cell_without_a_baseline_of_its_own_is_said_to_have_none() {
        // The baseline of tanh and l1 = 1 is an excluded cell.
        let (found, notes) = against_of(&[("activation", "tanh".into())], &cells());
        assert!(notes.iter().any(|note| note.contains("no baseline for 1 cell")), "{notes:?}");
        assert_eq!(found.iter().filter(|of| **of == Against::Itself).count(), 3);
    }

    #[test]
    fn a_baseline_that_is_not_one_cell_is_none_and_is_said_to_be() {
        let mut twins = vec![
            cell("none", None, "relu", &[8.0], accuracies(&[0.9, 0.9])),
            cell("none", None, "relu", &[8.0], accuracies(&[0.8, 0.8])),
            cell("l1", None, "relu", &[8.0], accuracies(&[0.7, 0.7])),
        ];
        twins[1].choices.insert("optimizer.kind", "sgd".into());
        let (found, notes) = against_of(&[("regularizer", "none".into())], &twins);
        assert_eq!(found[2], Against::Nothing);
        assert!(notes.iter().any(|note| note.contains("several cells")), "{notes:?}");
    }
}
