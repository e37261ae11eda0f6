//! Functions after a hidden layer. A new one is a file with a [`Curve`] and a [`Family`], and a line in [`ALL`].

mod elu;
mod gelu;
mod hard_tanh;
mod identity;
mod leaky_relu;
mod relu;
mod sigmoid;
mod silu;
mod softplus;
mod tanh;

use crate::catalog::Family;
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use std::fmt::Debug;

/// Every activation, in the order in which people read them.
pub(crate) const ALL: &[Family<dyn Activation>] = &[
    // One a line, so that a new one is a line.
    relu::FAMILY,
    sigmoid::FAMILY,
    tanh::FAMILY,
    identity::FAMILY,
    leaky_relu::FAMILY,
    elu::FAMILY,
    silu::FAMILY,
    gelu::FAMILY,
    softplus::FAMILY,
    hard_tanh::FAMILY,
];

/// What the slope of an activation is computed from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SlopeOf {
    /// The activation's value, which is there anyway.
    Value,
    /// What entered the activation: kept beside the value, for curves that have a value in several places.
    Argument,
}

/// An activation for whole matrices.
pub(crate) trait Activation: Debug + Send + Sync {
    /// Replaces each number by its (cleaned) value.
    fn activate(&self, kernel: Kernel, values: &mut [Line]);

    /// Returns what [`Activation::backpropagate`] is to be given.
    fn slope_of(&self) -> SlopeOf;

    /// Returns whether the slope is zero wherever the value is: a delta then is zero there, too.
    fn is_flat_at_zero(&self) -> bool;

    /// Multiplies each delta by the slope where the activation's value, or its argument, is `places`, and cleans it.
    fn backpropagate(&self, kernel: Kernel, deltas: &mut [Line], places: &[Line]);
}

/// An activation for one number, written once for every instruction set.
pub(crate) trait Curve: Copy + Debug + Send + Sync {
    /// What `backpropagate` is given.
    const SLOPE_OF: SlopeOf = SlopeOf::Value;

    /// Whether the slope is zero wherever the value is.
    const IS_FLAT_AT_ZERO: bool = false;

    /// Returns the value.
    fn value<L: Lanes>(self, x: L) -> L;

    /// Returns `delta` times the slope, as a function of the value or of the argument. A slope of zero selects zero: the
    /// delta may be anything there.
    fn backpropagate<L: Lanes>(self, delta: L, place: L) -> L;
}

impl<C: Curve> Activation for C {
    fn activate(&self, kernel: Kernel, values: &mut [Line]) {
        kernel.run(Activate { curve: *self, values });
    }

    fn slope_of(&self) -> SlopeOf {
        C::SLOPE_OF
    }

    fn is_flat_at_zero(&self) -> bool {
        C::IS_FLAT_AT_ZERO
    }

    fn backpropagate(&self, kernel: Kernel, deltas: &mut [Line], places: &[Line]) {
        kernel.run(Backpropagate { curve: *self, deltas, places });
    }
}

struct Activate<'a, C> {
    curve: C,
    values: &'a mut [Line],
}

impl<C: Curve> Task for Activate<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for line in self.values {
            self.curve.value(L::load(line)).clean().store(line);
        }
    }
}

struct Backpropagate<'a, C> {
    curve: C,
    deltas: &'a mut [Line],
    places: &'a [Line],
}

impl<C: Curve> Task for Backpropagate<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (delta, place) in self.deltas.iter_mut().zip(self.places) {
            self.curve.backpropagate(L::load(delta), L::load(place)).clean().store(delta);
        }
    }
}
