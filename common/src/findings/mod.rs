//! What the results say, in sentences that are computed: which cell of a study is best, what a publication printed beside what
//! was found here, and whether what it claims holds.
//!
//! Everything rests on replicates that share their seeds: two cells are compared by the 95 % Student-t interval of the mean
//! paired difference ([`crate::stats::paired_interval`]).

mod best;
mod claim;
mod fit;
mod printed;

pub use best::best_of;
pub use claim::{Answer, Verdict, answer};
pub use fit::{Agreement, Fit, FitRow, Fitted, fit};
pub use printed::{AGREES, Beside, Row, beside};

use crate::choice::Choices;
use crate::stats::Summary;
use crate::table::text::spoken;
use crate::table::{CellResults, Label, Quantity, Replicate};

/// `[publication]`: what someone has printed of the same experiments.
#[derive(Clone, PartialEq, Debug)]
pub struct Publication {
    /// What it is.
    pub source: String,
    /// What it printed, cell by cell.
    pub numbers: Vec<Printed>,
    /// What it says.
    pub claims: Vec<Claim>,
    /// What it printed of cells that it leaves open.
    pub fits: Vec<Fit>,
}

/// `[[publication.number]]`: what was printed of one cell.
#[derive(Clone, PartialEq, Debug)]
pub struct Printed {
    /// The cell.
    pub cell: NamedCell,
    /// The numbers, in the file's order.
    pub values: Vec<PrintedValue>,
    /// What a reader must know of them.
    pub note: Option<String>,
}

/// One printed number.
#[derive(Clone, PartialEq, Debug)]
pub struct PrintedValue {
    /// What it is of.
    pub quantity: Quantity,
    /// As it was printed, with its trailing zeros.
    pub text: String,
    /// Its value.
    pub value: f64,
}

/// `[[publication.claim]]`: a sentence, and what would have to hold for it to be true.
#[derive(Clone, PartialEq, Debug)]
pub struct Claim {
    /// The sentence.
    pub text: String,
    /// All of these; at least one.
    pub holds: Vec<Comparison>,
}

/// A statement about one quantity of two cells, or of a cell and a number.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// What is compared.
    pub quantity: Quantity,
    /// Of which cell.
    pub cell: NamedCell,
    /// How it is said to stand.
    pub relation: Relation,
    /// To what.
    pub than: Than,
}

/// What a cell is compared with.
#[derive(Clone, PartialEq, Debug)]
pub enum Than {
    /// Another cell.
    Cell(NamedCell),
    /// A number.
    Number(f64),
}

/// How one is said to stand to the other.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Relation {
    /// It is higher.
    Higher,
    /// It is lower.
    Lower,
    /// It is not higher by more than this, 0 or more.
    NotHigher(f64),
    /// It is not lower by more than this.
    NotLower(f64),
    /// It differs by this at most, more than 0.
    About(f64),
}

/// A cell and what it is called in sentences.
#[derive(Clone, PartialEq, Debug)]
pub struct NamedCell {
    /// The place of its study in the file.
    pub study: usize,
    /// Its complete choices.
    pub choices: Choices,
    /// The study's title or name.
    pub title: String,
    /// What the cell has on the study's axes; empty where it has none.
    pub label: String,
}

impl NamedCell {
    /// Returns what it is called where its study is not known: `L2, coefficient 0.001`.
    pub fn name(&self) -> String {
        if self.label.is_empty() { self.title.clone() } else { format!("{}, {}", self.title, self.label) }
    }
}

/// Names a cell by what it has on the axes of its study: `regularizer l2, coefficient 0.001`; empty where the study has none.
pub fn name(settings: &[&str], choices: &Choices) -> String {
    let setting = |setting: &&str| match Label::of(choices, setting) {
        Label::Absent => None,
        label => Some(format!("{} {label}", spoken(setting))),
    };
    settings.iter().filter_map(setting).collect::<Vec<_>>().join(", ")
}

/// Returns a quantity as it is called in a sentence: `mean sparsity`.
fn called(quantity: Quantity) -> String {
    spoken(&quantity.heading())
}

/// Returns the text with a capital letter.
fn begun(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    first + letters.as_str()
}

/// Returns the values that two cells have in the same replicates.
fn pairs(quantity: Quantity, a: &CellResults, b: &CellResults) -> Vec<(f64, f64)> {
    let both = a.replicates.iter().zip(&b.replicates);
    both.filter_map(|(a, b)| Some((value(quantity, a)?, value(quantity, b)?))).collect()
}

fn value(quantity: Quantity, replicate: &Replicate) -> Option<f64> {
    match replicate {
        Replicate::Finished(outcome) => quantity.of(outcome),
        Replicate::Pending | Replicate::Missing => None,
    }
}

fn values(quantity: Quantity, cell: &CellResults) -> Vec<f64> {
    cell.replicates.iter().filter_map(|replicate| value(quantity, replicate)).collect()
}

/// Writes a difference without its sign: `0.0021 ±0.0010`.
fn apart(quantity: Quantity, difference: &crate::stats::Interval, n: usize) -> String {
    let crate::stats::Interval { estimate, half_width } = *difference;
    let summary = Summary { n, mean: estimate.abs(), half_width: Some(half_width) };
    crate::table::text::number(&summary, quantity)
}
