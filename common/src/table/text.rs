//! How a cell reads: numbers rounded to what their interval supports, and every missing replicate named.
//!
//! Rust's formatting of floats is exact and its own, so that the text is the same on every machine.

use super::{Cell, Counts, Entry, Mark, Measurement, Quantity};
use crate::metric::Metric;
use crate::stats::Summary;

/// The text of one entry, in the parts that formats set apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryText {
    /// `0.9812 ±0.0007`, or empty where no replicate has a value.
    pub value: String,
    /// `(2/3, 1 failed)` after a value; alone `3 diverged`, `failed`, `…`. Empty for a complete entry.
    pub remark: String,
    /// How the cell stands against the best one.
    pub mark: Mark,
}

impl EntryText {
    /// Writes down one entry of `cell`.
    pub fn of(cell: &Cell, entry: &Entry, quantity: Quantity) -> EntryText {
        let Entry::Measured(measurement) = entry else {
            return EntryText { value: String::new(), remark: String::new(), mark: Mark::Plain };
        };
        let (value, remark) = match measurement.summary {
            Some(summary) => {
                (number(&summary, quantity), remark_beside_value(&cell.counts, measurement, summary.n))
            }
            None => (String::new(), remark_alone(&cell.counts, measurement)),
        };
        EntryText { value, remark, mark: measurement.mark }
    }
}

/// Writes mean and half-width with the same decimals: so many that the half-width has two significant digits, within
/// the bounds of the quantity. A half-width that would read as 0 and is not is written `±<0.0001`, a mean that would, or
/// that is huge, with its exponent.
pub fn number(summary: &Summary, quantity: Quantity) -> String {
    let (least, most) = decimals(quantity);
    let mean = summary.mean;
    let reads_as_zero = |value: f64, decimals: usize| {
        value != 0.0 && format!("{:.*}", decimals, value.abs()).bytes().all(|b| b == b'0' || b == b'.')
    };
    if reads_as_zero(mean, most) || mean.abs() >= 1e6 {
        let half_width = summary.half_width.map(|half_width| format!(" ±{half_width:.1e}"));
        return format!("{mean:.2e}{}", half_width.unwrap_or_default());
    }
    let Some(half_width) = summary.half_width else { return format!("{mean:.most$}") };
    let decimals = decimals_for_two_digits(half_width).clamp(least, most);
    if reads_as_zero(half_width, decimals) {
        return format!("{mean:.decimals$} ±<{:.decimals$}", smallest(decimals));
    }
    format!("{mean:.decimals$} ±{half_width:.decimals$}")
}

/// Returns the fewest and the most decimals of a quantity. Four resolve one sample of a test set of 10,000.
fn decimals(quantity: Quantity) -> (usize, usize) {
    match quantity {
        Quantity::Sparsity(_) => (2, 4),
        Quantity::Metric(metric) => match metric {
            Metric::MinTrainingObjective
            | Metric::MinTrainingLoss
            | Metric::MinValidationLoss
            | Metric::ValidationLoss
            | Metric::TestLoss
            | Metric::TestAccuracy
            | Metric::TestError
            | Metric::SparsityMean => (2, 4),
            Metric::Epochs => (1, 1),
        },
    }
}

/// Returns how many decimals show two significant digits of `value`. Read off its decimal form: a logarithm would
/// depend on the machine, and would not see that 0.0996 rounds to 0.10.
fn decimals_for_two_digits(value: f64) -> usize {
    let scientific = format!("{value:.1e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if value == 0.0 { usize::MAX } else { usize::try_from(1 - exponent).unwrap_or(0) }
}

/// Returns 10^−decimals.
fn smallest(decimals: usize) -> f64 {
    (0..decimals).fold(1.0, |value, _| value / 10.0)
}

/// Names every replicate that is not a plain value.
fn causes(counts: &Counts, measurement: &Measurement) -> Vec<String> {
    let named =
        [(counts.diverged, "diverged"), (counts.failed, "failed"), (measurement.undefined, "undefined")];
    let mut causes: Vec<String> =
        named.into_iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{n} {name}")).collect();
    if counts.pending > 0 {
        causes.push("…".to_owned());
    }
    causes
}

fn remark_beside_value(counts: &Counts, measurement: &Measurement, n: usize) -> String {
    let mut parts = causes(counts, measurement);
    if n < counts.planned {
        parts.insert(0, format!("{n}/{}", counts.planned));
    }
    if parts.is_empty() { String::new() } else { format!("({})", parts.join(", ")) }
}

fn remark_alone(counts: &Counts, measurement: &Measurement) -> String {
    if counts.failed > 0 && counts.failed == counts.planned {
        return "failed".to_owned();
    }
    causes(counts, measurement).join(", ")
}
