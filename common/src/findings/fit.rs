//! Which cell a printed row may be of, where what is printed leaves that open.

use super::printed::{Beside, compare_printed};
use super::{PrintedValue, values};
use crate::choice::Choices;
use crate::stats::{CONFIDENCE, TQuantiles};
use crate::table::CellResults;
use crate::table::text::number;

/// `[[publication.fit]]`: rows that were printed, each with the cells that it may be of.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    /// The question.
    pub text: String,
    /// The rows.
    pub rows: Vec<FitRow>,
}

/// One printed row.
#[derive(Clone, PartialEq, Debug)]
pub struct FitRow {
    /// What it is printed under: `activation=relu`.
    pub name: String,
    /// Its numbers.
    pub values: Vec<PrintedValue>,
    /// The cells that it may be of, each by what tells it from the others.
    pub candidates: Vec<(String, Choices)>,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fitted {
    /// The question.
    pub text: String,
    /// A sentence a row, and one for all rows.
    pub sentences: Vec<String>,
}

/// Says which candidates of each row agree with all its numbers, and which one of them agrees with every row.
pub fn fit(fit: &Fit, of: &dyn Fn(&Choices) -> CellResults) -> Fitted {
    let mut sentences = Vec::new();
    let mut common: Option<Vec<String>> = None;
    for row in &fit.rows {
        let judged: Vec<Judged> =
            row.candidates.iter().map(|(name, choices)| judge(name, &of(choices), &row.values)).collect();
        sentences.push(sentence(row, &judged));
        let fitting: Vec<String> = judged.iter().filter(|of| of.fits()).map(|of| of.name.clone()).collect();
        common = Some(match common {
            Some(before) => before.into_iter().filter(|name| fitting.contains(name)).collect(),
            None => fitting,
        });
    }
    sentences.push(match common.unwrap_or_default() {
        none if none.is_empty() => "No one of them agrees with all rows.".to_owned(),
        some => format!("With all rows agree: {}.", some.join("; ")),
    });
    Fitted { text: fit.text.clone(), sentences }
}

/// A candidate beside a printed row.
struct Judged {
    name: String,
    is_known: bool,
    agreeing: usize,
    /// What does not agree, for people.
    apart: Vec<String>,
}

impl Judged {
    fn fits(&self) -> bool {
        self.is_known && self.apart.is_empty()
    }
}

fn judge(name: &str, cell: &CellResults, printed: &[PrintedValue]) -> Judged {
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let mut judged = Judged { name: name.to_owned(), is_known: true, agreeing: 0, apart: Vec::new() };
    for value in printed {
        let summary = quantiles.summarize(&values(value.quantity, cell));
        match compare_printed(value, summary) {
            Beside::Agrees => judged.agreeing += 1,
            Beside::Unknown => judged.is_known = false,
            Beside::Above | Beside::Below => {
                let ours = summary.map_or(String::new(), |summary| number(&summary, value.quantity));
                judged.apart.push(format!("{} {ours} for {}", value.quantity.heading(), value.text));
            }
        }
    }
    judged
}

fn sentence(row: &FitRow, judged: &[Judged]) -> String {
    let name = &row.name;
    let fitting: Vec<&str> = judged.iter().filter(|of| of.fits()).map(|of| of.name.as_str()).collect();
    let unknown = judged.iter().filter(|of| !of.is_known).count();
    let open = if unknown > 0 {
        format!(" {unknown} of {} are not known yet.", judged.len())
    } else {
        String::new()
    };
    if !fitting.is_empty() {
        return format!("{name}: all {} numbers agree with {}.{open}", row.values.len(), fitting.join("; "));
    }
    // The first of equals, in the study's order.
    let closest = judged.iter().filter(|of| of.is_known).rev().max_by_key(|of| of.agreeing);
    match closest {
        Some(Judged { name: closest, agreeing, apart, .. }) => format!(
            "{name}: none agrees with all {} numbers; {closest} does with {agreeing} (not {}).{open}",
            row.values.len(),
            apart.join(", ")
        ),
        None => format!("{name}:{open}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Metric;
    use crate::table::{Quantity, fixture};

    fn row(name: &str, accuracy: &str) -> FitRow {
        let value = accuracy.parse().unwrap();
        let quantity = Quantity::Metric(Metric::TestAccuracy);
        let candidate = |regularizer: &str| {
            let cell = fixture::cell_with(regularizer, &[0.5]);
            (format!("regularizer={regularizer}"), cell.choices)
        };
        FitRow {
            name: name.to_owned(),
            values: vec![PrintedValue { quantity, text: accuracy.to_owned(), value }],
            candidates: vec![candidate("l1"), candidate("l2"), candidate("none")],
        }
    }

    fn found(choices: &Choices) -> CellResults {
        match choices.get("regularizer").unwrap().to_string().as_str() {
            "l1" => fixture::cell_with("l1", &[0.90, 0.91, 0.92]),
            "l2" => fixture::cell_with("l2", &[0.91, 0.92, 0.93]),
            other => fixture::cell_with(other, &[0.5]),
        }
    }

    #[test]
    fn rows_are_told_what_they_may_be_of_and_whether_one_fits_all() {
        let both = Fit { text: "which?".to_owned(), rows: vec![row("a", "0.915"), row("b", "0.865")] };
        let fitted = fit(&both, &found);
        assert_eq!(
            fitted.sentences,
            [
                "a: all 1 numbers agree with regularizer=l1; regularizer=l2. 1 of 3 are not known yet.",
                "b: all 1 numbers agree with regularizer=l1. 1 of 3 are not known yet.",
                "With all rows agree: regularizer=l1.",
            ]
        );
        let apart = Fit { rows: vec![row("a", "0.99"), row("b", "0.865")], ..both };
        let sentences = fit(&apart, &found).sentences;
        assert_eq!(
            sentences[0],
            "a: none agrees with all 1 numbers; regularizer=l1 does with 0 (not test_accuracy 0.910 ±0.025 for \
             0.99). 1 of 3 are not known yet."
        );
        assert_eq!(sentences[2], "No one of them agrees with all rows.");
    }
}
