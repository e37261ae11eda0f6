//! Which cell of a study is best, by how much, and which cannot be told from it.

use super::{apart, name, pairs, values};
use crate::metric::{Better, Metric};
use crate::spec::Study;
use crate::stats::{CONFIDENCE, mean, paired_interval};
use crate::table::text::number;
use crate::table::{CellResults, Column, Quantity, summarize};

/// More ties than this are counted and not named.
const TIES_NAMED_MAX: usize = 4;

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
    let what = quantity.heading();
    let value = summarize(best, quantity).map_or(String::new(), |summary| number(&summary, quantity));
    let mut text = format!("Best by {what}: {} with {value}.", named(best));
    let (mut tied, mut next) = (Vec::new(), None);
    for &other in others {
        match paired_interval(&pairs(quantity, best, other), CONFIDENCE) {
            Some(interval) if !interval.contains(0.0) => {
                next = next
                    .or_else(|| Some(format!("{} by {}", named(other), apart(quantity, &interval, most))));
            }
            _ => tied.push(named(other)),
        }
    }
    match tied.len() {
        0 => {}
        1..=TIES_NAMED_MAX => text += &format!(" Not to be told from it: {}.", tied.join("; ")),
        many => text += &format!(" Not to be told from it: {many} others."),
    }
    if let Some(next) = next {
        text += &format!(" It is ahead of the next that can be told from it, {next}.");
    }
    if cells.len() > ranked.len() {
        text += &format!(
            " {} of {} cells are not judged: they lack replicates.",
            cells.len() - ranked.len(),
            cells.len()
        );
    }
    Some(text)
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
    use crate::table::fixture;

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
            "Best by test_accuracy: regularizer=l1 with 0.960 ±0.025. Not to be told from it: regularizer=l2. \
             It is ahead of the next that can be told from it, regularizer=none by 0.0500 ±0.0000."
        );
        assert_eq!(best_of(&sweep.studies[0], &cells[..1]), None);
    }
}
