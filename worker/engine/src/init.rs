//! Where weights begin. A new initializer is a [`Family`] and a line in [`ALL`].

use crate::catalog::Family;
use crate::matrix::Matrix;
use crate::random::Stream;
use std::fmt::Debug;
use std::sync::Arc;

/// Every initializer, in the order in which people read them.
pub(crate) const ALL: [Family<dyn Initializer>; 1] = [GLOROT_UNIFORM];

/// Draws the weights of one layer; biases begin at zero.
pub(crate) trait Initializer: Debug + Send + Sync {
    /// Fills `weights` (inputs × units) row after row from the layer's own stream.
    fn fill(&self, weights: &mut Matrix, stream: &mut Stream);
}

const GLOROT_UNIFORM: Family<dyn Initializer> = Family {
    name: "glorot_uniform",
    formula: "uniform in -a <= w < a, a = sqrt(6 / (inputs + units))",
    source: "Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010",
    settings: Vec::new,
    build: |_| Ok(Arc::new(GlorotUniform)),
};

#[derive(Debug)]
struct GlorotUniform;

impl Initializer for GlorotUniform {
    fn fill(&self, weights: &mut Matrix, stream: &mut Stream) {
        let (inputs, units) = (weights.rows(), weights.columns());
        let limit = (6.0 / (inputs + units) as f64).sqrt();
        for row in 0..inputs {
            for column in 0..units {
                weights.set(row, column, ((2.0 * stream.unit() - 1.0) * limit) as f32);
            }
        }
    }
}
