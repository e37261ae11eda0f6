//! When the learning rate is cut and when training stops, as in Keras' callbacks.

use gridsweep_common::metric::EpochMetrics;

/// A value of each epoch that should become smaller.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Monitor {
    /// Cross-entropy + penalty over the training part.
    TrainingObjective,
    /// Cross-entropy over the training part.
    TrainingLoss,
    /// Cross-entropy over the validation part.
    ValidationLoss,
}

impl Monitor {
    /// Every monitor.
    pub(crate) const ALL: [Monitor; 3] =
        [Monitor::TrainingObjective, Monitor::TrainingLoss, Monitor::ValidationLoss];

    /// Returns the name in sweep files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Monitor::TrainingObjective => "training_objective",
            Monitor::TrainingLoss => "training_loss",
            Monitor::ValidationLoss => "validation_loss",
        }
    }

    /// Returns the monitor of this name.
    pub(crate) fn from_name(name: &str) -> Option<Monitor> {
        Monitor::ALL.into_iter().find(|monitor| monitor.name() == name)
    }

    fn value(self, metrics: &EpochMetrics) -> f64 {
        match self {
            Monitor::TrainingObjective => metrics.training_objective,
            Monitor::TrainingLoss => metrics.training_loss,
            Monitor::ValidationLoss => metrics.validation_loss,
        }
    }
}

/// Multiplies the learning rate by `factor` after `patience` epochs without a better value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct ReduceLearningRate {
    pub(crate) monitor: Monitor,
    pub(crate) factor: f64,
    pub(crate) patience: u32,
    pub(crate) min_delta: f64,
}

/// Stops after `patience` epochs without a better value.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct EarlyStop {
    pub(crate) monitor: Monitor,
    pub(crate) patience: u32,
    pub(crate) min_delta: f64,
}

/// The best value so far and how many epochs in a row were not better.
///
/// Better means below best − `min_delta`, and best moves only then (Keras `ReduceLROnPlateau`, `EarlyStopping`).
#[derive(Clone, Copy, PartialEq, Debug)]
struct Patience {
    best: f64,
    bad_epochs: u32,
}

impl Patience {
    const FRESH: Patience = Patience { best: f64::INFINITY, bad_epochs: 0 };

    /// Takes in one epoch's value and returns whether patience has run out.
    fn is_over(&mut self, value: f64, min_delta: f64, patience: u32) -> bool {
        if value < self.best - min_delta {
            *self = Patience { best: value, bad_epochs: 0 };
        } else {
            self.bad_epochs += 1;
        }
        self.bad_epochs >= patience
    }
}

/// The learning rate and what decides how it goes on. All of it is state of the training.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Schedule {
    reduce: Option<ReduceLearningRate>,
    stop: Option<EarlyStop>,
    reducing: Patience,
    stopping: Patience,
    learning_rate: f64,
    is_stopped: bool,
}

impl Schedule {
    /// Starts with this learning rate.
    pub(crate) fn new(
        learning_rate: f64,
        reduce: Option<ReduceLearningRate>,
        stop: Option<EarlyStop>,
    ) -> Schedule {
        let (reducing, stopping) = (Patience::FRESH, Patience::FRESH);
        Schedule { reduce, stop, reducing, stopping, learning_rate, is_stopped: false }
    }

    /// Returns the learning rate of the epoch to come.
    pub(crate) fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// Returns whether training is to stop before the epoch to come.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Takes in what an epoch gave.
    pub(crate) fn epoch(&mut self, metrics: &EpochMetrics) {
        if let Some(reduce) = self.reduce {
            let value = reduce.monitor.value(metrics);
            if self.reducing.is_over(value, reduce.min_delta, reduce.patience) {
                self.learning_rate *= reduce.factor;
                self.reducing.bad_epochs = 0;
            }
        }
        if let Some(stop) = self.stop {
            let value = stop.monitor.value(metrics);
            self.is_stopped = self.stopping.is_over(value, stop.min_delta, stop.patience);
        }
    }
}
