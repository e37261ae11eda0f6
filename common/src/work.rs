//! How much arithmetic a trial asks for, by its choices: what plans print, and what the order of trials follows.

use crate::choice::{Choices, Value};

/// Numbers a sample has, and classes, where nobody knows them: those of MNIST. The coordinator never reads data.
const SIZES_ASSUMED: (f64, f64) = (784.0, 10.0);

/// What a trial costs beside others of its sweep. It is for comparisons: samples and seconds are not in it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Work {
    /// Multiply-adds that one sample takes in one epoch: at least 1, and finite.
    pub multiply_adds: f64,
    /// The most epochs that are run, at least 1.
    pub epochs_most: u32,
}

impl Work {
    /// Returns the work of a trial with these choices, whatever is not among them taken as small.
    pub fn of(choices: &Choices) -> Work {
        let epochs = choices.get("epochs").and_then(Value::as_number).unwrap_or(1.0);
        let (inputs, classes) = SIZES_ASSUMED;
        Work {
            multiply_adds: multiply_adds(choices.get("hidden"), inputs, classes).max(1.0),
            // What is no number, too small or too large is cut off at the ends.
            epochs_most: (epochs as u32).max(1),
        }
    }

    /// Returns the multiply-adds of one sample over all epochs, if none is saved.
    pub fn most(&self) -> f64 {
        self.multiply_adds * f64::from(self.epochs_most)
    }
}

/// Returns the multiply-adds of training on one sample, as dense arithmetic does them, for hidden layers of these sizes: one
/// a weight on the way forward, one for the gradient of the weights and one for that of the inputs, which the first matrix
/// does not need.
pub fn multiply_adds(hidden: Option<&Value>, inputs: f64, classes: f64) -> f64 {
    let hidden = if let Some(Value::List(sizes)) = hidden { sizes.as_slice() } else { &[] };
    let (mut below, mut weights, mut first) = (inputs, 0.0, None);
    for above in hidden.iter().filter_map(Value::as_number).chain([classes]) {
        weights += below * above;
        first = first.or(Some(weights));
        below = above;
    }
    3.0 * weights - first.unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(hidden: &[f64], epochs: f64) -> Choices {
        let settings = [("hidden", Value::from(hidden.to_vec())), ("epochs", Value::from(epochs))];
        settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn multiply_adds_are_counted_as_dense_arithmetic_does_them() {
        let deep = Value::from(vec![128.0, 128.0, 64.0, 64.0, 64.0, 64.0]);
        // 137,856 weights, 100,352 of them in the first matrix.
        assert_eq!(multiply_adds(Some(&deep), 784.0, 10.0), 3.0 * 137_856.0 - 100_352.0);
        assert_eq!(
            multiply_adds(None, 4.0, 3.0),
            24.0,
            "softmax regression has one matrix, and no gradient of inputs"
        );
    }

    #[test]
    fn more_units_and_more_epochs_are_more_work() {
        let most = |hidden: &[f64], epochs| Work::of(&choices(hidden, epochs)).most();
        assert!(most(&[512.0], 1.0) > most(&[256.0], 1.0));
        assert!(most(&[64.0, 64.0], 1.0) > most(&[64.0], 1.0));
        assert_eq!(most(&[64.0], 20.0), 20.0 * most(&[64.0], 1.0));
    }

    #[test]
    fn choices_of_any_kind_have_a_work_that_can_be_compared() {
        let strange = [
            Choices::default(),
            choices(&[], 0.0),
            choices(&[-5000.0], -3.0),
            choices(&[1e300, 1e300], 1e300),
            [("hidden".to_owned(), Value::from("wide"))].into_iter().collect(),
        ];
        for choices in strange {
            let work = Work::of(&choices);
            assert!(
                work.multiply_adds >= 1.0 && work.most() >= 1.0 && work.most() <= f64::INFINITY,
                "{choices:?}"
            );
        }
    }
}
