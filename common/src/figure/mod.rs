//! What a study shows as pictures: outcomes in, the text of an SVG out. Pure, and the same bytes on every machine.
//!
//! Whoever draws asks twice: [`Figure::wants`] says what a figure needs beside the summaries of the cells, and
//! [`Figure::draw`] is handed that. One request may give several drawings, such as one a cell.

mod ask;
mod bars;
mod cells;
mod confusion;
mod curves;
mod effects;
mod heat;
mod heatmap;
mod lines;
mod network;
mod plot;
mod series;
mod sheet;
#[cfg(test)]
mod tests;
mod weights;

pub use ask::{Along, Asked, EPOCH_METRICS, EpochMetric, Fault, FigureSpec, Pick, SHAPES, Shape, Shown};

use crate::metric::EpochMetrics;
use crate::table::{CellResults, Heading};
use std::collections::BTreeMap;

/// One kind of figure.
pub trait Figure: Sync {
    /// Returns the name that chooses this kind in a sweep file and on a command line.
    fn name(&self) -> &'static str;

    /// Says in half a sentence what it shows.
    fn about(&self) -> &'static str;

    /// Returns what a request of this kind may say beside `kind`, `title` and `where`, and whether it must.
    fn keys(&self) -> &'static [(&'static str, Need)];

    /// Returns what it needs to know of the cells beside their summaries.
    fn wants(&self, _spec: &FigureSpec, _cells: &[CellResults]) -> Wants {
        Wants::Nothing
    }

    /// Draws what was asked for: one picture at least.
    ///
    /// # Errors
    /// The request fits no cell of the study, or more of its axes vary than the figure has room for.
    fn draw(&self, spec: &FigureSpec, study: &Subject<'_>) -> Result<Vec<Drawing>, FigureError>;
}

/// Whether a request must say something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// There is no figure without it.
    Required,
    /// There is a default.
    Optional,
}

/// Every kind, in the order of the help text.
pub const ALL: &[&dyn Figure] = &[
    &curves::Curves,
    &confusion::Confusion,
    &weights::Weights,
    &lines::Lines,
    &bars::Bars,
    &heatmap::Heatmap,
    &network::Network,
    &effects::Effects,
];

/// Returns the kind of this name.
pub fn by_name(name: &str) -> Option<&'static dyn Figure> {
    ALL.iter().copied().find(|kind| kind.name() == name)
}

/// What a figure needs beside the summaries of the cells: cells by their place, replicates counted from 0.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wants {
    /// Nothing.
    Nothing,
    /// The epochs of every replicate of these cells.
    Epochs(Vec<usize>),
    /// The final weights of one replicate of these cells.
    Weights(Vec<(usize, usize)>),
}

/// A study with all that is known of it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What stands above a figure that was given no title.
    pub title: &'a str,
    /// The study's axes.
    pub axes: &'a [Heading],
    /// Its cells, in the study's order.
    pub cells: &'a [CellResults],
    /// What [`Figure::wants`] asked for, as far as there is any.
    pub details: &'a Details,
}

/// What is known of cells beside their summaries.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Every epoch of every replicate, by the cell's place; those of replicates that have not ended as far as they are known,
    /// empty for replicates without a result.
    pub epochs: BTreeMap<usize, Vec<Vec<EpochMetrics>>>,
    /// The final weights, by the cell's place and the replicate.
    pub weights: BTreeMap<(usize, usize), Vec<Matrix>>,
}

/// One weight matrix.
#[derive(Clone, PartialEq, Debug)]
pub struct Matrix {
    /// Rows: units of the layer before, or inputs.
    pub inputs: usize,
    /// Columns: units of this layer, or classes.
    pub units: usize,
    /// Row by row: `inputs` × `units` of them.
    pub values: Vec<f32>,
}

/// One picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Drawing {
    /// The kind, and a number where a request gives several: `a-z 0-9 -`, the stem of a file's name.
    pub name: String,
    /// What stands above it.
    pub title: String,
    /// What it shows, in a sentence for those who do not see it.
    pub description: String,
    /// The text of the SVG file.
    pub svg: String,
}

/// Why a figure cannot be drawn.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FigureError {
    /// No cell is selected.
    #[error("no cell of the study is selected by `where`")]
    NoCells,
    /// More varies than the figure has room for.
    #[error("a figure of kind `{kind}` has no place for {axes}: fix it with `where`, or show it in `panels`")]
    Crowded {
        /// The kind of figure.
        kind: &'static str,
        /// The axes that vary, as a list for people.
        axes: String,
    },
}
