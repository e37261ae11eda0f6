//! Events and results as plain rows, and rows as events and results.

use super::{StoreError, StoredAttempt, StoredResult};
use crate::core::{AttemptEnding, Event, TrialEnd};
use gridsweep_common::choice::Choices;
use gridsweep_common::confusion::Confusion;
use gridsweep_common::data::{Pick, Validation};
use gridsweep_common::id::{Attempt, Digest, Term, TrialId};
use gridsweep_common::metric::{Ending, EpochMetrics, Evaluation, MatrixSummary, Outcome, OutcomeSummary};
use gridsweep_common::seed::SeedKey;
use gridsweep_common::trial::{Failure, FailureKind, KeptCheckpoint, TrialSpec};
use rusqlite::types::Type;
use rusqlite::{Row, ToSql};
use serde::de::DeserializeOwned;
use std::str::FromStr;
use std::sync::Arc;

/// The columns of `attempt` that say how it ended.
pub(super) struct AttemptEnd<'a> {
    pub(super) state: &'static str,
    pub(super) failure: Option<&'static str>,
    pub(super) detail: Option<&'a str>,
}

/// Writes an attempt's end as columns.
pub(super) fn attempt_end(ending: &AttemptEnding) -> AttemptEnd<'_> {
    let of = |state| AttemptEnd { state, failure: None, detail: None };
    match ending {
        AttemptEnding::Finished => of("finished"),
        AttemptEnding::Released => of("released"),
        AttemptEnding::Returned => of("returned"),
        AttemptEnding::Superseded => of("superseded"),
        AttemptEnding::Revoked => of("revoked"),
        AttemptEnding::Abandoned(reason) => AttemptEnd { detail: Some(reason), ..of("abandoned") },
        AttemptEnding::Lost(reason) => AttemptEnd { detail: Some(reason), ..of("lost") },
        AttemptEnding::Failed(failure) => {
            AttemptEnd { failure: Some(failure.kind.name()), detail: Some(&failure.detail), ..of("failed") }
        }
    }
}

/// Reads an attempt's end; `None` while it is live.
pub(super) fn read_attempt_end(stored: &StoredAttempt) -> Result<Option<AttemptEnding>, String> {
    let detail = || stored.detail.clone().unwrap_or_default();
    Ok(Some(match stored.state.as_str() {
        "offered" | "running" => return Ok(None),
        "finished" => AttemptEnding::Finished,
        "released" => AttemptEnding::Released,
        "returned" => AttemptEnding::Returned,
        "superseded" => AttemptEnding::Superseded,
        "revoked" => AttemptEnding::Revoked,
        "abandoned" => AttemptEnding::Abandoned(detail()),
        "lost" => AttemptEnding::Lost(detail()),
        "failed" => {
            let kind = stored.failure.as_deref().and_then(FailureKind::from_name);
            let kind =
                kind.ok_or_else(|| format!("a failed attempt of no known kind: {:?}", stored.failure))?;
            AttemptEnding::Failed(Failure { kind, detail: detail() })
        }
        other => return Err(format!("an attempt in state \"{other}\"")),
    }))
}

/// The columns of `trial` that say what it computes, in the order of [`read_spec`].
pub(super) const SPEC_COLUMNS: &str =
    "choices, seed_root, replicate, data, validation_fraction, validation_pick, numerics";

/// Writes what a trial computes, in the order of [`SPEC_COLUMNS`].
pub(super) fn spec_columns(spec: &TrialSpec) -> [Box<dyn ToSql>; 7] {
    [
        Box::new(spec.choices.to_json().to_string()),
        Box::new(spec.seed.root.to_string()),
        Box::new(spec.seed.replicate),
        Box::new(spec.data.to_string()),
        Box::new(spec.validation.fraction),
        Box::new(pick_name(spec.validation.pick)),
        Box::new(spec.numerics),
    ]
}

pub(super) fn pick_name(pick: Pick) -> &'static str {
    match pick {
        Pick::Random => "random",
        Pick::Last => "last",
    }
}

/// Reads what a trial computes from the columns that begin at `first`.
pub(super) fn read_spec(row: &Row<'_>, first: usize) -> rusqlite::Result<TrialSpec> {
    let json: serde_json::Value = json(row, first)?;
    let choices = Choices::from_json(&json).ok_or_else(|| wrong(first, "choices that are no table"))?;
    let pick = match row.get_ref(first + 5)?.as_str()? {
        "random" => Pick::Random,
        "last" => Pick::Last,
        other => return Err(wrong(first + 5, &format!("an unknown pick \"{other}\""))),
    };
    Ok(TrialSpec {
        choices,
        seed: SeedKey { root: parsed(row, first + 1)?, replicate: row.get(first + 2)? },
        data: parsed(row, first + 3)?,
        validation: Validation { fraction: row.get(first + 4)?, pick },
        numerics: row.get(first + 6)?,
    })
}

/// The columns of `attempt`, in the order of [`read_attempt`].
pub(super) const ATTEMPT_COLUMNS: &str =
    "number, term, worker, state, failure, detail, started_ms, ended_ms, from_epoch, from_step";

/// Returns columns with the name of their table before each, where another table has some of the same name.
pub(super) fn of_table(table: &str, columns: &str) -> String {
    columns.split(", ").map(|column| format!("{table}.{}", column.trim())).collect::<Vec<_>>().join(", ")
}

/// Reads an attempt from the columns that begin at `first`.
pub(super) fn read_attempt(row: &Row<'_>, first: usize) -> rusqlite::Result<StoredAttempt> {
    Ok(StoredAttempt {
        attempt: Attempt(row.get(first)?),
        term: Term(row.get::<_, i64>(first + 1)?.cast_unsigned()),
        worker: row.get(first + 2)?,
        state: row.get(first + 3)?,
        failure: row.get(first + 4)?,
        detail: row.get(first + 5)?,
        started_ms: row.get(first + 6)?,
        ended_ms: row.get(first + 7)?,
        from_epoch: row.get(first + 8)?,
        from_step: row.get(first + 9)?,
    })
}

/// The columns of `epoch` and `preview`, in the order of [`read_epoch`].
pub(super) const EPOCH_COLUMNS: &str = "epoch, learning_rate, training_objective, training_loss, training_accuracy, \
                                        validation_loss, validation_accuracy";

/// Writes an epoch, in the order of [`EPOCH_COLUMNS`].
pub(super) fn epoch_columns(metrics: &EpochMetrics) -> [&dyn ToSql; 7] {
    [
        &metrics.epoch,
        &metrics.learning_rate,
        &metrics.training_objective,
        &metrics.training_loss,
        &metrics.training_accuracy,
        &metrics.validation_loss,
        &metrics.validation_accuracy,
    ]
}

/// Reads an epoch from the columns that begin at `first`.
pub(super) fn read_epoch(row: &Row<'_>, first: usize) -> rusqlite::Result<EpochMetrics> {
    Ok(EpochMetrics {
        epoch: row.get(first)?,
        learning_rate: row.get(first + 1)?,
        training_objective: row.get(first + 2)?,
        training_loss: row.get(first + 3)?,
        training_accuracy: row.get(first + 4)?,
        validation_loss: row.get(first + 5)?,
        validation_accuracy: row.get(first + 6)?,
    })
}

/// The columns of `result` that make a [`OutcomeSummary`], in the order of [`read_summary`].
pub(super) const SUMMARY_COLUMNS: &str = "ending, epochs, min_training_objective, min_training_loss, \
     min_validation_loss, numerics, validation_loss, test_loss, test_accuracy, confusion, weights_digest, matrices";

/// Writes a summary, in the order of [`SUMMARY_COLUMNS`].
pub(super) fn summary_columns(summary: &OutcomeSummary) -> [Box<dyn ToSql>; 12] {
    let evaluation = summary.evaluation.as_ref();
    [
        Box::new(TrialEnd::from(summary.ending).name()),
        Box::new(summary.epochs),
        Box::new(summary.min_training_objective),
        Box::new(summary.min_training_loss),
        Box::new(summary.min_validation_loss),
        Box::new(summary.numerics),
        Box::new(evaluation.map(|e| e.validation_loss)),
        Box::new(evaluation.map(|e| e.test_loss)),
        Box::new(evaluation.map(|e| e.test_accuracy)),
        Box::new(evaluation.map(|e| to_json(&e.confusion))),
        Box::new(evaluation.map(|e| e.weights_digest.to_string())),
        Box::new(evaluation.map(|e| to_json(&e.matrices))),
    ]
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data is valid JSON")
}

impl From<Ending> for TrialEnd {
    fn from(ending: Ending) -> TrialEnd {
        match ending {
            Ending::Succeeded => TrialEnd::Succeeded,
            Ending::Diverged => TrialEnd::Diverged,
        }
    }
}

/// Reads a summary from the columns that begin at `first`; `None` where the trial has no result.
pub(super) fn read_summary(
    row: &Row<'_>,
    first: usize,
    matrices: ReadMatrices,
) -> rusqlite::Result<Option<OutcomeSummary>> {
    let Some(ending) = row.get::<_, Option<String>>(first)? else { return Ok(None) };
    let ending = match TrialEnd::from_name(&ending) {
        Some(TrialEnd::Succeeded) => Ending::Succeeded,
        Some(TrialEnd::Diverged) => Ending::Diverged,
        _ => return Err(wrong(first, &format!("a result that ended as \"{ending}\""))),
    };
    Ok(Some(OutcomeSummary {
        ending,
        epochs: row.get(first + 1)?,
        min_training_objective: row.get(first + 2)?,
        min_training_loss: row.get(first + 3)?,
        min_validation_loss: row.get(first + 4)?,
        numerics: row.get(first + 5)?,
        evaluation: match ending {
            Ending::Succeeded => Some(read_evaluation(row, first + 6, matrices)?),
            Ending::Diverged => None,
        },
    }))
}

/// Reads the matrices of a result from a column.
pub(super) fn read_matrices(row: &Row<'_>, column: usize) -> rusqlite::Result<Vec<MatrixSummary>> {
    json(row, column)
}

/// Reads the same without their histograms: nine tenths of the text, which need not be read as numbers.
pub(super) fn read_matrices_without_histograms(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<Vec<MatrixSummary>> {
    let text = row.get_ref(column)?.as_str()?;
    let mut short = String::with_capacity(text.len() / 3);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(HISTOGRAM) {
        short.push_str(before);
        short.push_str(HISTOGRAM);
        rest = after.find(']').map_or(after, |end| &after[end..]);
    }
    short.push_str(rest);
    let mut matrices: Vec<MatrixSummary> =
        serde_json::from_str(&short).map_err(|error| wrong(column, &error.to_string()))?;
    // There may be those of many trials.
    matrices.shrink_to_fit();
    Ok(matrices)
}

/// How a histogram begins in the text of a matrix.
const HISTOGRAM: &str = "\"histogram\":[";

fn read_confusion(row: &Row<'_>, column: usize) -> rusqlite::Result<Confusion> {
    Confusion::read(row.get_ref(column)?.as_str()?).map_or_else(|| json(row, column), Ok)
}

/// Reads the matrices of a result from a column.
pub(super) type ReadMatrices = fn(&Row<'_>, usize) -> rusqlite::Result<Vec<MatrixSummary>>;

fn read_evaluation(row: &Row<'_>, first: usize, matrices: ReadMatrices) -> rusqlite::Result<Evaluation> {
    let matrices = matrices(row, first + 5)?;
    Ok(Evaluation {
        validation_loss: row.get(first)?,
        test_loss: row.get(first + 1)?,
        test_accuracy: row.get(first + 2)?,
        confusion: read_confusion(row, first + 3)?,
        matrices,
        weights_digest: parsed::<Digest>(row, first + 4)?,
    })
}

/// Reads how a trial ended from the columns `state, failure, failure_detail` that begin at `first`; `None` before that.
pub(super) fn read_end(row: &Row<'_>, first: usize) -> rusqlite::Result<Option<(TrialEnd, Option<Failure>)>> {
    let state: String = row.get(first)?;
    let Some(end) = TrialEnd::from_name(&state) else { return Ok(None) };
    let Some(kind) = row.get::<_, Option<String>>(first + 1)? else { return Ok(Some((end, None))) };
    let kind =
        FailureKind::from_name(&kind).ok_or_else(|| wrong(first + 1, &format!("a failure \"{kind}\"")))?;
    let detail = row.get::<_, Option<String>>(first + 2)?.unwrap_or_default();
    Ok(Some((end, Some(Failure { kind, detail }))))
}

/// Returns the event of the end of a trial without a result, or what is missing for it.
pub(super) fn trial_end(trial: TrialId, end: TrialEnd, failure: Option<Failure>) -> Result<Event, String> {
    match (end, failure) {
        (TrialEnd::Failed, Some(failure)) => Ok(Event::TrialFailed { trial, failure }),
        (TrialEnd::Quarantined, Some(failure)) => Ok(Event::TrialQuarantined { trial, failure }),
        (TrialEnd::Cancelled, _) => Ok(Event::TrialCancelled { trial }),
        _ => Err(format!("the trial {trial} has {} without saying with what", end.name())),
    }
}

/// Reads a conflict from the columns `trial, attempt, digest, outcome`.
pub(super) fn read_conflict(row: &Row<'_>) -> rusqlite::Result<Event> {
    Ok(Event::ResultConflicted {
        trial: read_id(row, 0)?,
        attempt: Attempt(row.get(1)?),
        digest: parsed(row, 2)?,
        outcome: Arc::new(json::<Outcome>(row, 3)?),
    })
}

/// Writes a checkpoint as the columns `trial, attempt, blob, length, epoch, step, kept_ms`; `trial` is its number.
pub(super) fn checkpoint_columns(
    trial: i64,
    attempt: Attempt,
    checkpoint: KeptCheckpoint,
    at_ms: i64,
) -> impl rusqlite::Params {
    let KeptCheckpoint { digest, length, epoch, step } = checkpoint;
    (trial, attempt.0, digest.to_string(), length.cast_signed(), epoch, step, at_ms)
}

/// Reads a checkpoint from the columns `id, attempt, blob, length, epoch, step`.
pub(super) fn read_checkpoint(row: &Row<'_>) -> rusqlite::Result<Event> {
    let checkpoint = KeptCheckpoint {
        digest: parsed(row, 2)?,
        length: row.get::<_, i64>(3)?.cast_unsigned(),
        epoch: row.get(4)?,
        step: row.get(5)?,
    };
    Ok(Event::CheckpointKept { trial: read_id(row, 0)?, attempt: Attempt(row.get(1)?), checkpoint })
}

/// Reads a result's digest from the columns `attempt, digest, recorded_ms`.
pub(super) fn read_result(row: &Row<'_>) -> rusqlite::Result<StoredResult> {
    Ok(StoredResult { attempt: Attempt(row.get(0)?), digest: parsed(row, 1)?, recorded_ms: row.get(2)? })
}

/// Reads a trial's id.
pub(super) fn read_id(row: &Row<'_>, column: usize) -> rusqlite::Result<TrialId> {
    parsed(row, column)
}

/// Reads a text column as what it stands for.
pub(super) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    text.parse().map_err(|_| wrong(column, &format!("\"{text}\"")))
}

/// Reads a text column as JSON.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> rusqlite::Result<T> {
    let text = row.get_ref(column)?.as_str()?;
    serde_json::from_str(text).map_err(|error| wrong(column, &error.to_string()))
}

pub(super) fn wrong(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.to_owned().into())
}

/// Names what SQLite says as something that can be acted on.
pub(super) fn store_error(path: &std::path::Path, source: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let path = path.to_owned();
    match &source {
        rusqlite::Error::FromSqlConversionFailure(_, _, what) => {
            StoreError::Damaged { what: what.to_string(), path }
        }
        error => match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::Full { path },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                StoreError::Damaged { what: error.to_string(), path }
            }
            _ => StoreError::Sqlite { path, source },
        },
    }
}
