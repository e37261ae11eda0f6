//! Adam with the largest gradient in the place of the root of the mean square.

use super::adam::{self, Adam};
use super::{Block, Moved, Optimizer, Rule, Step, apply};
use crate::catalog::Family;
use crate::kernel::Kernel;
use crate::kernel::lanes::Lanes;
use std::sync::Arc;

/// Steps are divided by the largest gradient so far, of which each step forgets a little.
pub(super) const FAMILY: Family<dyn Optimizer> = Family {
    name: "adamax",
    formula: "m += (1-b1)(g-m), u = max(b2 u, |g|), w -= r/(1-b1^t) m/(u+epsilon)",
    source: "Kingma and Ba, Adam: a method for stochastic optimization, ICLR 2015, section 7.1; Keras 3",
    settings: adam::settings,
    build: |reader| Ok(Arc::new(Adamax { adam: Adam::read(reader)? })),
};

#[derive(Debug)]
struct Adamax {
    adam: Adam,
}

impl Optimizer for Adamax {
    fn moments(&self) -> usize {
        2
    }

    /// That of β₁: the largest gradient needs no correction.
    fn powers(&self) -> Vec<f64> {
        vec![1.0]
    }

    fn advance(&self, powers: &mut [f64]) {
        powers[0] *= self.adam.beta1;
    }

    /// The mean of a steady gradient of 1 is 1 − β₁ᵗ.
    fn step(&self, learning_rate: f64, powers: &[f64]) -> Step {
        Step { reach: learning_rate, ..Step::of_size(learning_rate / (1.0 - powers[0])) }
    }

    fn update(&self, kernel: Kernel, step: Step, block: Block<'_>) -> Moved {
        let rule = Largest {
            size: step.size,
            towards_gradient: (1.0 - self.adam.beta1) as f32,
            kept: self.adam.beta2 as f32,
            epsilon: self.adam.epsilon as f32,
        };
        apply(kernel, rule, block)
    }
}

struct Largest {
    size: f32,
    towards_gradient: f32,
    kept: f32,
    epsilon: f32,
}

impl Rule<2> for Largest {
    #[inline(always)]
    fn moments<L: Lanes>(&self, gradient: L, [mean, largest]: [L; 2]) -> [L; 2] {
        let mean = L::splat(self.towards_gradient).fma(gradient.sub(mean), mean);
        let (kept, now) = (L::splat(self.kept).mul(largest), gradient.abs());
        [mean, kept.select_greater(now, kept, now)]
    }

    #[inline(always)]
    fn divisor<L: Lanes>(&self, [_, largest]: [L; 2]) -> L {
        largest.add(L::splat(self.epsilon))
    }

    #[inline(always)]
    fn next<L: Lanes>(&self, parameter: L, _: L, [mean, _]: [L; 2], divisor: L) -> L {
        L::splat(-self.size).fma(mean.div(divisor), parameter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::Parameters;
    use crate::optimizer::tests::{GRADIENTS, moved};

    /// Keras 3, `Adamax.update_step`, in `f64`.
    fn exact(gradients: &[f64], beta2: f64, mut w: f64) -> f64 {
        let (mut m, mut u) = (0.0, 0.0_f64);
        for (t, g) in (1..).zip(gradients) {
            m += (g - m) * (1.0 - 0.9);
            u = (beta2 * u).max(g.abs());
            w -= 0.01 * m / ((1.0 - 0.9_f64.powi(t)) * (u + 1e-7));
        }
        w
    }

    #[test]
    fn steps_are_those_of_keras() {
        for gradients in GRADIENTS {
            for beta2 in [0.9, 0.99, 0.999] {
                let adamax = Adamax { adam: Adam { beta1: 0.9, beta2, epsilon: 1e-7 } };
                let own = f64::from(moved(&adamax, Parameters::Weights, 0.01, gradients, 0.3));
                let exact = exact(gradients, beta2, 0.3);
                assert!((own - exact).abs() < 3e-7, "{beta2}, {gradients:?}: {own} {exact}");
            }
        }
    }
}
