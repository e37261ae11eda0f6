//! How weights move. A new one is a file with an [`Optimizer`] and a [`Family`], and a line in [`ALL`].

mod adagrad;
mod adam;
mod adamax;
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
pub(crate) const ALL: &[Family<dyn Optimizer>] = &[
    // One a line, so that a new one is a line.
    adam::FAMILY,
    sgd::FAMILY,
    adamw::FAMILY,
    nadam::FAMILY,
    rmsprop::FAMILY,
    adagrad::FAMILY,
    adamax::FAMILY,
];

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
    /// How far a steady gradient of 1 moves a parameter, times [`Rule::divisor`]: what weights are shrunk by.
    pub(crate) reach: f64,
}

impl Step {
    /// Makes the step of a rule that takes nothing but its size, which is its reach, too.
    pub(crate) fn of_size(size: f64) -> Step {
        Step { size: size as f32, more: [0.0; 2], reach: size }
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
    /// By what, over [`Rule::divisor`], parameters are brought nearer to 0 after the step, never beyond it.
    pub(crate) shrink: f32,
}

/// A rule for one parameter with `M` moments, written once for every instruction set.
trait Rule<const M: usize> {
    /// Returns the parameter and its moments after the step.
    fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; M]) -> (L, [L; M]);

    /// Returns what the step was divided by because of the moments, which are those after it; 1 where it was not.
    fn divisor<L: Lanes>(&self, moments: [L; M]) -> L;
}

/// A rule after whose step a parameter is brought nearer to 0, and to 0 itself where that is near.
struct Shrunk<R> {
    rule: R,
    shrink: f32,
}

impl<const M: usize, R: Rule<M>> Rule<M> for Shrunk<R> {
    /// Soft thresholding. What is not a number stays so.
    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; M]) -> (L, [L; M]) {
        let (next, moments) = self.rule.next(parameter, gradient, moments);
        let (zero, threshold) = (L::splat(0.0), L::splat(self.shrink).div(self.rule.divisor(moments)));
        let nearer = next.select_greater(zero, next.sub(threshold), next.add(threshold));
        (threshold.select_greater(next.abs(), zero, nearer), moments)
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, moments: [L; M]) -> L {
        self.rule.divisor(moments)
    }
}

/// Moves a block by a rule, cleans what is stored, and returns whether every parameter is finite.
///
/// # Panics
/// Panics when the block has not `M` moments.
fn apply<const M: usize>(kernel: Kernel, rule: impl Rule<M>, block: Block<'_>) -> bool {
    let Block { parameters, gradient, moments, lines, shrink, .. } = block;
    let moments: &mut [Matrix; M] =
        moments.try_into().expect("the training keeps as many moments as the rule has");
    let moments = moments.each_mut().map(|moment| &mut moment.lines_mut()[lines.clone()]);
    if shrink > 0.0 {
        return kernel.run(Apply { rule: Shrunk { rule, shrink }, parameters, gradient, moments });
    }
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

/// What the optimizers that divide by the size of the gradients share. As an f32 it must not vanish: 0 / 0 would make a weight that never had
/// a gradient not a number.
fn epsilon() -> Setting {
    let kind = number_between(Some((1e-30, true)), Some((1.0, true)));
    let description = "What keeps the divisor, which is of the size of the gradients, away from 0.";
    setting("optimizer.epsilon", kind, Some(Value::from(1e-7)), description)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::lanes::LANES;
    use std::sync::Arc;

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
        shrunk(optimizer, of, learning_rate, gradients, start, 0.0)
    }

    /// The same, with a proximal L1 penalty of this coefficient.
    fn shrunk(
        optimizer: &dyn Optimizer,
        of: Parameters,
        learning_rate: f64,
        gradients: &[f64],
        start: f32,
        coefficient: f64,
    ) -> f32 {
        let (mut powers, mut moments) =
            (optimizer.powers(), vec![Matrix::zeros(1, LANES); optimizer.moments()]);
        let mut parameters = [Line([start; LANES])];
        for &gradient in gradients {
            optimizer.advance(&mut powers);
            let gradient = &[Line([gradient as f32; LANES])];
            let step = optimizer.step(learning_rate, &powers);
            let shrink = (step.reach * coefficient) as f32;
            let (parameters, moments) = (&mut parameters, moments.as_mut_slice());
            let block = Block { of, parameters, gradient, moments, lines: 0..1, shrink };
            assert!(optimizer.update(Kernel::detect(), step, block));
        }
        parameters[0].0[0]
    }

    const COEFFICIENT: f64 = 0.01;

    /// Returns where a weight comes to in 200 steps with a gradient of `share` times the coefficient.
    fn after_steady_gradients(optimizer: &dyn Optimizer, share: f64, start: f32) -> f32 {
        let gradients = [share * COEFFICIENT; 200];
        shrunk(optimizer, Parameters::Weights, 0.001, &gradients, start, COEFFICIENT)
    }

    /// Every optimizer with the catalogue's settings, and both kinds of momentum.
    fn every_optimizer() -> Vec<Arc<dyn Optimizer>> {
        let built = |settings: &[(&str, Value)]| crate::tests::recipe(settings).optimizer;
        let plain = ALL.iter().map(|family| built(&[("optimizer.kind", family.name.into())]));
        let with_momentum = [false, true].map(|nesterov| {
            let kind = ("optimizer.kind", "sgd".into());
            built(&[kind, ("optimizer.momentum", 0.9.into()), ("optimizer.nesterov", nesterov.into())])
        });
        plain.chain(with_momentum).collect()
    }

    /// What proximal L1 wants of every optimizer: the minimum of the objective is where its weights rest.
    #[test]
    fn a_shrunk_weight_rests_at_zero_exactly_where_the_gradient_is_below_the_coefficient() {
        for optimizer in every_optimizer() {
            for share in [0.0, 0.8, -0.8] {
                let rests = after_steady_gradients(&*optimizer, share, 0.0);
                assert_eq!(rests.to_bits(), 0, "{optimizer:?} with {share}");
            }
            for share in [1.25, -1.25] {
                let moved = after_steady_gradients(&*optimizer, share, 0.0);
                assert!(f64::from(moved) * share < 0.0, "{optimizer:?} with {share}: {moved}");
            }
            let came_to_rest = after_steady_gradients(&*optimizer, 0.0, 1e-5);
            assert_eq!(came_to_rest.to_bits(), 0, "{optimizer:?}");
        }
    }

    /// Adam with a threshold that is the same for all weights.
    #[derive(Debug)]
    struct Forgetful(Arc<dyn Optimizer>);

    struct Undivided(adam::Moments);

    impl Rule<2> for Undivided {
        fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; 2]) -> (L, [L; 2]) {
            self.0.next(parameter, gradient, moments)
        }
        fn divisor<L: Lanes>(&self, _: [L; 2]) -> L {
            L::splat(1.0)
        }
    }

    impl Optimizer for Forgetful {
        fn moments(&self) -> usize {
            2
        }
        fn powers(&self) -> Vec<f64> {
            self.0.powers()
        }
        fn advance(&self, powers: &mut [f64]) {
            self.0.advance(powers);
        }
        fn step(&self, learning_rate: f64, powers: &[f64]) -> Step {
            self.0.step(learning_rate, powers)
        }
        fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> bool {
            let adam = adam::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
            apply(kernel, Undivided(adam.rule(step)), block)
        }
    }

    #[test]
    fn a_threshold_that_forgets_the_divisor_is_noticed() {
        let adam = crate::tests::recipe(&[]).optimizer;
        assert_ne!(after_steady_gradients(&Forgetful(adam), 0.8, 0.0), 0.0);
    }

    #[test]
    fn a_shrunk_weight_that_is_not_finite_is_noticed() {
        for start in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let (mut parameters, gradient) = ([Line([start; LANES])], &[Line::ZERO]);
            let (of, parameters, moments) = (Parameters::Weights, &mut parameters, &mut [][..]);
            let block = Block { of, parameters, gradient, moments, lines: 0..1, shrink: f32::INFINITY };
            let sgd = crate::tests::recipe(&[("optimizer.kind", "sgd".into())]).optimizer;
            assert!(!sgd.update(Kernel::detect(), Step::of_size(0.1), block), "{start}");
        }
    }
}
