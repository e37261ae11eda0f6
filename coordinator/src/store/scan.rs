//! One pass over all of a sweep that has ended, in the order in which the rows lie in the file.
//!
//! Trials and their results both lie in the order of their numbers, and are read side by side. Most trials are replicates of a cell that was met before, so the text of choices is looked up before it is read.

use super::rows::{self, wrong};
use super::{Detail, EndedTrial};
use gridsweep_common::choice::Choices;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::Digest;
use gridsweep_common::metric::OutcomeSummary;
use gridsweep_common::search::Search;
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// How much of the file is mapped while it is read through: a copy of every page takes longer than what is done with it.
const MAPPED_BYTES_MAX: i64 = 8 << 30;

/// Where the columns of the query begin.
const SPEC_FIRST: usize = 1;
const END_FIRST: usize = 8;
const NUMBER: usize = 11;

/// Has the file mapped from now on, for reading through it.
pub(super) fn map(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "mmap_size", MAPPED_BYTES_MAX)
}

/// Hands `take` the index and the trial for every trial of `sweep` that has ended. Within one transaction, so that trials and
/// results are of the same moment.
pub(super) fn scan(
    connection: &Connection,
    sweep: &OpenSweep,
    detail: Detail,
    take: &mut dyn FnMut(u64, EndedTrial),
) -> rusqlite::Result<()> {
    let trials = format!(
        "SELECT id, {}, state, failure, failure_detail, number FROM trial
         WHERE state NOT IN ('pending', 'leased') ORDER BY number",
        rows::SPEC_COLUMNS
    );
    let results = format!("SELECT trial, {} FROM result ORDER BY trial", rows::SUMMARY_COLUMNS);
    let (mut trials, mut results) = (connection.prepare(&trials)?, connection.prepare(&results)?);
    let mut trials = trials.query([])?;
    let mut results = Results::begin(results.query([])?)?;
    let mut members = Members::of(sweep);
    while let Some(row) = trials.next()? {
        if let Some(index) = members.index(row)? {
            let (end, failure) = rows::read_end(row, END_FIRST)?.ok_or(rusqlite::Error::InvalidQuery)?;
            let summary = match detail {
                Detail::End => None,
                Detail::Measures => results.of(row.get_ref(NUMBER)?)?,
            };
            take(index, EndedTrial { id: rows::read_id(row, 0)?, end, failure, summary });
        }
    }
    Ok(())
}

/// The results in the order of the trials: both are read side by side, which saves a search for each.
struct Results<'a> {
    rows: rusqlite::Rows<'a>,
}

impl<'a> Results<'a> {
    fn begin(mut rows: rusqlite::Rows<'a>) -> rusqlite::Result<Results<'a>> {
        rows.advance()?;
        Ok(Results { rows })
    }

    /// Returns the result of a trial, if it has one; trials are asked for in their order.
    fn of(&mut self, number: ValueRef<'_>) -> rusqlite::Result<Option<OutcomeSummary>> {
        while let Some(row) = self.rows.get() {
            match compared(row.get_ref(0)?, number)? {
                Ordering::Less => self.rows.advance()?,
                Ordering::Equal => return rows::read_summary(row, 1, rows::read_matrices_without_histograms),
                Ordering::Greater => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// Compares the numbers of trials: the ids that stood in their places before the fifth layout are texts.
fn compared(a: ValueRef<'_>, b: ValueRef<'_>) -> rusqlite::Result<Ordering> {
    match (a, b) {
        (ValueRef::Integer(a), ValueRef::Integer(b)) => Ok(a.cmp(&b)),
        _ => Ok(a.as_str()?.cmp(b.as_str()?)),
    }
}

/// Tells which trials are a sweep's.
struct Members<'a> {
    sweep: &'a OpenSweep,
    root: String,
    data: String,
    /// By the text of a cell's choices: the index of its first replicate, `None` where the sweep does not have the cell.
    cells: BTreeMap<Digest, Option<u64>>,
}

impl Members<'_> {
    fn of(sweep: &OpenSweep) -> Members<'_> {
        let root = sweep.sweep.replicates.seed.to_string();
        Members { sweep, root, data: sweep.data().to_string(), cells: BTreeMap::new() }
    }

    /// Returns the index of the row's trial: what `OpenSweep::index_of` does with the trial read.
    fn index(&mut self, row: &Row<'_>) -> rusqlite::Result<Option<u64>> {
        let validation = self.sweep.sweep.data.validation;
        let text = |column: usize| row.get_ref(SPEC_FIRST + column)?.as_str().map_err(rusqlite::Error::from);
        let replicate: u32 = row.get(SPEC_FIRST + 2)?;
        let fits = text(1)? == self.root
            && replicate < self.sweep.sweep.grid().replicates()
            && text(3)? == self.data
            && row.get::<_, f64>(SPEC_FIRST + 4)? == validation.fraction
            && text(5)? == rows::pick_name(validation.pick)
            && row.get::<_, u32>(SPEC_FIRST + 6)? == self.sweep.frozen.numerics;
        if !fits {
            return Ok(None);
        }
        Ok(self.first_of_cell(text(0)?)?.map(|first| first + u64::from(replicate)))
    }

    fn first_of_cell(&mut self, choices: &str) -> rusqlite::Result<Option<u64>> {
        let key = Digest::of(choices.as_bytes());
        if let Some(first) = self.cells.get(&key) {
            return Ok(*first);
        }
        let json = serde_json::from_str(choices).map_err(|error| wrong(SPEC_FIRST, &error.to_string()))?;
        let choices =
            Choices::from_json(&json).ok_or_else(|| wrong(SPEC_FIRST, "choices that are no table"))?;
        let first = self.sweep.sweep.grid().index_of(&choices, 0);
        self.cells.insert(key, first);
        Ok(first)
    }
}
