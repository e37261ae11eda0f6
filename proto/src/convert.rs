//! Wire messages to domain types and back. Nothing that arrives can panic: what does not fit is a [`Malformed`].

use crate::{CHECKPOINT_BYTES_MAX, RESULT_DIGEST_MINOR, v1};
use gridsweep_common::choice::{Choices, Number, Value};
use gridsweep_common::confusion::Confusion;
use gridsweep_common::data::{
    CsvFormat, DataFile, DataFormat, DataManifest, LabelColumn, Pick, Standardize, Validation,
};
use gridsweep_common::id::{Attempt, Digest, Fence, Term, TrialId};
use gridsweep_common::metric::{Ending, EpochMetrics, Evaluation, HISTOGRAM_BINS, MatrixSummary, Outcome};
use gridsweep_common::seed::SeedKey;
use gridsweep_common::trial::{Failure, FailureKind, KeptCheckpoint, TrialSpec};

/// A message that no version of this protocol sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed message: {0}")]
pub struct Malformed(pub &'static str);

impl From<Malformed> for tonic::Status {
    fn from(malformed: Malformed) -> tonic::Status {
        tonic::Status::invalid_argument(malformed.to_string())
    }
}

/// Lists may hold lists, but no setting nests deeper than this.
const VALUE_DEPTH_MAX: usize = 4;

/// Longest line of a failure that is kept, in bytes.
const FAILURE_DETAIL_BYTES_MAX: usize = 2000;

/// Reads 32 bytes.
pub fn digest(bytes: &[u8]) -> Result<Digest, Malformed> {
    bytes.try_into().map(Digest).map_err(|_| Malformed("a digest has 32 bytes"))
}

/// Reads 16 bytes.
pub fn trial_id(bytes: &[u8]) -> Result<TrialId, Malformed> {
    bytes.try_into().map(TrialId).map_err(|_| Malformed("a trial's id has 16 bytes"))
}

/// Reads a fence, which every message about an attempt must have.
pub fn fence(wire: Option<&v1::Fence>) -> Result<Fence, Malformed> {
    let wire = wire.ok_or(Malformed("no fence"))?;
    Ok(Fence { term: Term(wire.term), trial: trial_id(&wire.trial)?, attempt: Attempt(wire.attempt) })
}

/// Reads what is said of a checkpoint.
pub fn checkpoint(wire: &v1::Checkpoint) -> Result<KeptCheckpoint, Malformed> {
    if !(1..=CHECKPOINT_BYTES_MAX).contains(&wire.length) {
        return Err(Malformed("a checkpoint of no bytes, or of more than 1 GiB"));
    }
    let v1::Checkpoint { length, epoch, step, .. } = *wire;
    Ok(KeptCheckpoint { digest: digest(&wire.digest)?, length, epoch, step })
}

impl From<KeptCheckpoint> for v1::Checkpoint {
    fn from(checkpoint: KeptCheckpoint) -> v1::Checkpoint {
        let KeptCheckpoint { digest, length, epoch, step } = checkpoint;
        v1::Checkpoint { digest: digest.0.to_vec(), length, epoch, step }
    }
}

/// Reads several fences.
pub fn fences(wire: &[v1::Fence]) -> Result<Vec<Fence>, Malformed> {
    wire.iter().map(|wire| fence(Some(wire))).collect()
}

impl From<Fence> for v1::Fence {
    fn from(fence: Fence) -> v1::Fence {
        v1::Fence { term: fence.term.0, trial: fence.trial.0.to_vec(), attempt: fence.attempt.0 }
    }
}

impl From<&Value> for v1::Value {
    fn from(value: &Value) -> v1::Value {
        use v1::value::Kind;
        let kind = match value {
            Value::Bool(flag) => Kind::Flag(*flag),
            Value::Number(number) => Kind::Number(number.get()),
            Value::Text(text) => Kind::Text(text.clone()),
            Value::List(values) => {
                Kind::List(v1::ValueList { values: values.iter().map(Into::into).collect() })
            }
        };
        v1::Value { kind: Some(kind) }
    }
}

fn value(wire: &v1::Value, depth_left: usize) -> Result<Value, Malformed> {
    use v1::value::Kind;
    let kind = wire.kind.as_ref().ok_or(Malformed("a setting without a value"))?;
    Ok(match kind {
        Kind::Flag(flag) => Value::Bool(*flag),
        Kind::Number(number) => {
            Value::Number(Number::new(*number).ok_or(Malformed("a setting that is not finite"))?)
        }
        Kind::Text(text) => Value::Text(text.clone()),
        Kind::List(list) => {
            let depth_left = depth_left.checked_sub(1).ok_or(Malformed("a setting nested too deep"))?;
            Value::List(list.values.iter().map(|wire| value(wire, depth_left)).collect::<Result<_, _>>()?)
        }
    })
}

impl From<&TrialSpec> for v1::TrialSpec {
    fn from(spec: &TrialSpec) -> v1::TrialSpec {
        let setting =
            |(name, value): (&str, &Value)| v1::Setting { name: name.to_owned(), value: Some(value.into()) };
        v1::TrialSpec {
            choices: spec.choices.iter().map(setting).collect(),
            seed_root: spec.seed.root,
            replicate: spec.seed.replicate,
            data: spec.data.0.to_vec(),
            validation_fraction: spec.validation.fraction,
            validation_pick: match spec.validation.pick {
                Pick::Random => v1::ValidationPick::Random,
                Pick::Last => v1::ValidationPick::Last,
            }
            .into(),
            numerics: spec.numerics,
        }
    }
}

/// Reads a trial.
pub fn trial_spec(wire: &v1::TrialSpec) -> Result<TrialSpec, Malformed> {
    let setting = |setting: &v1::Setting| {
        let wire = setting.value.as_ref().ok_or(Malformed("a setting without a value"))?;
        Ok((setting.name.clone(), value(wire, VALUE_DEPTH_MAX)?))
    };
    let fraction = wire.validation_fraction;
    if !(fraction > 0.0 && fraction < 1.0) {
        return Err(Malformed("a validation share outside 0 < x < 1"));
    }
    let pick = match wire.validation_pick() {
        v1::ValidationPick::Random => Pick::Random,
        v1::ValidationPick::Last => Pick::Last,
        v1::ValidationPick::Unspecified => {
            return Err(Malformed("an unknown way to pick the validation part"));
        }
    };
    Ok(TrialSpec {
        choices: wire.choices.iter().map(setting).collect::<Result<Choices, Malformed>>()?,
        seed: SeedKey { root: wire.seed_root, replicate: wire.replicate },
        data: digest(&wire.data)?,
        validation: Validation { fraction, pick },
        numerics: wire.numerics,
    })
}

impl From<&EpochMetrics> for v1::EpochMetrics {
    fn from(metrics: &EpochMetrics) -> v1::EpochMetrics {
        v1::EpochMetrics {
            epoch: metrics.epoch,
            learning_rate: metrics.learning_rate,
            training_objective: metrics.training_objective,
            training_loss: metrics.training_loss,
            training_accuracy: metrics.training_accuracy,
            validation_loss: metrics.validation_loss,
            validation_accuracy: metrics.validation_accuracy,
        }
    }
}

/// Reads one epoch, all of whose numbers are finite.
pub fn epoch_metrics(wire: &v1::EpochMetrics) -> Result<EpochMetrics, Malformed> {
    let metrics = EpochMetrics {
        epoch: wire.epoch,
        learning_rate: wire.learning_rate,
        training_objective: wire.training_objective,
        training_loss: wire.training_loss,
        training_accuracy: wire.training_accuracy,
        validation_loss: wire.validation_loss,
        validation_accuracy: wire.validation_accuracy,
    };
    let finite = [
        metrics.learning_rate,
        metrics.training_objective,
        metrics.training_loss,
        metrics.training_accuracy,
        metrics.validation_loss,
        metrics.validation_accuracy,
    ]
    .iter()
    .all(|number| number.is_finite());
    if finite { Ok(metrics) } else { Err(Malformed("an epoch whose numbers are not finite")) }
}

impl From<&Outcome> for v1::Outcome {
    fn from(outcome: &Outcome) -> v1::Outcome {
        v1::Outcome {
            ending: match outcome.ending {
                Ending::Succeeded => v1::Ending::Succeeded,
                Ending::Diverged => v1::Ending::Diverged,
            }
            .into(),
            epochs: outcome.epochs.iter().map(Into::into).collect(),
            evaluation: outcome.evaluation.as_ref().map(Into::into),
            numerics: outcome.numerics,
        }
    }
}

/// Reads a complete outcome: its epochs count up from 0 without a gap, and it has an evaluation exactly where it
/// succeeded.
pub fn outcome(wire: &v1::Outcome) -> Result<Outcome, Malformed> {
    let ending = match wire.ending() {
        v1::Ending::Succeeded => Ending::Succeeded,
        v1::Ending::Diverged => Ending::Diverged,
        v1::Ending::Unspecified => return Err(Malformed("an outcome without an ending")),
    };
    let epochs = wire.epochs.iter().map(epoch_metrics).collect::<Result<Vec<_>, _>>()?;
    if epochs.iter().zip(0..).any(|(epoch, expected)| epoch.epoch != expected) {
        return Err(Malformed("an outcome whose epochs have a gap"));
    }
    let evaluation = wire.evaluation.as_ref().map(evaluation).transpose()?;
    if evaluation.is_some() != (ending == Ending::Succeeded) {
        return Err(Malformed("an outcome whose evaluation does not fit its ending"));
    }
    Ok(Outcome { ending, epochs, evaluation, numerics: wire.numerics })
}

impl From<(Fence, &Outcome)> for v1::Finished {
    fn from((fence, outcome): (Fence, &Outcome)) -> v1::Finished {
        let digest = outcome.digest().0.to_vec();
        v1::Finished { fence: Some(fence.into()), outcome: Some(outcome.into()), digest }
    }
}

/// Reads a result and the attempt that gave it, as a worker of this minor version says it: the earliest ones say no digest,
/// and what is damaged on its way from them is noticed only where it does not fit together.
///
/// # Errors
///
/// A result that is not whole, or whose bits are not those that the worker had.
pub fn finished(wire: &v1::Finished, minor: u32) -> Result<(Fence, Outcome), Malformed> {
    let outcome = outcome(wire.outcome.as_ref().ok_or(Malformed("a result without its outcome"))?)?;
    let has_none = minor < RESULT_DIGEST_MINOR && wire.digest.is_empty();
    if !has_none && wire.digest != outcome.digest().0 {
        return Err(Malformed("a result that was damaged on its way"));
    }
    Ok((fence(wire.fence.as_ref())?, outcome))
}

impl From<&Evaluation> for v1::Evaluation {
    fn from(evaluation: &Evaluation) -> v1::Evaluation {
        v1::Evaluation {
            validation_loss: evaluation.validation_loss,
            test_loss: evaluation.test_loss,
            test_accuracy: evaluation.test_accuracy,
            classes: u32::try_from(evaluation.confusion.classes()).unwrap_or(u32::MAX),
            confusion: evaluation.confusion.counts().to_vec(),
            matrices: evaluation.matrices.iter().map(Into::into).collect(),
            weights_digest: evaluation.weights_digest.0.to_vec(),
        }
    }
}

/// Reads what the last weights gave.
pub fn evaluation(wire: &v1::Evaluation) -> Result<Evaluation, Malformed> {
    let classes = wire.classes as usize;
    let confusion = Confusion::of_rows(classes, wire.confusion.clone()).filter(|_| classes > 0);
    let confusion = confusion.ok_or(Malformed("a confusion that is not classes x classes"))?;
    if wire.confusion.iter().all(|&count| count == 0) {
        return Err(Malformed("a confusion that counts nothing"));
    }
    if ![wire.validation_loss, wire.test_loss, wire.test_accuracy].iter().all(|number| number.is_finite()) {
        return Err(Malformed("an evaluation whose numbers are not finite"));
    }
    Ok(Evaluation {
        validation_loss: wire.validation_loss,
        test_loss: wire.test_loss,
        test_accuracy: wire.test_accuracy,
        confusion,
        matrices: wire.matrices.iter().map(matrix).collect::<Result<_, _>>()?,
        weights_digest: digest(&wire.weights_digest)?,
    })
}

impl From<&MatrixSummary> for v1::MatrixSummary {
    fn from(matrix: &MatrixSummary) -> v1::MatrixSummary {
        v1::MatrixSummary {
            inputs: matrix.inputs,
            units: matrix.units,
            sparsity: matrix.sparsity,
            mean_absolute: matrix.mean_absolute,
            histogram: matrix.histogram.clone(),
        }
    }
}

fn matrix(wire: &v1::MatrixSummary) -> Result<MatrixSummary, Malformed> {
    if !wire.sparsity.is_finite() || !wire.mean_absolute.is_finite() || wire.histogram.len() != HISTOGRAM_BINS
    {
        return Err(Malformed("a weight matrix without its numbers"));
    }
    Ok(MatrixSummary {
        inputs: wire.inputs,
        units: wire.units,
        sparsity: wire.sparsity,
        mean_absolute: wire.mean_absolute,
        histogram: wire.histogram.clone(),
    })
}

impl From<FailureKind> for v1::FailureKind {
    fn from(kind: FailureKind) -> v1::FailureKind {
        match kind {
            FailureKind::Panic => v1::FailureKind::Panic,
            FailureKind::OutOfMemory => v1::FailureKind::OutOfMemory,
            FailureKind::Timeout => v1::FailureKind::Timeout,
            FailureKind::Io => v1::FailureKind::Io,
            FailureKind::CheckpointCorrupt => v1::FailureKind::CheckpointCorrupt,
            FailureKind::WorkerShutdown => v1::FailureKind::WorkerShutdown,
            // A worker cannot report its own loss: only the coordinator says so, and never on the wire.
            FailureKind::Internal | FailureKind::WorkerLost => v1::FailureKind::Internal,
        }
    }
}

/// Reads why an attempt failed; its detail is cut to one bounded line.
pub fn failure(wire: &v1::Failed) -> Result<Failure, Malformed> {
    let kind = match wire.kind() {
        v1::FailureKind::Panic => FailureKind::Panic,
        v1::FailureKind::OutOfMemory => FailureKind::OutOfMemory,
        v1::FailureKind::Timeout => FailureKind::Timeout,
        v1::FailureKind::Io => FailureKind::Io,
        v1::FailureKind::CheckpointCorrupt => FailureKind::CheckpointCorrupt,
        v1::FailureKind::WorkerShutdown => FailureKind::WorkerShutdown,
        v1::FailureKind::Internal => FailureKind::Internal,
        v1::FailureKind::Unspecified => return Err(Malformed("a failure of no kind")),
    };
    let mut detail: String = wire.detail.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    detail.truncate(detail.floor_char_boundary(FAILURE_DETAIL_BYTES_MAX));
    Ok(Failure { kind, detail })
}

impl From<&DataManifest> for v1::DataManifest {
    fn from(manifest: &DataManifest) -> v1::DataManifest {
        let file = |file: &DataFile| v1::DataFile {
            role: file.role.name().to_owned(),
            content_sha256: file.content_sha256.0.to_vec(),
            blob: file.blob.0.to_vec(),
            stored_bytes: file.stored_bytes,
        };
        v1::DataManifest {
            format: manifest.format.name().to_owned(),
            files: manifest.files.iter().map(file).collect(),
            csv: match &manifest.format {
                DataFormat::Idx => None,
                DataFormat::Csv(csv) => Some(csv.into()),
            },
            standardize: match manifest.standardize {
                Standardize::None => String::new(),
                Standardize::Columns => Standardize::Columns.name().to_owned(),
            },
        }
    }
}

impl From<&CsvFormat> for v1::CsvFormat {
    fn from(format: &CsvFormat) -> v1::CsvFormat {
        let label = match &format.label {
            LabelColumn::Name(name) => v1::csv_format::Label::Name(name.clone()),
            LabelColumn::Number(number) => v1::csv_format::Label::Number(*number),
        };
        v1::CsvFormat { header: format.header, delimiter: format.delimiter.into(), label: Some(label) }
    }
}

fn data_format(wire: &v1::DataManifest) -> Result<DataFormat, Malformed> {
    match (wire.format.as_str(), &wire.csv) {
        ("idx", None) => Ok(DataFormat::Idx),
        ("csv", Some(csv)) => csv_format(csv).map(DataFormat::Csv),
        _ => Err(Malformed("an unknown data format")),
    }
}

fn csv_format(wire: &v1::CsvFormat) -> Result<CsvFormat, Malformed> {
    let delimiter = u8::try_from(wire.delimiter).ok().filter(|byte| CsvFormat::is_delimiter(*byte));
    let label = match &wire.label {
        Some(v1::csv_format::Label::Name(name)) => LabelColumn::Name(name.clone()),
        Some(v1::csv_format::Label::Number(number)) => LabelColumn::Number(*number),
        None => return Err(Malformed("a CSV file without a column of classes")),
    };
    let delimiter = delimiter.ok_or(Malformed("a CSV file whose fields nothing can part"))?;
    Ok(CsvFormat { header: wire.header, delimiter, label })
}

/// Reads a manifest: a known format, and each of its roles once in order.
pub fn data_manifest(wire: &v1::DataManifest) -> Result<DataManifest, Malformed> {
    let format = data_format(wire)?;
    let standardize = match wire.standardize.as_str() {
        "" => Standardize::None,
        "columns" => Standardize::Columns,
        _ => return Err(Malformed("an unknown standardisation")),
    };
    let roles = format.roles();
    if wire.files.len() != roles.len()
        || wire.files.iter().zip(roles).any(|(file, role)| file.role != role.name())
    {
        return Err(Malformed("a data set whose files are not in the order of their roles"));
    }
    let file = |(file, &role): (&v1::DataFile, _)| {
        Ok(DataFile {
            role,
            content_sha256: digest(&file.content_sha256)?,
            blob: digest(&file.blob)?,
            stored_bytes: file.stored_bytes,
        })
    };
    let files = wire.files.iter().zip(roles).map(file).collect::<Result<_, Malformed>>()?;
    Ok(DataManifest { format, files, standardize })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PROTOCOL_MINOR;
    use prost::Message;

    fn spec() -> TrialSpec {
        TrialSpec {
            choices: [
                ("hidden".to_owned(), Value::from(vec![128.0, 64.0])),
                ("restore_best".to_owned(), Value::from(true)),
                ("regularizer".to_owned(), Value::from("l1")),
            ]
            .into_iter()
            .collect(),
            seed: SeedKey { root: 2016, replicate: 2 },
            data: Digest([3; 32]),
            validation: Validation { fraction: 0.2, pick: Pick::Last },
            numerics: 1,
        }
    }

    fn outcome_of(epochs: u32) -> Outcome {
        let epoch = |epoch| EpochMetrics {
            epoch,
            learning_rate: 0.1,
            training_objective: 0.2,
            training_loss: 0.1,
            training_accuracy: 0.9,
            validation_loss: 0.3,
            validation_accuracy: 0.8,
        };
        let matrix = MatrixSummary {
            inputs: 2,
            units: 2,
            sparsity: 0.5,
            mean_absolute: 0.1,
            histogram: vec![0; HISTOGRAM_BINS],
        };
        Outcome {
            ending: Ending::Succeeded,
            epochs: (0..epochs).map(epoch).collect(),
            evaluation: Some(Evaluation {
                validation_loss: 0.3,
                test_loss: 0.4,
                test_accuracy: 0.5,
                confusion: Confusion::of_rows(2, vec![1, 0, 1, 0]).expect("2 × 2"),
                matrices: vec![matrix],
                weights_digest: Digest([9; 32]),
            }),
            numerics: 1,
        }
    }

    #[test]
    fn what_is_sent_is_what_arrives() {
        let wire = v1::TrialSpec::decode(&v1::TrialSpec::from(&spec()).encode_to_vec()[..]).unwrap();
        assert_eq!(trial_spec(&wire), Ok(spec()));
        let wire = v1::Outcome::decode(&v1::Outcome::from(&outcome_of(3)).encode_to_vec()[..]).unwrap();
        assert_eq!(outcome(&wire), Ok(outcome_of(3)));
    }

    #[test]
    fn a_result_with_any_bit_wrong_is_refused_or_the_same_result() {
        let fence = Fence { term: Term(1), trial: TrialId([7; 16]), attempt: Attempt(1) };
        let whole = v1::Finished::from((fence, &outcome_of(2)));
        let finished = |wire: &v1::Finished| finished(wire, PROTOCOL_MINOR);
        assert_eq!(finished(&whole), Ok((fence, outcome_of(2))));
        let bytes = whole.encode_to_vec();
        for bit in 0..8 * bytes.len() {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let read = v1::Finished::decode(&wrong[..]).ok().and_then(|wire| finished(&wire).ok());
            assert!(read.is_none_or(|(_, outcome)| outcome == outcome_of(2)), "bit {bit}");
        }
        assert!(finished(&v1::Finished { digest: vec![], ..whole }).is_err());
    }

    #[test]
    fn a_worker_older_than_digests_of_results_is_believed_without_one_and_not_with_a_wrong_one() {
        let fence = Fence { term: Term(1), trial: TrialId([7; 16]), attempt: Attempt(1) };
        let whole = v1::Finished::from((fence, &outcome_of(2)));
        let bare = v1::Finished { digest: vec![], ..whole.clone() };
        let before = RESULT_DIGEST_MINOR - 1;
        assert_eq!(finished(&bare, before), Ok((fence, outcome_of(2))));
        assert_eq!(finished(&whole, before), Ok((fence, outcome_of(2))));
        assert!(finished(&v1::Finished { digest: vec![0; 32], ..whole }, before).is_err());
        assert!(finished(&bare, RESULT_DIGEST_MINOR).is_err());
    }

    #[test]
    fn an_outcome_with_a_gap_in_its_epochs_is_refused() {
        let mut wire = v1::Outcome::from(&outcome_of(3));
        wire.epochs.remove(1);
        assert!(outcome(&wire).is_err());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut wire = v1::Outcome::from(&outcome_of(1));
        wire.evaluation.as_mut().unwrap().classes = 3;
        assert!(outcome(&wire).is_err());
        wire.evaluation.as_mut().unwrap().classes = u32::MAX;
        assert!(outcome(&wire).is_err());
        wire.evaluation = None;
        assert!(outcome(&wire).is_err());
        let mut wire = v1::TrialSpec::from(&spec());
        wire.validation_fraction = f64::NAN;
        assert!(trial_spec(&wire).is_err());
        wire = v1::TrialSpec::from(&spec());
        wire.data.pop();
        assert!(trial_spec(&wire).is_err());
    }

    #[test]
    fn a_value_nested_without_end_is_refused() {
        let mut nested = Value::from(1.0);
        for _ in 0..20 {
            nested = Value::List(vec![nested]);
        }
        assert!(value(&(&nested).into(), VALUE_DEPTH_MAX).is_err());
    }

    #[test]
    fn a_manifest_comes_back_as_it_was_sent() {
        let idx = DataFormat::Idx;
        let csv = |label| DataFormat::Csv(CsvFormat { header: true, delimiter: b';', label });
        let [named, numbered] = [LabelColumn::Name("class".to_owned()), LabelColumn::Number(3)].map(csv);
        for (format, standardize) in
            [(idx, Standardize::Columns), (named, Standardize::None), (numbered, Standardize::Columns)]
        {
            let digest = Digest([7; 32]);
            let file = |&role| DataFile { role, content_sha256: digest, blob: digest, stored_bytes: 9 };
            let files = format.roles().iter().map(file).collect();
            let manifest = DataManifest { format, files, standardize };
            assert_eq!(data_manifest(&(&manifest).into()), Ok(manifest));
        }
    }

    #[test]
    fn a_manifest_that_does_not_fit_together_is_refused() {
        let good = v1::CsvFormat {
            header: true,
            delimiter: b','.into(),
            label: Some(v1::csv_format::Label::Number(1)),
        };
        let file = |role: &str| v1::DataFile {
            role: role.to_owned(),
            content_sha256: vec![0; 32],
            blob: vec![0; 32],
            stored_bytes: 1,
        };
        let manifest = |format: &str, csv: Option<v1::CsvFormat>, standardize: &str| v1::DataManifest {
            format: format.to_owned(),
            files: ["train_table", "test_table"].map(file).to_vec(),
            csv,
            standardize: standardize.to_owned(),
        };
        assert!(data_manifest(&manifest("csv", Some(good.clone()), "columns")).is_ok());
        for (format, csv, standardize) in [
            ("csv", None, ""),
            ("idx", Some(good.clone()), ""),
            ("idx", None, ""),
            ("csv", Some(good.clone()), "rows"),
            ("csv", Some(v1::CsvFormat { delimiter: 300, ..good.clone() }), ""),
            ("csv", Some(v1::CsvFormat { delimiter: 34, ..good.clone() }), ""),
            ("csv", Some(v1::CsvFormat { label: None, ..good }), ""),
        ] {
            assert!(data_manifest(&manifest(format, csv, standardize)).is_err(), "{format}, {standardize}");
        }
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            if let Ok(wire) = v1::Outcome::decode(&bytes[..]) { let _ = outcome(&wire); }
            if let Ok(wire) = v1::TrialSpec::decode(&bytes[..]) { let _ = trial_spec(&wire); }
            if let Ok(wire) = v1::Failed::decode(&bytes[..]) { let _ = failure(&wire); }
            if let Ok(wire) = v1::DataManifest::decode(&bytes[..]) { let _ = data_manifest(&wire); }
        }
    }
}
