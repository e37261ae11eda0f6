//! The rule: means of ours and Keras' runs beside Welch's interval of their difference.

use super::reference::Cell;
use super::trials::Measured;
use gridsweep_common::stats::{mean, welch_interval};

/// The confidence of the interval.
const CONFIDENCE: f64 = 0.99;
/// The least share of the comparisons that must be within their interval.
const SHARE_WITHIN_MIN: f64 = 0.95;
/// How many half-widths no comparison may be beyond.
const HALF_WIDTHS_MAX: f64 = 3.0;

/// Added to the half-width for shares of weights, some of which do not vary between runs.
const SHARE_ALLOWANCE: f64 = 0.002;
/// Added for all other metrics: half a unit of the last digit that the reference prints. It decides only where hardly
/// anything varies.
const ROUNDING: [(&str, f64); 6] = [
    ("min_training_objective", 5e-6),
    ("min_training_loss", 5e-6),
    ("min_validation_loss", 5e-6),
    ("validation_loss", 5e-6),
    ("test_accuracy", 5e-5),
    ("epochs", 0.0),
];

/// One metric of one cell.
pub(crate) struct Comparison {
    cell: String,
    metric: String,
    ours: f64,
    keras: f64,
    /// Of the interval of ours − Keras', with what is added for what does not vary.
    half_width: f64,
}

impl Comparison {
    fn difference(&self) -> f64 {
        self.ours - self.keras
    }

    fn is_within(&self, half_widths: f64) -> bool {
        self.difference().abs() <= half_widths * self.half_width
    }

    fn verdict(&self) -> &'static str {
        match (self.is_within(1.0), self.is_within(HALF_WIDTHS_MAX)) {
            (true, _) => "within",
            (false, true) => "OUTSIDE",
            (false, false) => "FAR OUTSIDE",
        }
    }
}

/// Compares every metric of every cell of the reference; panics where ours has none.
pub(crate) fn compare(ours: &Measured, reference: &[Cell]) -> Vec<Comparison> {
    let of_cell = |cell: &Cell| -> Vec<Comparison> {
        let of_ours = ours.get(&cell.name).unwrap_or_else(|| panic!("{} was not trained", cell.name));
        assert_eq!(of_ours.len(), cell.measured.len(), "{} has the metrics of the reference", cell.name);
        let of_metric = |(metric, keras): &(String, Vec<f64>)| {
            let ours = of_ours.get(metric).unwrap_or_else(|| panic!("{} has no {metric}", cell.name));
            compare_metric(&cell.name, metric, ours, keras)
        };
        cell.measured.iter().map(of_metric).collect()
    };
    reference.iter().flat_map(of_cell).collect()
}

fn compare_metric(cell: &str, metric: &str, ours: &[f64], keras: &[f64]) -> Comparison {
    let interval = welch_interval(ours, keras, CONFIDENCE).expect("two runs or more on both sides");
    let rounding = ROUNDING.iter().find(|(name, _)| *name == metric).map(|(_, rounding)| *rounding);
    Comparison {
        cell: cell.to_owned(),
        metric: metric.to_owned(),
        ours: mean(ours).expect("there are runs"),
        keras: mean(keras).expect("there are runs"),
        half_width: interval.half_width + rounding.unwrap_or(SHARE_ALLOWANCE),
    }
}

/// Returns what is wrong with the comparisons taken together, or `None` where ours agrees with Keras.
pub(crate) fn disagreement(comparisons: &[Comparison]) -> Option<String> {
    let within = comparisons.iter().filter(|comparison| comparison.is_within(1.0)).count();
    let far = comparisons.iter().filter(|comparison| !comparison.is_within(HALF_WIDTHS_MAX)).count();
    let is_enough = within as f64 >= SHARE_WITHIN_MIN * comparisons.len() as f64;
    (comparisons.is_empty() || !is_enough || far > 0).then(|| summary(comparisons))
}

fn summary(comparisons: &[Comparison]) -> String {
    let count = |half_widths| comparisons.iter().filter(|one| one.is_within(half_widths)).count();
    let (all, within) = (comparisons.len(), count(1.0));
    format!(
        "{within} of {all} comparisons within the {:.0} % interval ({:.1} %, at least {:.0} % wanted), {} beyond {} half-widths",
        100.0 * CONFIDENCE,
        100.0 * within as f64 / all as f64,
        100.0 * SHARE_WITHIN_MIN,
        all - count(HALF_WIDTHS_MAX),
        HALF_WIDTHS_MAX,
    )
}

/// Returns all comparisons as a table for the terminal, and a summary.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut lines = vec![format!(
        "{:<8} {:<23} {:>9} {:>9} {:>10} {:>10}  verdict",
        "cell", "metric", "ours", "Keras", "difference", "half-width"
    )];
    for one in comparisons {
        lines.push(format!(
            "{:<8} {:<23} {:>9.5} {:>9.5} {:>+10.5} {:>10.5}  {}",
            one.cell,
            one.metric,
            one.ours,
            one.keras,
            one.difference(),
            one.half_width,
            one.verdict()
        ));
    }
    lines.push(summary(comparisons));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::reference::read_reference;
    use super::*;

    /// Returns the reference as if gridsweep had measured it, each value changed.
    fn measured(reference: &[Cell], change: impl Fn(&str, f64) -> f64) -> Measured {
        let of_cell = |cell: &Cell| {
            let change_all = |(metric, values): &(String, Vec<f64>)| {
                (metric.clone(), values.iter().map(|value| change(metric, *value)).collect())
            };
            (cell.name.clone(), cell.measured.iter().map(change_all).collect())
        };
        reference.iter().map(of_cell).collect()
    }

    #[test]
    fn the_reference_agrees_with_itself() {
        let reference = read_reference();
        let comparisons = compare(&measured(&reference, |_, value| value), &reference);
        assert_eq!(comparisons.len(), 166);
        assert_eq!(disagreement(&comparisons), None);
        assert!(table(&comparisons).lines().count() == 168 && !table(&comparisons).contains("OUTSIDE"));
    }

    #[test]
    fn a_shifted_mean_is_rejected() {
        let reference = read_reference();
        for (shifted, by) in [("validation_loss", 0.05), ("sparsity_1", 0.1), ("test_accuracy", -0.03)] {
            let change = |metric: &str, value| if metric == shifted { value + by } else { value };
            let comparisons = compare(&measured(&reference, change), &reference);
            assert!(disagreement(&comparisons).is_some(), "{shifted} by {by}");
        }
    }

    #[test]
    fn a_number_that_is_none_is_far_outside() {
        let comparison = compare_metric("a", "epochs", &[f64::NAN, 1.0], &[1.0, 2.0]);
        assert_eq!(comparison.verdict(), "FAR OUTSIDE");
    }

    #[test]
    fn the_numbers_of_another_cell_are_rejected() {
        let reference = read_reference();
        // The other cells have another shape, or collapse: too few runs to tell one collapse from another.
        let names = ["bench", "l1e-3", "l1e-4", "l2e-2", "l2e-3", "l2e-4", "drop-2", "tanh"];
        let all = measured(&reference, |_, value| value);
        for name in names {
            for other in names.into_iter().filter(|other| *other != name) {
                let cell: Vec<Cell> = read_reference().into_iter().filter(|cell| cell.name == name).collect();
                let swapped = Measured::from([(name.to_owned(), all[other].clone())]);
                assert!(disagreement(&compare(&swapped, &cell)).is_some(), "{other} passes for {name}");
            }
        }
    }

    #[test]
    fn what_does_not_vary_may_differ_by_what_is_added_and_no_more() {
        let verdict =
            |metric, ours: f64, keras: f64| compare_metric("a", metric, &[ours; 5], &[keras; 4]).verdict();
        assert_eq!(verdict("sparsity_1", 0.9985, 1.0), "within");
        assert_eq!(verdict("sparsity_1", 0.9975, 1.0), "OUTSIDE");
        assert_eq!(verdict("test_accuracy", 0.1135, 0.1135), "within");
        assert_eq!(verdict("test_accuracy", 0.1136, 0.1135), "OUTSIDE");
        assert_eq!(verdict("validation_loss", 2.301_304, 2.3013), "within");
        assert_eq!(verdict("validation_loss", 2.301_32, 2.3013), "FAR OUTSIDE");
        assert_eq!(verdict("epochs", 16.0, 16.0), "within");
        assert_eq!(verdict("epochs", 17.0, 16.0), "FAR OUTSIDE");
    }

    #[test]
    fn a_share_outside_is_borne_and_a_larger_one_or_one_far_outside_is_not() {
        let one = |ours| compare_metric("a", "sparsity_1", &[ours; 5], &[0.5; 4]);
        let of = |outside: usize, ours: f64| -> Vec<Comparison> {
            (0..100).map(|index| one(if index < outside { ours } else { 0.5 })).collect()
        };
        assert_eq!(disagreement(&of(5, 0.505)), None);
        assert!(disagreement(&of(6, 0.505)).is_some_and(|summary| summary.starts_with("94 of 100")));
        assert!(
            disagreement(&of(1, 0.507)).is_some_and(|summary| summary.contains("1 beyond 3 half-widths"))
        );
        assert!(disagreement(&[]).is_some(), "nothing compared is no agreement");
    }
}
