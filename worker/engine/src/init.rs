//! Where weights begin. A new initializer is a [`Family`] and a line in [`ALL`].

use crate::catalog::Family;
use crate::matrix::Matrix;
use crate::random::Stream;
use std::fmt::Debug;
use std::sync::Arc;

/// Every initializer, in the order in which people read them.
pub(crate) const ALL: &[Family<dyn Initializer>] = &[
    // One a line, so that a new one is a line.
    GLOROT_UNIFORM,
    GLOROT_NORMAL,
    HE_UNIFORM,
    HE_NORMAL,
    LECUN_UNIFORM,
    LECUN_NORMAL,
];

/// Draws the weights of one layer; biases begin at zero.
pub(crate) trait Initializer: Debug + Send + Sync {
    /// Fills `weights` (inputs × units) row after row from the layer's own stream.
    fn fill(&self, weights: &mut Matrix, stream: &mut Stream);
}

const GLOROT: &str =
    "Glorot and Bengio, Understanding the difficulty of training deep feedforward networks, AISTATS 2010";
const HE: &str = "He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015";
const LECUN: &str = "LeCun, Bottou, Orr and Müller, Efficient BackProp, 1998";

const GLOROT_UNIFORM: Family<dyn Initializer> = Family {
    name: "glorot_uniform",
    formula: "uniform in -a <= w < a, a = sqrt(6 / (inputs + units))",
    source: GLOROT,
    settings: Vec::new,
    build: |_| Ok(Arc::new(Scaled { fan: of_both, draw: uniform })),
};

const GLOROT_NORMAL: Family<dyn Initializer> = Family {
    name: "glorot_normal",
    formula: "normal without what is beyond 2 sigma, of variance 2 / (inputs + units)",
    source: GLOROT,
    settings: Vec::new,
    build: |_| Ok(Arc::new(Scaled { fan: of_both, draw: truncated_normal })),
};

const HE_UNIFORM: Family<dyn Initializer> = Family {
    name: "he_uniform",
    formula: "uniform in -a <= w < a, a = sqrt(6 / inputs)",
    source: HE,
    settings: Vec::new,
    build: |_| Ok(Arc::new(Scaled { fan: half_of_the_inputs, draw: uniform })),
};

const HE_NORMAL: Family<dyn Initializer> = Family {
    name: "he_normal",
    formula: "normal without what is beyond 2 sigma, of variance 2 / inputs",
    source: HE,
    settings: Vec::new,
    build: |_| Ok(Arc::new(Scaled { fan: half_of_the_inputs, draw: truncated_normal })),
};

const LECUN_UNIFORM: Family<dyn Initializer> = Family {
    name: "lecun_uniform",
    formula: "uniform in -a <= w < a, a = sqrt(3 / inputs)",
    source: LECUN,
    settings: Vec::new,
    build: |_| Ok(Arc::new(Scaled { fan: of_inputs, draw: uniform })),
};

const LECUN_NORMAL: Family<dyn Initializer> = Family {
    name: "lecun_normal",
    formula: "normal without what is beyond 2 sigma, of variance 1 / inputs",
    source: LECUN,
    settings: Vec::new,
    build: |_| Ok(Arc::new(Scaled { fan: of_inputs, draw: truncated_normal })),
};

/// Independent weights around 0, whose variance is a function of the layer's shape (Keras' `VarianceScaling`).
#[derive(Debug)]
struct Scaled {
    /// One over the variance, for (inputs, units).
    fan: fn(f64, f64) -> f64,
    /// Draws one weight for this fan.
    draw: fn(&mut Stream, f64) -> f64,
}

impl Initializer for Scaled {
    fn fill(&self, weights: &mut Matrix, stream: &mut Stream) {
        let (inputs, units) = (weights.rows(), weights.columns());
        let fan = (self.fan)(inputs as f64, units as f64);
        for row in 0..inputs {
            for column in 0..units {
                weights.set(row, column, (self.draw)(stream, fan) as f32);
            }
        }
    }
}

fn of_both(inputs: f64, units: f64) -> f64 {
    (inputs + units) / 2.0
}

fn half_of_the_inputs(inputs: f64, _: f64) -> f64 {
    inputs / 2.0
}

fn of_inputs(inputs: f64, _: f64) -> f64 {
    inputs
}

fn uniform(stream: &mut Stream, fan: f64) -> f64 {
    (2.0 * stream.unit() - 1.0) * (3.0 / fan).sqrt()
}

/// The standard deviation of a standard normal number that is drawn again while it is beyond ±2, as Keras has it.
const DEVIATION_WITHIN_TWO: f64 = 0.879_625_661_034_239_8;

fn truncated_normal(stream: &mut Stream, fan: f64) -> f64 {
    standard_normal_within_two(stream) * ((1.0 / fan).sqrt() / DEVIATION_WITHIN_TWO)
}

/// Draws a standard normal number, again while it is beyond ±2.
///
/// By rejection of uniform numbers, six of ten of which are kept: nothing has to be computed but x²/4, so there is
/// no function whose rounding could differ between machines, and the distribution is exact but for the grid of
/// [`Stream::unit`].
fn standard_normal_within_two(stream: &mut Stream) -> f64 {
    loop {
        let x = 4.0 * stream.unit() - 2.0;
        let quarter = x * x / 4.0;
        // e⁻ˣ²ᐟ² in two halves, for exponents of at most 1.
        if happens(stream, quarter) && happens(stream, quarter) {
            return x;
        }
    }
}

/// Returns true with probability e⁻ʸ for 0 ≤ y ≤ 1, by comparisons alone.
///
/// Von Neumann, "Various techniques used in connection with random digits", 1951, in the form of Canonne, Kamath and
/// Steinke, "The discrete Gaussian for differential privacy", NeurIPS 2020, algorithm 1: the number of draws until the
/// k-th is not below y/k is odd with probability Σ (−y)ⁿ/n!.
fn happens(stream: &mut Stream, y: f64) -> bool {
    let mut count = 1_u32;
    while stream.unit() < y / f64::from(count) {
        count += 1;
    }
    count % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Key;
    use gridsweep_common::seed::{Purpose, SeedKey};

    fn stream() -> Stream {
        Stream::new(Key::new(SeedKey { root: 5, replicate: 0 }, Purpose::Init), [0; 3])
    }

    fn drawn(initializer: &dyn Initializer, inputs: usize, units: usize) -> Vec<f64> {
        let mut weights = Matrix::zeros(inputs, units);
        initializer.fill(&mut weights, &mut stream());
        let row = |row| (0..units).map(move |column| (row, column));
        (0..inputs).flat_map(row).map(|(row, column)| f64::from(weights.get(row, column))).collect()
    }

    /// Keras 3, `VarianceScaling`: (scale / fan of each initializer, whether it is uniform).
    fn of_keras(name: &str, inputs: f64, units: f64) -> (f64, bool) {
        match name {
            "glorot_uniform" => (1.0 / ((inputs + units) / 2.0), true),
            "glorot_normal" => (1.0 / ((inputs + units) / 2.0), false),
            "he_uniform" => (2.0 / inputs, true),
            "he_normal" => (2.0 / inputs, false),
            "lecun_uniform" => (1.0 / inputs, true),
            "lecun_normal" => (1.0 / inputs, false),
            other => panic!("give Keras' variance of {other} here"),
        }
    }

    fn build(name: &str) -> Arc<dyn Initializer> {
        crate::tests::recipe(&[("initializer", name.into())]).initializer
    }

    #[test]
    fn every_initializer_has_the_mean_variance_and_bounds_of_keras() {
        for family in ALL {
            for (inputs, units) in [(400, 100), (100, 400)] {
                let (variance, is_uniform) = of_keras(family.name, inputs as f64, units as f64);
                let weights = drawn(&*build(family.name), inputs, units);
                let count = weights.len() as f64;
                let mean = weights.iter().sum::<f64>() / count;
                let found = weights.iter().map(|w| w * w).sum::<f64>() / count;
                // Five standard deviations of either; w² varies by at most twice the variance squared.
                assert!(mean.abs() < 5.0 * (variance / count).sqrt(), "{}: {mean}", family.name);
                let most = 5.0 * variance * (2.0 / count).sqrt();
                assert!((found - variance).abs() < most, "{}: {found}, not {variance}", family.name);
                let bound = if is_uniform { 3_f64.sqrt() } else { 2.0 / DEVIATION_WITHIN_TWO };
                let largest = weights.iter().fold(0_f64, |largest, w| largest.max(w.abs()));
                let bound = bound * variance.sqrt();
                assert!((0.99 * bound..=bound * (1.0 + 1e-6)).contains(&largest), "{}", family.name);
            }
        }
    }

    #[test]
    fn normal_numbers_are_distributed_as_the_density_says() {
        const CELLS: usize = 16;
        let (mut counts, draws, mut stream) = ([0_u32; CELLS], 200_000, stream());
        for _ in 0..draws {
            let x = standard_normal_within_two(&mut stream);
            counts[((x + 2.0) / 4.0 * CELLS as f64) as usize] += 1;
        }
        // The density's integral over each cell by a thousand midpoints.
        let density =
            |n: usize| (-(4.0 * (n as f64 + 0.5) / (CELLS as f64 * 1000.0) - 2.0).powi(2) / 2.0).exp();
        let mass: Vec<f64> =
            (0..CELLS).map(|cell| (cell * 1000..(cell + 1) * 1000).map(density).sum()).collect();
        let total: f64 = mass.iter().sum();
        for (cell, mass) in mass.into_iter().enumerate() {
            let expected = mass / total * f64::from(draws);
            let difference = f64::from(counts[cell]) - expected;
            assert!(difference.abs() < 5.0 * expected.sqrt(), "{cell}: {counts:?}");
        }
    }

    #[test]
    fn what_happens_with_probability_e_to_the_minus_y_does() {
        for y in [0.0, 0.25, 0.5, 1.0_f64] {
            let mut stream = stream();
            let count = (0..40_000).filter(|_| happens(&mut stream, y)).count() as f64;
            let expected = 40_000.0 * (-y).exp();
            assert!((count - expected).abs() <= 5.0 * (expected * (1.0 - (-y).exp())).sqrt(), "{y}: {count}");
        }
    }

    /// Cells are compared on common random numbers: only the scale is another.
    #[test]
    fn initializers_of_one_distribution_differ_by_their_scale_alone() {
        for (one, other, ratio) in [("he_uniform", "lecun_uniform", 2.0), ("he_normal", "lecun_normal", 2.0)]
        {
            let (one, other) = (drawn(&*build(one), 20, 30), drawn(&*build(other), 20, 30));
            let is_scaled = |(a, b): (f64, f64)| (a - b * f64::sqrt(ratio)).abs() <= 1e-6 * a.abs();
            assert!(one.into_iter().zip(other).all(is_scaled));
        }
    }
}
