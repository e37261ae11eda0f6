//! Which cell a printed row may be of, where what is printed leaves that open.

use super::printed::{Beside, compare_printed};
use super::{PrintedValue, begun, called, values};
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
    /// What it is printed under: `activation relu`.
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
    /// What the rows are printed under.
    pub rows: Vec<String>,
    /// Every candidate, and how it stands to each row; `None` where it is none of the row.
    pub candidates: Vec<(String, Vec<Option<Agreement>>)>,
}

/// How a candidate stands to a printed row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Agreement {
    /// How many numbers agree; `None` while some are not known.
    pub agreeing: Option<usize>,
    /// Of how many.
    pub numbers: usize,
}

impl Agreement {
    /// Returns whether all numbers agree.
    pub fn is_whole(self) -> bool {
        self.agreeing == Some(self.numbers)
    }

    /// Returns how it is written: `3 of 4`.
    pub fn text(self) -> String {
        self.agreeing.map_or_else(|| "…".to_owned(), |agreeing| format!("{agreeing} of {}", self.numbers))
    }
}

/// Says which candidates of each row agree with all its numbers, and which one of them agrees with every row.
pub fn fit(fit: &Fit, of: &dyn Fn(&Choices) -> CellResults) -> Fitted {
    let judge_row = |row: &FitRow| -> Vec<Judged> {
        row.candidates.iter().map(|(name, choices)| judge(name, &of(choices), &row.values)).collect()
    };
    let judged: Vec<Vec<Judged>> = fit.rows.iter().map(judge_row).collect();
    let mut names: Vec<&String> = Vec::new();
    for candidate in judged.iter().flatten() {
        if !names.contains(&&candidate.name) {
            names.push(&candidate.name);
        }
    }
    let stand = |name: &String| -> Vec<Option<Agreement>> {
        let of_row = |row: &Vec<Judged>| row.iter().find(|of| of.name == *name).map(Judged::agreement);
        judged.iter().map(of_row).collect()
    };
    let candidates: Vec<_> = names.into_iter().map(|name| (name.clone(), stand(name))).collect();
    let mut sentences: Vec<String> =
        fit.rows.iter().zip(&judged).map(|(row, judged)| sentence(row, judged)).collect();
    sentences.push(of_all(&candidates));
    let rows = fit.rows.iter().map(|row| row.name.clone()).collect();
    Fitted { text: fit.text.clone(), sentences, rows, candidates }
}

/// Says which candidates agree with every row, or which comes closest.
fn of_all(candidates: &[(String, Vec<Option<Agreement>>)]) -> String {
    let is_whole = |of: &Option<Agreement>| of.is_some_and(Agreement::is_whole);
    let whole = candidates.iter().filter(|(_, rows)| rows.iter().all(is_whole));
    let whole: Vec<&str> = whole.map(|(name, _)| name.as_str()).collect();
    if !whole.is_empty() {
        let who = if whole.len() == 1 { "One candidate fits" } else { "These candidates fit" };
        return format!("{who} all rows: {}.", whole.join("; "));
    }
    let agreeing = |rows: &[Option<Agreement>]| -> Option<usize> {
        rows.iter().map(|of| of.and_then(|of| of.agreeing)).sum::<Option<usize>>()
    };
    let counted = candidates.iter().filter_map(|(name, rows)| Some((name, agreeing(rows)?, rows)));
    // The first of equals, in the study's order.
    match counted.rev().max_by_key(|(_, agreeing, _)| *agreeing) {
        Some((name, agreeing, rows)) => {
            let numbers: usize = rows.iter().flatten().map(|of| of.numbers).sum();
            format!(
                "No candidate fits all rows; the nearest, {name}, agrees with {agreeing} of {numbers} numbers."
            )
        }
        None => "No candidate is known for all rows yet.".to_owned(),
    }
}

/// A candidate beside a printed row.
struct Judged {
    name: String,
    is_known: bool,
    numbers: usize,
    agreeing: usize,
    /// What does not agree, for people.
    apart: Vec<String>,
}

impl Judged {
    fn agreement(&self) -> Agreement {
        let agreeing = self.is_known.then_some(self.agreeing);
        Agreement { agreeing, numbers: self.numbers }
    }

    fn fits(&self) -> bool {
        self.is_known && self.apart.is_empty()
    }
}

fn judge(name: &str, cell: &CellResults, printed: &[PrintedValue]) -> Judged {
    let mut quantiles = TQuantiles::new(CONFIDENCE);
    let (name, numbers) = (name.to_owned(), printed.len());
    let mut judged = Judged { name, is_known: true, numbers, agreeing: 0, apart: Vec::new() };
    for value in printed {
        let summary = quantiles.summarize(&values(value.quantity, cell));
        match compare_printed(value, summary) {
            Beside::Agrees => judged.agreeing += 1,
            Beside::Unknown => judged.is_known = false,
            Beside::Above | Beside::Below => {
                let ours = summary.map_or(String::new(), |summary| number(&summary, value.quantity));
                judged.apart.push(format!(
                    "{} is {ours} where {} is printed",
                    called(value.quantity),
                    value.text
                ));
            }
        }
    }
    judged
}

fn sentence(row: &FitRow, judged: &[Judged]) -> String {
    let name = begun(&row.name);
    let numbers = row.values.len();
    let fitting: Vec<&str> = judged.iter().filter(|of| of.fits()).map(|of| of.name.as_str()).collect();
    let unknown = judged.iter().filter(|of| !of.is_known).count();
    let open = if unknown > 0 {
        format!(" {unknown} of {} candidates are not known yet.", judged.len())
    } else {
        String::new()
    };
    if !fitting.is_empty() {
        let what = match (numbers, fitting.len()) {
            (1, _) => "the printed number agrees with".to_owned(),
            (_, 1) => format!("all {numbers} printed numbers agree with"),
            (_, many) => format!("all {numbers} printed numbers agree with each of {many} candidates:"),
        };
        return format!("{name}: {what} {}.{open}", fitting.join("; "));
    }
    // The first of equals, in the study's order.
    let closest = judged.iter().filter(|of| of.is_known).rev().max_by_key(|of| of.agreeing);
    match closest {
        Some(Judged { name: closest, agreeing, apart, .. }) => format!(
            "{name}: no candidate agrees with {}; the nearest, {closest}, agrees with {agreeing} of them, but {}.{open}",
            if numbers == 1 {
                "the printed number".to_owned()
            } else {
                format!("all {numbers} printed numbers")
            },
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
            (format!("regularizer {regularizer}"), cell.choices)
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
                "A: the printed number agrees with regularizer l1; regularizer l2. 1 of 3 candidates are not known yet.",
                "B: the printed number agrees with regularizer l1. 1 of 3 candidates are not known yet.",
                "One candidate fits all rows: regularizer l1.",
            ]
        );
        let texts = |of: &[Option<Agreement>]| of.iter().map(|of| of.unwrap().text()).collect::<Vec<_>>();
        assert_eq!(fitted.rows, ["a", "b"]);
        assert_eq!(fitted.candidates.len(), 3);
        assert_eq!(fitted.candidates[1].0, "regularizer l2");
        assert_eq!(texts(&fitted.candidates[1].1), ["1 of 1", "0 of 1"]);
        assert_eq!(texts(&fitted.candidates[2].1), ["…", "…"]);
        let apart = Fit { rows: vec![row("a", "0.99"), row("b", "0.865")], ..both };
        let sentences = fit(&apart, &found).sentences;
        assert_eq!(
            sentences[0],
            "A: no candidate agrees with the printed number; the nearest, regularizer l1, agrees with 0 of them, but test \
             accuracy is 0.910 ±0.025 where 0.99 is printed. 1 of 3 candidates are not known yet."
        );
        assert_eq!(
            sentences[2],
            "No candidate fits all rows; the nearest, regularizer l1, agrees with 1 of 2 numbers."
        );
    }
}
