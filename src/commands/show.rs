//! `gridsweep show`: everything about one trial.

use crate::args::{Global, PlanFormat, ShowArgs};
use crate::error::{CommandError, Ending};
use crate::output::{self, print_result};
use crate::place::Place;
use crate::settings::Environment;
use crate::{results, spark, trials, weights};
use gridsweep_common::id::Digest;
use gridsweep_common::metric::{self, EpochMetrics};
use gridsweep_common::svg::written;
use gridsweep_coordinator::store::{AttemptedTrial, Reader, StoredAttempt, StoredResults};
use serde::Serialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The width of what is printed where it does not go to a terminal.
const WIDTH: usize = 100;
/// The longest curve.
const CURVE_WIDTH_MAX: usize = 60;

#[derive(Serialize, Debug)]
struct Shown {
    schema: u32,
    trial: String,
    sweeps: Vec<ShownSweep>,
    replicate: u32,
    choices: Json,
    #[serde(skip)]
    choice_lines: Vec<String>,
    /// `pending`, `offered`, `running`, or how it ended.
    state: String,
    failure: Option<ShownFailure>,
    /// The result that counts.
    result: Option<ShownResult>,
    metrics: BTreeMap<&'static str, Option<f64>>,
    sparsity: Option<Vec<f64>>,
    weights_digest: Option<Digest>,
    /// Whether the weights are kept, or why not; absent where there is no result.
    weights: Option<String>,
    numerics: u32,
    attempts: Vec<ShownAttempt>,
    /// Results that disagreed with the one that counts.
    conflicts: Vec<ShownResult>,
    epochs: Vec<EpochMetrics>,
}

#[derive(Serialize, Debug)]
struct ShownSweep {
    sweep: u64,
    name: String,
    studies: Vec<String>,
}

#[derive(Serialize, Debug)]
struct ShownFailure {
    kind: &'static str,
    detail: String,
}

#[derive(Serialize, Debug)]
struct ShownResult {
    attempt: u32,
    worker: Option<String>,
    digest: Digest,
    recorded_ms: i64,
}

#[derive(Serialize, Debug)]
struct ShownAttempt {
    attempt: u32,
    term: u64,
    worker: String,
    state: String,
    failure: Option<String>,
    detail: Option<String>,
    from_epoch: u32,
    from_step: u32,
    started_ms: i64,
    ended_ms: Option<i64>,
}

pub(crate) fn show(
    args: &ShowArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let place = Place::open(&args.server, global, environment)?;
    let reader = place.reader();
    let shown = shown(&place, trials::find(reader, &args.trial)?)?;
    print_result(&match args.format {
        PlanFormat::Table => render(&shown, output::result_width().unwrap_or(WIDTH)),
        PlanFormat::Json => serde_json::to_string_pretty(&shown).map_err(CommandError::unexpected)? + "\n",
    })?;
    Ok(Ending::Done)
}

fn shown(place: &Place, trial: AttemptedTrial) -> Result<Shown, CommandError> {
    let reader = place.reader();
    let AttemptedTrial { id, spec } = trial;
    let (attempts, results) = (reader.attempts(id)?, reader.results(id)?);
    let ended = results.ended.as_ref();
    let summary = ended.and_then(|ended| ended.summary.as_ref());
    let evaluation = summary.and_then(|summary| summary.evaluation.as_ref());
    let metric = |metric: metric::Metric| (metric.name(), summary.and_then(|summary| summary.metric(metric)));
    let failure = ended.and_then(|ended| ended.failure.as_ref());
    Ok(Shown {
        schema: 1,
        trial: id.to_string(),
        sweeps: sweeps_of(reader, &spec)?,
        replicate: spec.seed.replicate,
        choices: spec.choices.to_json(),
        choice_lines: spec.choices.iter().map(|(name, value)| format!("{name} = {value}")).collect(),
        state: state(&results, &attempts).to_owned(),
        failure: failure.map(|of| ShownFailure { kind: of.kind.name(), detail: of.detail.clone() }),
        result: shown_results(results.recorded.as_slice(), &attempts).pop(),
        metrics: metric::ALL.into_iter().map(metric).collect(),
        sparsity: evaluation.map(|of| of.matrices.iter().map(|matrix| matrix.sparsity).collect()),
        weights_digest: evaluation.map(|of| of.weights_digest),
        weights: evaluation.and(ended).map(|ended| match weights::of_trial(place, ended) {
            Ok((file, _)) => format!("kept, {} bytes of safetensors", output::grouped(file.len() as u64)),
            Err(none) => none.to_string(),
        }),
        numerics: spec.numerics,
        conflicts: shown_results(&results.conflicts, &attempts),
        attempts: attempts.into_iter().map(shown_attempt).collect(),
        epochs: reader.epochs(id)?,
    })
}

/// Returns the sweeps that have a trial, with the studies in which it stands.
fn sweeps_of(
    reader: &dyn Reader,
    spec: &gridsweep_common::trial::TrialSpec,
) -> Result<Vec<ShownSweep>, CommandError> {
    let mut sweeps = Vec::new();
    for stored in reader.sweeps()? {
        let number = stored.id.0;
        let open = results::open(stored)?;
        if open.index_of(spec).is_some() {
            let studies = open.sweep.grid().studies_of(&spec.choices);
            let studies = studies.into_iter().map(|study| open.sweep.studies[study].name.clone()).collect();
            sweeps.push(ShownSweep { sweep: number, name: open.sweep.name, studies });
        }
    }
    Ok(sweeps)
}

fn state(results: &StoredResults, attempts: &[StoredAttempt]) -> &'static str {
    let is_any = |state| attempts.iter().any(|attempt| attempt.state == state);
    match &results.ended {
        Some(ended) => ended.end.name(),
        None if is_any("running") => "running",
        None if is_any("offered") => "offered",
        None => "pending",
    }
}

fn shown_results(
    results: &[gridsweep_coordinator::store::StoredResult],
    attempts: &[StoredAttempt],
) -> Vec<ShownResult> {
    let worker = |number| attempts.iter().find(|of| of.attempt == number).map(|of| of.worker.clone());
    let shown = |result: &gridsweep_coordinator::store::StoredResult| ShownResult {
        attempt: result.attempt.0,
        worker: worker(result.attempt),
        digest: result.digest,
        recorded_ms: result.recorded_ms,
    };
    results.iter().map(shown).collect()
}

fn shown_attempt(attempt: StoredAttempt) -> ShownAttempt {
    ShownAttempt {
        attempt: attempt.attempt.0,
        term: attempt.term.0,
        worker: attempt.worker,
        state: attempt.state,
        failure: attempt.failure,
        detail: attempt.detail,
        from_epoch: attempt.from_epoch,
        from_step: attempt.from_step,
        started_ms: attempt.started_ms,
        ended_ms: attempt.ended_ms,
    }
}

/// Writes everything below one another, so that it fits a narrow terminal too. Writing to a string does not fail.
fn render(shown: &Shown, width: usize) -> String {
    let mut text = format!("trial {}\n", shown.trial);
    let _ = writeln!(text, "  state: {}", shown.state);
    if let Some(ShownFailure { kind, detail }) = &shown.failure {
        let _ = writeln!(text, "  because: {kind}: {detail}");
    }
    for ShownSweep { name, studies, .. } in &shown.sweeps {
        let _ = writeln!(text, "  sweep: {name} ({})", studies.join(", "));
    }
    let _ = writeln!(text, "  replicate: {}", shown.replicate);
    if let (Some(digest), Some(weights)) = (shown.weights_digest, &shown.weights) {
        let _ = writeln!(text, "  weights: {digest} ({weights})");
    }
    section(&mut text, "choices", &shown.choice_lines);
    section(&mut text, "metrics", &metric_lines(shown));
    section(&mut text, "curves", &curve_lines(&shown.epochs, width.saturating_sub(4)));
    section(&mut text, "attempts", &shown.attempts.iter().map(attempt_line).collect::<Vec<_>>());
    if let Some(result) = &shown.result {
        section(&mut text, "result", &[result_line(result)]);
    }
    let conflicts: Vec<_> = shown.conflicts.iter().map(result_line).collect();
    section(&mut text, "conflicts: other results, so hardware is broken, or there is a bug", &conflicts);
    text
}

fn section(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        let _ = writeln!(text, "\n{title}");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
}

fn metric_lines(shown: &Shown) -> Vec<String> {
    let value = |metric: metric::Metric| Some((metric.name(), (*shown.metrics.get(metric.name())?)?));
    let known = metric::ALL.into_iter().filter_map(value);
    let written = |name: &str, value: f64| match name == metric::Metric::Epochs.name() {
        true => format!("{value}"),
        false => format!("{value:.6}"),
    };
    let mut lines: Vec<String> =
        known.map(|(name, value)| format!("{name:<22}  {}", written(name, value))).collect();
    if let Some(sparsity) = shown.sparsity.as_ref().filter(|sparsity| !sparsity.is_empty()) {
        let each: Vec<_> = sparsity.iter().map(|value| format!("{value:.4}")).collect();
        lines.push(format!("{:<22}  {}", "sparsity", each.join(" ")));
    }
    lines
}

/// What a curve shows of an epoch.
type Value = fn(&EpochMetrics) -> f64;

/// Draws what the epochs gave: name, curve and numbers in a line, or below one another where that does not fit.
fn curve_lines(epochs: &[EpochMetrics], width: usize) -> Vec<String> {
    const NAME_WIDTH: usize = 20;
    const NUMBERS_WIDTH: usize = 44;
    let (Some(first), Some(last)) = (epochs.first(), epochs.last()) else { return Vec::new() };
    let curves: [(&str, Value); 2] = [
        ("training_objective", |epoch| epoch.training_objective),
        ("validation_loss", |epoch| epoch.validation_loss),
    ];
    let is_wide = width >= NAME_WIDTH + NUMBERS_WIDTH + 10;
    let taken = if is_wide { NAME_WIDTH + NUMBERS_WIDTH } else { 2 };
    let curve_width = width.saturating_sub(taken).clamp(8, CURVE_WIDTH_MAX);
    let [from, to] = [first, last].map(|epoch| written(epoch.learning_rate));
    let rates = format!("learning rate {from} → {to}");
    let count = output::counted(epochs.len() as u64, "epoch");
    let mut lines =
        if is_wide { vec![format!("{count}, {rates}")] } else { vec![count, format!("  {rates}")] };
    for (name, value) in curves {
        let values: Vec<f64> = epochs.iter().map(value).collect();
        let curve = spark::line(&values, curve_width);
        let numbers = numbers(epochs, value);
        match is_wide {
            true => lines.push(format!("{name:<NAME_WIDTH$}{curve}  {numbers}")),
            false => {
                lines.extend([name.to_owned(), format!("  {curve}")]);
                lines.extend(numbers.split(", ").map(|part| format!("  {part}")));
            }
        }
    }
    lines
}

fn numbers(epochs: &[EpochMetrics], value: Value) -> String {
    let ends = [epochs.first(), epochs.last()].map(|epoch| epoch.map_or(f64::NAN, value));
    let lowest = epochs.iter().min_by(|a, b| value(a).total_cmp(&value(b)));
    let lowest = lowest.map_or(String::new(), |epoch| format!(", least in epoch {}", epoch.epoch));
    format!("{:.4} → {:.4}{lowest}", ends[0], ends[1])
}

fn attempt_line(attempt: &ShownAttempt) -> String {
    let ShownAttempt { attempt: number, worker, state, from_epoch, from_step, .. } = attempt;
    let mut line = format!("{number}  {state} on {worker}");
    if (*from_epoch, *from_step) != (0, 0) {
        let _ = write!(line, ", went on from epoch {from_epoch} step {from_step}");
    }
    if let Some(ended_ms) = attempt.ended_ms {
        let seconds = (ended_ms - attempt.started_ms).max(0) as f64 / 1000.0;
        let _ = write!(line, ", {} after it was given", output::duration(seconds));
    }
    for why in attempt.failure.iter().chain(&attempt.detail) {
        let _ = write!(line, ": {why}");
    }
    line
}

fn result_line(result: &ShownResult) -> String {
    let worker = result.worker.as_deref().unwrap_or("an unknown worker");
    format!("{} by attempt {} on {worker}", result.digest, result.attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(count: u32) -> Vec<EpochMetrics> {
        let epoch = |epoch| EpochMetrics {
            epoch,
            // As it is after eight cuts to a tenth.
            learning_rate: if epoch == 0 { 0.001 } else { 1.000_000_000_000_000_6e-11 },
            training_objective: 1.0 / f64::from(epoch + 1),
            training_loss: 0.5,
            training_accuracy: 0.5,
            validation_loss: 2.0 / f64::from(epoch + 1),
            validation_accuracy: 0.5,
        };
        (0..count).map(epoch).collect()
    }

    #[test]
    fn curves_fit_the_terminal_whatever_its_width() {
        for width in [36, 76, 116] {
            for line in curve_lines(&epochs(200), width) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
        assert!(curve_lines(&[], 80).is_empty());
        assert!(curve_lines(&epochs(3), 96)[1].contains("█"), "{:?}", curve_lines(&epochs(3), 96));
    }
}
