//! The phases of a training, told to whoever measures how long each takes: the engine itself has no clock.

use std::fmt::Debug;

/// What a training does, from one [`Probe::enter`] to the next.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// Gathers the samples of a step.
    Gather,
    /// Computes the values of the first layer.
    ForwardFirst,
    /// Computes those of the other layers.
    ForwardOthers,
    /// Computes losses, and the deltas of the last layer.
    Loss,
    /// Computes the deltas of the layer before.
    Back,
    /// Computes the gradient of the first layer, with penalty, and moves its parameters.
    MoveFirst,
    /// The same for the other layers.
    MoveOthers,
    /// Measures on the validation part.
    Validation,
    /// What is left: sums, the next order, whatever the observer does.
    Between,
}

/// Who is told of phases.
pub trait Probe: Debug + Sync {
    /// The phase before has ended, this one begins.
    fn enter(&self, phase: Phase);

    /// In this phase so many multiply-adds of single numbers are computed, in a product of another layer than the first.
    fn multiply_adds(&self, _count: usize) {}
}

impl Phase {
    /// Every phase, in the order of an epoch.
    pub const ALL: [Phase; 9] = [
        Phase::Gather,
        Phase::ForwardFirst,
        Phase::ForwardOthers,
        Phase::Loss,
        Phase::Back,
        Phase::MoveOthers,
        Phase::MoveFirst,
        Phase::Validation,
        Phase::Between,
    ];

    /// Returns the phase of the way forward through a layer, counted from 0.
    pub(crate) fn forward(layer: usize) -> Phase {
        if layer == 0 { Phase::ForwardFirst } else { Phase::ForwardOthers }
    }

    /// Returns the phase in which the parameters of a layer, counted from 0, move.
    pub(crate) fn moving(layer: usize) -> Phase {
        if layer == 0 { Phase::MoveFirst } else { Phase::MoveOthers }
    }
}
