//! Data to train on, prepared once and shared by every trial.

use crate::kernel::sparse::SparseRows;
use ndarray::{ArrayView1, ArrayView2};

/// Above this share of non-zero inputs the dense first layer is used.
///
/// A sparse multiply-add costs about twice a dense one (2.5 against 5 a nanosecond and more with AVX2), so lists pay
/// below one half; the margin is for the lists' own upkeep.
pub const SPARSE_BELOW: f64 = 0.4;

/// A training set and a test set of labelled samples.
#[derive(Debug)]
pub struct Dataset {
    inputs_per_sample: usize,
    classes: usize,
    density: f64,
    training: Part,
    test: Part,
}

/// Samples with their labels: what an epoch or an evaluation runs over.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) inputs: Inputs,
    pub(crate) labels: Vec<u8>,
}

/// The inputs of samples, row after row.
#[derive(Debug)]
pub(crate) struct Inputs {
    bytes: Vec<u8>,
    inputs_per_sample: usize,
    /// Lists of what is not zero, where they pay.
    pub(crate) sparse: Option<SparseRows>,
}

/// Why bytes are not a data set.
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
    #[error("{part} set: {bytes} bytes of inputs are not {labels} samples of {inputs_per_sample}")]
    Length {
        /// `training` or `test`.
        part: &'static str,
        /// Bytes of inputs.
        bytes: usize,
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
        if inputs_per_sample == 0 || !(1..=256).contains(&classes) {
            return Err(DatasetError::Shape { inputs_per_sample, classes });
        }
        check("training", &train_inputs, &train_labels, inputs_per_sample, classes, 2)?;
        check("test", &test_inputs, &test_labels, inputs_per_sample, classes, 1)?;
        let density = share_not_zero(&train_inputs);
        let lists = density < SPARSE_BELOW;
        let part = |bytes, labels| Part { inputs: Inputs::new(bytes, inputs_per_sample, lists), labels };
        let (training, test) = (part(train_inputs, train_labels), part(test_inputs, test_labels));
        Ok(Dataset { inputs_per_sample, classes, density, training, test })
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

    /// Returns the training inputs, one row a sample.
    pub fn training_inputs(&self) -> ArrayView2<'_, u8> {
        self.training.inputs.view()
    }

    /// Returns the training labels.
    pub fn training_labels(&self) -> ArrayView1<'_, u8> {
        ArrayView1::from(&self.training.labels)
    }

    /// Returns the test inputs, one row a sample.
    pub fn test_inputs(&self) -> ArrayView2<'_, u8> {
        self.test.inputs.view()
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

    /// Returns the training set, whose validation part a trial holds out.
    pub(crate) fn training(&self) -> &Part {
        &self.training
    }

    /// Returns the test set.
    pub(crate) fn test(&self) -> &Part {
        &self.test
    }
}

impl Inputs {
    fn new(bytes: Vec<u8>, inputs_per_sample: usize, lists: bool) -> Inputs {
        let sparse = if lists { SparseRows::new(&bytes, inputs_per_sample) } else { None };
        Inputs { bytes, inputs_per_sample, sparse }
    }

    fn view(&self) -> ArrayView2<'_, u8> {
        let shape = (self.bytes.len() / self.inputs_per_sample, self.inputs_per_sample);
        ArrayView2::from_shape(shape, &self.bytes).expect("the constructor checked that rows are whole")
    }

    /// Returns the bytes of one sample.
    pub(crate) fn row(&self, sample: usize) -> &[u8] {
        &self.bytes[sample * self.inputs_per_sample..][..self.inputs_per_sample]
    }
}

fn share_not_zero(bytes: &[u8]) -> f64 {
    bytes.iter().filter(|&&byte| byte != 0).count() as f64 / bytes.len() as f64
}

fn check(
    part: &'static str,
    bytes: &[u8],
    labels: &[u8],
    inputs_per_sample: usize,
    classes: usize,
    samples_least: usize,
) -> Result<(), DatasetError> {
    let samples = labels.len();
    if samples < samples_least || u32::try_from(samples).is_err() {
        return Err(DatasetError::Samples { part, samples });
    }
    if samples.checked_mul(inputs_per_sample) != Some(bytes.len()) {
        return Err(DatasetError::Length { part, bytes: bytes.len(), labels: samples, inputs_per_sample });
    }
    match labels.iter().position(|&label| usize::from(label) >= classes) {
        Some(sample) => Err(DatasetError::Label { part, sample, label: labels[sample], classes }),
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
        assert!(matches!(make(5, &[0, 1], 3, 2), Err(DatasetError::Length { bytes: 5, .. })));
        assert!(matches!(make(6, &[0, 2], 3, 2), Err(DatasetError::Label { sample: 1, label: 2, .. })));
        assert!(matches!(make(3, &[0], 3, 2), Err(DatasetError::Samples { samples: 1, .. })));
        assert!(matches!(make(0, &[0, 1], 0, 2), Err(DatasetError::Shape { .. })));
        assert_eq!(make(6, &[0, 0], 3, 1), Ok(()), "nothing to learn is no mistake");
        for classes in [0, 257] {
            assert!(matches!(make(6, &[0, 0], 3, classes), Err(DatasetError::Shape { .. })), "{classes}");
        }
    }

    #[test]
    fn lists_are_kept_where_most_inputs_are_zero() {
        let make = |byte| {
            let mut bytes = vec![0; 40];
            bytes[..40 / 2].fill(byte);
            Dataset::from_bytes(bytes, vec![0; 4], vec![0; 10], vec![1], 10, 2).expect("a data set")
        };
        assert_eq!(make(7).density(), 0.5);
        assert!(make(7).training().inputs.sparse.is_none());
        assert!(make(0).training().inputs.sparse.is_some());
        assert_eq!(make(7).training_inputs()[[1, 9]], 7);
    }
}
