//! How weights move. A new one is a file with an [`Optimizer`] and a [`Family`], and a line in [`ALL`].

mod adagrad;
mod adam;
mod adamw;
mod nadam;
mod rmsprop;
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
pub(crate) const ALL: [Family<dyn Optimizer>; 6] =
    [adam::FAMILY, sgd::FAMILY, adamw::FAMILY, nadam::FAMILY, rmsprop::FAMILY, adagrad::FAMILY];

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
    /// What else a rule takes; each optimizer says in its own file what these are to it.
    pub(crate) more: [f32; 2],
}

impl Step {
    /// Makes the step of a rule that takes nothing but its size.
    pub(crate) fn of_size(size: f64) -> Step {
        Step { size: size as f32, more: [0.0; 2] }
    }
}

/// What parameters are: some optimizers treat biases apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Parameters {
    /// What multiplies inputs.
    Weights,
    /// What is added.
    Biases,
}

/// Parameters, their gradient, and the moments of the whole matrix that they are lines of.
pub(crate) struct Block<'a> {
    /// What they are.
    pub(crate) of: Parameters,
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
    let Block { parameters, gradient, moments, lines, .. } = block;
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

/// What the optimizers with a mean square share. As an f32 it must not vanish: 0 / 0 would make a weight that never had
/// a gradient not a number.
fn epsilon() -> Setting {
    let kind = number_between(Some((1e-30, true)), Some((1.0, true)));
    let description = "What keeps the divisor, a root of squared gradients, away from 0.";
    setting("optimizer.epsilon", kind, Some(Value::from(1e-7)), description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::lanes::LANES;

    /// Gradients of steps, one after the other: large, small, of either sign, and none.
    pub(super) const GRADIENTS: [&[f64]; 5] = [
        &[0.5],
        &[0.5, -0.25, 0.125, 3.0, 0.0, 0.0],
        &[1e-9, -1e-9, 1e-9],
        &[-2.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        &[0.0, 0.0, 1e-3],
    ];

    /// Returns where a parameter is that began at `start` and took a step for each gradient.
    pub(super) fn moved(
        optimizer: &dyn Optimizer,
        of: Parameters,
        learning_rate: f64,
        gradients: &[f64],
        start: f32,
    ) -> f32 {
        let (mut powers, mut moments) =
            (optimizer.powers(), vec![Matrix::zeros(1, LANES); optimizer.moments()]);
        let mut parameters = [Line([start; LANES])];
        for &gradient in gradients {
            optimizer.advance(&mut powers);
            let gradient = &[Line([gradient as f32; LANES])];
            let block =
                Block { of, parameters: &mut parameters, gradient, moments: &mut moments, lines: 0..1 };
            assert!(optimizer.update(Kernel::detect(), optimizer.step(learning_rate, &powers), block));
        }
        parameters[0].0[0]
    }
}
