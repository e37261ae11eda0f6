//! The full grid: studies as products of axes, united.

use super::{Point, Search};
use crate::choice::{Choices, Value};
use std::collections::BTreeMap;
use std::ops::Range;

/// The union of a sweep's studies. Its order: the first study's cells, then those of the second that are not in the
/// first, and so on; within a study the last axis varies fastest.
#[derive(Clone, Debug)]
pub struct Grid {
    studies: Vec<StudyGrid>,
    replicates: u32,
}

/// The cells of one study.
#[derive(Clone, Debug)]
pub struct StudyGrid {
    excluded: Vec<Excluded>,
}

/// What one `[[study.exclude]]` takes away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excluded {
    /// The file's reason.
    pub reason: String,
    /// How many cells it takes from the study, those that an earlier one took not counted.
    pub cells: u64,
}

impl Grid {
    /// Returns how many studies there are.
    pub fn study_count(&self) -> usize {
        self.studies.len()
    }

    /// Returns one study, counted from 0.
    ///
    /// # Panics
    /// Panics when there is no such study.
    pub fn study(&self, index: usize) -> &StudyGrid {
        &self.studies[index]
    }

    /// Returns how many replicates every cell has.
    pub fn replicates(&self) -> u32 {
        self.replicates
    }

    /// Returns the studies that a cell belongs to, counted from 0, in their order.
    pub fn studies_of(&self, choices: &Choices) -> Vec<usize> {
        (0..self.studies.len()).filter(|&i| self.studies[i].position_of(choices).is_some()).collect()
    }

    /// Returns how many cells are in both grids, without enumerating them.
    pub fn shared_cells(&self, other: &Grid) -> u64 {
        let _ = other;
        0
    }

    /// Returns the number of cells, shared ones once, for each combination of the values of a few settings; a setting
    /// that a cell does not have is `None`. Costs as much as there are combinations, not cells.
    pub fn tally(&self, settings: &[&str]) -> BTreeMap<Vec<Option<Value>>, u64> {
        let _ = settings;
        BTreeMap::new()
    }
}

impl Search for Grid {
    fn cells(&self) -> u64 {
        0
    }

    fn trials(&self) -> u64 {
        0
    }

    fn cell(&self, _position: u64) -> Option<Choices> {
        None
    }

    fn trial(&self, _index: u64) -> Option<Point> {
        None
    }

    fn index_of(&self, _choices: &Choices, _replicate: u32) -> Option<u64> {
        None
    }
}

impl StudyGrid {
    /// Returns how many cells the study has, also those that an earlier study has.
    pub fn cells(&self) -> u64 {
        0
    }

    /// Returns how many of its cells no earlier study has.
    pub fn new_cells(&self) -> u64 {
        0
    }

    /// Returns the cell at `position`, counted from 0, the last axis fastest.
    pub fn cell(&self, position: u64) -> Option<Choices> {
        let _ = position;
        None
    }

    /// Returns the cells at these positions, in order; positions past the end give nothing.
    pub fn cells_in(&self, positions: Range<u64>) -> impl Iterator<Item = Choices> + '_ {
        positions.map_while(|position| self.cell(position))
    }

    /// Returns the position of a cell by its complete choices, or `None` where the study does not have it.
    pub fn position_of(&self, choices: &Choices) -> Option<u64> {
        let _ = choices;
        None
    }

    /// Returns what each `[[study.exclude]]` takes away, in the file's order.
    pub fn excluded(&self) -> &[Excluded] {
        &self.excluded
    }
}
