//! `gridsweep export`: results as data, one JSON object a line, in the order of the grid.

use super::export_weights;
use crate::args::{ExportArgs, ExportFormat, Global, What};
use crate::error::{CommandError, Ending};
use crate::output::print_result;
use crate::place::Place;
use crate::results::{self, Results};
use crate::settings::Environment;
use gridsweep_common::id::{Digest, TrialId};
use gridsweep_common::metric::{EpochMetrics, Metric};
use gridsweep_coordinator::store::{Reader, StoredAttempt, StoredTrial};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// The version of the lines' layout. Keys may be added under the same number, none goes away.
const SCHEMA: u32 = 1;

/// How many bytes gather before they are printed.
const PRINT_BYTES: usize = 1 << 20;

#[derive(Serialize)]
struct TrialLine<'a> {
    schema: u32,
    trial: TrialId,
    studies: Vec<&'a str>,
    choices: Json,
    replicate: u32,
    state: &'static str,
    failure: Option<FailureLine<'a>>,
    epochs: Option<u32>,
    metrics: MetricsLine,
    sparsity: Option<Vec<f64>>,
    mean_absolute: Option<Vec<f64>>,
    confusion: Option<&'a [Vec<u32>]>,
    weights_digest: Option<Digest>,
    numerics: u32,
}

#[derive(Serialize)]
struct FailureLine<'a> {
    kind: &'static str,
    detail: &'a str,
}

#[derive(Serialize)]
struct MetricsLine {
    min_training_objective: Option<f64>,
    min_training_loss: Option<f64>,
    min_validation_loss: Option<f64>,
    validation_loss: Option<f64>,
    test_loss: Option<f64>,
    test_accuracy: Option<f64>,
    test_error: Option<f64>,
    sparsity_mean: Option<f64>,
}

#[derive(Serialize)]
struct EpochLine<'a> {
    schema: u32,
    trial: TrialId,
    #[serde(flatten)]
    metrics: &'a EpochMetrics,
}

#[derive(Serialize)]
struct AttemptLine<'a> {
    schema: u32,
    trial: TrialId,
    choices: Json,
    replicate: u32,
    attempt: u32,
    term: u64,
    worker: &'a str,
    state: &'a str,
    failure: Option<&'a str>,
    detail: Option<&'a str>,
    from_epoch: u32,
    from_step: u32,
    started_ms: i64,
    ended_ms: Option<i64>,
}

pub(crate) fn export(
    args: &ExportArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let ExportFormat::Jsonl = args.format;
    let place = Place::open(&args.server, global, environment)?;
    let reader = place.reader();
    let stored = results::find(reader, &args.sweep)?;
    let mut lines = Lines(String::new());
    match args.what {
        What::Trials => trials(&results::load_stored(reader, stored)?, &mut lines)?,
        What::Epochs => epochs(&results::load_stored(reader, stored)?, reader, &mut lines)?,
        What::Attempts => attempts(&results::open(stored)?, reader, &mut lines)?,
        What::Weights => {
            let results = results::load_stored(reader, stored)?;
            export_weights::export(&place, &results, args.out.as_deref(), global.quiet)?;
        }
    }
    lines.flush()?;
    Ok(Ending::Done)
}

/// Lines on their way out.
struct Lines(String);

impl Lines {
    fn push(&mut self, line: &impl Serialize) -> Result<(), CommandError> {
        self.0.push_str(&serde_json::to_string(line).map_err(CommandError::unexpected)?);
        self.0.push('\n');
        if self.0.len() >= PRINT_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), CommandError> {
        print_result(&std::mem::take(&mut self.0))
    }
}

fn trials(results: &Results, lines: &mut Lines) -> Result<(), CommandError> {
    results.trials.values().try_for_each(|trial| lines.push(&trial_line(results, trial)))
}

fn trial_line<'a>(results: &'a Results, trial: &'a StoredTrial) -> TrialLine<'a> {
    let sweep = &results.open.sweep;
    let summary = trial.summary.as_ref();
    let evaluation = summary.and_then(|summary| summary.evaluation.as_ref());
    let metric = |metric| summary.and_then(|summary| summary.metric(metric));
    TrialLine {
        schema: SCHEMA,
        trial: trial.id,
        studies: sweep
            .grid()
            .studies_of(&trial.spec.choices)
            .into_iter()
            .map(|study| sweep.studies[study].name.as_str())
            .collect(),
        choices: trial.spec.choices.to_json(),
        replicate: trial.spec.seed.replicate,
        state: trial.end.name(),
        failure: trial
            .failure
            .as_ref()
            .map(|failure| FailureLine { kind: failure.kind.name(), detail: &failure.detail }),
        epochs: summary.map(|summary| summary.epochs),
        metrics: MetricsLine {
            min_training_objective: metric(Metric::MinTrainingObjective),
            min_training_loss: metric(Metric::MinTrainingLoss),
            min_validation_loss: metric(Metric::MinValidationLoss),
            validation_loss: metric(Metric::ValidationLoss),
            test_loss: metric(Metric::TestLoss),
            test_accuracy: metric(Metric::TestAccuracy),
            test_error: metric(Metric::TestError),
            sparsity_mean: metric(Metric::SparsityMean),
        },
        sparsity: evaluation.map(|e| e.matrices.iter().map(|matrix| matrix.sparsity).collect()),
        mean_absolute: evaluation.map(|e| e.matrices.iter().map(|matrix| matrix.mean_absolute).collect()),
        confusion: evaluation.map(|e| e.confusion.as_slice()),
        weights_digest: evaluation.map(|e| e.weights_digest),
        numerics: trial.spec.numerics,
    }
}

/// Prints the epochs of the trials that have ended: those of a running one are a preview and may yet change.
fn epochs(results: &Results, reader: &dyn Reader, lines: &mut Lines) -> Result<(), CommandError> {
    for trial in results.trials.values().filter(|trial| trial.summary.is_some()) {
        for metrics in &reader.epochs(trial.id)? {
            lines.push(&EpochLine { schema: SCHEMA, trial: trial.id, metrics })?;
        }
    }
    Ok(())
}

fn attempts(
    open: &gridsweep_common::frozen::OpenSweep,
    reader: &dyn Reader,
    lines: &mut Lines,
) -> Result<(), CommandError> {
    const PAGE_ROWS: usize = 1000;
    let mut by_index = BTreeMap::new();
    let mut after = None;
    loop {
        let page = reader.attempted(after, PAGE_ROWS)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        by_index.extend(page.into_iter().filter_map(|trial| Some((open.index_of(&trial.spec)?, trial))));
    }
    for trial in by_index.values() {
        // What was handed back before it had a slot is no execution of the trial.
        for attempt in reader.attempts(trial.id)?.iter().filter(|attempt| attempt.state != "returned") {
            lines.push(&attempt_line(trial, attempt))?;
        }
    }
    Ok(())
}

fn attempt_line<'a>(
    trial: &gridsweep_coordinator::store::AttemptedTrial,
    attempt: &'a StoredAttempt,
) -> AttemptLine<'a> {
    AttemptLine {
        schema: SCHEMA,
        trial: trial.id,
        choices: trial.spec.choices.to_json(),
        replicate: trial.spec.seed.replicate,
        attempt: attempt.attempt.0,
        term: attempt.term.0,
        worker: &attempt.worker,
        state: &attempt.state,
        failure: attempt.failure.as_deref(),
        detail: attempt.detail.as_deref(),
        from_epoch: attempt.from_epoch,
        from_step: attempt.from_step,
        started_ms: attempt.started_ms,
        ended_ms: attempt.ended_ms,
    }
}
