//! What a coordinator has to know when it starts. Most trials of a large store have their results: of those a line each is read,
//! and neither what they compute nor their attempts.

use super::{StoredAttempt, rows};
use crate::core::{Event, KnownResult, TrialEnd};
use gridsweep_common::id::{Attempt, TrialId};
use gridsweep_common::trial::TrialSpec;
use rusqlite::{Connection, Row};
use std::sync::Arc;

/// An attempt at a trial without a result.
pub(super) struct LoadedAttempt {
    /// As it is stored: a worker checks it before it runs one.
    pub(super) trial: TrialId,
    pub(super) spec: Arc<TrialSpec>,
    pub(super) attempt: StoredAttempt,
    /// Whether it is the trial's last one, and whether the trial was opened again after it.
    pub(super) is_last: bool,
    pub(super) is_reopened: bool,
    /// How the trial ended.
    pub(super) end: Option<Event>,
}

/// What is known of all trials, by their numbers.
pub(super) struct Known {
    /// The id of every number, from 1 on.
    pub(super) ids: Vec<TrialId>,
    /// Those with results, in the order of the ids.
    pub(super) results: Vec<KnownResult>,
    /// The numbers of the others.
    pub(super) open: Vec<i64>,
}

/// Reads the ids of all trials, and which of them have results. Not from their rows, which are long.
pub(super) fn known(connection: &Connection) -> rusqlite::Result<Known> {
    let ids = ids(connection)?;
    let mut attempts = last_attempts(connection, ids.len())?;
    let mut results = Vec::new();
    let mut statement =
        connection.prepare("SELECT trial, ending, digest, epochs FROM result ORDER BY trial")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let place = place(row, ids.len())?;
        let ending = row.get_ref(1)?.as_str()?;
        let end = match TrialEnd::from_name(ending) {
            Some(end @ (TrialEnd::Succeeded | TrialEnd::Diverged)) => end,
            _ => return Err(rows::wrong(1, &format!("a result that ended as \"{ending}\""))),
        };
        // Taken away: what is left in the end has no result.
        let attempts = Attempt(std::mem::take(&mut attempts[place]));
        let (digest, epochs) = (rows::parsed(row, 2)?, row.get(3)?);
        results.push(KnownResult { trial: ids[place], attempts, end, digest, epochs });
    }
    results.sort_unstable_by_key(|result| result.trial);
    let open = (1..).zip(attempts).filter(|(_, attempts)| *attempts > 0).map(|(number, _)| number).collect();
    Ok(Known { ids, results, open })
}

fn ids(connection: &Connection) -> rusqlite::Result<Vec<TrialId>> {
    let sql = "SELECT trial, id FROM identity UNION ALL SELECT trial, id FROM recent";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, i64>(0)?, rows::read_id(row, 1)?)))?;
    let mut numbered = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    numbered.sort_unstable();
    if (1..).zip(&numbered).any(|(expected, (number, _))| expected != *number) {
        return Err(rows::wrong(0, "trials whose numbers have a gap"));
    }
    Ok(numbered.into_iter().map(|(_, id)| id).collect())
}

/// Reads the number of the last attempt at each of so many trials.
fn last_attempts(connection: &Connection, trials: usize) -> rusqlite::Result<Vec<u32>> {
    let mut last = vec![0; trials];
    let mut statement = connection.prepare("SELECT trial, number FROM attempt ORDER BY trial, number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        last[place(row, trials)?] = row.get(1)?;
    }
    Ok(last)
}

/// Returns where the trial stands whose number is in the first column.
fn place(row: &Row<'_>, trials: usize) -> rusqlite::Result<usize> {
    let number: i64 = row.get(0)?;
    let place = usize::try_from(number - 1).ok().filter(|place| *place < trials);
    place.ok_or_else(|| rows::wrong(0, &format!("a trial {number} without an id")))
}

/// Reads every attempt at the trials with these numbers.
pub(super) fn attempts(connection: &Connection, numbers: &[i64]) -> rusqlite::Result<Vec<LoadedAttempt>> {
    let spec = rows::of_table("trial", rows::SPEC_COLUMNS);
    let attempt = rows::of_table("attempt", rows::ATTEMPT_COLUMNS);
    let sql = format!(
        "SELECT trial.id, {spec}, {attempt}, trial.state, trial.failure, trial.failure_detail, \
         attempt.number = max(attempt.number) OVER (), attempt.number = trial.reopened_after \
         FROM trial JOIN attempt ON attempt.trial = trial.number \
         WHERE trial.number = ?1 ORDER BY attempt.number",
    );
    let mut statement = connection.prepare(&sql)?;
    let mut attempts = Vec::new();
    for number in numbers {
        let mut rows = statement.query([number])?;
        while let Some(row) = rows.next()? {
            attempts.push(read_attempt(row)?);
        }
    }
    Ok(attempts)
}

fn read_attempt(row: &Row<'_>) -> rusqlite::Result<LoadedAttempt> {
    let trial = rows::read_id(row, 0)?;
    Ok(LoadedAttempt {
        trial,
        spec: Arc::new(rows::read_spec(row, 1)?),
        attempt: rows::read_attempt(row, 8)?,
        is_last: row.get(21)?,
        is_reopened: row.get(22)?,
        end: read_trial_end(row, trial, 18)?,
    })
}

fn read_trial_end(row: &Row<'_>, trial: TrialId, first: usize) -> rusqlite::Result<Option<Event>> {
    let Some((end, failure)) = rows::read_end(row, first)? else { return Ok(None) };
    rows::trial_end(trial, end, failure).map(Some).map_err(|what| rows::wrong(first, &what))
}
