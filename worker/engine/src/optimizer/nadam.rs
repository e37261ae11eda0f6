//! Adam with Nesterov's momentum.

use super::adam::{self, Adam};
use super::{Block, Moved, Optimizer, Rule, Step, apply};
use crate::catalog::Family;
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use std::sync::Arc;

/// Adam whose mean counts this step's gradient once more, under a momentum that grows from β₁/2 to β₁.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "nadam",
    formula: "adam's m and v; u_t = b1 (1 - 0.96^t / 2), U_t = u_1 ... u_t; \
              w -= r (u_(t+1) m/(1-U_(t+1)) + (1-u_t) g/(1-U_t)) / (sqrt(v/(1-b2^t)) + epsilon)",
    source: "Dozat, Incorporating Nesterov momentum into Adam, ICLR 2016 workshop; Keras 3",
    settings: adam::settings,
    build: |reader| Ok(Arc::new(Nadam { adam: Adam::read(reader)? })),
};

/// How fast the momentum comes near β₁, from the paper.
const WARM_UP: f64 = 0.96;

#[derive(Debug)]
struct Nadam {
    adam: Adam,
}

impl Nadam {
    /// Returns the momentum of the step that has this power of the warm-up.
    fn momentum(&self, warm_up: f64) -> f64 {
        self.adam.beta1 * (1.0 - 0.5 * warm_up)
    }
}

impl Optimizer for Nadam {
    fn moments(&self) -> usize {
        2
    }

    /// The warm-up's power, the product of the momenta, the powers of β₂ and β₁.
    fn powers(&self) -> Vec<f64> {
        vec![1.0; 4]
    }

    fn advance(&self, powers: &mut [f64]) {
        powers[0] *= WARM_UP;
        powers[1] *= self.momentum(powers[0]);
        powers[2] *= self.adam.beta2;
        powers[3] *= self.adam.beta1;
    }

    /// `size` is the mean's, `more` the gradient's and what is added to the root. All have √(1 − β₂ᵗ) in them, by which
    /// numerator and denominator of the formula are multiplied. The mean of a steady gradient of 1 is 1 − β₁ᵗ.
    fn step(&self, learning_rate: f64, powers: &[f64]) -> Step {
        let (now, next) = (self.momentum(powers[0]), self.momentum(powers[0] * WARM_UP));
        let root = (1.0 - powers[2]).sqrt();
        let of_mean = learning_rate * root * next / (1.0 - powers[1] * next);
        let of_gradient = learning_rate * root * (1.0 - now) / (1.0 - powers[1]);
        Step {
            size: of_mean as f32,
            more: [of_gradient as f32, (self.adam.epsilon * root) as f32],
            reach: of_mean * (1.0 - powers[3]) + of_gradient,
        }
    }

    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved {
        let rule = Ahead {
            of_mean: step.size,
            of_gradient: step.more[0],
            epsilon: step.more[1],
            towards_gradient: (1.0 - self.adam.beta1) as f32,
            towards_square: (1.0 - self.adam.beta2) as f32,
        };
        apply(kernel, rule, block)
    }
}

struct Ahead {
    of_mean: f32,
    of_gradient: f32,
    epsilon: f32,
    towards_gradient: f32,
    towards_square: f32,
}

impl Rule<2> for Ahead {
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
    fn next<L: Lanes>(&self, parameter: L, gradient: L, [mean, _]: [L; 2], divisor: L) -> L {
        let ahead = L::splat(self.of_gradient).fma(gradient, L::splat(self.of_mean).mul(mean));
        parameter.sub(ahead.div(divisor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::Parameters;
    use crate::optimizer::tests::{GRADIENTS, moved};

    /// Keras 3, `Nadam.update_step`, in `f64`.
    fn exact(gradients: &[f64], mut w: f64) -> f64 {
        let (mut m, mut v, mut product) = (0.0, 0.0, 1.0);
        let momentum = |t: i32| 0.9 * (1.0 - 0.5 * 0.96_f64.powi(t));
        for (t, g) in (1..).zip(gradients) {
            product *= momentum(t);
            m += (g - m) * (1.0 - 0.9);
            v += (g * g - v) * (1.0 - 0.999);
            let next = momentum(t + 1);
            let mean = next * m / (1.0 - product * next) + (1.0 - momentum(t)) * g / (1.0 - product);
            w -= mean * 0.01 / ((v / (1.0 - 0.999_f64.powi(t))).sqrt() + 1e-7);
        }
        w
    }

    #[test]
    fn steps_are_those_of_keras() {
        let nadam = Nadam { adam: Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 } };
        for gradients in GRADIENTS {
            let own = f64::from(moved(&nadam, Parameters::Weights, 0.01, gradients, 0.3));
            let exact = exact(gradients, 0.3);
            assert!((own - exact).abs() < 3e-7, "{gradients:?}: {own} {exact}");
        }
    }
}
