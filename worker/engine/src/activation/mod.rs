//! Functions after a hidden layer. A new one is a file with a [`Curve`] and a [`Family`], and a line in [`ALL`].

mod relu;
mod sigmoid;
mod tanh;

use crate::catalog::Family;
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use std::fmt::Debug;

/// Every activation, in the order in which people read them.
pub(crate) const ALL: [Family<dyn Activation>; 3] = [relu::FAMILY, sigmoid::FAMILY, tanh::FAMILY];

/// An activation for whole matrices.
pub(crate) trait Activation: Debug + Send + Sync {
    /// Replaces each number by its (cleaned) value.
    fn activate(&self, kernel: Kernel, values: &mut [Line]);

    /// Multiplies each delta by the slope where the activation's value is `values`, and cleans it.
    fn backpropagate(&self, kernel: Kernel, deltas: &mut [Line], values: &[Line]);
}

/// An activation for one number, written once for every instruction set.
pub(crate) trait Curve: Copy + Debug + Send + Sync {
    /// Returns the value.
    fn value<L: Lanes>(self, x: L) -> L;

    /// Returns `delta` times the slope, as a function of the value. A slope of zero selects zero: the delta may be
    /// anything there.
    fn backpropagate<L: Lanes>(self, delta: L, value: L) -> L;
}

impl<C: Curve> Activation for C {
    fn activate(&self, kernel: Kernel, values: &mut [Line]) {
        kernel.run(Activate { curve: *self, values });
    }

    fn backpropagate(&self, kernel: Kernel, deltas: &mut [Line], values: &[Line]) {
        kernel.run(Backpropagate { curve: *self, deltas, values });
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
    values: &'a [Line],
}

impl<C: Curve> Task for Backpropagate<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        for (delta, value) in self.deltas.iter_mut().zip(self.values) {
            self.curve.backpropagate(L::load(delta), L::load(value)).clean().store(delta);
        }
    }
}
