//! One training on several threads: two phases a step, first by samples, then by pieces of the weights.
//!
//! The bits are those of one thread. A sample's values and deltas depend on no other sample. Each element of a gradient
//! goes over the samples in their order, whichever thread computed what of each. Sums over samples go over whole lines, sums
//! over pieces are made of what each piece gave, both in the order of one thread.

use crate::batch::Use;
use crate::crew::Team;
use crate::dataset::Part;
use crate::kernel::lanes::{LANES, Line};
use crate::loss;
use crate::mask::Place;
use crate::network::{Layer, Means, Network};
use crate::optimizer::{Moved, Step};
use crate::piece::{Entering, Flow, Piece};
use crate::workspace::Workspace;
use std::ops::Range;

/// Computes the deltas of all layers for the samples of a step, each thread those of one part in a workspace of its own, and
/// returns the sum of the samples' losses and how many workspaces hold a part.
pub(crate) fn differentiate(
    means: Means<'_>,
    team: &Team<'_>,
    network: &Network,
    part: &Part,
    (samples, place): (&[u32], Place),
    spaces: &mut [Workspace],
) -> (f64, usize) {
    let means = Means { probe: None, ..means };
    let cuts = cut(samples.len(), spaces.len());
    let count = cuts.len();
    team.share(&mut vec![(); count], spaces.iter_mut().zip(cuts), |(), (space, range)| {
        let place = Place { first_sample: range.start as u32, ..place };
        space.batch.gather(means.kernel, part, &samples[range], Use::Training);
        network.forward(means, part, space, place);
        space.differentiate(means.kernel, samples.len());
        network.send_back(means, &mut space.layers);
    });
    let losses = spaces[..count].iter().map(|space| &space.losses);
    (f64::from(loss::total(means.kernel, losses)), count)
}

/// Cuts samples into at most `parts` ranges of about the same length: of whole lines, over which losses are summed.
fn cut(samples: usize, parts: usize) -> Vec<Range<usize>> {
    let lines = samples.div_ceil(LANES);
    let parts = parts.min(lines);
    let end = |part: usize| samples.min(lines * part / parts * LANES);
    (0..parts).map(|part| end(part)..end(part + 1)).collect()
}

/// What one thread moves at a time.
enum Unit<'a> {
    Piece(Piece<'a>),
    /// A layer in which what moves depends on all of a panel: standardised inputs, bounds on a unit's weights.
    Layer(&'a mut Layer),
}

/// Moves all parameters by the deltas of the first `parts` workspaces, whose samples follow one another, on as many
/// threads as there are workspaces.
pub(crate) fn step(
    means: Means<'_>,
    team: &Team<'_>,
    network: &mut Network,
    step: Step,
    part: &Part,
    (spaces, parts): (&mut [Workspace], usize),
) -> Moved {
    let means = Means { probe: None, ..means };
    let mut gradients: Vec<Vec<Line>> =
        spaces.iter_mut().map(|space| std::mem::take(&mut space.gradient)).collect();
    let flows: Vec<Vec<Flow<'_>>> = (0..network.layers.len())
        .map(|layer| spaces[..parts].iter().map(|space| flow(space, part, layer)).collect())
        .collect();
    let units = units(means, network);
    let mut moved: Vec<(usize, Moved)> = units.iter().map(|(layer, _)| (*layer, Moved::NOTHING)).collect();
    let items = units.into_iter().zip(&mut moved);
    team.share(&mut gradients, items, |gradient, ((layer, unit), (_, moved))| {
        *moved = match unit {
            Unit::Piece(piece) => piece.step(means, step, &flows[layer], gradient),
            Unit::Layer(whole) => whole.step(means, step, &flows[layer], gradient),
        };
    });
    for (space, gradient) in spaces.iter_mut().zip(gradients) {
        space.gradient = gradient;
    }
    total(&moved)
}

fn flow<'a>(space: &'a Workspace, part: &'a Part, layer: usize) -> Flow<'a> {
    let inputs = match layer.checked_sub(1) {
        None => Entering::Batch(&space.batch, part),
        Some(before) => Entering::Values(&space.layers[before]),
    };
    Flow { inputs, deltas: &space.layers[layer].deltas }
}

/// Lists what is to be moved, and of which layer: in the order of one thread.
fn units<'a>(means: Means<'_>, network: &'a mut Network) -> Vec<(usize, Unit<'a>)> {
    let mut units = Vec::new();
    for (index, layer) in network.layers.iter_mut().enumerate().rev() {
        if layer.folded.is_some() || means.regularizer.is_constraint() {
            units.push((index, Unit::Layer(layer)));
        } else {
            units.extend(layer.pieces().into_iter().map(|piece| (index, Unit::Piece(piece))));
        }
    }
    units
}

/// Sums up as one thread does: the pieces of each layer, then the layers.
fn total(moved: &[(usize, Moved)]) -> Moved {
    let mut total = Moved::NOTHING;
    for layer in moved.chunk_by(|(one, _), (other, _)| one == other) {
        let mut of_layer = Moved::NOTHING;
        layer.iter().for_each(|(_, moved)| of_layer.add(*moved));
        total.add(of_layer);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_lines_and_all_of_the_samples() {
        for samples in 1..200 {
            for threads in 1..6 {
                let cuts = cut(samples, threads);
                assert!((1..=threads).contains(&cuts.len()), "{samples} samples on {threads} threads");
                assert_eq!((cuts[0].start, cuts[cuts.len() - 1].end), (0, samples));
                assert!(cuts.windows(2).all(|two| two[0].end == two[1].start && two[0].end % LANES == 0));
                assert!(cuts.iter().all(|range| !range.is_empty()));
            }
        }
    }
}
