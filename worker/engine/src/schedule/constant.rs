//! One learning rate throughout.

use super::{Schedule, WarmUp, warm_up_setting};
use crate::catalog::Family;
use std::sync::Arc;

/// The factor is 1; what a file without the table has.
pub(super) const FAMILY: Family<dyn Schedule> = Family {
    name: "constant",
    formula: "r_e = r; with a warm-up of W epochs r (e + 1) / (W + 1) while e < W, e counted from 0",
    source: "the baseline; warm-up: Goyal et al., Accurate, large minibatch SGD, arXiv:1706.02677, 2017",
    settings: || vec![warm_up_setting()],
    build: |reader| Ok(Arc::new(Constant { warm_up: WarmUp::read(reader)? })),
};

#[derive(Debug)]
pub(super) struct Constant {
    pub(super) warm_up: WarmUp,
}

impl Schedule for Constant {
    fn factor(&self, epoch: u32) -> f64 {
        self.warm_up.factor(epoch, |_| 1.0)
    }
}
