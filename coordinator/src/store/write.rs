//! Events as changes of rows: one transaction a batch.

use super::number::{self, Numbers};
use super::rows::{self};
use super::{Batch, Preview, passed};
use crate::core::{AttemptEnding, Event, Record, TrialEnd};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Attempt, Fence, SweepId, Term, TrialId};
use gridsweep_common::trial::{Failure, TrialSpec};
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params, params_from_iter};

/// Writes a batch if its term is the store's, and returns the store's term. `numbers` are those of before, and hold as
/// well when this fails.
pub(super) fn write(
    connection: &mut Connection,
    numbers: &mut Numbers,
    batch: &Batch,
) -> rusqlite::Result<Term> {
    let written = try_write(connection, numbers, batch);
    if written.is_err() {
        numbers.clear();
    }
    written
}

fn try_write(connection: &mut Connection, numbers: &mut Numbers, batch: &Batch) -> rusqlite::Result<Term> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let current: i64 =
        transaction.prepare_cached("SELECT term FROM term")?.query_row([], |row| row.get(0))?;
    let current = Term(current.cast_unsigned());
    if current != batch.term {
        return Ok(current);
    }
    for event in &batch.events {
        write_event(&transaction, numbers, event, batch.at_ms)?;
    }
    for preview in &batch.previews {
        write_preview(&transaction, numbers, preview)?;
    }
    for record in &batch.records {
        write_record(&transaction, numbers, record, batch.at_ms)?;
    }
    batch.events.iter().filter_map(ended).for_each(|trial| numbers.forget(trial));
    number::settle(&transaction)?;
    end_within_commit();
    transaction.commit()?;
    Ok(current)
}

/// Returns the trial that an event ends.
fn ended(event: &Event) -> Option<TrialId> {
    match event {
        Event::TrialFinished { trial, .. }
        | Event::TrialFailed { trial, .. }
        | Event::TrialQuarantined { trial, .. }
        | Event::TrialCancelled { trial } => Some(*trial),
        _ => None,
    }
}

/// Where a test may end the process, in a debug build with failpoints: all of a batch is written, and none of it is there.
fn end_within_commit() {
    #[cfg(debug_assertions)]
    fail::fail_point!("within_commit", |_| std::process::abort());
}

fn write_event(
    transaction: &Transaction<'_>,
    numbers: &mut Numbers,
    event: &Event,
    at_ms: i64,
) -> rusqlite::Result<()> {
    match event {
        Event::SweepSubmitted { sweep, open, priority } => {
            write_sweep(transaction, *sweep, open, *priority, at_ms)
        }
        Event::SweepPrioritized { sweep, priority } => {
            update_sweep(transaction, *sweep, "priority = ?2", *priority)
        }
        Event::SweepCancelled { sweep } => update_sweep(transaction, *sweep, "is_cancelled = ?2", true),
        Event::SweepReinstated { sweep } => {
            passed::forget(transaction, *sweep)?;
            update_sweep(transaction, *sweep, "is_cancelled = ?2", false)
        }
        Event::CursorAdvanced { sweep, passed, .. } => passed::write(transaction, numbers, *sweep, passed),
        Event::AttemptLeased { fence, spec, worker_name, .. } => {
            write_lease(transaction, numbers, *fence, spec, worker_name, at_ms)
        }
        Event::AttemptStarted { trial, .. }
        | Event::CheckpointKept { trial, .. }
        | Event::AttemptEnded { trial, .. }
        | Event::TrialFinished { trial, .. }
        | Event::TrialFailed { trial, .. }
        | Event::TrialQuarantined { trial, .. }
        | Event::TrialCancelled { trial }
        | Event::TrialReopened { trial } => {
            let number = numbers.of(transaction, *trial)?;
            write_of_trial(transaction, number, event, at_ms)
        }
        Event::ResultConflicted { trial, attempt, digest, outcome } => {
            let outcome = rows::to_json(&**outcome);
            transaction
                .prepare_cached(
                    "INSERT INTO conflict (trial, attempt, digest, outcome, recorded_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                )?
                .execute(params![trial.to_string(), attempt.0, digest.to_string(), outcome, at_ms])
                .map(drop)
        }
        Event::SweepActivated { .. }
        | Event::PrefixPassed { .. }
        | Event::ResultsKnown { .. }
        | Event::WorkerJoined { .. }
        | Event::LeasesClaimed { .. }
        | Event::LeasesRenewed { .. }
        | Event::LeaseRecalled { .. }
        | Event::TimersRestarted { .. }
        | Event::WorkerDelivered { .. }
        | Event::WorkerFailed { .. }
        | Event::WorkerQuarantined { .. }
        | Event::WorkerDisconnected { .. }
        | Event::WorkerLeaving { .. }
        | Event::WorkerLeft { .. }
        | Event::DrainBegun => Ok(()),
    }
}

/// Writes what happened to the trial with this number.
fn write_of_trial(
    transaction: &Transaction<'_>,
    number: i64,
    event: &Event,
    at_ms: i64,
) -> rusqlite::Result<()> {
    match event {
        Event::AttemptStarted { attempt, epoch, step, .. } => transaction
            .prepare_cached(
                "UPDATE attempt SET state = 'running', from_epoch = ?3, from_step = ?4
                 WHERE trial = ?1 AND number = ?2",
            )?
            .execute(params![number, attempt.0, epoch, step])
            .map(drop),
        Event::CheckpointKept { attempt, checkpoint, .. } => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO checkpoint (trial, attempt, blob, length, epoch, step, kept_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(rows::checkpoint_columns(number, *attempt, *checkpoint, at_ms))
            .map(drop),
        Event::AttemptEnded { attempt, ending, .. } => {
            write_attempt_end(transaction, number, *attempt, ending, at_ms)
        }
        Event::TrialFinished { end, .. } => write_trial_end(transaction, number, *end, None),
        Event::TrialFailed { failure, .. } => {
            write_trial_end(transaction, number, TrialEnd::Failed, Some(failure))
        }
        Event::TrialQuarantined { failure, .. } => {
            write_trial_end(transaction, number, TrialEnd::Quarantined, Some(failure))
        }
        Event::TrialCancelled { .. } => write_trial_end(transaction, number, TrialEnd::Cancelled, None),
        Event::TrialReopened { .. } => write_reopened(transaction, number),
        other => unreachable!("not of one trial: {other:?}"),
    }
}

fn write_sweep(
    transaction: &Transaction<'_>,
    sweep: SweepId,
    open: &OpenSweep,
    priority: i32,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let frozen = serde_json::to_string(&open.frozen).expect("a frozen sweep is plain data");
    passed::forget(transaction, sweep)?;
    transaction
        .prepare_cached(
            "INSERT INTO sweep (id, name, digest, frozen, submitted_ms, priority) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (id) DO UPDATE SET digest = excluded.digest, frozen = excluded.frozen,
             submitted_ms = excluded.submitted_ms, priority = excluded.priority, is_cancelled = 0",
        )?
        .execute(params![
            sweep.0.cast_signed(),
            open.sweep.name,
            open.digest().to_string(),
            frozen,
            at_ms,
            priority
        ])
        .map(drop)
}

/// Changes one column of a sweep, which `assignment` sets to `?2`.
fn update_sweep(
    transaction: &Transaction<'_>,
    sweep: SweepId,
    assignment: &'static str,
    value: impl ToSql,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(&format!("UPDATE sweep SET {assignment} WHERE id = ?1"))?
        .execute(params![sweep.0.cast_signed(), value])
        .map(drop)
}

/// Opens a trial without a result again.
fn write_reopened(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "UPDATE trial SET state = 'pending', failure = NULL, failure_detail = NULL,
             reopened_after = (SELECT max(number) FROM attempt WHERE trial = ?1)
             WHERE number = ?1 AND NOT EXISTS (SELECT 1 FROM result WHERE trial = ?1)",
        )?
        .execute([number])?;
    transaction
        .prepare_cached(
            "DELETE FROM ending WHERE trial = ?1 AND NOT EXISTS (SELECT 1 FROM result WHERE trial = ?1)",
        )?
        .execute([number])
        .map(drop)
}

fn write_lease(
    transaction: &Transaction<'_>,
    numbers: &mut Numbers,
    fence: Fence,
    spec: &TrialSpec,
    worker: &str,
    at_ms: i64,
) -> rusqlite::Result<()> {
    // Attempts are numbered from 1: at a trial's first one there is no row of it.
    let known = if fence.attempt == Attempt(1) { None } else { numbers.find(transaction, fence.trial)? };
    let number = match known {
        Some(number) => {
            let sql = "UPDATE trial SET state = 'leased' WHERE number = ?1";
            transaction.prepare_cached(sql)?.execute([number])?;
            number
        }
        None => write_trial(transaction, fence.trial, spec)?,
    };
    numbers.remember(fence.trial, number);
    transaction
        .prepare_cached(
            "INSERT INTO attempt (trial, number, term, worker, state, started_ms)
             VALUES (?1, ?2, ?3, ?4, 'offered', ?5)",
        )?
        .execute(params![number, fence.attempt.0, fence.term.0.cast_signed(), worker, at_ms])
        .map(drop)
}

/// Writes the row of a trial at which the first attempt is made, and returns its number.
fn write_trial(transaction: &Transaction<'_>, trial: TrialId, spec: &TrialSpec) -> rusqlite::Result<i64> {
    let id = trial.to_string();
    let columns = rows::SPEC_COLUMNS;
    let sql = format!("INSERT INTO trial (id, state, {columns}) VALUES (?, 'leased', ?, ?, ?, ?, ?, ?, ?)");
    let spec = rows::spec_columns(spec);
    let values = std::iter::once(&id as &dyn ToSql).chain(spec.iter().map(AsRef::as_ref));
    let number = transaction.prepare_cached(&sql)?.insert(params_from_iter(values))?;
    transaction
        .prepare_cached("INSERT INTO recent (trial, id) VALUES (?1, ?2)")?
        .execute(params![number, id])?;
    Ok(number)
}

fn write_attempt_end(
    transaction: &Transaction<'_>,
    number: i64,
    attempt: Attempt,
    ending: &AttemptEnding,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let end = rows::attempt_end(ending);
    transaction
        .prepare_cached(
            "UPDATE attempt SET state = ?3, failure = ?4, detail = ?5, ended_ms = ?6 WHERE trial = ?1 AND number = ?2",
        )?
        .execute(params![number, attempt.0, end.state, end.failure, end.detail, at_ms])?;
    if ending.starts_over() {
        forget_checkpoint(transaction, number)?;
    }
    // Its trial ends with it.
    if matches!(ending, AttemptEnding::Finished) {
        return Ok(());
    }
    transaction
        .prepare_cached(
            "UPDATE trial SET state = 'pending' WHERE number = ?1 AND state = 'leased'
             AND NOT EXISTS (SELECT 1 FROM attempt WHERE trial = ?1 AND state IN ('offered', 'running'))",
        )?
        .execute([number])
        .map(drop)
}

fn write_trial_end(
    transaction: &Transaction<'_>,
    number: i64,
    end: TrialEnd,
    failure: Option<&Failure>,
) -> rusqlite::Result<()> {
    let (failure, detail) = (failure.map(|of| of.kind.name()), failure.map(|of| &of.detail));
    transaction
        .prepare_cached("UPDATE trial SET state = ?2, failure = ?3, failure_detail = ?4 WHERE number = ?1")?
        .execute(params![number, end.name(), failure, detail])?;
    forget_checkpoint(transaction, number)?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO ending (trial) VALUES (?1)")?
        .execute([number])
        .map(drop)
}

fn forget_checkpoint(transaction: &Transaction<'_>, number: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM checkpoint WHERE trial = ?1")?.execute([number]).map(drop)
}

/// Keeps a preview, unless the trial has its result already: messages of a lost attempt may come late.
fn write_preview(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    preview: &Preview,
) -> rusqlite::Result<()> {
    let Some(number) = numbers.find(transaction, preview.trial)? else { return Ok(()) };
    let columns = rows::EPOCH_COLUMNS;
    let sql = format!(
        "INSERT INTO preview (trial, attempt, {columns}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
         WHERE NOT EXISTS (SELECT 1 FROM result WHERE trial = ?1) ON CONFLICT DO NOTHING"
    );
    let key: [&dyn ToSql; 2] = [&number, &preview.attempt.0];
    let values = key.into_iter().chain(rows::epoch_columns(&preview.metrics));
    transaction.prepare_cached(&sql)?.execute(params_from_iter(values)).map(drop)
}

fn write_record(
    transaction: &Transaction<'_>,
    numbers: &Numbers,
    record: &Record,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let number = numbers.of(transaction, record.trial)?;
    let columns = rows::SUMMARY_COLUMNS;
    let sql = format!(
        "INSERT INTO result (trial, attempt, digest, recorded_ms, {columns})
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    let (attempt, digest) = (record.attempt.0, record.outcome.digest().to_string());
    let key: [&dyn ToSql; 4] = [&number, &attempt, &digest, &at_ms];
    let summary = rows::summary_columns(&record.outcome.summary());
    let values = key.into_iter().chain(summary.iter().map(AsRef::as_ref));
    transaction.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    transaction.prepare_cached("DELETE FROM preview WHERE trial = ?1")?.execute([number])?;
    let columns = rows::EPOCH_COLUMNS;
    let sql = format!("INSERT INTO epoch (trial, {columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    let mut insert = transaction.prepare_cached(&sql)?;
    for metrics in &record.outcome.epochs {
        let values = std::iter::once(&number as &dyn ToSql).chain(rows::epoch_columns(metrics));
        insert.execute(params_from_iter(values))?;
    }
    Ok(())
}
