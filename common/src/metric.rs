//! What a trial reports: one record an epoch, and an outcome at its end.

use crate::confusion::Confusion;
use crate::id::Digest;
use serde::{Deserialize, Serialize};

/// What one epoch of training gave. Losses in nats, accuracies as shares in 0 … 1.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// Counted from 0.
    pub epoch: u32,
    /// The learning rate used in this epoch.
    pub learning_rate: f64,
    /// Mean over the batches, weighted by their samples, of cross-entropy + penalty, each batch before its step.
    pub training_objective: f64,
    /// The same without the penalty.
    pub training_loss: f64,
    /// Share of the training samples classified rightly as the weights moved.
    pub training_accuracy: f64,
    /// Mean cross-entropy over the validation part after the epoch, without penalty.
    pub validation_loss: f64,
    /// Share of the validation part classified rightly after the epoch.
    pub validation_accuracy: f64,
}

/// How training ended. Both are results: neither is tried again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Training ran to its end.
    Succeeded,
    /// A loss or a weight became not finite; the epochs completed before that are kept.
    Diverged,
}

/// What is known of one weight matrix at the end of training.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MatrixSummary {
    /// Rows: units of the layer before, or inputs.
    pub inputs: u32,
    /// Columns: units of this layer, or classes.
    pub units: u32,
    /// Share of the weights with |w| < 1e-4.
    pub sparsity: f64,
    /// Mean |w|.
    pub mean_absolute: f64,
    /// Counts of the weights in [`HISTOGRAM_BINS`] bins of equal width over −1 … 1, what lies outside in the outermost.
    pub histogram: Vec<u64>,
}

/// The number of bins of [`MatrixSummary::histogram`]. Odd, so that one bin has zero in its middle.
pub const HISTOGRAM_BINS: usize = 101;

/// How a trial ended and all that it measured. A function of (choices, seed, data, numerics): no time, no host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// How training ended.
    pub ending: Ending,
    /// Every completed epoch, in order.
    pub epochs: Vec<EpochMetrics>,
    /// What the last weights gave; absent where the trial diverged.
    pub evaluation: Option<Evaluation>,
    /// The version of the engine's arithmetic.
    pub numerics: u32,
}

/// An outcome without its epochs: what a table or an export needs.
#[derive(Clone, PartialEq, Debug)]
pub struct OutcomeSummary {
    /// How training ended.
    pub ending: Ending,
    /// How many epochs were completed.
    pub epochs: u32,
    /// The smallest training objective over the epochs; `None` where no epoch was completed.
    pub min_training_objective: Option<f64>,
    /// The smallest training cross-entropy over the epochs.
    pub min_training_loss: Option<f64>,
    /// The smallest validation cross-entropy over the epochs.
    pub min_validation_loss: Option<f64>,
    /// What the last weights gave; absent where the trial diverged.
    pub evaluation: Option<Evaluation>,
    /// The version of the engine's arithmetic.
    pub numerics: u32,
}

/// What the final weights gave.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Evaluation {
    /// Mean cross-entropy over the validation part, in nats.
    pub validation_loss: f64,
    /// Mean cross-entropy over the test set, in nats.
    pub test_loss: f64,
    /// Share of the test set classified rightly.
    pub test_accuracy: f64,
    /// What was taken for what over the test set.
    pub confusion: Confusion,
    /// One entry a weight matrix, from the input to the output.
    pub matrices: Vec<MatrixSummary>,
    /// BLAKE3 of all weights and biases (little-endian `f32`, layer by layer, row-major kernel [inputs × units], then biases).
    pub weights_digest: Digest,
}

impl Outcome {
    /// Returns what a table or an export needs of it.
    pub fn summary(&self) -> OutcomeSummary {
        let smallest = |value: fn(&EpochMetrics) -> f64| self.epochs.iter().map(value).min_by(f64::total_cmp);
        OutcomeSummary {
            ending: self.ending,
            epochs: u32::try_from(self.epochs.len()).unwrap_or(u32::MAX),
            min_training_objective: smallest(|epoch| epoch.training_objective),
            min_training_loss: smallest(|epoch| epoch.training_loss),
            min_validation_loss: smallest(|epoch| epoch.validation_loss),
            evaluation: self.evaluation.clone(),
            numerics: self.numerics,
        }
    }

    /// Hashes the outcome's canonical bytes: equal exactly when two outcomes have the same bits throughout.
    pub fn digest(&self) -> Digest {
        let mut hasher = blake3::Hasher::new_derive_key("gridsweep outcome 1");
        hasher.update(&[matches!(self.ending, Ending::Diverged) as u8]);
        hasher.update(&self.numerics.to_le_bytes());
        hasher.update(&(self.epochs.len() as u64).to_le_bytes());
        for epoch in &self.epochs {
            hasher.update(&epoch.epoch.to_le_bytes());
            for value in [
                epoch.learning_rate,
                epoch.training_objective,
                epoch.training_loss,
                epoch.training_accuracy,
                epoch.validation_loss,
                epoch.validation_accuracy,
            ] {
                hasher.update(&value.to_bits().to_le_bytes());
            }
        }
        if let Some(evaluation) = &self.evaluation {
            evaluation.update(&mut hasher);
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

impl OutcomeSummary {
    /// Returns the value of `metric`, or `None` where it does not exist or is not finite.
    pub fn metric(&self, metric: Metric) -> Option<f64> {
        let evaluation = self.evaluation.as_ref();
        let value = match metric {
            Metric::MinTrainingObjective => self.min_training_objective,
            Metric::MinTrainingLoss => self.min_training_loss,
            Metric::MinValidationLoss => self.min_validation_loss,
            Metric::ValidationLoss => evaluation.map(|e| e.validation_loss),
            Metric::TestLoss => evaluation.map(|e| e.test_loss),
            Metric::TestAccuracy => evaluation.map(|e| e.test_accuracy),
            Metric::TestError => evaluation.map(Evaluation::test_error),
            Metric::SparsityMean => evaluation.and_then(Evaluation::sparsity_mean),
            Metric::Epochs => Some(f64::from(self.epochs)),
        };
        value.filter(|value| value.is_finite())
    }
}

impl Evaluation {
    /// Returns 1 − accuracy, counted from the confusion so that it is the nearest `f64` to the exact share.
    pub fn test_error(&self) -> f64 {
        let samples = self.confusion.samples();
        (samples - self.confusion.right()) as f64 / samples as f64
    }

    /// Returns the plain mean of the matrices' sparsities.
    pub fn sparsity_mean(&self) -> Option<f64> {
        let sum: f64 = self.matrices.iter().map(|matrix| matrix.sparsity).sum();
        (!self.matrices.is_empty()).then(|| sum / self.matrices.len() as f64)
    }

    fn update(&self, hasher: &mut blake3::Hasher) {
        for value in [self.validation_loss, self.test_loss, self.test_accuracy] {
            hasher.update(&value.to_bits().to_le_bytes());
        }
        for count in self.confusion.counts() {
            hasher.update(&count.to_le_bytes());
        }
        for matrix in &self.matrices {
            hasher.update(&matrix.inputs.to_le_bytes());
            hasher.update(&matrix.units.to_le_bytes());
            hasher.update(&matrix.sparsity.to_bits().to_le_bytes());
            hasher.update(&matrix.mean_absolute.to_bits().to_le_bytes());
            for count in &matrix.histogram {
                hasher.update(&count.to_le_bytes());
            }
        }
        hasher.update(&self.weights_digest.0);
    }
}

/// A number that every outcome has, by the name it has in tables and exports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Metric {
    /// The smallest training objective over the epochs.
    MinTrainingObjective,
    /// The smallest training cross-entropy over the epochs.
    MinTrainingLoss,
    /// The smallest validation cross-entropy over the epochs.
    MinValidationLoss,
    /// Validation cross-entropy at the last weights.
    ValidationLoss,
    /// Test cross-entropy at the last weights.
    TestLoss,
    /// Share of the test set classified rightly.
    TestAccuracy,
    /// 1 − test accuracy.
    TestError,
    /// Plain mean over the weight matrices of the share of |w| < 1e-4.
    SparsityMean,
    /// How many epochs were run.
    Epochs,
}

/// Every metric, in the order of the export.
pub const ALL: [Metric; 9] = [
    Metric::MinTrainingObjective,
    Metric::MinTrainingLoss,
    Metric::MinValidationLoss,
    Metric::ValidationLoss,
    Metric::TestLoss,
    Metric::TestAccuracy,
    Metric::TestError,
    Metric::SparsityMean,
    Metric::Epochs,
];

/// Which of two values of a metric is the better one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Better {
    /// Losses and errors.
    Lower,
    /// Accuracies.
    Higher,
    /// What is described rather than judged.
    Neither,
}

impl Metric {
    /// Returns the name in sweep files, tables and exports.
    pub fn name(self) -> &'static str {
        match self {
            Metric::MinTrainingObjective => "min_training_objective",
            Metric::MinTrainingLoss => "min_training_loss",
            Metric::MinValidationLoss => "min_validation_loss",
            Metric::ValidationLoss => "validation_loss",
            Metric::TestLoss => "test_loss",
            Metric::TestAccuracy => "test_accuracy",
            Metric::TestError => "test_error",
            Metric::SparsityMean => "sparsity_mean",
            Metric::Epochs => "epochs",
        }
    }

    /// Returns the metric of this name.
    pub fn from_name(name: &str) -> Option<Metric> {
        ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// Returns which direction is the better one.
    pub fn better(self) -> Better {
        match self {
            Metric::MinTrainingObjective
            | Metric::MinTrainingLoss
            | Metric::MinValidationLoss
            | Metric::ValidationLoss
            | Metric::TestLoss
            | Metric::TestError => Better::Lower,
            Metric::TestAccuracy => Better::Higher,
            Metric::SparsityMean | Metric::Epochs => Better::Neither,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome() -> Outcome {
        let epoch = EpochMetrics {
            epoch: 0,
            learning_rate: 0.001,
            training_objective: 0.5,
            training_loss: 0.4,
            training_accuracy: 0.9,
            validation_loss: 0.3,
            validation_accuracy: 0.95,
        };
        Outcome {
            ending: Ending::Succeeded,
            epochs: vec![
                epoch,
                EpochMetrics { epoch: 1, training_objective: 0.6, validation_loss: 0.2, ..epoch },
            ],
            evaluation: Some(Evaluation {
                validation_loss: 0.2,
                test_loss: 0.25,
                test_accuracy: 0.75,
                confusion: Confusion::of_rows(2, vec![2, 0, 1, 1]).expect("2 × 2"),
                matrices: vec![],
                weights_digest: Digest([7; 32]),
            }),
            numerics: 1,
        }
    }

    #[test]
    fn smallest_values_are_taken_over_all_epochs() {
        let outcome = outcome().summary();
        assert_eq!(outcome.metric(Metric::MinTrainingObjective), Some(0.5));
        assert_eq!(outcome.metric(Metric::MinValidationLoss), Some(0.2));
        assert_eq!(outcome.metric(Metric::TestError), Some(0.25));
        assert_eq!(outcome.metric(Metric::SparsityMean), None);
        assert_eq!(outcome.metric(Metric::Epochs), Some(2.0));
    }

    #[test]
    fn the_digest_sees_one_bit() {
        let mut other = outcome();
        assert_eq!(other.digest(), outcome().digest());
        other.epochs[1].validation_loss = f64::from_bits(other.epochs[1].validation_loss.to_bits() + 1);
        assert_ne!(other.digest(), outcome().digest());
    }

    #[test]
    fn every_metric_is_found_by_its_name() {
        for metric in ALL {
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
        assert_eq!(Metric::from_name("accuracy"), None);
    }
}
