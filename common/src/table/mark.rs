//! Which cells are the best, and which cannot be told from them.

use super::build::measure;
use super::{CellResults, Entry, Mark, Measurement, Quantity, Table};
use crate::metric::{Better, Metric};
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use std::cmp::Ordering;

/// Returns the place in `cells` of the best one by `metric`, for a progress display: the one that a table would mark.
/// `None` while no cell can be judged, and for a metric without a better direction.
pub fn best_cell(cells: &[CellResults], metric: Metric) -> Option<usize> {
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let mut measured = |cell| measure(cell, Quantity::Metric(metric), &mut quantiles);
    let summaries = cells.iter().enumerate().filter_map(|(index, cell)| {
        let measurement = measured(cell);
        measurement.summary.filter(|_| is_candidate(&measurement)).map(|summary| (index, summary))
    });
    best(metric.better(), summaries.collect())
}

/// What the marks of a table rest on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Comparison {
    /// How many cells a best was picked from, the most over the metrics; 0 where nothing is marked.
    pub(super) cells: usize,
    /// How many of them had an interval of the difference to the best.
    pub(super) judged: usize,
    /// How many of them had none, for want of two replicates in common with the best.
    pub(super) unjudged: usize,
}

/// Marks, for each quantity with a better direction, the best cell of the whole table and all that cannot be told from
/// it.
pub(super) fn mark_best(table: &mut Table) -> Comparison {
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let mut total = Comparison::default();
    for (column, quantity) in table.quantities.iter().enumerate() {
        let cells = table.rows.iter_mut().flat_map(|row| row.cells.iter_mut().flatten());
        let mut candidates: Vec<&mut Measurement> = cells
            .filter_map(|cell| match &mut cell.entries[column] {
                Entry::Measured(measurement) => Some(measurement),
                Entry::Absent => None,
            })
            .filter(|measurement| is_candidate(measurement))
            .collect();
        let comparison = mark_column(quantity.better(), &mut candidates, &mut quantiles);
        total.cells = total.cells.max(comparison.cells);
        total.judged += comparison.judged;
        total.unjudged += comparison.unjudged;
    }
    total
}

/// A cell that lost a replicate to divergence is no candidate: the rest are the replicates that went well, and their
/// mean flatters it. A replicate that is pending or failed says nothing of the value it would have had.
fn is_candidate(measurement: &Measurement) -> bool {
    measurement.summary.is_some() && measurement.lost_to_divergence == 0
}

/// Marks one column. A cell without a rival is not marked: it is the best of nothing.
fn mark_column(
    better: Better,
    candidates: &mut [&mut Measurement],
    quantiles: &mut TQuantiles,
) -> Comparison {
    let mut comparison = Comparison::default();
    let summaries = candidates.iter().enumerate().filter_map(|(index, m)| Some((index, m.summary?)));
    let Some(best) = best(better, summaries.collect()).filter(|_| candidates.len() > 1) else {
        return comparison;
    };
    comparison.cells = candidates.len();
    let reference = candidates[best].values.clone();
    candidates[best].mark = Mark::Best;
    for candidate in candidates.iter_mut().filter(|candidate| candidate.mark != Mark::Best) {
        match is_tied(&reference, &candidate.values, quantiles) {
            None => comparison.unjudged += 1,
            Some(tied) => {
                comparison.judged += 1;
                candidate.mark = if tied { Mark::Tied } else { Mark::Plain };
            }
        }
    }
    comparison
}

/// Returns whether the paired 95 % interval of the difference contains 0; `None` without two replicates in common.
/// Pairs, never Welch's interval: replicates share seeds, and the paired quantile has the same bits on every machine.
fn is_tied(best: &[Option<f64>], other: &[Option<f64>], quantiles: &mut TQuantiles) -> Option<bool> {
    let pairs: Vec<(f64, f64)> = best.iter().zip(other).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    quantiles.paired_interval(&pairs).map(|difference| difference.contains(0.0))
}

/// Returns the index with the best mean among the summaries over the most values: one lucky replicate does not beat
/// complete cells while a sweep runs. The first one where means are equal.
fn best(better: Better, summaries: Vec<(usize, Summary)>) -> Option<usize> {
    let most = summaries.iter().map(|(_, summary)| summary.n).max()?;
    let fullest = summaries.into_iter().filter(|(_, summary)| summary.n == most);
    let order = |a: &(usize, Summary), b: &(usize, Summary)| match better {
        Better::Lower => a.1.mean.total_cmp(&b.1.mean),
        Better::Higher => b.1.mean.total_cmp(&a.1.mean),
        Better::Neither => Ordering::Equal,
    };
    if better == Better::Neither { None } else { fullest.min_by(order).map(|(index, _)| index) }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{cell, diverged, spec, succeeded, table};
    use super::super::{Replicate, build};
    use super::*;

    /// Builds one row a cell, from the accuracies of its replicates, and returns how each accuracy is marked.
    fn marks(cells: Vec<Vec<Replicate>>) -> Vec<Mark> {
        let place = |(index, replicates)| cell("l1", Some(index as f64), "relu", &[8.0], replicates);
        let cells: Vec<CellResults> = cells.into_iter().enumerate().map(place).collect();
        let table = build(&spec(), &cells);
        let mark = |cell: &super::super::Cell| cell.entries[0].measured().map(|m| m.mark);
        table.rows.iter().filter_map(|row| mark(row.cells[0].as_ref()?)).collect()
    }

    fn accuracies(values: &[f64]) -> Vec<Replicate> {
        values.iter().map(|value| succeeded(*value, 10, &[])).collect()
    }

    #[test]
    fn what_cannot_be_told_from_the_best_is_marked_and_what_can_is_not() {
        let marks = marks(vec![
            accuracies(&[0.980, 0.981, 0.982]),
            accuracies(&[0.981, 0.980, 0.981]),
            accuracies(&[0.970, 0.971, 0.972]),
        ]);
        assert_eq!(marks, [Mark::Best, Mark::Tied, Mark::Plain]);
    }

    #[test]
    fn pairs_tell_apart_what_their_own_intervals_would_not() {
        // The seeds move both by 0.1, the cells differ by 0.01 on each: the intervals of the means overlap widely.
        let marks = marks(vec![accuracies(&[0.70, 0.80, 0.90]), accuracies(&[0.69, 0.79, 0.8901])]);
        assert_eq!(marks, [Mark::Best, Mark::Plain]);
    }

    #[test]
    fn equal_cells_are_tied() {
        assert_eq!(marks(vec![accuracies(&[0.9; 3]), accuracies(&[0.9; 3])]), [Mark::Best, Mark::Tied]);
    }

    #[test]
    fn a_cell_that_lost_a_replicate_to_divergence_is_never_the_best() {
        let flattered = vec![succeeded(0.99, 10, &[]), diverged(3), succeeded(0.99, 10, &[])];
        let others = [accuracies(&[0.9, 0.91, 0.92]), accuracies(&[0.5, 0.51, 0.52])];
        let marks = marks([vec![flattered], others.to_vec()].concat());
        assert_eq!(marks, [Mark::Plain, Mark::Best, Mark::Plain]);
    }

    #[test]
    fn one_early_replicate_does_not_beat_complete_cells() {
        let early = vec![succeeded(0.99, 10, &[]), Replicate::Pending, Replicate::Pending];
        let marks = marks(vec![early, accuracies(&[0.9, 0.91, 0.92]), accuracies(&[0.5, 0.51, 0.52])]);
        assert_eq!(marks, [Mark::Plain, Mark::Best, Mark::Plain]);
    }

    #[test]
    fn an_incomplete_cell_is_compared_on_the_replicates_it_shares() {
        let incomplete = vec![succeeded(0.900, 10, &[]), Replicate::Missing, succeeded(0.921, 10, &[])];
        let marks = marks(vec![incomplete, accuracies(&[0.901, 0.91, 0.92])]);
        assert_eq!(marks, [Mark::Tied, Mark::Best]);
    }

    #[test]
    fn a_cell_without_a_rival_is_not_marked() {
        assert_eq!(marks(vec![accuracies(&[0.9, 0.91, 0.92])]), [Mark::Plain]);
    }

    #[test]
    fn quantities_without_a_direction_are_not_marked() {
        for row in &table().rows {
            for cell in row.cells.iter().flatten() {
                let marked = |entry: &Entry| entry.measured().is_some_and(|m| m.mark != Mark::Plain);
                assert!(!cell.entries[1..].iter().any(marked));
            }
        }
    }

    #[test]
    fn the_best_cell_is_the_one_that_the_table_marks() {
        let cells = super::super::fixture::cells();
        assert_eq!(best_cell(&cells, Metric::TestAccuracy), Some(2));
        assert_eq!(best_cell(&cells, Metric::TestError), Some(2));
        assert_eq!(best_cell(&cells, Metric::Epochs), None);
        assert_eq!(best_cell(&[], Metric::TestAccuracy), None);
    }
}
