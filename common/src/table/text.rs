//! How a cell reads: numbers rounded to what their interval supports, and every missing replicate named.
//!
//! Rust's formatting of floats is exact and its own, so that the text is the same on every machine.

use super::{Against, Cell, Counts, Difference, Entry, Mark, Measurement, Quantity};
use crate::metric::Metric;
use crate::stats::Summary;

/// The text of one entry, in the parts that formats set apart.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct EntryText {
    /// `0.9812 ±0.0007`, or empty where no replicate has a value.
    pub value: String,
    /// `(2/3, 1 failed)` after a value; alone `3 diverged`, `failed`, `…`. Empty for a complete entry.
    pub remark: String,
    /// How the cell stands against the best one.
    pub mark: Mark,
}

/// Returns a setting's or metric's name as people read it in a sentence: the last part, words apart.
pub fn spoken(name: &str) -> String {
    let name = name.rsplit('.').next().unwrap_or(name);
    match (name, name.strip_prefix("min_")) {
        ("sparsity_mean", _) => "mean sparsity".to_owned(),
        (_, Some(rest)) => format!("smallest {}", rest.replace('_', " ")),
        (_, None) => name.replace('_', " "),
    }
}

impl EntryText {
    /// Writes down what the replicates of `cell` gave.
    pub fn of(cell: &Cell, entry: &Entry, decimals: Decimals) -> EntryText {
        let Entry::Measured(measurement) = entry else { return EntryText::default() };
        let (value, remark) = match measurement.summary {
            Some(summary) => {
                (decimals.write(&summary), remark_beside_value(&cell.counts, measurement, summary.n))
            }
            None => (String::new(), remark_alone(&cell.counts, measurement)),
        };
        EntryText { value, remark, mark: measurement.mark }
    }

    /// Writes down the difference to the baseline: `+0.0012 ±0.0007`, with `(2/3)` where a replicate has no pair.
    pub fn of_difference(cell: &Cell, entry: &Entry, decimals: Decimals) -> EntryText {
        let Entry::Measured(measurement) = entry else { return EntryText::default() };
        let (value, remark) = match measurement.against {
            Against::Nothing => Default::default(),
            Against::Itself => (String::new(), "baseline".to_owned()),
            Against::Pairs(Difference { summary, .. }) => {
                let planned = cell.counts.planned;
                let share = (summary.n < planned).then(|| format!("({}/{planned})", summary.n));
                (decimals.write_signed(&summary), share.unwrap_or_default())
            }
        };
        EntryText { value, remark, mark: Mark::Plain }
    }

    /// Writes down how often the cell did better than the baseline: `0.67 [0.21, 0.94]`.
    pub fn of_won(entry: &Entry) -> EntryText {
        let difference = entry.measured().and_then(|measurement| match measurement.against {
            Against::Pairs(difference) => difference.won,
            Against::Nothing | Against::Itself => None,
        });
        let value = difference.map(|won| format!("{:.2} [{:.2}, {:.2}]", won.share, won.lower, won.upper));
        EntryText { value: value.unwrap_or_default(), ..EntryText::default() }
    }
}

/// Writes mean and half-width of one cell by itself: so many decimals that its half-width has two significant digits,
/// within the bounds of the quantity.
pub fn number(summary: &Summary, quantity: Quantity) -> String {
    Decimals::of(quantity, [summary]).write(summary)
}

/// How many decimals the numbers of a column have: the same in every row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decimals {
    all: usize,
    /// The most that the quantity ever has.
    most: usize,
}

impl Decimals {
    /// Chooses so many that the smallest half-width above 0 has two significant digits, within the bounds of the quantity:
    /// no cell loses what its interval supports. Without any half-width they are the most.
    pub fn of<'a>(quantity: Quantity, column: impl IntoIterator<Item = &'a Summary>) -> Decimals {
        let (least, most) = bounds(quantity);
        let half_widths = column.into_iter().filter_map(|summary| summary.half_width);
        let smallest = half_widths.filter(|half_width| *half_width > 0.0).min_by(f64::total_cmp);
        let all = smallest.map_or(most, |smallest| decimals_for_two_digits(smallest).clamp(least, most));
        Decimals { all, most }
    }

    /// Writes mean and half-width. Nothing rounds to 0 unseen: a half-width that would is written `±<0.0001`, and where the
    /// mean would too, or is huge, both have exponents.
    fn write(self, summary: &Summary) -> String {
        self.write_with(summary, "")
    }

    /// Writes the same with the sign of the mean, also where it is not negative.
    fn write_signed(self, summary: &Summary) -> String {
        self.write_with(summary, if summary.mean.is_sign_negative() { "" } else { "+" })
    }

    fn write_with(self, summary: &Summary, sign: &str) -> String {
        let Decimals { all, most } = self;
        let Summary { mean, half_width, .. } = *summary;
        let tiny = vanishes(mean, most) && half_width.is_none_or(|h| h == 0.0 || vanishes(h, most));
        if tiny || mean.abs() >= EXPONENT_FROM {
            let half_width = half_width.map(|half_width| format!(" ±{half_width:.1e}"));
            return format!("{sign}{mean:.2e}{}", half_width.unwrap_or_default());
        }
        let mean = format!("{sign}{mean:.all$}");
        match half_width {
            None => mean,
            Some(half_width) if vanishes(half_width, all) => format!("{mean} ±<{:.all$}", smallest(all)),
            Some(half_width) => format!("{mean} ±{half_width:.all$}"),
        }
    }
}

/// Means from here on are written with an exponent: a diverging objective can have 38 digits.
const EXPONENT_FROM: f64 = 1e6;

/// Returns whether a value that is not 0 reads as 0 with so many decimals.
fn vanishes(value: f64, decimals: usize) -> bool {
    if value.abs() >= smallest(decimals) {
        return false;
    }
    let text = format!("{:.*}", decimals, value.abs());
    value != 0.0 && text.bytes().all(|byte| byte == b'0' || byte == b'.')
}

/// Returns the fewest and the most decimals of a quantity. Four resolve one sample of a test set of 10,000.
fn bounds(quantity: Quantity) -> (usize, usize) {
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

/// Returns how many decimals show two significant digits of a value above 0. Read off its decimal form: a logarithm would
/// depend on the machine, and would not see that 0.0996 rounds to 0.10.
fn decimals_for_two_digits(value: f64) -> usize {
    let scientific = format!("{value:.1e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    usize::try_from(1 - exponent).unwrap_or(0)
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

#[cfg(test)]
mod tests {
    use super::super::fixture::{cell, diverged, succeeded};
    use super::super::{Replicate, TableSpec, build};
    use super::*;
    use crate::table::Column;

    const ACCURACY: Quantity = Quantity::Metric(Metric::TestAccuracy);

    fn written(mean: f64, half_width: f64, quantity: Quantity) -> String {
        number(&Summary { n: 3, mean, half_width: Some(half_width) }, quantity)
    }

    #[test]
    fn decimals_follow_the_half_width_within_bounds() {
        let cases = [
            (0.98123, 0.00071, "0.9812 ±0.0007"),
            (0.98123, 0.0123, "0.981 ±0.012"),
            (0.98123, 0.123, "0.98 ±0.12"),
            (0.98123, 12.3, "0.98 ±12.30"),
            (0.98123, 0.0996, "0.98 ±0.10"),
            (0.98123, 0.0, "0.9812 ±0.0000"),
            (0.98123, 0.00001, "0.9812 ±<0.0001"),
            (0.0, 0.0, "0.0000 ±0.0000"),
            (0.00002, 0.00001, "2.00e-5 ±1.0e-5"),
            (0.00002, 0.0003, "0.0000 ±0.0003"),
            (0.00002, 0.0, "2.00e-5 ±0.0e0"),
            (12_345_678.0, 1234.0, "1.23e7 ±1.2e3"),
        ];
        for (mean, half_width, text) in cases {
            assert_eq!(written(mean, half_width, ACCURACY), text);
        }
        assert_eq!(written(29.333, 1.2345, Quantity::Metric(Metric::Epochs)), "29.3 ±1.2");
        assert_eq!(number(&Summary { n: 1, mean: 0.5, half_width: None }, ACCURACY), "0.5000");
    }

    fn decimals_of(half_widths: &[f64]) -> Decimals {
        let of = |half_width: &f64| Summary { n: 3, mean: 0.5, half_width: Some(*half_width) };
        Decimals::of(ACCURACY, &half_widths.iter().map(of).collect::<Vec<_>>())
    }

    #[test]
    fn a_column_has_the_decimals_that_its_smallest_interval_supports() {
        for (half_widths, all) in [
            (&[0.12, 0.035, 0.0][..], 3),
            (&[0.12, 0.15][..], 2),
            (&[0.12, 0.000_001][..], 4),
            (&[0.0, 0.0][..], 4),
            (&[][..], 4),
        ] {
            assert_eq!(decimals_of(half_widths).all, all, "{half_widths:?}");
        }
        let of = |mean, half_width| decimals_of(&[0.035]).write(&Summary { n: 3, mean, half_width });
        assert_eq!(of(0.21, Some(0.12)), "0.210 ±0.120");
        assert_eq!(of(0.21, Some(0.0)), "0.210 ±0.000");
        assert_eq!(of(0.21, None), "0.210");
    }

    #[test]
    fn differences_have_their_sign() {
        let of = |mean| decimals_of(&[0.035]).write_signed(&Summary { n: 3, mean, half_width: Some(0.035) });
        assert_eq!([of(0.1), of(-0.1), of(0.0)], ["+0.100 ±0.035", "-0.100 ±0.035", "+0.000 ±0.035"]);
        assert_eq!(of(1e-9), "+0.000 ±0.035");
    }

    fn text(replicates: Vec<Replicate>) -> (String, String) {
        let spec = TableSpec {
            rows: Vec::new(),
            columns: Vec::new(),
            cells: vec![Column::Metric(Metric::TestAccuracy)],
            baseline: Vec::new(),
            effects: false,
        };
        let table = build(&spec, &[cell("l1", None, "relu", &[8.0], replicates)]);
        let cell = table.rows[0].cells[0].as_ref().unwrap();
        let text = EntryText::of(cell, &cell.entries[0], decimals_of(&[0.0]));
        (text.value, text.remark)
    }

    #[test]
    fn every_replicate_without_a_value_is_named() {
        let good = || succeeded(0.9, 5, &[]);
        let infinite = || succeeded(f64::INFINITY, 5, &[]);
        let (missing, pending) = (|| Replicate::Missing, || Replicate::Pending);
        let cases = [
            (vec![good()], "0.9000", ""),
            (vec![good(), good()], "0.9000 ±0.0000", ""),
            (vec![good(), good(), missing()], "0.9000 ±0.0000", "(2/3, 1 failed)"),
            (vec![good(), good(), pending()], "0.9000 ±0.0000", "(2/3, …)"),
            (vec![good(), diverged(2), missing()], "0.9000", "(1/3, 1 diverged, 1 failed)"),
            (vec![good(), infinite()], "0.9000", "(1/2, 1 undefined)"),
            (vec![missing(), missing()], "", "failed"),
            (vec![diverged(2), diverged(2)], "", "2 diverged"),
            (vec![diverged(2), missing(), pending()], "", "1 diverged, 1 failed, …"),
            (vec![pending(), pending()], "", "…"),
        ];
        for (replicates, value, remark) in cases {
            assert_eq!(text(replicates), (value.to_owned(), remark.to_owned()));
        }
    }
}
