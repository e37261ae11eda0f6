//! What moves at a time in a step: some rows of one panel of weights, or one panel of biases.

use crate::batch::{self, Batch};
use crate::dataset::Part;
use crate::kernel::lanes::Line;
use crate::kernel::{Kernel, ZEROS};
use crate::matrix::{self, Matrix, PANEL};
use crate::network::{Layer, Means};
use crate::optimizer::{Block, Moments, Moved, Parameters, Step, lines_of};
use crate::regularizer::Penalty;
use crate::workspace::LayerSpace;
use std::ops::Range;

/// What some of a step's samples bring to the gradient of a layer.
#[derive(Clone, Copy)]
pub(crate) struct Flow<'a> {
    pub(crate) inputs: Entering<'a>,
    /// Samples × units.
    pub(crate) deltas: &'a Matrix,
}

/// What entered a layer on the way forward.
#[derive(Clone, Copy)]
pub(crate) enum Entering<'a> {
    /// The first layer: samples of a part of the data.
    Batch(&'a Batch, &'a Part),
    /// Every other layer: what the layer before passed on.
    Values(&'a LayerSpace),
}

/// Parameters that lie together, and all that moves with them.
pub(crate) struct Piece<'a> {
    of: Parameters,
    panel: usize,
    rows: Range<usize>,
    parameters: &'a mut [Line],
    moments: Moments<'a>,
    /// The same weights with rows and columns exchanged; empty where there are none.
    transposed: &'a mut [Line],
    /// Lines a row of that.
    transposed_width: usize,
}

/// Makes the rows `rows` of a panel of `gradient` the sum over the samples, in their order, of input × delta.
pub(crate) fn sum_gradient(
    kernel: Kernel,
    flows: &[Flow<'_>],
    panel: usize,
    rows: Range<usize>,
    gradient: &mut [Line],
) {
    let mut start = Some(ZEROS);
    for Flow { inputs, deltas } in flows {
        let (rows, start, deltas) = (rows.clone(), start.take(), deltas.panel(panel));
        match inputs {
            Entering::Batch(batch, part) => {
                batch.add_gradient(kernel, part, rows, start, deltas, gradient);
            }
            Entering::Values(before) => {
                let values = (before.passed_on(), &before.nonzero);
                batch::add_gradient(kernel, values, rows, start, deltas, gradient);
            }
        }
    }
}

impl Piece<'_> {
    /// Moves the parameters by the gradient of these flows, whose samples follow one another. `gradient` has room for that
    /// of a whole piece.
    pub(crate) fn step(
        self,
        means: Means<'_>,
        step: Step,
        flows: &[Flow<'_>],
        gradient: &mut [Line],
    ) -> Moved {
        match self.of {
            Parameters::Weights => {
                sum_gradient(means.kernel, flows, self.panel, self.rows.clone(), gradient);
            }
            Parameters::Biases => self.sum_deltas(means.kernel, flows, gradient),
        }
        self.move_by(means, step, gradient)
    }

    /// The gradient of biases: the sum of the deltas over the samples, in their order.
    fn sum_deltas(&self, kernel: Kernel, flows: &[Flow<'_>], gradient: &mut [Line]) {
        let gradient = &mut gradient[..self.parameters.len()];
        gradient.fill(Line::ZERO);
        for flow in flows {
            batch::add_deltas(kernel, flow.deltas.panel(self.panel), gradient);
        }
    }

    /// Moves the parameters by a gradient.
    pub(crate) fn move_by(self, means: Means<'_>, step: Step, gradient: &[Line]) -> Moved {
        let (of, parameters, moments) = (self.of, self.parameters, self.moments);
        let width = parameters.len() / self.rows.len();
        let gradient = &gradient[..parameters.len()];
        let (penalty, shrink) = match of {
            Parameters::Weights => {
                (means.regularizer.penalty(), (step.reach * means.regularizer.shrinkage()) as f32)
            }
            Parameters::Biases => (Penalty::default(), 0.0),
        };
        let block = Block { of, parameters, gradient, penalty, moments, shrink };
        let moved = means.optimizer.update(means.kernel, step, block);
        if !self.transposed.is_empty() {
            let out = (self.transposed, self.transposed_width);
            matrix::transpose(means.kernel, (parameters, width), out);
        }
        moved
    }
}

impl Layer {
    /// Returns some rows, of one block, of a panel of weights.
    pub(crate) fn piece(&mut self, panel: usize, rows: Range<usize>) -> Piece<'_> {
        let lines = self.weights.range(panel, rows.clone());
        let own = match self.transposed.rows() {
            0 => 0..0,
            _ => self.transposed.range_of_transposed(&self.weights, panel, &rows),
        };
        Piece {
            of: Parameters::Weights,
            panel,
            transposed_width: self.transposed.width(rows.start / PANEL),
            rows,
            parameters: &mut self.weights.lines_mut()[lines.clone()],
            moments: lines_of(&mut self.weight_moments, lines),
            transposed: &mut self.transposed.lines_mut()[own],
        }
    }

    /// Returns one panel of biases.
    pub(crate) fn piece_of_biases(&mut self, panel: usize) -> Piece<'_> {
        let lines = self.biases.range(panel, 0..1);
        Piece {
            of: Parameters::Biases,
            panel,
            rows: 0..1,
            parameters: &mut self.biases.lines_mut()[lines.clone()],
            moments: lines_of(&mut self.bias_moments, lines),
            transposed: &mut [],
            transposed_width: 0,
        }
    }

    /// Cuts the layer into its pieces: panel after panel, block after block, the biases of a panel last.
    pub(crate) fn pieces(&mut self) -> Vec<Piece<'_>> {
        let (panels, blocks) = (self.weights.panels(), blocks(self.weights.rows()));
        let widths: Vec<usize> = (0..panels).map(|panel| self.weights.width(panel)).collect();
        let mut transposed = transposed_pieces(&mut self.transposed, &self.weights);
        let [mut weights, mut biases] = [&mut self.weights, &mut self.biases].map(Matrix::lines_mut);
        let mut weight_moments = lines_of_all(&mut self.weight_moments);
        let mut bias_moments = lines_of_all(&mut self.bias_moments);
        let mut pieces = Vec::new();
        for (panel, width) in widths.into_iter().enumerate() {
            for (block, rows) in blocks.clone().enumerate() {
                let count = rows.len() * width;
                let (transposed, transposed_width) =
                    transposed.get_mut(block * panels + panel).map(std::mem::take).unwrap_or_default();
                pieces.push(Piece {
                    of: Parameters::Weights,
                    panel,
                    rows,
                    parameters: take(&mut weights, count),
                    moments: weight_moments.each_mut().map(|moment| take(moment, count)),
                    transposed,
                    transposed_width,
                });
            }
            pieces.push(Piece {
                of: Parameters::Biases,
                panel,
                rows: 0..1,
                parameters: take(&mut biases, width),
                moments: bias_moments.each_mut().map(|moment| take(moment, width)),
                transposed: &mut [],
                transposed_width: 0,
            });
        }
        pieces
    }
}

/// Cuts transposed weights into the pieces of the weights, with the width of each: by their rows, then by their panels.
fn transposed_pieces<'a>(transposed: &'a mut Matrix, weights: &Matrix) -> Vec<(&'a mut [Line], usize)> {
    if transposed.rows() == 0 {
        return Vec::new();
    }
    let mut sizes = Vec::new();
    for rows in blocks(weights.rows()) {
        for panel in 0..weights.panels() {
            let width = transposed.width(rows.start / PANEL);
            sizes.push((transposed.range_of_transposed(weights, panel, &rows).len(), width));
        }
    }
    let mut lines = transposed.lines_mut();
    sizes.into_iter().map(|(count, width)| (take(&mut lines, count), width)).collect()
}

fn lines_of_all(moments: &mut [Matrix]) -> Moments<'_> {
    let mut moments = moments.iter_mut().map(Matrix::lines_mut);
    [moments.next(), moments.next()].map(Option::unwrap_or_default)
}

/// Takes the first lines away; none where there are none.
fn take<'a>(lines: &mut &'a mut [Line], count: usize) -> &'a mut [Line] {
    lines.split_off_mut(..count).unwrap_or_default()
}

/// Cuts rows into blocks of 64, the last as long as it is.
pub(crate) fn blocks(rows: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    (0..rows).step_by(PANEL).map(move |start| start..rows.min(start + PANEL))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces that were cut at once are those that are cut one by one.
    #[test]
    fn pieces_are_the_same_whoever_cuts_them() {
        for (inputs, units, has_layer_before) in
            [(130, 97, false), (70, 150, true), (64, 64, true), (1, 1, true)]
        {
            let mut weights = Matrix::zeros(inputs, units);
            (0..inputs).for_each(|row| (0..units).for_each(|column| weights.set(row, column, 1.0)));
            let mut layer = Layer::new(weights, has_layer_before, 1);
            let ends = |piece: &Piece<'_>| {
                let range = |lines: &[Line]| lines.as_ptr_range();
                (
                    range(piece.parameters),
                    range(piece.moments[0]),
                    (!piece.transposed.is_empty()).then(|| range(piece.transposed)),
                    piece.transposed.len() / piece.transposed_width.max(1),
                )
            };
            let at_once: Vec<_> = layer.pieces().iter().map(ends).collect();
            let mut one_by_one = Vec::new();
            for panel in 0..layer.weights.panels() {
                for rows in blocks(inputs) {
                    one_by_one.push(ends(&layer.piece(panel, rows)));
                }
                one_by_one.push(ends(&layer.piece_of_biases(panel)));
            }
            assert_eq!(at_once, one_by_one, "{inputs} × {units}");
        }
    }
}
