//! How much arithmetic a sweep asks for: what a plan prints and a progress display weighs trials by.

use gridsweep_common::choice::{Choices, Value};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::work::multiply_adds;
use gridsweep_worker::dataset::Shape;

/// Counts the floating-point operations of training, as dense arithmetic would do them, at the most epochs.
///
/// A multiply-add is two of them. The validation pass and the optimizer are not counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Work {
    shape: Shape,
    training: f64,
}

impl Work {
    pub(crate) fn of(shape: Shape, validation_fraction: f64) -> Work {
        Work { shape, training: shape.training as f64 * (1.0 - validation_fraction) }
    }

    /// Returns the operations of all trials of a sweep, without enumerating them.
    pub(crate) fn total(&self, open: &OpenSweep) -> f64 {
        let tally = open.sweep.grid().tally(&["hidden", "epochs"]);
        let cells: f64 = tally
            .iter()
            .map(|(values, &cells)| cells as f64 * self.operations(values[0].as_ref(), values[1].as_ref()))
            .sum();
        cells * f64::from(open.sweep.replicates.count)
    }

    /// Returns the operations of one trial.
    pub(crate) fn trial(&self, choices: &Choices) -> f64 {
        self.operations(choices.get("hidden"), choices.get("epochs"))
    }

    fn operations(&self, hidden: Option<&Value>, epochs: Option<&Value>) -> f64 {
        let epochs = epochs.and_then(Value::as_number).unwrap_or(1.0);
        let Shape { inputs, classes, .. } = self.shape;
        2.0 * multiply_adds(hidden, inputs as f64, classes as f64) * self.training * epochs
    }
}

/// Writes a count of operations with its unit: `1.2 PFLOP`.
pub(crate) fn flops(count: f64) -> String {
    let units = [("EFLOP", 1e18), ("PFLOP", 1e15), ("TFLOP", 1e12), ("GFLOP", 1e9)];
    let (unit, size) = units.into_iter().find(|(_, size)| count >= *size).unwrap_or(("MFLOP", 1e6));
    format!("{:.1} {unit}", count / size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_as_dense_arithmetic_does_them() {
        let work = Work::of(gridsweep_worker::dataset::named("mnist").unwrap().shape(), 0.2);
        let choices: Choices = [
            ("hidden".to_owned(), Value::from(vec![128.0, 128.0, 64.0, 64.0, 64.0, 64.0])),
            ("epochs".to_owned(), Value::from(1.0)),
        ]
        .into_iter()
        .collect();
        // 137,856 weights, 100,352 of them in the first matrix; 48,000 samples.
        assert_eq!(work.trial(&choices), (6.0 * 137_856.0 - 2.0 * 100_352.0) * 48_000.0);
        assert_eq!(flops(work.trial(&choices)), "30.1 GFLOP");
    }
}
