//! Printed numbers beside what was found here.
//!
//! A printed number is one run. It agrees where it lies within the 95 % interval for one more run of the same cell,
//! x̄ ± t(0.975; n − 1) · s · √(1 + 1/n) (Hahn and Meeker, Statistical Intervals, 1991, section 4.7), widened by half a unit of
//! its last digit, to which it was rounded.

use super::{PrintedValue, Publication, values};
use crate::choice::Choices;
use crate::stats::{CONFIDENCE, Summary, TQuantiles};
use crate::table::text::number;
use crate::table::{CellResults, Quantity};

/// What it means that a printed number agrees, for people.
pub const AGREES: &str = "a printed number is one run: it agrees where it lies within the 95 % interval for one more run of the \
                          cell, widened by half a unit of its last digit";

/// One printed number beside ours.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The place of its study in the file.
    pub study: usize,
    /// The cell.
    pub cell: String,
    /// What it is of.
    pub quantity: Quantity,
    /// As it was printed.
    pub printed: String,
    /// Ours as text, empty where there is none.
    pub ours: String,
    /// The mean of ours.
    pub mean: Option<f64>,
    /// Half the width of the 95 % Student-t interval of the mean, of two replicates or more.
    pub half_width: Option<f64>,
    /// Over how many replicates, of how many planned.
    pub replicates: (usize, usize),
    /// How they stand.
    pub beside: Beside,
}

/// How a printed number stands to ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beside {
    /// It is what one more run might give.
    Agrees,
    /// It lies above that.
    Above,
    /// It lies below that.
    Below,
    /// There are not two replicates yet.
    Unknown,
}

impl Beside {
    /// Returns how it is written.
    pub fn text(self) -> &'static str {
        match self {
            Beside::Agrees => "agrees",
            Beside::Above => "differs: printed is higher",
            Beside::Below => "differs: printed is lower",
            Beside::Unknown => "not known yet",
        }
    }
}

/// Sets each printed number beside what the cells have that `of` finds.
pub fn beside(publication: &Publication, of: &dyn Fn(&Choices) -> CellResults) -> Vec<Row> {
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let mut rows = Vec::new();
    for printed in &publication.numbers {
        let results = of(&printed.cell.choices);
        for value in &printed.values {
            let ours = values(value.quantity, &results);
            let summary = quantiles.summarize(&ours);
            rows.push(Row {
                study: printed.cell.study,
                cell: printed.cell.name(),
                quantity: value.quantity,
                printed: value.text.clone(),
                ours: summary.as_ref().map_or(String::new(), |summary| number(summary, value.quantity)),
                mean: summary.map(|summary| summary.mean),
                half_width: summary.and_then(|summary| summary.half_width),
                replicates: (ours.len(), results.replicates.len()),
                beside: compare_printed(value, summary),
            });
        }
    }
    rows
}

/// Compares a printed number with one more run of a cell.
pub(super) fn compare_printed(printed: &PrintedValue, ours: Option<Summary>) -> Beside {
    compare(printed.value, last_digit(&printed.text), ours)
}

/// Compares a printed number, rounded to multiples of `unit`, with one more run.
fn compare(printed: f64, unit: f64, ours: Option<Summary>) -> Beside {
    let Some(Summary { n, mean, half_width: Some(half_width) }) = ours else { return Beside::Unknown };
    // t·s/√n times √(n + 1) is t·s·√(1 + 1/n).
    let reach = half_width * ((n + 1) as f64).sqrt() + unit / 2.0 * (1.0 + 1e-9);
    match printed - mean {
        above if above > reach => Beside::Above,
        above if above < -reach => Beside::Below,
        _ => Beside::Agrees,
    }
}

/// Returns the worth of the last digit of a number as it is written: 0.001 of `2.301`, 1 of `36`.
fn last_digit(text: &str) -> f64 {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let decimals = digits.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let exponent = exponent.parse::<i32>().unwrap_or(0) - i32::try_from(decimals).unwrap_or(0);
    // Read as text: a power of ten computed is not the nearest number on every machine.
    format!("1e{exponent}").parse().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_digit_is_worth_what_its_place_says() {
        let cases = [("2.3010", 1e-4), ("36", 1.0), ("0.5", 0.1), ("1.25e-3", 1e-5), ("1", 1.0)];
        for (text, worth) in cases {
            assert_eq!(last_digit(text), worth, "{text}");
        }
    }

    #[test]
    fn a_number_agrees_as_far_as_one_more_run_may_lie() {
        // t(0.975; 2) = 4.303, s = 0.1: one more run lies within 4.303 · 0.1 · √(4/3) = 0.497.
        let ours = TQuantiles::new(CONFIDENCE).summarize(&[0.9, 1.0, 1.1]);
        let of = |printed| compare(printed, 0.0, ours);
        assert_eq!([1.49, 0.51].map(of), [Beside::Agrees; 2]);
        assert_eq!([1.50, 0.50].map(of), [Beside::Above, Beside::Below]);
        assert_eq!(compare(1.50, 0.01, ours), Beside::Agrees, "it may have been rounded up");
        let same = TQuantiles::new(CONFIDENCE).summarize(&[0.1135; 3]);
        assert_eq!(compare(0.1135, 1e-4, same), Beside::Agrees);
        assert_eq!(compare(0.1137, 1e-4, same), Beside::Above);
        assert_eq!(compare(1.0, 0.1, TQuantiles::new(CONFIDENCE).summarize(&[1.0])), Beside::Unknown);
    }
}
