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

/// Reads which trials have results, in the order of their ids, and the ids of all trials in the order of their numbers.
pub(super) fn results(connection: &Connection) -> rusqlite::Result<(Vec<KnownResult>, Vec<TrialId>)> {
    let mut statement = connection.prepare(
        "SELECT id, result.ending, result.digest, (SELECT max(attempt.number) FROM attempt WHERE trial = trial.number)
         FROM trial LEFT JOIN result ON result.trial = trial.number ORDER BY trial.number",
    )?;
    let mut rows = statement.query([])?;
    let (mut results, mut ids) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let trial = rows::read_id(row, 0)?;
        ids.push(trial);
        let Some(ending) = row.get_ref(1)?.as_str_or_null()? else { continue };
        let end = match TrialEnd::from_name(ending) {
            Some(end @ (TrialEnd::Succeeded | TrialEnd::Diverged)) => end,
            _ => return Err(rows::wrong(1, &format!("a result that ended as \"{ending}\""))),
        };
        let attempts = Attempt(row.get(3)?);
        results.push(KnownResult { trial, attempts, end, digest: rows::parsed(row, 2)? });
    }
    results.sort_unstable_by_key(|result| result.trial);
    Ok((results, ids))
}

/// Reads every attempt at a trial without a result.
pub(super) fn attempts(connection: &Connection) -> rusqlite::Result<Vec<LoadedAttempt>> {
    let spec = rows::of_table("trial", rows::SPEC_COLUMNS);
    let attempt = rows::of_table("attempt", rows::ATTEMPT_COLUMNS);
    let sql = format!(
        "SELECT trial.id, {spec}, {attempt}, trial.state, trial.failure, trial.failure_detail, \
         attempt.number = max(attempt.number) OVER (PARTITION BY trial.number), \
         attempt.number = trial.reopened_after \
         FROM trial JOIN attempt ON attempt.trial = trial.number \
         WHERE NOT EXISTS (SELECT 1 FROM result WHERE result.trial = trial.number) \
         ORDER BY trial.number, attempt.number",
    );
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map([], |row| {
        let trial = rows::read_id(row, 0)?;
        Ok(LoadedAttempt {
            trial,
            spec: Arc::new(rows::read_spec(row, 1)?),
            attempt: rows::read_attempt(row, 8)?,
            is_last: row.get(21)?,
            is_reopened: row.get(22)?,
            end: read_trial_end(row, trial, 18)?,
        })
    })?;
    rows.collect()
}

fn read_trial_end(row: &Row<'_>, trial: TrialId, first: usize) -> rusqlite::Result<Option<Event>> {
    let Some((end, failure)) = rows::read_end(row, first)? else { return Ok(None) };
    rows::trial_end(trial, end, failure, None).map(Some).map_err(|what| rows::wrong(first, &what))
}
