//! Fashion-MNIST: articles of clothing, in the format of MNIST.

use super::{Shape, Source, sha256};
use gridsweep_common::id::Digest;

/// 60,000 + 10,000 images of 28 × 28 pixels, 10 classes; 49.8 % of the training pixels are not zero.
#[derive(Debug)]
pub(super) struct FashionMnist;

impl Source for FashionMnist {
    fn name(&self) -> &'static str {
        "fashion_mnist"
    }

    fn folder(&self) -> &'static str {
        "fashion-mnist"
    }

    /// Debian's package `dataset-fashion-mnist`.
    fn system_folder(&self) -> Option<&'static str> {
        Some("/usr/share/datasets/fashion-mnist")
    }

    fn files(&self) -> [(&'static str, Digest); 4] {
        [
            (
                "train-images-idx3-ubyte",
                sha256("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"),
            ),
            (
                "train-labels-idx1-ubyte",
                sha256("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"),
            ),
            (
                "t10k-images-idx3-ubyte",
                sha256("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"),
            ),
            (
                "t10k-labels-idx1-ubyte",
                sha256("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"),
            ),
        ]
    }

    fn shape(&self) -> Shape {
        Shape { inputs: 784, classes: 10, training: 60_000 }
    }

    fn description(&self) -> &'static str {
        "articles of clothing, 60,000 + 10,000 images of 28 x 28; Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747"
    }
}
