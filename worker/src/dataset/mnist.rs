//! MNIST: handwritten digits.

use super::{Shape, Source, sha256};
use gridsweep_common::id::Digest;

/// 60,000 + 10,000 images of 28 × 28 pixels, 10 classes; 19.1 % of the training pixels are not zero.
#[derive(Debug)]
pub(super) struct Mnist;

impl Source for Mnist {
    fn name(&self) -> &'static str {
        "mnist"
    }

    fn folder(&self) -> &'static str {
        "mnist"
    }

    fn system_folder(&self) -> Option<&'static str> {
        None
    }

    fn files(&self) -> [(&'static str, Digest); 4] {
        [
            (
                "train-images-idx3-ubyte",
                sha256("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
            ),
            (
                "train-labels-idx1-ubyte",
                sha256("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
            ),
            (
                "t10k-images-idx3-ubyte",
                sha256("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
            ),
            (
                "t10k-labels-idx1-ubyte",
                sha256("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
            ),
        ]
    }

    fn shape(&self) -> Shape {
        Shape { inputs: 784, classes: 10, training: 60_000 }
    }

    fn description(&self) -> &'static str {
        "handwritten digits, 60,000 + 10,000 images of 28 x 28; LeCun, Cortes, Burges, derived from NIST"
    }
}
