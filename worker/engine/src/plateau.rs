//! What is done where nothing gets better: the learning rate is cut, training stops. As in Keras' callbacks.

use crate::checkpoint::{CheckpointError, Reader, Writer};
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

/// The learning rate that the cuts have left, and what decides whether training goes on. All of it is state of the
/// training.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Plateau {
    reduce: Option<ReduceLearningRate>,
    stop: Option<EarlyStop>,
    reducing: Patience,
    stopping: Patience,
    learning_rate: f64,
    is_stopped: bool,
}

impl Plateau {
    /// Writes what changes in the course of a training.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.f64(self.learning_rate);
        out.bool(self.is_stopped);
        for Patience { best, bad_epochs } in [self.reducing, self.stopping] {
            out.f64(best);
            out.u32(bad_epochs);
        }
    }

    /// Reads what [`Plateau::write`] wrote.
    pub(crate) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        self.learning_rate = from.f64()?;
        self.is_stopped = from.bool()?;
        for patience in [&mut self.reducing, &mut self.stopping] {
            *patience = Patience { best: from.f64()?, bad_epochs: from.u32()? };
        }
        Ok(())
    }

    /// Starts with this learning rate.
    pub(crate) fn new(
        learning_rate: f64,
        reduce: Option<ReduceLearningRate>,
        stop: Option<EarlyStop>,
    ) -> Plateau {
        let (reducing, stopping) = (Patience::FRESH, Patience::FRESH);
        Plateau { reduce, stop, reducing, stopping, learning_rate, is_stopped: false }
    }

    /// Returns the learning rate of the epoch to come, before its schedule.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics(validation_loss: f64) -> EpochMetrics {
        EpochMetrics {
            epoch: 0,
            learning_rate: 0.0,
            training_objective: validation_loss,
            training_loss: 0.5,
            training_accuracy: 0.0,
            validation_loss,
            validation_accuracy: 0.0,
        }
    }

    fn reduce(patience: u32, min_delta: f64) -> ReduceLearningRate {
        ReduceLearningRate { monitor: Monitor::ValidationLoss, factor: 0.5, patience, min_delta }
    }

    /// (patience, min_delta, losses, learning rate after each): worked out by hand from Keras 3's
    /// `ReduceLROnPlateau.on_epoch_end` with cooldown 0.
    #[test]
    fn the_learning_rate_is_cut_as_in_keras() {
        let cases: [(u32, f64, &[f64], &[f64]); 6] = [
            (2, 0.0, &[1.0, 0.9, 0.8], &[1.0, 1.0, 1.0]),
            // Equal is not better.
            (2, 0.0, &[1.0, 1.0, 1.0], &[1.0, 1.0, 0.5]),
            // The count begins anew after a cut.
            (2, 0.0, &[1.0, 2.0, 2.0, 2.0, 2.0], &[1.0, 1.0, 0.5, 0.5, 0.25]),
            // A better value begins it anew, too.
            (2, 0.0, &[1.0, 2.0, 0.5, 2.0, 2.0], &[1.0, 1.0, 1.0, 1.0, 0.5]),
            // Small improvements do not count and do not move the best value; together they count.
            (3, 0.1, &[1.0, 0.95, 0.91, 0.89], &[1.0, 1.0, 1.0, 1.0]),
            (1, 0.1, &[1.0, 0.95, 0.85], &[1.0, 0.5, 0.5]),
        ];
        for (patience, min_delta, losses, expected) in cases {
            let mut plateau = Plateau::new(1.0, Some(reduce(patience, min_delta)), None);
            let rates: Vec<f64> = losses
                .iter()
                .map(|&loss| {
                    plateau.epoch(&metrics(loss));
                    plateau.learning_rate()
                })
                .collect();
            assert_eq!(rates, expected, "patience {patience}, min_delta {min_delta}, {losses:?}");
        }
    }

    /// (patience, min_delta, losses, the epoch after which training stops): by hand from Keras 3's `EarlyStopping`.
    #[test]
    fn training_stops_as_in_keras() {
        let cases: [(u32, f64, &[f64], Option<usize>); 5] = [
            (1, 0.0, &[1.0, 0.9, 0.8], None),
            (1, 0.0, &[1.0, 1.0], Some(1)),
            (2, 0.0, &[1.0, 2.0, 0.9, 2.0, 2.0], Some(4)),
            (2, 0.1, &[1.0, 0.95, 0.92, 0.1], Some(2)),
            (4, 0.0, &[1.0, 2.0, 2.0, 2.0], None),
        ];
        for (patience, min_delta, losses, expected) in cases {
            let stop = EarlyStop { monitor: Monitor::TrainingObjective, patience, min_delta };
            let mut plateau = Plateau::new(1.0, None, Some(stop));
            let stopped = losses.iter().position(|&loss| {
                plateau.epoch(&metrics(loss));
                plateau.is_stopped()
            });
            assert_eq!(stopped, expected, "patience {patience}, min_delta {min_delta}, {losses:?}");
        }
    }

    #[test]
    fn each_monitor_watches_its_own_value() {
        let mut plateau = Plateau::new(
            1.0,
            Some(ReduceLearningRate { monitor: Monitor::TrainingLoss, ..reduce(1, 0.0) }),
            None,
        );
        plateau.epoch(&metrics(2.0));
        plateau.epoch(&metrics(1.0));
        assert_eq!(plateau.learning_rate(), 0.5, "the training loss stood still");
        for monitor in Monitor::ALL {
            assert_eq!(Monitor::from_name(monitor.name()), Some(monitor));
        }
    }
}
