//! Which trials each sweep has passed, from the beginning of its grid to the first one that it has not: in runs, because in a
//! grid of equal costs trials get their numbers in its order. A restart goes on there, and need not hash again what is
//! before it.

use super::number::Numbers;
use crate::core::Passed;
use gridsweep_common::id::{SweepId, TrialId};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// Trials in a row of a sweep's grid whose numbers are in a row.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The index of the first one.
    first: u64,
    /// Its number.
    trial: i64,
    count: u32,
}

impl Run {
    fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
        Ok(Run { first: row.get::<_, i64>(0)?.cast_unsigned(), trial: row.get(1)?, count: row.get(2)? })
    }

    /// Returns the index behind the last one.
    fn end(&self) -> u64 {
        self.first + u64::from(self.count)
    }

    /// Takes one more trial, if it is the next one.
    fn takes(&mut self, index: u64, number: i64) -> bool {
        let is_next =
            index == self.end() && number == self.trial + i64::from(self.count) && self.count < u32::MAX;
        self.count += u32::from(is_next);
        is_next
    }
}

/// Writes that a sweep has passed these trials. What does not follow on what is there is not kept: the next coordinator
/// begins where that ends.
pub(super) fn write(
    connection: &Connection,
    numbers: &Numbers,
    sweep: SweepId,
    passed: &[Passed],
) -> rusqlite::Result<()> {
    if passed.is_empty() {
        return Ok(());
    }
    let mut last = last(connection, sweep)?;
    let next = following(passed, last.map_or(0, |run| run.end()));
    if next.is_empty() {
        return Ok(());
    }
    for (index, id) in next {
        let number = numbers.of(connection, id)?;
        if !last.as_mut().is_some_and(|run| run.takes(index, number)) {
            last.map_or(Ok(()), |run| write_run(connection, sweep, run))?;
            last = Some(Run { first: index, trial: number, count: 1 });
        }
    }
    last.map_or(Ok(()), |run| write_run(connection, sweep, run))
}

/// Returns those of the trials passed that follow without a gap on the first `end` of the grid, in its order.
pub(super) fn following(passed: &[Passed], end: u64) -> Vec<(u64, TrialId)> {
    let behind = passed.iter().filter(|of| of.index >= end);
    let mut behind: Vec<_> = behind.map(|of| (of.index, of.trial)).collect();
    behind.sort_unstable();
    (end..).zip(behind).take_while(|(next, (index, _))| next == index).map(|(_, of)| of).collect()
}

fn last(connection: &Connection, sweep: SweepId) -> rusqlite::Result<Option<Run>> {
    let sql = "SELECT first, trial, count FROM passed WHERE sweep = ?1 ORDER BY first DESC LIMIT 1";
    connection.prepare_cached(sql)?.query_row([sweep.0.cast_signed()], Run::read).optional()
}

fn write_run(connection: &Connection, sweep: SweepId, run: Run) -> rusqlite::Result<()> {
    let sql = "INSERT INTO passed (sweep, first, trial, count) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (sweep, first) DO UPDATE SET count = excluded.count";
    let key = (sweep.0.cast_signed(), run.first.cast_signed());
    connection.prepare_cached(sql)?.execute(params![key.0, key.1, run.trial, run.count]).map(drop)
}

/// Puts a sweep back at its beginning.
pub(super) fn forget(connection: &Connection, sweep: SweepId) -> rusqlite::Result<()> {
    let sql = "DELETE FROM passed WHERE sweep = ?1";
    connection.prepare_cached(sql)?.execute([sweep.0.cast_signed()]).map(drop)
}

/// Reads what each sweep has passed, from its beginning on; `ids` has the id of every number from 1 on.
pub(super) fn read(
    connection: &Connection,
    ids: &[TrialId],
) -> rusqlite::Result<BTreeMap<SweepId, Vec<TrialId>>> {
    let mut statement =
        connection.prepare("SELECT first, trial, count, sweep FROM passed ORDER BY sweep, first")?;
    let mut rows = statement.query([])?;
    let mut passed: BTreeMap<SweepId, Vec<TrialId>> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let run = Run::read(row)?;
        let trials = passed.entry(SweepId(row.get::<_, i64>(3)?.cast_unsigned())).or_default();
        let begin = usize::try_from(run.trial - 1).unwrap_or(usize::MAX);
        let of_run = ids.get(begin..).and_then(|ids| ids.get(..run.count as usize));
        // What is not whole ends it: the cursor begins there.
        match of_run {
            Some(ids) if run.first == trials.len() as u64 => trials.extend(ids),
            _ => {}
        }
    }
    Ok(passed)
}
