//! What one training needs beside its state: made once, reused at every step.

use crate::batch::Batch;
use crate::kernel::Kernel;
use crate::kernel::lanes::Line;
use crate::loss::{self, Losses};
use crate::matrix::{Matrix, PANEL};
use crate::nonzero::Nonzero;

/// Buffers for the layers, whose contents have no meaning between steps.
#[derive(Debug)]
pub(crate) struct Workspace {
    samples_most: usize,
    /// The samples of the step.
    pub(crate) batch: Batch,
    /// One a layer.
    pub(crate) layers: Vec<LayerSpace>,
    /// Gradient of one block of weights.
    pub(crate) gradient: Vec<Line>,
    /// Cross-entropies and predictions.
    pub(crate) losses: Losses,
}

/// Buffers of one layer, each samples × units.
#[derive(Debug)]
pub(crate) struct LayerSpace {
    /// What the layer gives: activations, of the last layer logits.
    pub(crate) values: Matrix,
    /// What entered the activation, where its slope is a function of that; else without rows.
    pub(crate) arguments: Matrix,
    /// The gradient by what enters the activation.
    pub(crate) deltas: Matrix,
    /// Where what is passed on is not zero: deltas are zero wherever that is, too. Only for activations that are flat at zero.
    pub(crate) nonzero: Nonzero,
    /// Present where units are dropped.
    pub(crate) dropout: Option<DropoutSpace>,
}

/// Buffers of a layer whose units are dropped.
#[derive(Debug)]
pub(crate) struct DropoutSpace {
    /// 1 for what is kept.
    pub(crate) mask: Matrix,
    /// The values that are kept, scaled.
    pub(crate) kept: Matrix,
}

impl Workspace {
    /// Makes buffers for layers of these (inputs, units) and up to `samples_most` samples.
    pub(crate) fn new(shapes: &[(usize, usize)], samples_most: usize, drops_units: bool) -> Workspace {
        let last = shapes.len() - 1;
        let layer = |(index, &(_, units)): (usize, &(usize, usize))| {
            let matrix = || Matrix::zeros(samples_most, units);
            let dropout = || DropoutSpace { mask: matrix(), kept: matrix() };
            let dropout = (drops_units && index < last).then(dropout);
            LayerSpace {
                values: matrix(),
                arguments: Matrix::zeros(0, units),
                deltas: matrix(),
                nonzero: Nonzero::default(),
                dropout,
            }
        };
        Workspace {
            samples_most,
            batch: Batch::new(shapes[0].0),
            layers: shapes.iter().enumerate().map(layer).collect(),
            gradient: vec![Line::ZERO; PANEL * 4],
            losses: Losses::default(),
        }
    }

    /// Returns how many samples there was room for at first.
    pub(crate) fn samples_most(&self) -> usize {
        self.samples_most
    }

    /// Makes the layers' buffers ones for the samples of the batch.
    pub(crate) fn fit_batch(&mut self) {
        let samples = self.batch.len();
        for layer in &mut self.layers {
            layer.values.set_rows(samples);
            layer.deltas.set_rows(samples);
            if let Some(dropout) = &mut layer.dropout {
                dropout.mask.set_rows(samples);
                dropout.kept.set_rows(samples);
            }
        }
    }
}

impl Workspace {
    /// Computes the losses of the gathered samples, of `count` in the step, and the deltas of the last layer.
    pub(crate) fn differentiate(&mut self, kernel: Kernel, count: usize) {
        let Workspace { batch, layers, losses, .. } = self;
        let output = layers.last_mut().expect("a network has an output layer");
        losses.differentiate(kernel, &output.values, batch.labels(), (&mut output.deltas, count));
    }

    /// Computes the losses of the gathered samples alone, and returns their sum.
    pub(crate) fn losses(&mut self, kernel: Kernel) -> f32 {
        let Workspace { batch, layers, losses, .. } = self;
        let output = layers.last().expect("a network has an output layer");
        losses.evaluate(kernel, &output.values, batch.labels());
        loss::total(kernel, [&*losses].into_iter())
    }

    /// Returns how many of the gathered samples were classified as their labels say.
    pub(crate) fn right(&self) -> u64 {
        self.losses.right(self.batch.labels())
    }
}

impl LayerSpace {
    /// Returns what the next layer is given in training.
    pub(crate) fn passed_on(&self) -> &Matrix {
        self.dropout.as_ref().map_or(&self.values, |dropout| &dropout.kept)
    }
}
