//! A state folder with a sweep whose results are made up: for golden files and for timings, without any training.

use gridsweep_common::confusion::Confusion;
use gridsweep_common::data::{DataFormat, DataManifest, Standardize};
use gridsweep_common::frozen::FrozenSweep;
use gridsweep_common::id::{Attempt, Digest, Fence, SweepId, Term, WorkerId};
use gridsweep_common::metric::{Ending, EpochMetrics, Evaluation, HISTOGRAM_BINS, MatrixSummary, Outcome};
use gridsweep_common::trial::{Failure, FailureKind, TrialSpec};
use gridsweep_common::weights;
use gridsweep_coordinator::blob::BlobStore;
use gridsweep_coordinator::core::{AttemptEnding, Event, Moment, Record, TrialEnd};
use gridsweep_coordinator::store::{Batch, SqliteStore, Store};
use gridsweep_engine::catalogue;
use std::path::Path;
use std::sync::Arc;

/// What became of a trial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Succeeded,
    Diverged,
    Failed,
    Quarantined,
    Cancelled,
    Running,
    Pending,
}

/// The arithmetic that is said to have given the results. Not the engine's own: they are made up, and with them stay the ids of
/// their trials, and the golden files.
const NUMERICS: u32 = 1;

/// Trials that are written in one transaction.
const BATCH_TRIALS: usize = 500;

/// When it all happened, in milliseconds since 1970.
const AT_MS: i64 = 1_700_000_000_000;

/// Writes a sweep and what became of each of its trials; those that ran have so many epochs at most.
pub(crate) fn write(state: &Path, text: &str, epochs: u32, fate: impl Fn(u64, &TrialSpec) -> Fate) {
    write_all(state, text, epochs, fate, None);
}

/// Writes the same; where a folder for weights is given, the first replicate of every cell leaves its own there.
pub(crate) fn write_all(
    state: &Path,
    text: &str,
    epochs: u32,
    fate: impl Fn(u64, &TrialSpec) -> Fate,
    weights: Option<&BlobStore>,
) {
    let open = Arc::new(frozen(text).open().unwrap());
    let mut store = SqliteStore::open(state).unwrap();
    let term = store.begin_term().unwrap();
    let submitted = Event::SweepSubmitted { sweep: SweepId(1), open: Arc::clone(&open), priority: 0 };
    store.commit(&batch(term, vec![submitted], Vec::new())).unwrap();
    let indices: Vec<u64> = (0..open.trials()).collect();
    for indices in indices.chunks(BATCH_TRIALS) {
        let (mut events, mut records) = (Vec::new(), Vec::new());
        for index in indices {
            let spec = Arc::new(open.trial(*index).unwrap());
            let fate = fate(*index, &spec);
            let kept = weights.filter(|_| spec.seed.replicate == 0 && fate == Fate::Succeeded);
            let outcome = || Arc::new(outcome(&spec, epochs, fate == Fate::Diverged, kept));
            add(&spec, fate, outcome, term, &mut events, &mut records);
        }
        store.commit(&batch(term, events, records)).unwrap();
    }
}

fn frozen(text: &str) -> FrozenSweep {
    let data = DataManifest { format: DataFormat::Idx, files: Vec::new(), standardize: Standardize::None };
    FrozenSweep { text: text.to_owned(), catalogue: catalogue(), data, numerics: NUMERICS }
}

fn batch(term: Term, events: Vec<Event>, records: Vec<Record>) -> Batch {
    Batch { term, events, records, previews: Vec::new(), at_ms: AT_MS }
}

fn add(
    spec: &Arc<TrialSpec>,
    fate: Fate,
    outcome: impl Fn() -> Arc<Outcome>,
    term: Term,
    events: &mut Vec<Event>,
    records: &mut Vec<Record>,
) {
    let (trial, attempt) = (spec.id(), Attempt(1));
    if fate == Fate::Pending {
        return;
    }
    let fence = Fence { term, trial, attempt };
    let worker_name = "made-up".into();
    events.push(Event::AttemptLeased {
        fence,
        spec: Arc::clone(spec),
        worker: WorkerId(1),
        worker_name,
        expires: Moment(0),
    });
    events.push(Event::AttemptStarted { trial, attempt, at: Moment(0), epoch: 0, step: 0 });
    let ended = |ending| Event::AttemptEnded { trial, attempt, ending };
    let failure =
        Failure { kind: FailureKind::OutOfMemory, detail: "no room for, say, \"8 GiB\"".to_owned() };
    match fate {
        Fate::Succeeded | Fate::Diverged => {
            let outcome = outcome();
            let end = if fate == Fate::Diverged { TrialEnd::Diverged } else { TrialEnd::Succeeded };
            let (digest, epochs) = (outcome.digest(), outcome.epochs.len() as u32);
            let finished = Event::TrialFinished { trial, end, digest, epochs };
            events.extend([ended(AttemptEnding::Finished), finished]);
            records.push(Record { trial, attempt, outcome });
        }
        Fate::Failed => {
            events.extend([
                ended(AttemptEnding::Failed(failure.clone())),
                Event::TrialFailed { trial, failure },
            ]);
        }
        Fate::Quarantined => {
            let lost = AttemptEnding::Lost("its process ended".to_owned());
            events.extend([ended(lost), Event::TrialQuarantined { trial, failure }]);
        }
        Fate::Cancelled => events.extend([ended(AttemptEnding::Revoked), Event::TrialCancelled { trial }]),
        Fate::Running | Fate::Pending => {}
    }
}

/// Makes a result up that depends on the trial alone: what its seed does is the same in every cell, and more.
fn outcome(spec: &TrialSpec, epochs: u32, diverged: bool, weights: Option<&BlobStore>) -> Outcome {
    let cell = share(&spec.choices.canonical_bytes());
    let seed = share(&spec.seed.replicate.to_le_bytes());
    let chance = share(&spec.id().0);
    let right = (9_700.0 + 100.0 * cell + 40.0 * seed + 10.0 * chance).round() as u32;
    let count = if diverged { 3 } else { epochs.saturating_sub((10.0 * chance) as u32).max(1) };
    let epoch = |epoch: u32| {
        let loss = 0.07 + 0.02 * (1.0 - cell) + 0.01 * seed + 1.0 / f64::from(epoch + 1);
        EpochMetrics {
            epoch,
            learning_rate: 0.001,
            training_objective: loss + 0.01,
            training_loss: loss,
            training_accuracy: 1.0 - loss / 3.0,
            validation_loss: loss + 0.02,
            validation_accuracy: 0.98 - loss / 3.0,
        }
    };
    let epochs: Vec<EpochMetrics> = (0..count).map(epoch).collect();
    let ending = if diverged { Ending::Diverged } else { Ending::Succeeded };
    let last = epochs.last().map_or(0.0, |epoch| epoch.validation_loss);
    let mut evaluation = (!diverged).then(|| Evaluation {
        validation_loss: last,
        test_loss: last + 0.01,
        test_accuracy: f64::from(right) / 10_000.0,
        confusion: confusion(right),
        matrices: matrices(spec, cell),
        weights_digest: Digest::of(&spec.id().0),
    });
    if let Some((folder, evaluation)) = weights.zip(evaluation.as_mut()) {
        keep_weights(folder, evaluation, chance);
    }
    Outcome { ending, epochs, evaluation, numerics: spec.numerics }
}

/// Makes up weights of the shapes that the result has, and keeps them as a trial's.
fn keep_weights(folder: &BlobStore, of: &mut Evaluation, chance: f64) {
    let numbers = weights::tensor_bytes(of).unwrap() / 4;
    let number = |n: u64| ((n * 7919 % 2003) as f64 / 1001.5 - 1.0) * (0.5 + chance);
    let tensors: Vec<u8> = (0..numbers).flat_map(|n| (number(n) as f32).to_le_bytes()).collect();
    of.weights_digest = Digest::of(&tensors);
    let mut file = folder.begin_at(of.weights_digest, &weights::header(of).unwrap(), 0).unwrap();
    file.write(&tensors).unwrap();
    file.finish().unwrap();
}

/// Returns counts of ten classes with so many rightly classified.
fn confusion(right: u32) -> Confusion {
    let wrong = 10_000 - right;
    let count = |row: usize, column: usize| match (row, column) {
        (row, column) if row == column => right / 10 + u32::from(row == 0) * (right % 10),
        (row, column) if column == (row + 1) % 10 => wrong / 10 + u32::from(row == 0) * (wrong % 10),
        _ => 0,
    };
    Confusion::of_rows(10, (0..100).map(|place| count(place / 10, place % 10)).collect()).unwrap()
}

fn matrices(spec: &TrialSpec, cell: f64) -> Vec<MatrixSummary> {
    let hidden = spec.choices.get("hidden").map_or(String::new(), ToString::to_string);
    let units = hidden.split('-').filter_map(|units| units.parse().ok());
    let sizes: Vec<u32> = std::iter::once(784).chain(units).chain([10]).collect();
    let matrix = |(layer, sizes): (usize, &[u32])| {
        let weights = u64::from(sizes[0]) * u64::from(sizes[1]);
        let mut histogram = vec![weights / HISTOGRAM_BINS as u64; HISTOGRAM_BINS];
        histogram[HISTOGRAM_BINS / 2] += weights % HISTOGRAM_BINS as u64;
        let sparsity = cell / (layer + 1) as f64;
        MatrixSummary { inputs: sizes[0], units: sizes[1], sparsity, mean_absolute: 0.05, histogram }
    };
    sizes.windows(2).enumerate().map(matrix).collect()
}

/// Returns a number in 0 … 1 that some bytes stand for.
fn share(bytes: &[u8]) -> f64 {
    let digest = Digest::of(bytes).0;
    f64::from(u16::from_le_bytes([digest[0], digest[1]])) / f64::from(u16::MAX)
}
