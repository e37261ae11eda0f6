//! Events as changes of rows: one transaction a batch.

use super::rows::{self};
use super::{Batch, Preview};
use crate::core::{AttemptEnding, Event, Record, TrialEnd};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Attempt, Fence, SweepId, Term, TrialId};
use gridsweep_common::trial::TrialSpec;
use rusqlite::{Connection, ToSql, Transaction, TransactionBehavior, params, params_from_iter};

/// Writes a batch if its term is the store's, and returns the store's term.
pub(super) fn write(connection: &mut Connection, batch: &Batch) -> rusqlite::Result<Term> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let current: i64 = transaction.query_row("SELECT term FROM term", [], |row| row.get(0))?;
    let current = Term(current.cast_unsigned());
    if current != batch.term {
        return Ok(current);
    }
    for event in &batch.events {
        write_event(&transaction, event, batch.at_ms)?;
    }
    for preview in &batch.previews {
        write_preview(&transaction, preview)?;
    }
    for record in &batch.records {
        write_record(&transaction, record, batch.at_ms)?;
    }
    end_within_commit();
    transaction.commit()?;
    Ok(current)
}

/// Where a test may end the process, in a debug build with failpoints: all of a batch is written, and none of it is there.
fn end_within_commit() {
    #[cfg(debug_assertions)]
    fail::fail_point!("within_commit", |_| std::process::abort());
}

fn write_event(transaction: &Transaction<'_>, event: &Event, at_ms: i64) -> rusqlite::Result<()> {
    match event {
        Event::SweepSubmitted { sweep, open, priority } => {
            write_sweep(transaction, *sweep, open, *priority, at_ms)
        }
        Event::SweepPrioritized { sweep, priority } => {
            update_sweep(transaction, *sweep, "priority = ?2", *priority)
        }
        Event::SweepCancelled { sweep } => update_sweep(transaction, *sweep, "is_cancelled = ?2", true),
        Event::SweepReinstated { sweep } => update_sweep(transaction, *sweep, "is_cancelled = ?2", false),
        Event::AttemptLeased { fence, spec, worker_name, .. } => {
            write_lease(transaction, *fence, spec, worker_name, at_ms)
        }
        Event::AttemptStarted { trial, attempt, epoch, step, .. } => transaction
            .prepare_cached(
                "UPDATE attempt SET state = 'running', from_epoch = ?3, from_step = ?4
                 WHERE trial = ?1 AND number = ?2",
            )?
            .execute(params![trial.to_string(), attempt.0, epoch, step])
            .map(drop),
        Event::CheckpointKept { trial, attempt, checkpoint } => transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO checkpoint (trial, attempt, blob, length, epoch, step, kept_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(rows::checkpoint_columns(*trial, *attempt, *checkpoint, at_ms))
            .map(drop),
        Event::AttemptEnded { trial, attempt, ending } => {
            write_attempt_end(transaction, *trial, *attempt, ending, at_ms)
        }
        Event::TrialFinished { trial, end, .. } => write_trial_end(transaction, *trial, *end, None, None),
        Event::TrialFailed { trial, failure } => {
            let (kind, detail) = (Some(failure.kind.name()), Some(failure.detail.as_str()));
            write_trial_end(transaction, *trial, TrialEnd::Failed, kind, detail)
        }
        Event::TrialQuarantined { trial, failure } => {
            let (kind, detail) = (Some(failure.kind.name()), Some(failure.detail.as_str()));
            write_trial_end(transaction, *trial, TrialEnd::Quarantined, kind, detail)
        }
        Event::TrialCancelled { trial } => {
            write_trial_end(transaction, *trial, TrialEnd::Cancelled, None, None)
        }
        Event::TrialReopened { trial } => write_reopened(transaction, *trial),
        Event::ResultConflicted { trial, attempt, digest, outcome } => transaction
            .prepare_cached(
                "INSERT INTO conflict (trial, attempt, digest, outcome, recorded_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                trial.to_string(),
                attempt.0,
                digest.to_string(),
                rows::to_json(&**outcome),
                at_ms
            ])
            .map(drop),
        Event::SweepActivated { .. }
        | Event::CursorAdvanced { .. }
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

fn write_sweep(
    transaction: &Transaction<'_>,
    sweep: SweepId,
    open: &OpenSweep,
    priority: i32,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let frozen = serde_json::to_string(&open.frozen).expect("a frozen sweep is plain data");
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
fn write_reopened(transaction: &Transaction<'_>, trial: TrialId) -> rusqlite::Result<()> {
    let id = trial.to_string();
    transaction
        .prepare_cached(
            "UPDATE trial SET state = 'pending', failure = NULL, failure_detail = NULL,
             reopened_after = (SELECT max(number) FROM attempt WHERE trial = ?1)
             WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM result WHERE trial = ?1)",
        )?
        .execute([&id])?;
    transaction
        .prepare_cached(
            "DELETE FROM ending WHERE trial = ?1 AND NOT EXISTS (SELECT 1 FROM result WHERE trial = ?1)",
        )?
        .execute([&id])
        .map(drop)
}

fn write_lease(
    transaction: &Transaction<'_>,
    fence: Fence,
    spec: &TrialSpec,
    worker: &str,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let id = fence.trial.to_string();
    let columns = rows::SPEC_COLUMNS;
    let sql = format!(
        "INSERT INTO trial (id, state, {columns}) VALUES (?, 'leased', ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET state = 'leased'"
    );
    let spec = rows::spec_columns(spec);
    let values = std::iter::once(&id as &dyn ToSql).chain(spec.iter().map(AsRef::as_ref));
    transaction.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    transaction
        .prepare_cached(
            "INSERT INTO attempt (trial, number, term, worker, state, started_ms)
             VALUES (?1, ?2, ?3, ?4, 'offered', ?5)",
        )?
        .execute(params![id, fence.attempt.0, fence.term.0.cast_signed(), worker, at_ms])
        .map(drop)
}

fn write_attempt_end(
    transaction: &Transaction<'_>,
    trial: TrialId,
    attempt: Attempt,
    ending: &AttemptEnding,
    at_ms: i64,
) -> rusqlite::Result<()> {
    let (id, end) = (trial.to_string(), rows::attempt_end(ending));
    transaction
        .prepare_cached(
            "UPDATE attempt SET state = ?3, failure = ?4, detail = ?5, ended_ms = ?6 WHERE trial = ?1 AND number = ?2",
        )?
        .execute(params![id, attempt.0, end.state, end.failure, end.detail, at_ms])?;
    if ending.starts_over() {
        forget_checkpoint(transaction, &id)?;
    }
    transaction
        .prepare_cached(
            "UPDATE trial SET state = 'pending' WHERE id = ?1 AND state = 'leased'
             AND NOT EXISTS (SELECT 1 FROM attempt WHERE trial = ?1 AND state IN ('offered', 'running'))",
        )?
        .execute([id])
        .map(drop)
}

fn write_trial_end(
    transaction: &Transaction<'_>,
    trial: TrialId,
    end: TrialEnd,
    failure: Option<&str>,
    detail: Option<&str>,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("UPDATE trial SET state = ?2, failure = ?3, failure_detail = ?4 WHERE id = ?1")?
        .execute(params![trial.to_string(), end.name(), failure, detail])?;
    forget_checkpoint(transaction, &trial.to_string())?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO ending (trial) VALUES (?1)")?
        .execute([trial.to_string()])
        .map(drop)
}

fn forget_checkpoint(transaction: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM checkpoint WHERE trial = ?1")?.execute([id]).map(drop)
}

/// Keeps a preview, unless the trial has its result already: messages of a lost attempt may come late.
fn write_preview(transaction: &Transaction<'_>, preview: &Preview) -> rusqlite::Result<()> {
    let columns = rows::EPOCH_COLUMNS;
    let sql = format!(
        "INSERT INTO preview (trial, attempt, {columns}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
         WHERE EXISTS (SELECT 1 FROM trial WHERE id = ?1) AND NOT EXISTS (SELECT 1 FROM result WHERE trial = ?1)
         ON CONFLICT DO NOTHING"
    );
    let (id, attempt) = (preview.trial.to_string(), preview.attempt.0);
    let key: [&dyn ToSql; 2] = [&id, &attempt];
    let values = key.into_iter().chain(rows::epoch_columns(&preview.metrics));
    transaction.prepare_cached(&sql)?.execute(params_from_iter(values)).map(drop)
}

fn write_record(transaction: &Transaction<'_>, record: &Record, at_ms: i64) -> rusqlite::Result<()> {
    let id = record.trial.to_string();
    let columns = rows::SUMMARY_COLUMNS;
    let sql = format!(
        "INSERT INTO result (trial, attempt, digest, recorded_ms, {columns})
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    );
    let (attempt, digest) = (record.attempt.0, record.outcome.digest().to_string());
    let key: [&dyn ToSql; 4] = [&id, &attempt, &digest, &at_ms];
    let summary = rows::summary_columns(&record.outcome.summary());
    let values = key.into_iter().chain(summary.iter().map(AsRef::as_ref));
    transaction.prepare_cached(&sql)?.execute(params_from_iter(values))?;
    transaction.prepare_cached("DELETE FROM preview WHERE trial = ?1")?.execute([&id])?;
    let columns = rows::EPOCH_COLUMNS;
    let sql = format!("INSERT INTO epoch (trial, {columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
    let mut insert = transaction.prepare_cached(&sql)?;
    for metrics in &record.outcome.epochs {
        let values = std::iter::once(&id as &dyn ToSql).chain(rows::epoch_columns(metrics));
        insert.execute(params_from_iter(values))?;
    }
    Ok(())
}
