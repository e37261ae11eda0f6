//! Outcomes grouped by axes: what a study's tables are made of.

use crate::choice::Choices;
use crate::metric::{Metric, Outcome};

/// What `[[study.table]]` asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableSpec {
    /// What the rows stand for. Rows and columns together name every axis of the study.
    pub rows: Vec<Heading>,
    /// What the columns are spread over; may be empty.
    pub columns: Vec<Heading>,
    /// What stands in the cells.
    pub cells: Vec<Column>,
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
    /// It ended with a result: succeeded or diverged.
    Finished(Box<Outcome>),
    /// The machine's doing, never averaged over: failed, cancelled or quarantined.
    Missing,
}
