//! Which trials a sweep consists of, enumerated lazily by their index.

pub(crate) mod check;
pub(crate) mod grid;
mod overlap;
mod region;
pub(crate) mod settings;
pub(crate) mod space;
mod split;
mod tally;

pub use grid::{Excluded, Grid, StudyGrid};

use crate::choice::Choices;

/// One trial of a sweep: a cell and one of its seeds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Point {
    /// The complete choices of the cell, defaults filled in.
    pub choices: Choices,
    /// Counted from 0.
    pub replicate: u32,
}

/// A way to choose cells.
pub trait Search {
    /// Returns the number of cells, those in several studies counted once.
    fn cells(&self) -> u64;

    /// Returns the number of trials: cells times replicates, below 2^63.
    fn trials(&self) -> u64;

    /// Returns the choices of the cell at `position`, counted from 0.
    fn cell(&self, position: u64) -> Option<Choices>;

    /// Returns the trial at `index`, counted from 0: the replicates of a cell follow one another.
    fn trial(&self, index: u64) -> Option<Point>;

    /// Returns the index of a trial by its complete choices, or `None` where it is not part of the search.
    fn index_of(&self, choices: &Choices, replicate: u32) -> Option<u64>;
}

#[cfg(test)]
mod tests;
