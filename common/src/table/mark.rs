//! Which cells are the best, and which cannot be told from them.

use super::build::summarize;
use super::{CellResults, Entry, Mark, Measurement, Quantity, Replicate, Table};
use crate::metric::{Better, Ending, Metric};
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use std::cmp::Ordering;

/// Returns the place in `cells` of the best one by `metric`, for a progress display: the best mean among those with the
/// most values, by the rules of the marks in tables. `None` while no cell has a value, and for a metric without a better
/// direction.
pub fn best_cell(cells: &[CellResults], metric: Metric) -> Option<usize> {
    let quantity = Quantity::Metric(metric);
    let lost_one = |cell: &CellResults| {
        cell.replicates.iter().any(|replicate| match replicate {
            Replicate::Finished(o) => o.ending == Ending::Diverged && quantity.of(o).is_none(),
            Replicate::Pending | Replicate::Missing => false,
        })
    };
    let candidates = cells.iter().enumerate().filter(|(_, cell)| !lost_one(cell));
    let summaries = candidates.filter_map(|(index, cell)| Some((index, summarize(cell, quantity)?)));
    best(metric.better(), summaries.collect())
}

/// Marks, for each quantity with a better direction, the best cell of the whole table and all that cannot be told from
/// it. Returns the most cells that a best was picked from.
pub(super) fn mark_best(table: &mut Table) -> usize {
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let mut compared = 0;
    for (column, quantity) in table.quantities.iter().enumerate() {
        let cells = table.rows.iter_mut().flat_map(|row| row.cells.iter_mut().flatten());
        let mut candidates: Vec<&mut Measurement> = cells
            .filter_map(|cell| match &mut cell.entries[column] {
                Entry::Measured(measurement) => Some(measurement),
                Entry::Absent => None,
            })
            .filter(|measurement| is_candidate(measurement))
            .collect();
        compared = compared.max(mark_column(quantity.better(), &mut candidates, &mut quantiles));
    }
    compared
}

/// A cell that lost a replicate to divergence is no candidate: the rest are the replicates that went well, and their
/// mean flatters it. A replicate that is pending or failed says nothing of the value it would have had.
fn is_candidate(measurement: &Measurement) -> bool {
    measurement.summary.is_some() && measurement.lost_to_divergence == 0
}

/// Returns how many cells the best was picked from, 0 where there is nothing to pick.
fn mark_column(better: Better, candidates: &mut [&mut Measurement], quantiles: &mut TQuantiles) -> usize {
    let summaries = candidates.iter().enumerate().filter_map(|(index, m)| Some((index, m.summary?)));
    let Some(best) = best(better, summaries.collect()) else { return 0 };
    if candidates.len() < 2 {
        return 0;
    }
    let reference = candidates[best].values.clone();
    for candidate in candidates.iter_mut() {
        if is_tied(&reference, &candidate.values, quantiles) {
            candidate.mark = Mark::Tied;
        }
    }
    candidates[best].mark = Mark::Best;
    candidates.len()
}

/// Returns whether the paired 95 % interval of the difference contains 0. Without two replicates in common there is no
/// interval and nothing is claimed. Pairs, never Welch's interval: replicates share seeds, and the paired quantile has
/// the same bits on every machine.
fn is_tied(best: &[Option<f64>], other: &[Option<f64>], quantiles: &mut TQuantiles) -> bool {
    let pairs: Vec<(f64, f64)> = best.iter().zip(other).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
    quantiles.paired_interval(&pairs).is_some_and(|difference| difference.contains(0.0))
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
