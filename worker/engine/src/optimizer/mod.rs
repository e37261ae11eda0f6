//! How weights move. A new one is a file with an [`Optimizer`] and a [`Family`], and a line in [`ALL`].

mod adam;
mod sgd;

use crate::catalog::{Family, number_between, setting};
use crate::kernel::lanes::{Lanes, Line};
use crate::kernel::{Kernel, Task};
use crate::matrix::Matrix;
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::Value;
use std::fmt::Debug;
use std::ops::Range;

/// Every optimizer, in the order in which people read them.
pub(crate) const ALL: [Family<dyn Optimizer>; 2] = [adam::FAMILY, sgd::FAMILY];

/// An optimizer's settings and its rule for blocks of parameters. Its state (moments, running products) is the
/// training's, so that it can be saved.
pub(crate) trait Optimizer: Debug + Send + Sync {
    /// Returns how many numbers (moments) it keeps beside each parameter. They begin at zero.
    fn moments(&self) -> usize;

    /// Returns 1 for each factor whose powers it needs, such as Adam's β₁ and β₂: the powers before the first step.
    fn powers(&self) -> Vec<f64>;

    /// Multiplies each power by its factor, once a step.
    fn advance(&self, powers: &mut [f64]);

    /// Prepares one step: `powers` have this step counted in.
    fn step(&self, learning_rate: f64, powers: &[f64]) -> Step;

    /// Moves one block of parameters and returns whether all are still finite.
    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> bool;
}

/// What is the same for all parameters of one step: computed in `f64` and rounded once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Step {
    /// What multiplies the direction.
    pub(crate) size: f32,
}

/// Parameters, their gradient, and the moments of the whole matrix that they are lines of.
pub(crate) struct Block<'a> {
    /// Lines of the matrix.
    pub(crate) parameters: &'a mut [Line],
    /// As many lines.
    pub(crate) gradient: &'a [Line],
    /// As many matrices as [`Optimizer::moments`] says.
    pub(crate) moments: &'a mut [Matrix],
    /// Which lines of the matrix these are.
    pub(crate) lines: Range<usize>,
}

/// A rule for one parameter with `M` moments, written once for every instruction set.
trait Rule<const M: usize> {
    /// Returns the parameter and its moments after the step.
    fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; M]) -> (L, [L; M]);
}

/// Moves a block by a rule, cleans what is stored, and returns whether every parameter is finite.
///
/// # Panics
/// Panics when the block has not `M` moments.
fn apply<const M: usize>(kernel: Kernel, rule: impl Rule<M>, block: Block<'_>) -> bool {
    let Block { parameters, gradient, moments, lines } = block;
    let moments: &mut [Matrix; M] =
        moments.try_into().expect("the training keeps as many moments as the rule has");
    let moments = moments.each_mut().map(|moment| &mut moment.lines_mut()[lines.clone()]);
    kernel.run(Apply { rule, parameters, gradient, moments })
}

struct Apply<'a, R, const M: usize> {
    rule: R,
    parameters: &'a mut [Line],
    gradient: &'a [Line],
    moments: [&'a mut [Line]; M],
}

impl<const M: usize, R: Rule<M>> Task for Apply<'_, R, M> {
    type Output = bool;

    #[inline(always)]
    fn run<L: Lanes>(self) -> bool {
        // x − x is 0 for what is finite, not a number for all else, and stays so in a sum.
        let mut not_finite = L::splat(0.0);
        for (line, parameter) in self.parameters.iter_mut().enumerate() {
            // A loop: in the closure of `from_fn` each operation would be a call.
            let mut moments = [L::splat(0.0); M];
            for (moment, lines) in moments.iter_mut().zip(&self.moments) {
                *moment = L::load(&lines[line]);
            }
            let (next, moments) = self.rule.next(L::load(parameter), L::load(&self.gradient[line]), moments);
            not_finite = not_finite.add(next.sub(next));
            next.clean().store(parameter);
            for (m, moment) in moments.into_iter().enumerate() {
                moment.clean().store(&mut self.moments[m][line]);
            }
        }
        not_finite.sum() == 0.0
    }
}

/// The setting that every optimizer has. Its name is fixed: schedules change it.
fn learning_rate() -> Setting {
    let kind = number_between(Some((0.0, false)), None);
    setting(
        "optimizer.learning_rate",
        kind,
        Some(Value::from(0.001)),
        "The learning rate of the first epoch.",
    )
}
