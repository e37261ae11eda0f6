//! Adam.

use super::{Block, Moved, Optimizer, Rule, Step, apply, epsilon, learning_rate};
use crate::catalog::{Family, number_between, setting};
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use crate::recipe::{Reader, RecipeError};
use gridsweep_common::catalogue::Setting;
use gridsweep_common::choice::Value;
use std::sync::Arc;

/// Adam with the bias corrections in the step size, as in Keras and in section 2 of the paper.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "adam",
    formula: "m += (1-b1)(g-m), v += (1-b2)(g^2-v), w -= r sqrt(1-b2^t)/(1-b1^t) m/(sqrt(v)+epsilon)",
    source: "Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015; Keras 3",
    settings,
    build: |reader| Ok(Arc::new(Adam::read(reader)?)),
};

/// The settings of Adam and of those that are made of it.
pub(super) fn settings() -> Vec<Setting> {
    let share = || number_between(Some((0.0, true)), Some((1.0, false)));
    vec![
        learning_rate(),
        setting("optimizer.beta1", share(), Some(Value::from(0.9)), "How much of the mean gradient is kept."),
        setting(
            "optimizer.beta2",
            share(),
            Some(Value::from(0.999)),
            "How much is kept of what tells the size of the gradients, such as their mean square.",
        ),
        epsilon(),
    ]
}

#[derive(Debug)]
pub(super) struct Adam {
    pub(super) beta1: f64,
    pub(super) beta2: f64,
    pub(super) epsilon: f64,
}

impl Adam {
    /// Reads [`settings`].
    pub(super) fn read(reader: &Reader<'_>) -> Result<Adam, RecipeError> {
        Ok(Adam {
            beta1: reader.number("optimizer.beta1")?,
            beta2: reader.number("optimizer.beta2")?,
            epsilon: reader.number("optimizer.epsilon")?,
        })
    }

    /// Returns the rule of one step.
    pub(super) fn rule(&self, step: Step) -> Moments {
        Moments {
            size: step.size,
            towards_gradient: (1.0 - self.beta1) as f32,
            towards_square: (1.0 - self.beta2) as f32,
            epsilon: self.epsilon as f32,
        }
    }
}

impl Optimizer for Adam {
    fn moments(&self) -> usize {
        2
    }

    fn powers(&self) -> Vec<f64> {
        vec![1.0; 2]
    }

    fn advance(&self, powers: &mut [f64]) {
        powers[0] *= self.beta1;
        powers[1] *= self.beta2;
    }

    fn step(&self, learning_rate: f64, powers: &[f64]) -> Step {
        let (first, root) = (1.0 - powers[0], (1.0 - powers[1]).sqrt());
        Step { reach: learning_rate * root, ..Step::of_size(learning_rate * root / first) }
    }

    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved {
        apply(kernel, self.rule(step), block)
    }
}

pub(super) struct Moments {
    size: f32,
    towards_gradient: f32,
    towards_square: f32,
    epsilon: f32,
}

impl Rule<2> for Moments {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, [mean, square]: [L; 2]) -> [L; 2] {
        let mean = L::splat(self.towards_gradient).fma(gradient.sub(mean), mean);
        let step_of_square = gradient.mul(gradient).sub(square);
        [mean, L::splat(self.towards_square).fma(step_of_square, square)]
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, [_, square]: [L; 2]) -> L {
        square.sqrt().add(L::splat(self.epsilon))
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, _: L, [mean, _]: [L; 2], divisor: L) -> L {
        L::splat(-self.size).fma(mean.div(divisor), parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::lanes::{LANES, Line};
    use crate::matrix::Matrix;
    use crate::optimizer::Parameters;
    use crate::optimizer::tests::{GRADIENTS, moved};
    use crate::regularizer::Penalty;

    const ADAM: Adam = Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };

    /// Keras 3, `Adam.update_step`, in `f64`.
    fn exact(gradients: &[f64], mut w: f64) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for (t, g) in (1..).zip(gradients) {
            let alpha = 0.001 * (1.0 - 0.999_f64.powi(t)).sqrt() / (1.0 - 0.9_f64.powi(t));
            m += (g - m) * (1.0 - 0.9);
            v += (g * g - v) * (1.0 - 0.999);
            w -= alpha * m / (v.sqrt() + 1e-7);
        }
        w
    }

    fn run(gradients: &[f64], start: f32) -> f32 {
        moved(&ADAM, Parameters::Weights, 0.001, gradients, start)
    }

    #[test]
    fn steps_are_those_of_keras() {
        for gradients in GRADIENTS {
            let (own, exact) = (f64::from(run(gradients, 0.3)), exact(gradients, 0.3));
            assert!((own - exact).abs() < 1e-7, "{gradients:?}: {own} {exact}");
        }
    }

    #[test]
    fn a_weight_without_a_gradient_never_moves() {
        assert_eq!(run(&[0.0; 5], 0.3), 0.3);
        assert_eq!(run(&[0.0; 5], 0.0), 0.0);
    }

    #[test]
    fn an_infinite_gradient_is_noticed() {
        let (mut parameters, mut moments) = ([Line::ZERO], vec![Matrix::zeros(1, LANES); 2]);
        let mut gradient = [Line::ZERO];
        gradient[0].0[9] = f32::INFINITY;
        let (of, parameters) = (Parameters::Weights, &mut parameters);
        let moments = crate::optimizer::lines_of(&mut moments, 0..1);
        let (gradient, penalty) = (&gradient, Penalty::default());
        let block = Block { of, parameters, gradient, penalty, moments, shrink: 0.0 };
        assert!(!ADAM.update(Kernel::detect(), Step::of_size(0.001), block).is_finite);
    }
}
