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
use crate::regularizer::Penalty;
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

    /// Moves one block of parameters.
    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved;
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

/// The most moments that an optimizer keeps.
pub(crate) const MOMENTS_MOST: usize = 2;

/// Lines of the moments that an optimizer keeps, in its order; empty beyond them.
pub(crate) type Moments<'a> = [&'a mut [Line]; MOMENTS_MOST];

/// Parameters, their gradient, and their moments.
pub(crate) struct Block<'a> {
    /// What they are.
    pub(crate) of: Parameters,
    /// Lines of the matrix.
    pub(crate) parameters: &'a mut [Line],
    /// As many lines, without the penalty's part.
    pub(crate) gradient: &'a [Line],
    /// What is added to the gradient.
    pub(crate) penalty: Penalty,
    /// As many lines of each moment.
    pub(crate) moments: Moments<'a>,
    /// By what, over [`Rule::divisor`], parameters are brought nearer to 0 after the step, never beyond it.
    pub(crate) shrink: f32,
}

/// What moving parameters gave.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Moved {
    /// The penalty before they moved.
    pub(crate) penalty: f64,
    /// Whether every parameter is finite after it.
    pub(crate) is_finite: bool,
}

impl Moved {
    /// Nothing yet.
    pub(crate) const NOTHING: Moved = Moved { penalty: 0.0, is_finite: true };

    /// Counts in what other parameters gave.
    pub(crate) fn add(&mut self, other: Moved) {
        self.penalty += other.penalty;
        self.is_finite &= other.is_finite;
    }
}

/// Returns lines of an optimizer's moments.
pub(crate) fn lines_of(moments: &mut [Matrix], lines: Range<usize>) -> Moments<'_> {
    let mut moments = moments.iter_mut().map(|moment| &mut moment.lines_mut()[lines.clone()]);
    [moments.next(), moments.next()].map(Option::unwrap_or_default)
}

/// A rule for one parameter with `M` moments, written once for every instruction set.
pub(crate) trait Rule<const M: usize> {
    /// Returns the moments after the step.
    fn moments<L: Lanes>(&self, gradient: L, moments: [L; M]) -> [L; M];

    /// Returns what the step is divided by because of the moments, which are those after it; 1 where it is not.
    fn divisor<L: Lanes>(&self, moments: [L; M]) -> L;

    /// Returns the parameter after the step, of the moments after it and their divisor.
    fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; M], divisor: L) -> L;
}

/// A rule after whose step a parameter is brought nearer to 0, and to 0 itself where that is near.
struct Shrunk<R> {
    rule: R,
    shrink: f32,
}

impl<const M: usize, R: Rule<M>> Rule<M> for Shrunk<R> {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, moments: [L; M]) -> [L; M] {
        self.rule.moments(gradient, moments)
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, moments: [L; M]) -> L {
        self.rule.divisor(moments)
    }

    /// Soft thresholding. What is not a number stays so.
    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; M], divisor: L) -> L {
        let next = self.rule.next(parameter, gradient, moments, divisor);
        let (zero, threshold) = (L::splat(0.0), L::splat(self.shrink).div(divisor));
        let nearer = next.select_greater(zero, next.sub(threshold), next.add(threshold));
        threshold.select_greater(next.abs(), zero, nearer)
    }
}

/// Adds the penalty's part to the gradient, moves a block by a rule, and cleans what is stored: one pass.
///
pub(crate) fn apply<const M: usize>(kernel: Kernel, rule: impl Rule<M>, block: Block<'_>) -> Moved {
    if block.shrink > 0.0 {
        let shrink = block.shrink;
        penalized(kernel, Shrunk { rule, shrink }, block)
    } else {
        penalized(kernel, rule, block)
    }
}

/// Chooses code that has nothing in it of a penalty's part that is not there.
fn penalized<const M: usize>(kernel: Kernel, rule: impl Rule<M>, block: Block<'_>) -> Moved {
    const { assert!(M <= MOMENTS_MOST, "a block has room for the rule's moments") };
    let Block { parameters, gradient, penalty, moments, .. } = block;
    let mut moments = moments.into_iter();
    let moments = std::array::from_fn(|_| moments.next().unwrap_or_default());
    let (magnitudes, squares) = (penalty.magnitudes != 0.0, penalty.squares != 0.0);
    let apply = Apply { rule, penalty, parameters, gradient, moments };
    match (magnitudes, squares) {
        (false, false) => kernel.run(Penalized::<_, false, false>(apply)),
        (true, false) => kernel.run(Penalized::<_, true, false>(apply)),
        (false, true) => kernel.run(Penalized::<_, false, true>(apply)),
        (true, true) => kernel.run(Penalized::<_, true, true>(apply)),
    }
}

/// A block that is moved by a rule.
struct Apply<'a, R, const M: usize> {
    rule: R,
    penalty: Penalty,
    parameters: &'a mut [Line],
    gradient: &'a [Line],
    moments: [&'a mut [Line]; M],
}

/// A block whose penalty has a part for magnitudes, for squares, or both.
struct Penalized<A, const MAGNITUDES: bool, const SQUARES: bool>(A);

impl<const M: usize, R: Rule<M>, const MAGNITUDES: bool, const SQUARES: bool> Task
    for Penalized<Apply<'_, R, M>, MAGNITUDES, SQUARES>
{
    type Output = Moved;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Moved {
        let Apply { rule, penalty, parameters, gradient, mut moments } = self.0;
        // x · 0 is 0 for what is finite, not a number for all else, and stays so in a sum.
        let [mut not_finite, mut magnitudes, mut squares] = [L::splat(0.0); 3];
        let [mut gradients, mut divisors] = [[Line::ZERO; STRIP]; 2];
        for (strip, parameters) in parameters.chunks_mut(STRIP).enumerate() {
            let lines = strip * STRIP..strip * STRIP + parameters.len();
            let gradient = &gradient[lines.clone()];
            let mut moments = moments.each_mut().map(|moment| &mut moment[lines.clone()]);
            let [gradients, divisors] = [&mut gradients, &mut divisors].map(|all| &mut all[..lines.len()]);
            for line in 0..lines.len() {
                let (weight, mut gradient) = (L::load(&parameters[line]), L::load(&gradient[line]));
                if MAGNITUDES {
                    magnitudes = magnitudes.add(weight.abs());
                    gradient = penalty.add_slope(weight, gradient);
                }
                if SQUARES {
                    squares = squares.add(weight.mul(weight));
                    gradient = penalty.add_slope_of_square(weight, gradient);
                }
                let gradient = gradient.clean();
                let after = rule.moments(gradient, load_each(&moments, line));
                for (moment, lines) in after.into_iter().zip(&mut moments) {
                    moment.store(&mut lines[line]);
                }
                gradient.store(&mut gradients[line]);
                rule.divisor(after).store(&mut divisors[line]);
            }
            for line in 0..lines.len() {
                let after = load_each(&moments, line);
                let (gradient, divisor) = (L::load(&gradients[line]), L::load(&divisors[line]));
                let next = rule.next(L::load(&parameters[line]), gradient, after, divisor);
                not_finite = next.fma(L::splat(0.0), not_finite);
                next.clean().store(&mut parameters[line]);
                for (moment, lines) in after.into_iter().zip(&mut moments) {
                    moment.clean_moment().store(&mut lines[line]);
                }
            }
        }
        Moved { penalty: penalty.of(magnitudes.sum(), squares.sum()), is_finite: not_finite.sum() == 0.0 }
    }
}

/// Lines that a pass moves at a time: first all their moments and divisors, then the parameters. Line by line, what waits
/// for a square root and then for a division would fill the processor's window of instructions.
const STRIP: usize = 32;

/// Loads a line of each moment. A loop: in the closure of `from_fn` each operation would be a call.
#[inline(always)]
fn load_each<L: Lanes, const M: usize>(moments: &[&mut [Line]; M], line: usize) -> [L; M] {
    let mut all = [L::splat(0.0); M];
    for (moment, lines) in all.iter_mut().zip(moments) {
        *moment = L::load(&lines[line]);
    }
    all
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
            let (parameters, moments) = (&mut parameters, lines_of(&mut moments, 0..1));
            let penalty = Penalty::default();
            let block = Block { of, parameters, gradient, penalty, moments, shrink };
            assert!(optimizer.update(Kernel::detect(), step, block).is_finite);
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
        fn moments<L: Lanes>(&self, gradient: L, moments: [L; 2]) -> [L; 2] {
            self.0.moments(gradient, moments)
        }
        fn divisor<L: Lanes>(&self, _: [L; 2]) -> L {
            L::splat(1.0)
        }
        fn next<L: Lanes>(&self, parameter: L, gradient: L, moments: [L; 2], _: L) -> L {
            self.0.next(parameter, gradient, moments, self.0.divisor(moments))
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
        fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved {
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
            let (of, parameters, moments) = (Parameters::Weights, &mut parameters, Moments::default());
            let penalty = Penalty::default();
            let shrink = f32::INFINITY;
            let block = Block { of, parameters, gradient, penalty, moments, shrink };
            let sgd = crate::tests::recipe(&[("optimizer.kind", "sgd".into())]).optimizer;
            assert!(!sgd.update(Kernel::detect(), Step::of_size(0.1), block).is_finite, "{start}");
        }
    }
}
