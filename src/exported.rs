//! What `export` writes of trials, epochs, cells and attempts: as JSON and as rows. `schema` is the version of both: keys and
//! columns may be added under the same number, none goes away.

use gridsweep_common::catalogue::Kind as SettingKind;
use gridsweep_common::choice::Choices;
use gridsweep_common::confusion::Confusion;
use gridsweep_common::frame::{Datum, Field, Kind};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Digest, TrialId};
use gridsweep_common::metric::{self, EpochMetrics, Metric};
use gridsweep_common::stats;
use gridsweep_common::table::{CellResults, Counts, Quantity, Replicate};
use gridsweep_coordinator::store::{AttemptedTrial, StoredAttempt, StoredTrial};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The version of the layout.
pub(crate) const SCHEMA: u32 = 1;

#[derive(Serialize)]
pub(crate) struct TrialLine<'a> {
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
    confusion: Option<&'a Confusion>,
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
pub(crate) struct EpochLine<'a> {
    schema: u32,
    trial: TrialId,
    #[serde(flatten)]
    metrics: &'a EpochMetrics,
}

#[derive(Serialize)]
pub(crate) struct CellLine<'a> {
    schema: u32,
    studies: Vec<&'a str>,
    choices: Json,
    n_planned: usize,
    n_done: usize,
    n_diverged: usize,
    n_failed: usize,
    n_pending: usize,
    metrics: BTreeMap<&'static str, Aggregate>,
    sparsity: Vec<Aggregate>,
}

/// One quantity over the replicates of a cell that have it.
#[derive(Serialize, Clone, Copy)]
pub(crate) struct Aggregate {
    n: usize,
    mean: Option<f64>,
    sd: Option<f64>,
    half_width: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct AttemptLine<'a> {
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

/// The names of the studies that have a cell.
fn studies<'a>(open: &'a OpenSweep, choices: &Choices) -> Vec<&'a str> {
    let sweep = &open.sweep;
    let studies = sweep.grid().studies_of(choices).into_iter();
    studies.map(|study| sweep.studies[study].name.as_str()).collect()
}

pub(crate) fn trial_line<'a>(open: &'a OpenSweep, trial: &'a StoredTrial) -> TrialLine<'a> {
    let summary = trial.summary.as_ref();
    let evaluation = summary.and_then(|summary| summary.evaluation.as_ref());
    let metric = |metric| summary.and_then(|summary| summary.metric(metric));
    TrialLine {
        schema: SCHEMA,
        trial: trial.id,
        studies: studies(open, &trial.spec.choices),
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
        confusion: evaluation.map(|e| &e.confusion),
        weights_digest: evaluation.map(|e| e.weights_digest),
        numerics: trial.spec.numerics,
    }
}

pub(crate) fn epoch_line(trial: TrialId, metrics: &EpochMetrics) -> EpochLine<'_> {
    EpochLine { schema: SCHEMA, trial, metrics }
}

pub(crate) fn cell_line<'a>(open: &'a OpenSweep, cell: &CellResults) -> CellLine<'a> {
    let counts = Counts::of(&cell.replicates);
    let of = |metric: Metric| (metric.name(), aggregate(cell, Quantity::Metric(metric)));
    CellLine {
        schema: SCHEMA,
        studies: studies(open, &cell.choices),
        choices: cell.choices.to_json(),
        n_planned: counts.planned,
        n_done: counts.done(),
        n_diverged: counts.diverged,
        n_failed: counts.failed,
        n_pending: counts.pending,
        metrics: metric::ALL.into_iter().map(of).collect(),
        sparsity: (1..=matrices(cell)).map(|matrix| aggregate(cell, Quantity::Sparsity(matrix))).collect(),
    }
}

pub(crate) fn attempt_line<'a>(trial: &AttemptedTrial, attempt: &'a StoredAttempt) -> AttemptLine<'a> {
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

/// Mean, standard deviation and half-width of the 95 % interval over the replicates that have a value.
fn aggregate(cell: &CellResults, quantity: Quantity) -> Aggregate {
    let value = |replicate: &Replicate| match replicate {
        Replicate::Finished(outcome) => quantity.of(outcome),
        Replicate::Pending | Replicate::Missing => None,
    };
    let values: Vec<f64> = cell.replicates.iter().filter_map(value).collect();
    Aggregate {
        n: values.len(),
        mean: stats::mean(&values),
        sd: stats::sample_sd(&values),
        half_width: stats::half_width_95(&values),
    }
}

/// Returns how many weight matrices the outcomes of a cell have.
pub(crate) fn matrices(cell: &CellResults) -> usize {
    let of = |replicate: &Replicate| match replicate {
        Replicate::Finished(outcome) => outcome.evaluation.as_ref().map_or(0, |of| of.matrices.len()),
        Replicate::Pending | Replicate::Missing => 0,
    };
    cell.replicates.iter().map(of).max().unwrap_or(0)
}

/// Rows of one kind: which settings have a column, and how many weight matrices.
pub(crate) struct Columns {
    settings: Vec<Field>,
    matrices: usize,
}

impl Columns {
    /// Collects the settings that any of some cells has, in the order of the catalogue.
    pub(crate) fn of<'a>(
        open: &OpenSweep,
        choices: impl IntoIterator<Item = &'a Choices>,
        matrices: usize,
    ) -> Columns {
        let names = choices.into_iter().flat_map(Choices::iter).map(|(setting, _)| setting);
        let mut present: BTreeSet<&str> = names.collect();
        let catalogue = &open.frozen.catalogue.settings;
        let known: Vec<Field> = catalogue
            .iter()
            .filter(|setting| present.remove(setting.name.as_str()))
            .map(|setting| Field::new(setting.name.clone(), kind(&setting.kind)))
            .collect();
        let others = present.into_iter().map(|setting| Field::new(setting, Kind::Text));
        Columns { settings: known.into_iter().chain(others).collect(), matrices }
    }

    fn choices(&self) -> impl Iterator<Item = Field> + '_ {
        self.settings.iter().map(|field| Field::new(format!("choices.{}", field.name), field.kind))
    }

    fn values<'a>(&'a self, choices: &'a Choices) -> impl Iterator<Item = Datum> + 'a {
        self.settings.iter().map(|field| Datum::of(choices.get(&field.name), field.kind))
    }

    fn numbered(&self, name: &str) -> impl Iterator<Item = Field> {
        let (name, count) = (name.to_owned(), self.matrices);
        (1..=count).map(move |matrix| Field::new(format!("{name}_{matrix}"), Kind::Number))
    }

    pub(crate) fn trials(&self) -> Vec<Field> {
        let mut fields = fields(&[
            ("trial", Kind::Text),
            ("studies", Kind::Text),
            ("replicate", Kind::Integer),
            ("state", Kind::Text),
            ("failure_kind", Kind::Text),
            ("failure_detail", Kind::Text),
            ("epochs", Kind::Integer),
        ]);
        fields.extend(real_metrics().map(|metric| Field::new(metric.name(), Kind::Number)));
        fields.extend(self.numbered("sparsity").chain(self.numbered("mean_absolute")));
        let last = [("confusion", Kind::Text), ("weights_digest", Kind::Text), ("numerics", Kind::Integer)];
        fields.extend(self::fields(&last));
        fields.extend(self.choices());
        fields
    }

    pub(crate) fn trial(&self, open: &OpenSweep, trial: &StoredTrial) -> Vec<Datum> {
        let summary = trial.summary.as_ref();
        let evaluation = summary.and_then(|summary| summary.evaluation.as_ref());
        let matrix = |n: usize| evaluation.and_then(|evaluation| evaluation.matrices.get(n));
        let failure = trial.failure.as_ref();
        let mut row = vec![
            Datum::Text(trial.id.to_string()),
            Datum::Text(studies(open, &trial.spec.choices).join(" ")),
            Datum::integer(Some(trial.spec.seed.replicate)),
            Datum::text(Some(trial.end.name())),
            Datum::text(failure.map(|failure| failure.kind.name())),
            Datum::text(failure.map(|failure| failure.detail.as_str())),
            Datum::integer(summary.map(|summary| summary.epochs)),
        ];
        row.extend(real_metrics().map(|metric| Datum::number(summary.and_then(|of| of.metric(metric)))));
        row.extend((0..self.matrices).map(|n| Datum::number(matrix(n).map(|matrix| matrix.sparsity))));
        row.extend((0..self.matrices).map(|n| Datum::number(matrix(n).map(|matrix| matrix.mean_absolute))));
        let confusion = evaluation
            .map(|evaluation| serde_json::to_string(&evaluation.confusion).expect("counts are plain data"));
        row.push(Datum::text(confusion));
        row.push(Datum::text(evaluation.map(|evaluation| evaluation.weights_digest.to_string())));
        row.push(Datum::integer(Some(trial.spec.numerics)));
        row.extend(self.values(&trial.spec.choices));
        row
    }

    pub(crate) fn cells(&self) -> Vec<Field> {
        let mut fields = fields(&[
            ("studies", Kind::Text),
            ("n_planned", Kind::Integer),
            ("n_done", Kind::Integer),
            ("n_diverged", Kind::Integer),
            ("n_failed", Kind::Integer),
            ("n_pending", Kind::Integer),
        ]);
        for quantity in self.quantities() {
            let name = quantity.name();
            fields.push(Field::new(format!("{name}_n"), Kind::Integer));
            let numbers = ["mean", "sd", "half_width"];
            fields.extend(numbers.map(|part| Field::new(format!("{name}_{part}"), Kind::Number)));
        }
        fields.extend(self.choices());
        fields
    }

    pub(crate) fn cell(&self, open: &OpenSweep, cell: &CellResults) -> Vec<Datum> {
        let counts = Counts::of(&cell.replicates);
        let numbers = [counts.planned, counts.done(), counts.diverged, counts.failed, counts.pending];
        let mut row = vec![Datum::Text(studies(open, &cell.choices).join(" "))];
        row.extend(numbers.map(|count| Datum::Integer(count as i64)));
        let own = matrices(cell);
        for quantity in self.quantities() {
            let Aggregate { n, mean, sd, half_width } = aggregate(cell, quantity);
            // A matrix that the net does not have is counted by nobody.
            let exists = !matches!(quantity, Quantity::Sparsity(matrix) if matrix > own);
            row.push(if exists { Datum::Integer(n as i64) } else { Datum::Null });
            row.extend([mean, sd, half_width].map(Datum::number));
        }
        row.extend(self.values(&cell.choices));
        row
    }

    fn quantities(&self) -> impl Iterator<Item = Quantity> {
        let metrics = metric::ALL.into_iter().map(Quantity::Metric);
        metrics.chain((1..=self.matrices).map(Quantity::Sparsity))
    }

    pub(crate) fn attempts(&self) -> Vec<Field> {
        let mut fields = fields(&[
            ("trial", Kind::Text),
            ("replicate", Kind::Integer),
            ("attempt", Kind::Integer),
            ("term", Kind::Integer),
            ("worker", Kind::Text),
            ("state", Kind::Text),
            ("failure", Kind::Text),
            ("detail", Kind::Text),
            ("from_epoch", Kind::Integer),
            ("from_step", Kind::Integer),
            ("started_ms", Kind::Integer),
            ("ended_ms", Kind::Integer),
        ]);
        fields.extend(self.choices());
        fields
    }

    pub(crate) fn attempt(&self, trial: &AttemptedTrial, attempt: &StoredAttempt) -> Vec<Datum> {
        let mut row = vec![
            Datum::Text(trial.id.to_string()),
            Datum::integer(Some(trial.spec.seed.replicate)),
            Datum::integer(Some(attempt.attempt.0)),
            Datum::Integer(attempt.term.0.cast_signed()),
            Datum::Text(attempt.worker.clone()),
            Datum::Text(attempt.state.clone()),
            Datum::text(attempt.failure.clone()),
            Datum::text(attempt.detail.clone()),
            Datum::integer(Some(attempt.from_epoch)),
            Datum::integer(Some(attempt.from_step)),
            Datum::Integer(attempt.started_ms),
            Datum::integer(attempt.ended_ms),
        ];
        row.extend(self.values(&trial.spec.choices));
        row
    }
}

/// The columns of epochs.
pub(crate) fn epoch_fields() -> Vec<Field> {
    fields(&[
        ("trial", Kind::Text),
        ("epoch", Kind::Integer),
        ("learning_rate", Kind::Number),
        ("training_objective", Kind::Number),
        ("training_loss", Kind::Number),
        ("training_accuracy", Kind::Number),
        ("validation_loss", Kind::Number),
        ("validation_accuracy", Kind::Number),
    ])
}

pub(crate) fn epoch_row(trial: TrialId, metrics: &EpochMetrics) -> Vec<Datum> {
    let numbers = [
        metrics.learning_rate,
        metrics.training_objective,
        metrics.training_loss,
        metrics.training_accuracy,
        metrics.validation_loss,
        metrics.validation_accuracy,
    ];
    let fixed = [Datum::Text(trial.to_string()), Datum::integer(Some(metrics.epoch))];
    fixed.into_iter().chain(numbers.map(|number| Datum::number(Some(number)))).collect()
}

fn fields(named: &[(&str, Kind)]) -> Vec<Field> {
    named.iter().map(|(name, kind)| Field::new(*name, *kind)).collect()
}

/// The metrics that are no whole numbers.
fn real_metrics() -> impl Iterator<Item = Metric> {
    metric::ALL.into_iter().filter(|metric| *metric != Metric::Epochs)
}

fn kind(kind: &SettingKind) -> Kind {
    match kind {
        SettingKind::Bool => Kind::Bool,
        SettingKind::Integer { .. } => Kind::Integer,
        SettingKind::Number { .. } => Kind::Number,
        SettingKind::Family { .. } | SettingKind::Sizes { .. } => Kind::Text,
    }
}
