//! Which cell of a study is best, by how much, and which cannot be told from it.

use super::{apart, called, name, pairs, values};
use crate::metric::{Better, Metric};
use crate::spec::Study;
use crate::stats::{CONFIDENCE, mean, paired_interval};
use crate::table::text::number;
use crate::table::{CellResults, Column, Counts, Quantity, summarize};

/// More cells than this are counted and not named.
const NAMED_MAX: usize = 4;

/// Says in sentences how the best cell of a study stands to the others, by the first judged quantity of its tables, test
/// accuracy before all others; nothing where a study has fewer than two cells with results.
pub fn best_of(study: &Study, cells: &[CellResults]) -> Option<String> {
    let quantity = judged(study)?;
    let settings: Vec<&str> = study.axes.iter().flat_map(|axis| &axis.settings).map(String::as_str).collect();
    // Cells with fewer replicates than others are not compared with them.
    let most = cells.iter().map(|cell| values(quantity, cell).len()).max().unwrap_or(0);
    let ranked = ranked(quantity, cells, most);
    let (&best, others) = ranked.split_first()?;
    if others.is_empty() {
        return None;
    }
    let named = |cell: &CellResults| name(&settings, &cell.choices);
    let what = called(quantity);
    let value = summarize(best, quantity).map_or(String::new(), |summary| number(&summary, quantity));
    let mut text = format!("Best by {what}: {} ({value}).", named(best));
    let (mut tied, mut next) = (Vec::new(), None);
    for &other in others {
        match paired_interval(&pairs(quantity, best, other), CONFIDENCE) {
            Some(interval) if !interval.contains(0.0) => {
                next = next
                    .or_else(|| Some(format!("{}, by {}", named(other), apart(quantity, &interval, most))));
            }
            _ => tied.push(named(other)),
        }
    }
    match tied.len() {
        0 => {}
        1..=NAMED_MAX => text += &format!(" Cannot be told apart from it: {}.", tied.join("; ")),
        many => text += &format!(" Cannot be told apart from it: {many} others."),
    }
    if let Some(next) = next {
        text += &format!(" The first clearly behind it: {next}.");
    }
    Some(text + &unjudged(quantity, cells, most, &named))
}

/// Names the cells that have fewer values than others, and why.
fn unjudged(
    quantity: Quantity,
    cells: &[CellResults],
    most: usize,
    named: &dyn Fn(&CellResults) -> String,
) -> String {
    let lacking = cells.iter().filter(|cell| values(quantity, cell).len() < most);
    let lacking: Vec<String> = lacking
        .map(|cell| {
            let counts = Counts::of(&cell.replicates);
            match counts.lacking() {
                // It trained to its end, and the quantity was not measured.
                none if none.is_empty() => named(cell),
                lacking => format!("{} ({lacking} of {})", named(cell), counts.planned),
            }
        })
        .collect();
    match lacking.len() {
        0 => String::new(),
        1..=NAMED_MAX => format!(" Not judged, as replicates are missing: {}.", lacking.join("; ")),
        many => format!(" Not judged, as replicates are missing: {many} of {} cells.", cells.len()),
    }
}

/// Returns the cells with so many values, the best mean first; equal ones in the study's order.
fn ranked(quantity: Quantity, cells: &[CellResults], most: usize) -> Vec<&CellResults> {
    let complete = cells.iter().filter_map(|cell| {
        let values = values(quantity, cell);
        Some((mean(&values).filter(|_| values.len() == most)?, cell))
    });
    let mut ranked: Vec<(f64, &CellResults)> = complete.collect();
    match quantity.better() {
        Better::Lower => ranked.sort_by(|a, b| a.0.total_cmp(&b.0)),
        Better::Higher | Better::Neither => ranked.sort_by(|a, b| b.0.total_cmp(&a.0)),
    }
    ranked.into_iter().map(|(_, cell)| cell).collect()
}

fn judged(study: &Study) -> Option<Quantity> {
    let shown = study.tables.iter().flat_map(|table| &table.cells).filter_map(|column| match column {
        Column::Metric(metric) if metric.better() != Better::Neither => Some(*metric),
        Column::Metric(_) | Column::Sparsity => None,
    });
    let shown: Vec<Metric> = shown.collect();
    let accuracy = shown.iter().find(|metric| **metric == Metric::TestAccuracy);
    accuracy.or(shown.first()).map(|metric| Quantity::Metric(*metric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Replicate, fixture};

    #[test]
    fn the_best_cell_is_named_with_what_cannot_be_told_from_it() {
        let sweep = crate::spec::parse(crate::sample::SWEEP, &crate::sample::catalogue()).unwrap();
        let cell = |regularizer: &str, accuracies: &[f64]| fixture::cell_with(regularizer, accuracies);
        let cells = [
            cell("none", &[0.90, 0.91, 0.92]),
            cell("l1", &[0.95, 0.96, 0.97]),
            cell("l2", &[0.94, 0.97, 0.95]),
        ];
        let text = best_of(&sweep.studies[0], &cells).unwrap();
        assert_eq!(
            text,
            "Best by test accuracy: regularizer l1 (0.960 ±0.025). Cannot be told apart from it: regularizer l2. \
             The first clearly behind it: regularizer none, by 0.0500 ±0.0000."
        );
        let lacking = [cell("none", &[0.90, 0.91]), cells[1].clone(), cells[2].clone()];
        let mut lacking = lacking.to_vec();
        lacking[0].replicates.push(Replicate::Pending);
        assert!(
            best_of(&sweep.studies[0], &lacking)
                .unwrap()
                .ends_with(" Not judged, as replicates are missing: regularizer none (1 not finished of 3).")
        );
        assert_eq!(best_of(&sweep.studies[0], &cells[..1]), None);
    }
}
