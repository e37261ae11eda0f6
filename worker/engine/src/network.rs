//! The network: layers, the way forward through them, and the way back on which their weights move.

use crate::activation::{Activation, SlopeOf};
use crate::checkpoint::{CheckpointError, Reader, Writer};
use crate::dataset::Part;
use crate::fold::Folded;
use crate::init::Initializer;
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use crate::mask::{Dropout, Place};
use crate::matrix::{self, Matrix};
use crate::nonzero::Nonzero;
use crate::optimizer::{Moved, Optimizer, Step};
use crate::phase::{Phase, Probe};
use crate::piece::{self, Entering, Flow, blocks};
use crate::random::{Key, Stream};
use crate::regularizer::Regularizer;
use crate::standardization::Standardization;
use crate::workspace::{LayerSpace, Workspace};
use std::ops::Range;
use std::sync::Arc;

/// All weights, biases and their moments: what an optimizer's step changes.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) layers: Vec<Layer>,
}

/// One dense layer.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    /// Inputs × units.
    pub(crate) weights: Matrix,
    /// One row.
    pub(crate) biases: Matrix,
    /// Units × inputs, kept equal to the weights; empty for the first layer, through which nothing goes back.
    pub(crate) transposed: Matrix,
    /// Of the first layer where inputs are standardised: what takes the place of its weights and biases.
    pub(crate) folded: Option<Folded>,
    /// As many as the optimizer keeps, each like the weights.
    pub(crate) weight_moments: Vec<Matrix>,
    /// The same for the biases.
    pub(crate) bias_moments: Vec<Matrix>,
}

/// What every product of a training has in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Means<'a> {
    pub(crate) kernel: Kernel,
    pub(crate) activation: &'a dyn Activation,
    pub(crate) regularizer: &'a dyn Regularizer,
    pub(crate) optimizer: &'a dyn Optimizer,
    pub(crate) dropout: Option<Dropout>,
    pub(crate) probe: Option<&'a dyn Probe>,
}

impl Means<'_> {
    /// Tells the probe, if there is one, that a phase begins.
    pub(crate) fn enter(self, phase: Phase) {
        if let Some(probe) = self.probe {
            probe.enter(phase);
        }
    }

    /// Tells the probe how much a product takes of `values` that gives `width` numbers for each of their rows or columns.
    fn count(self, (values, nonzero): (&Matrix, &Nonzero), width: usize) {
        if let Some(probe) = self.probe {
            probe.multiply_adds(nonzero.multiply_adds(values, width));
        }
    }
}

impl Network {
    /// Draws a network of layers with these (inputs, units); each layer has its own random stream.
    pub(crate) fn new(
        shapes: &[(usize, usize)],
        initializer: &dyn Initializer,
        key: Key,
        moments: usize,
    ) -> Network {
        let layer = |(index, &(inputs, units)): (usize, &(usize, usize))| {
            let mut weights = Matrix::zeros(inputs, units);
            initializer.fill(&mut weights, &mut Stream::new(key, [index as u32, 0, 0]));
            Layer::new(weights, index > 0, moments)
        };
        Network { layers: shapes.iter().enumerate().map(layer).collect() }
    }

    /// Makes the network one of standardised inputs.
    pub(crate) fn standardize(&mut self, standardization: Arc<Standardization>) {
        let first = &mut self.layers[0];
        first.folded = Some(Folded::new(standardization, &first.weights, &first.biases));
    }

    /// Writes all that an optimizer's step changes.
    pub(crate) fn write(&self, out: &mut Writer) {
        for layer in &self.layers {
            let moments = layer.weight_moments.iter().chain(&layer.bias_moments);
            [&layer.weights, &layer.biases].into_iter().chain(moments).for_each(|matrix| out.matrix(matrix));
        }
    }

    /// Reads what [`Network::write`] wrote of a network of the same shapes.
    pub(crate) fn read(&mut self, from: &mut Reader<'_>) -> Result<(), CheckpointError> {
        for layer in &mut self.layers {
            let moments = layer.weight_moments.iter_mut().chain(&mut layer.bias_moments);
            for matrix in [&mut layer.weights, &mut layer.biases].into_iter().chain(moments) {
                from.matrix(matrix)?;
            }
            // Numbers are moved and not computed with, once: any kernel will do.
            layer.restore_transposed(Kernel::REFERENCE);
            if let Some(folded) = &mut layer.folded {
                folded.follow(&layer.weights, &layer.biases);
            }
        }
        Ok(())
    }

    /// Computes the logits of the gathered batch as they are in use: without dropout.
    pub(crate) fn evaluate(&self, means: Means<'_>, part: &Part, space: &mut Workspace) {
        self.forward(
            Means { dropout: None, probe: None, ..means },
            part,
            space,
            Place { epoch: 0, step: 0, layer: 0, first_sample: 0 },
        );
    }

    /// Computes the values of all layers for the gathered batch; `place` says which masks drop units.
    pub(crate) fn forward(&self, means: Means<'_>, part: &Part, space: &mut Workspace, place: Place) {
        space.fit_batch();
        let Workspace { batch, layers, .. } = space;
        let last = self.layers.len() - 1;
        for (index, layer) in self.layers.iter().enumerate() {
            means.enter(Phase::forward(index));
            let (before, from_here) = layers.split_at_mut(index);
            let here = &mut from_here[0];
            let (weights, biases) = layer.forward_parameters();
            match before.last() {
                None => batch.multiply(means.kernel, part, (weights, biases), &mut here.values),
                Some(before) => {
                    let entering = (entering(before, means), &before.nonzero);
                    means.count(entering, weights.columns());
                    matrix::multiply(means.kernel, &mut here.values, Some(biases), entering, weights);
                }
            }
            if index == last {
                means.kernel.run(Clean(here.values.lines_mut()));
            } else {
                here.finish(means, Place { layer: index as u32, ..place });
            }
        }
    }

    /// Computes the deltas of all layers from those of the last one, and moves nothing.
    pub(crate) fn send_back(&self, means: Means<'_>, layers: &mut [LayerSpace]) {
        for (index, layer) in self.layers.iter().enumerate().skip(1).rev() {
            let (before, from_here) = layers.split_at_mut(index);
            layer.send_back(means, &from_here[0], &mut before[index - 1]);
        }
    }

    /// Goes back from the deltas of the last layer, moving the weights of each layer once their gradient is known.
    pub(crate) fn step_back(
        &mut self,
        means: Means<'_>,
        step: Step,
        part: &Part,
        space: &mut Workspace,
    ) -> Moved {
        let Workspace { batch, layers, gradient, .. } = space;
        let mut total = Moved::NOTHING;
        for (index, layer) in self.layers.iter_mut().enumerate().rev() {
            let (before, from_here) = layers.split_at_mut(index);
            let here = &from_here[0];
            if let Some(before) = before.last_mut() {
                means.enter(Phase::Back);
                layer.send_back(means, here, before);
            }
            let inputs = match before.last() {
                None => Entering::Batch(batch, part),
                Some(before) => Entering::Values(before),
            };
            means.enter(Phase::moving(index));
            if let Some(before) = before.last() {
                means.count((before.passed_on(), &before.nonzero), here.deltas.columns());
            }
            total.add(layer.step(means, step, &[Flow { inputs, deltas: &here.deltas }], gradient));
        }
        total
    }
}

/// Returns what enters the layer after `before`.
fn entering<'a>(before: &'a LayerSpace, means: Means<'_>) -> &'a Matrix {
    if means.dropout.is_some() { before.passed_on() } else { &before.values }
}

impl LayerSpace {
    /// Makes values of what entered the activation, and drops units where the training does.
    fn finish(&mut self, means: Means<'_>, place: Place) {
        if means.activation.slope_of() == SlopeOf::Argument {
            self.arguments.set_rows(self.values.rows());
            self.arguments.lines_mut().copy_from_slice(self.values.lines());
            means.kernel.run(Clean(self.arguments.lines_mut()));
        }
        means.activation.activate(means.kernel, self.values.lines_mut());
        let passed_on = match (means.dropout, &mut self.dropout) {
            (Some(dropout), Some(space)) => {
                dropout.draw(means.kernel, place, &mut space.mask);
                dropout.drop_units(means.kernel, &space.mask, &self.values, &mut space.kept);
                &space.kept
            }
            _ => &self.values,
        };
        if means.activation.is_flat_at_zero() {
            self.nonzero.find(means.kernel, passed_on);
        }
    }
}

impl Layer {
    pub(crate) fn new(weights: Matrix, has_layer_before: bool, moments: usize) -> Layer {
        let (inputs, units) = (weights.rows(), weights.columns());
        let mut layer = Layer {
            weight_moments: (1..=moments).map(|others| Matrix::zeros_beside(inputs, units, others)).collect(),
            bias_moments: vec![Matrix::zeros(1, units); moments],
            biases: Matrix::zeros(1, units),
            transposed: Matrix::zeros(if has_layer_before { units } else { 0 }, inputs),
            folded: None,
            weights,
        };
        // Numbers are moved and not computed with, once: any kernel will do.
        layer.restore_transposed(Kernel::REFERENCE);
        layer
    }

    /// Returns the weights and biases that what enters is multiplied with.
    fn forward_parameters(&self) -> (&Matrix, &Matrix) {
        match &self.folded {
            Some(folded) => (&folded.weights, &folded.biases),
            None => (&self.weights, &self.biases),
        }
    }

    /// Makes the transposed weights those of the weights again.
    fn restore_transposed(&mut self, kernel: Kernel) {
        for panel in 0..self.weights.panels() {
            for rows in blocks(self.weights.rows()) {
                self.transpose_block(kernel, panel, rows);
            }
        }
    }

    fn transpose_block(&mut self, kernel: Kernel, panel: usize, rows: Range<usize>) {
        if self.transposed.rows() > 0 {
            self.transposed.transpose_block(kernel, &self.weights, panel, rows);
        }
    }

    /// Computes the deltas of the layer before from this layer's.
    fn send_back(&self, means: Means<'_>, here: &LayerSpace, before: &mut LayerSpace) {
        let deltas = (&here.deltas, &here.nonzero);
        means.count(deltas, self.transposed.columns());
        matrix::multiply(means.kernel, &mut before.deltas, None, deltas, &self.transposed);
        before.nonzero.turn(means.kernel);
        if let (Some(dropout), Some(space)) = (means.dropout, &before.dropout) {
            dropout.drop_in_place(means.kernel, &space.mask, &mut before.deltas);
        }
        let places = match means.activation.slope_of() {
            SlopeOf::Value => &before.values,
            SlopeOf::Argument => &before.arguments,
        };
        means.activation.backpropagate(means.kernel, before.deltas.lines_mut(), places.lines());
    }

    /// Moves this layer's weights and biases, one piece after the other, by the gradient of these flows.
    pub(crate) fn step(
        &mut self,
        means: Means<'_>,
        step: Step,
        flows: &[Flow<'_>],
        gradient: &mut [Line],
    ) -> Moved {
        let mut total = Moved::NOTHING;
        for panel in 0..self.weights.panels() {
            let width = self.weights.width(panel);
            if let Some(folded) = &mut self.folded {
                folded.sum_deltas(means.kernel, width, flows.iter().map(|flow| flow.deltas.panel(panel)));
            }
            for rows in blocks(self.weights.rows()) {
                piece::sum_gradient(means.kernel, flows, panel, rows.clone(), gradient);
                if let Some(folded) = &self.folded {
                    let gradient = &mut gradient[..rows.len() * width];
                    folded.finish_gradient(means.kernel, width, rows.clone(), gradient);
                }
                total.add(self.piece(panel, rows).move_by(means, step, gradient));
            }
            if means.regularizer.is_constraint() {
                total.is_finite &= self.constrain(means, panel);
            }
            total.add(self.piece_of_biases(panel).step(means, step, flows, gradient));
            if let Some(folded) = &mut self.folded {
                total.is_finite &= folded.follow_panel(means.kernel, panel, &self.weights, &self.biases);
            }
        }
        total
    }

    /// Puts a panel of weights back into the bounds of the regularizer.
    fn constrain(&mut self, means: Means<'_>, panel: usize) -> bool {
        let width = self.weights.width(panel);
        let could = means.regularizer.constrain(means.kernel, width, self.weights.panel_mut(panel));
        blocks(self.weights.rows()).for_each(|rows| self.transpose_block(means.kernel, panel, rows));
        could
    }
}

/// Cleans numbers where they are.
struct Clean<'a>(&'a mut [Line]);

impl Task for Clean<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for line in self.0 {
            L::load(line).clean().store(line);
        }
    }
}
