//! Data to train on, prepared once and shared by every trial.

use crate::inputs::{Both, Inputs};
use crate::standardization::Standardization;
use gridsweep_common::data::Standardize;
use ndarray::ArrayView1;
use std::sync::Arc;

/// A training set and a test set of labelled samples.
#[derive(Debug)]
pub struct Dataset {
    inputs_per_sample: usize,
    classes: usize,
    density: f64,
    training: Part,
    test: Part,
    standardization: Option<Arc<Standardization>>,
}

/// Samples with their labels: what an epoch or an evaluation runs over.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) inputs: Inputs,
    pub(crate) labels: Vec<u8>,
}

/// Why something is not a data set.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DatasetError {
    /// No input or fewer than two classes.
    #[error(
        "{inputs_per_sample} inputs and {classes} classes: at least 1 input and 1 to 256 classes are needed"
    )]
    Shape {
        /// Inputs of one sample.
        inputs_per_sample: usize,
        /// How many classes.
        classes: usize,
    },
    /// The inputs are not one row for each label.
    #[error("{part} set: {found} inputs are not {labels} samples of {inputs_per_sample}")]
    Length {
        /// `training` or `test`.
        part: &'static str,
        /// How many inputs.
        found: usize,
        /// How many labels.
        labels: usize,
        /// Inputs of one sample.
        inputs_per_sample: usize,
    },
    /// A label is no class.
    #[error("{part} set: sample {sample} has label {label}, but there are only {classes} classes")]
    Label {
        /// `training` or `test`.
        part: &'static str,
        /// Counted from 0.
        sample: usize,
        /// Its label.
        label: u8,
        /// How many classes.
        classes: usize,
    },
    /// An input is no finite number.
    #[error("{part} set: input {input} of sample {sample} is no finite number")]
    NotFinite {
        /// `training` or `test`.
        part: &'static str,
        /// Counted from 0.
        sample: usize,
        /// Counted from 0.
        input: usize,
    },
    /// Training needs two samples (one of them to validate with), testing one.
    #[error("{part} set: {samples} samples are too few or too many (up to 4294967295)")]
    Samples {
        /// `training` or `test`.
        part: &'static str,
        /// How many samples.
        samples: usize,
    },
}

impl Dataset {
    /// Makes a data set of bytes, each an input `v as f32 / 255.0`.
    ///
    /// Inputs are rows of `inputs_per_sample` bytes, one row for each label; labels count from 0.
    ///
    /// # Errors
    /// When lengths do not agree, a label is no class, or there are fewer than two training samples or one test sample.
    pub fn from_bytes(
        train_inputs: Vec<u8>,
        train_labels: Vec<u8>,
        test_inputs: Vec<u8>,
        test_labels: Vec<u8>,
        inputs_per_sample: usize,
        classes: usize,
    ) -> Result<Dataset, DatasetError> {
        let (lengths, labels) = ([train_inputs.len(), test_inputs.len()], [train_labels, test_labels]);
        check(lengths, &labels, inputs_per_sample, classes)?;
        let both = Both::from_bytes(train_inputs, test_inputs, inputs_per_sample);
        Ok(Dataset::of(both, labels, inputs_per_sample, classes))
    }

    /// Makes a data set of numbers, otherwise as [`Dataset::from_bytes`] does of bytes.
    ///
    /// Numbers below 2⁻⁶³ in magnitude are taken as 0. Where no more than 256 different ones occur they are kept as
    /// bytes, and where most of these are zero the sparse first layer is used, as for pixels.
    ///
    /// # Errors
    /// As [`Dataset::from_bytes`], and when a number is not finite.
    pub fn from_numbers(
        train_inputs: Vec<f32>,
        train_labels: Vec<u8>,
        test_inputs: Vec<f32>,
        test_labels: Vec<u8>,
        inputs_per_sample: usize,
        classes: usize,
    ) -> Result<Dataset, DatasetError> {
        let (lengths, labels) = ([train_inputs.len(), test_inputs.len()], [train_labels, test_labels]);
        check(lengths, &labels, inputs_per_sample, classes)?;
        check_finite("training", &train_inputs, inputs_per_sample)?;
        check_finite("test", &test_inputs, inputs_per_sample)?;
        let both = Both::from_numbers(train_inputs, test_inputs, inputs_per_sample);
        Ok(Dataset::of(both, labels, inputs_per_sample, classes))
    }

    fn of(both: Both, labels: [Vec<u8>; 2], inputs_per_sample: usize, classes: usize) -> Dataset {
        let [train_labels, test_labels] = labels;
        let Both { training, test, density } = both;
        let training = Part { inputs: training, labels: train_labels };
        let test = Part { inputs: test, labels: test_labels };
        Dataset { inputs_per_sample, classes, density, training, test, standardization: None }
    }

    /// Returns the same data, learned from in this way. The inputs are kept as they are: what standardises them is
    /// folded into the first layer.
    #[must_use]
    pub fn standardize(self, how: Standardize) -> Dataset {
        let measure =
            || Standardization::of(&self.training.inputs, self.inputs_per_sample, self.training.labels.len());
        let standardization = match how {
            Standardize::None => None,
            Standardize::Columns => Some(Arc::new(measure())),
        };
        Dataset { standardization, ..self }
    }

    /// Returns the inputs of one sample.
    pub fn inputs_per_sample(&self) -> usize {
        self.inputs_per_sample
    }

    /// Returns how many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Returns the share of the training inputs that is not zero.
    pub fn density(&self) -> f64 {
        self.density
    }

    /// Returns the training labels.
    pub fn training_labels(&self) -> ArrayView1<'_, u8> {
        ArrayView1::from(&self.training.labels)
    }

    /// Returns the test labels.
    pub fn test_labels(&self) -> ArrayView1<'_, u8> {
        ArrayView1::from(&self.test.labels)
    }

    /// Drops the lists, so that the dense first layer is used: both ways must give the same bits.
    #[cfg(test)]
    pub(crate) fn forget_lists(&mut self) {
        self.training.inputs.sparse = None;
        self.test.inputs.sparse = None;
    }

    /// Keeps each input as a number: all ways of storing them must give the same bits.
    #[cfg(test)]
    pub(crate) fn forget_codes(&mut self) {
        self.training.inputs.forget_codes();
        self.test.inputs.forget_codes();
    }

    /// Returns what standardises the inputs, if anything does.
    pub(crate) fn standardization(&self) -> Option<&Arc<Standardization>> {
        self.standardization.as_ref()
    }

    /// Returns the training set, whose validation part a trial holds out.
    pub(crate) fn training(&self) -> &Part {
        &self.training
    }

    /// Returns the test set.
    pub(crate) fn test(&self) -> &Part {
        &self.test
    }
}

fn check(
    [training, test]: [usize; 2],
    [train_labels, test_labels]: &[Vec<u8>; 2],
    inputs_per_sample: usize,
    classes: usize,
) -> Result<(), DatasetError> {
    if inputs_per_sample == 0 || !(1..=256).contains(&classes) {
        return Err(DatasetError::Shape { inputs_per_sample, classes });
    }
    check_part("training", training, train_labels, inputs_per_sample, classes, 2)?;
    check_part("test", test, test_labels, inputs_per_sample, classes, 1)
}

fn check_part(
    part: &'static str,
    found: usize,
    labels: &[u8],
    inputs_per_sample: usize,
    classes: usize,
    samples_least: usize,
) -> Result<(), DatasetError> {
    let samples = labels.len();
    if samples < samples_least || u32::try_from(samples).is_err() {
        return Err(DatasetError::Samples { part, samples });
    }
    if samples.checked_mul(inputs_per_sample) != Some(found) {
        return Err(DatasetError::Length { part, found, labels: samples, inputs_per_sample });
    }
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(sample) => Err(DatasetError::Label { part, sample, label: labels[sample], classes }),
        None => Ok(()),
    }
}

fn check_finite(part: &'static str, numbers: &[f32], inputs_per_sample: usize) -> Result<(), DatasetError> {
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(at) => {
            let (sample, input) = (at / inputs_per_sample, at % inputs_per_sample);
            Err(DatasetError::NotFinite { part, sample, input })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_together_is_no_data_set() {
        let make = |bytes: usize, labels: &[u8], inputs, classes| {
            Dataset::from_bytes(vec![0; bytes], labels.to_vec(), vec![0; inputs], vec![0], inputs, classes)
                .map(|_| ())
        };
        assert_eq!(make(6, &[0, 1], 3, 2), Ok(()));
        assert!(matches!(make(5, &[0, 1], 3, 2), Err(DatasetError::Length { found: 5, .. })));
        assert!(matches!(make(6, &[0, 2], 3, 2), Err(DatasetError::Label { sample: 1, label: 2, .. })));
        assert!(matches!(make(3, &[0], 3, 2), Err(DatasetError::Samples { samples: 1, .. })));
        assert!(matches!(make(0, &[0, 1], 0, 2), Err(DatasetError::Shape { .. })));
        assert_eq!(make(6, &[0, 0], 3, 1), Ok(()), "nothing to learn is no mistake");
        for classes in [0, 257] {
            assert!(matches!(make(6, &[0, 0], 3, classes), Err(DatasetError::Shape { .. })), "{classes}");
        }
    }

    #[test]
    fn lists_are_kept_where_enough_inputs_are_zero() {
        let make = |not_zero: usize| {
            let mut bytes = vec![0; 40];
            bytes[..not_zero].fill(7);
            Dataset::from_bytes(bytes, vec![0; 4], vec![0; 10], vec![1], 10, 2).expect("a data set")
        };
        assert_eq!(make(24).density(), 0.6);
        for (not_zero, lists) in [(0, true), (20, true), (23, true), (24, false), (40, false)] {
            assert_eq!(make(not_zero).training().inputs.sparse.is_some(), lists, "{not_zero} of 40");
        }
        assert_eq!(make(20).training().inputs.number(1, 9), 7.0 / 255.0);
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_with_their_place() {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let refused = Dataset::from_numbers(
                vec![1.0, 2.0, 3.0, 4.0, 5.0, wrong],
                vec![0, 1],
                vec![0.0; 3],
                vec![0],
                3,
                2,
            );
            let place = DatasetError::NotFinite { part: "training", sample: 1, input: 2 };
            assert_eq!(refused.map(|_| ()), Err(place));
        }
    }
}
