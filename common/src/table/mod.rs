//! Outcomes grouped by axes: what a study's tables are made of.

mod baseline;
mod build;
mod effects;
#[cfg(test)]
pub(crate) mod fixture;
mod mark;
mod notes;
pub mod text;

pub use build::{build, summarize};
pub use effects::{Effects, Source, effects};
pub use mark::best_cell;

use crate::choice::{Choices, Value};
use crate::metric::{Better, Ending, Metric, OutcomeSummary};
use crate::stats::{Outperforming, Summary};
use std::fmt;
use std::sync::Arc;

/// What `[[study.table]]` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableSpec {
    /// What the rows stand for. Rows and columns together name every axis of the study.
    pub rows: Vec<Heading>,
    /// What the columns are spread over; may be empty.
    pub columns: Vec<Heading>,
    /// What stands in the cells.
    pub cells: Vec<Column>,
    /// What the cells are compared with: values of settings that the axes vary. Empty where they are not.
    pub baseline: Vec<(String, Value)>,
    /// Whether the share of each axis in the variance is told below the table.
    pub effects: bool,
}

/// One axis of a study as a heading: a plain axis stands for one setting, a zip for several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heading {
    /// The axis' name.
    pub name: String,
    /// The dotted names of the settings that it sets, one of them for a plain axis.
    pub settings: Vec<String>,
}

/// One entry of a table's `cells`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// A number that every outcome has.
    Metric(Metric),
    /// One column a weight matrix, counted from the input; shallower nets leave the rest empty.
    Sparsity,
}

/// One cell of a study with what is known of its replicates.
#[derive(Clone, Debug)]
pub struct CellResults {
    /// The complete choices of the cell.
    pub choices: Choices,
    /// One entry a planned replicate, in order of the replicates.
    pub replicates: Vec<Replicate>,
}

/// What is known of one replicate of a cell.
#[derive(Clone, Debug)]
pub enum Replicate {
    /// Not finished yet.
    Pending,
    /// It ended with a result: succeeded or diverged. Shared between the studies that have its cell.
    Finished(Arc<OutcomeSummary>),
    /// The machine's doing, never averaged over: failed, cancelled or quarantined.
    Missing,
}

/// Cells arranged by their choices: plain data, which every format in [`crate::report`] writes down in its own way.
#[derive(Clone, PartialEq, Debug)]
pub struct Table {
    /// What stands above the table; [`build`] leaves it to the caller.
    pub title: Option<String>,
    /// The settings that label the rows: one label column each.
    pub row_settings: Vec<String>,
    /// The settings that the columns are spread over; empty where nothing is.
    pub column_settings: Vec<String>,
    /// The labels of each group of columns, one a column setting, in order of first appearance. Without column
    /// settings there is one group, without labels.
    pub groups: Vec<Vec<Label>>,
    /// The columns of every group.
    pub quantities: Vec<Quantity>,
    /// What the cells are compared with; empty where they are not.
    pub baseline: Vec<(String, Value)>,
    /// In order of first appearance.
    pub rows: Vec<Row>,
    /// What a reader must know to read the cells, a sentence each. How marks look is the format's own: see
    /// [`Table::legend`].
    pub notes: Vec<String>,
}

/// What a row or a group of columns has for one setting.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Label {
    /// The cells do not have the setting.
    Absent,
    /// A plain setting.
    Value(Value),
    /// A table such as `optimizer`: its entries by their names within it, in alphabetical order.
    Table(Vec<(String, Value)>),
}

impl Label {
    /// Returns what `choices` have for `setting`, which may be the name of a whole table.
    pub fn of(choices: &Choices, setting: &str) -> Label {
        if let Some(value) = choices.get(setting) {
            return Label::Value(value.clone());
        }
        let within = |name: &str| name.strip_prefix(setting)?.strip_prefix('.').map(str::to_owned);
        let entries: Vec<_> =
            choices.iter().filter_map(|(name, value)| Some((within(name)?, value.clone()))).collect();
        if entries.is_empty() { Label::Absent } else { Label::Table(entries) }
    }
}

impl fmt::Display for Label {
    /// Writes the label as people read it: a dash for an absent setting, tables as `kind=sgd momentum=0.9`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Absent => f.write_str("–"),
            Label::Value(value) => value.fmt(f),
            Label::Table(entries) => entries.iter().enumerate().try_for_each(|(index, (name, value))| {
                let gap = if index > 0 { " " } else { "" };
                write!(f, "{gap}{name}={value}")
            }),
        }
    }
}

/// A number that stands in one column.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Quantity {
    /// A number that every outcome has.
    Metric(Metric),
    /// The sparsity of one weight matrix, counted from 1 at the input.
    Sparsity(usize),
}

impl Quantity {
    /// Returns the name for machines: `test_error`, `sparsity_1`.
    pub fn name(self) -> String {
        match self {
            Quantity::Metric(metric) => metric.name().to_owned(),
            Quantity::Sparsity(matrix) => format!("sparsity_{matrix}"),
        }
    }

    /// Returns the heading for people: `test_error`, `sparsity 1`.
    pub fn heading(self) -> String {
        match self {
            Quantity::Metric(metric) => metric.name().to_owned(),
            Quantity::Sparsity(matrix) => format!("sparsity {matrix}"),
        }
    }

    /// Returns which direction is the better one.
    pub fn better(self) -> Better {
        match self {
            Quantity::Metric(metric) => metric.better(),
            Quantity::Sparsity(_) => Better::Neither,
        }
    }

    /// Returns the quantity's value, or `None` where the outcome has none or it is not finite.
    pub fn of(self, outcome: &OutcomeSummary) -> Option<f64> {
        match self {
            Quantity::Metric(metric) => outcome.metric(metric),
            Quantity::Sparsity(matrix) => {
                let matrices = &outcome.evaluation.as_ref()?.matrices;
                matrices.get(matrix.checked_sub(1)?).map(|m| m.sparsity).filter(|value| value.is_finite())
            }
        }
    }
}

/// One row: its labels, and one cell a group of columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// One a row setting.
    pub labels: Vec<Label>,
    /// One a group; `None` where the study has no such cell.
    pub cells: Vec<Option<Cell>>,
}

/// One cell of the study.
#[derive(Clone, PartialEq, Debug)]
pub struct Cell {
    /// How its replicates stand.
    pub counts: Counts,
    /// One a quantity.
    pub entries: Vec<Entry>,
}

/// How many replicates of a cell are in which state.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// All of them.
    pub planned: usize,
    /// Trained to their end.
    pub succeeded: usize,
    /// Ended early because a number became not finite: a result.
    pub diverged: usize,
    /// Without a result by the machine's doing: failed, cancelled or quarantined.
    pub failed: usize,
    /// Not finished yet.
    pub pending: usize,
}

impl Counts {
    /// Counts the replicates.
    pub fn of(replicates: &[Replicate]) -> Counts {
        let mut counts = Counts { planned: replicates.len(), ..Counts::default() };
        for replicate in replicates {
            *match replicate {
                Replicate::Pending => &mut counts.pending,
                Replicate::Missing => &mut counts.failed,
                Replicate::Finished(outcome) => match outcome.ending {
                    Ending::Succeeded => &mut counts.succeeded,
                    Ending::Diverged => &mut counts.diverged,
                },
            } += 1;
        }
        counts
    }

    /// Says which replicates did not train to their end, and why: `1 diverged, 2 not finished`; empty where all did.
    pub fn lacking(&self) -> String {
        let named = [(self.diverged, "diverged"), (self.failed, "failed"), (self.pending, "not finished")];
        let parts = named.into_iter().filter(|(count, _)| *count > 0);
        parts.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
    }

    /// Returns how many ended with a result: succeeded or diverged.
    pub fn done(&self) -> usize {
        self.succeeded + self.diverged
    }
}

/// What a cell has for one quantity.
#[derive(Clone, PartialEq, Debug)]
pub enum Entry {
    /// The quantity does not exist here: the net has no such matrix.
    Absent,
    /// What the replicates gave.
    Measured(Measurement),
}

impl Entry {
    /// Returns what was measured, if the quantity exists here.
    pub fn measured(&self) -> Option<&Measurement> {
        if let Entry::Measured(measurement) = self { Some(measurement) } else { None }
    }
}

/// One quantity over the replicates of a cell.
#[derive(Clone, PartialEq, Debug)]
pub struct Measurement {
    /// One a planned replicate, in their order; `None` where there is no value.
    pub values: Vec<Option<f64>>,
    /// Over the replicates that have a value; `None` where none has.
    pub summary: Option<Summary>,
    /// How many replicates have no value because they diverged.
    pub lost_to_divergence: usize,
    /// How many replicates succeeded and yet have no finite value.
    pub undefined: usize,
    /// How the cell stands against the best one.
    pub mark: Mark,
    /// How the cell stands against its baseline.
    pub against: Against,
}

/// How a cell stands against its baseline, by one quantity.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Against {
    /// Nothing to compare with: no baseline was asked for, the study has none for this cell, or they share no replicate
    /// with a value.
    Nothing,
    /// It is a baseline.
    Itself,
    /// The differences over the replicates that both have.
    Pairs(Difference),
}

/// The paired differences of a cell to its baseline: replicates share their seeds.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Difference {
    /// Mean and half-width of cell − baseline; `n` is the number of pairs.
    pub summary: Summary,
    /// How often the cell is the better one; `None` for what is described rather than judged.
    pub won: Option<Outperforming>,
}

/// How a cell stands against the best one of the table, by one quantity.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mark {
    /// Worse, or not to be judged.
    #[default]
    Plain,
    /// The best mean.
    Best,
    /// The interval of the difference to the best contains 0.
    Tied,
}
