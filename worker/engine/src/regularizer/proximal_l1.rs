//! The lasso's penalty by its proximal operator: weights become 0 exactly. Another algorithm than the gradient of `l1`, for
//! the same objective.
//!
//! After an optimizer's step each weight is brought nearer to 0 by c s and never beyond it. s is how far a steady
//! gradient of 1 moves that very weight in that step, with what the optimizer divides by counted in:
//!
//! | optimizer | s |
//! |---|---|
//! | sgd | r / (1 − momentum) |
//! | adam, adamw | r √(1 − β₂ᵗ) / (√v + ε) |
//! | nadam | r (uₜ₊₁ (1 − β₁ᵗ) / (1 − Uₜ₊₁) + (1 − uₜ) / (1 − Uₜ)) / (√(v / (1 − β₂ᵗ)) + ε), u and U as in its formula |
//! | rmsprop, adagrad | r / √(v + ε), r / √(s + ε) |
//!
//! With plain sgd this is proximal gradient descent. Where the optimizer scales each weight's step, the operator must be
//! that of the same scale (Duchi, Hazan and Singer 2011 for adagrad; Yun, Lozano and Yang for adam and the others): then
//! a weight rests at 0 exactly where |gradient| ≤ c, which is where the objective wants it. With the threshold r c for all
//! weights it would rest where the *scaled* gradient is below c, at the minimum of no objective that could be reported.

use super::{Penalty, Regularizer, dropout, l1, sweep};
use crate::catalog::Family;
use crate::kernel::Kernel;
use crate::kernel::lanes::{Lanes, Line};
use std::sync::Arc;

/// c Σ|w|, with exact zeros
pub(super) const FAMILY: Family<dyn Regularizer> = Family {
    name: "proximal_l1",
    formula: "c sum |w|, not in the gradient: after each step w = sign(w) max(|w| - c s, 0), with s how far a steady \
              gradient of 1 moves this weight in this step (sgd: r / (1 - momentum); adam: r sqrt(1-b2^t)/(sqrt(v)+epsilon))",
    source: "Daubechies, Defrise and De Mol, CPAM 57, 2004; Duchi and Singer, JMLR 10, 2009; with scaled steps: \
             Yun, Lozano and Yang, Adaptive proximal gradient methods for structured neural networks, NeurIPS 2021",
    settings: || vec![l1::coefficient(), dropout::rate()],
    build: |reader| {
        let (coefficient, dropout_rate) = (reader.number("coefficient")?, reader.number("dropout_rate")?);
        Ok(Arc::new(ProximalL1 { coefficient, dropout_rate }))
    },
};

#[derive(Debug)]
struct ProximalL1 {
    coefficient: f64,
    dropout_rate: f64,
}

impl Regularizer for ProximalL1 {
    fn penalize(&self, kernel: Kernel, weights: &[Line], gradient: &mut [Line]) -> f64 {
        self.coefficient * sweep(kernel, Magnitude, weights, gradient)
    }

    fn dropout_rate(&self) -> f64 {
        self.dropout_rate
    }

    fn shrinkage(&self) -> f64 {
        self.coefficient
    }
}

/// |w|, of which the gradient knows nothing.
struct Magnitude;

impl Penalty for Magnitude {
    #[inline(always)]
    fn term<L: Lanes>(&self, weight: L) -> L {
        weight.abs()
    }

    #[inline(always)]
    fn add_slope<L: Lanes>(&self, _: L, gradient: L) -> L {
        gradient
    }
}
