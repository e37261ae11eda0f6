//! What is told of the weights at the end: sparsity, histogram, digest.

use crate::matrix::Matrix;
use crate::network::Network;
use gridsweep_common::id::Digest;
use gridsweep_common::metric::{HISTOGRAM_BINS, MatrixSummary};

/// A weight below this in magnitude counts as zero in the sparsity.
const ZERO_BELOW: f64 = 1e-4;

/// Summarises every weight matrix, from the input to the output.
pub(crate) fn summarize(network: &Network) -> Vec<MatrixSummary> {
    network.layers.iter().map(|layer| summarize_matrix(&layer.weights)).collect()
}

fn summarize_matrix(weights: &Matrix) -> MatrixSummary {
    let count = (weights.rows() * weights.columns()) as f64;
    let mut histogram = vec![0; HISTOGRAM_BINS];
    let (mut zeros, mut sum) = (0_u64, 0.0);
    for weight in numbers(weights).map(f64::from) {
        zeros += u64::from(weight.abs() < ZERO_BELOW);
        sum += weight.abs();
        histogram[bin(weight)] += 1;
    }
    MatrixSummary {
        inputs: weights.rows() as u32,
        units: weights.columns() as u32,
        sparsity: zeros as f64 / count,
        mean_absolute: sum / count,
        histogram,
    }
}

/// Returns the bin of −1 … 1 that a weight lies in, the outermost where it lies outside.
fn bin(weight: f64) -> usize {
    let place = (weight + 1.0) / 2.0 * HISTOGRAM_BINS as f64;
    (place.max(0.0) as usize).min(HISTOGRAM_BINS - 1)
}

/// Iterates over a matrix row after row.
fn numbers(matrix: &Matrix) -> impl Iterator<Item = f32> {
    (0..matrix.rows()).flat_map(move |row| (0..matrix.columns()).map(move |column| matrix.get(row, column)))
}

/// Hashes all weights and biases: little-endian `f32`, layer by layer, kernel [inputs × units] row after row, then
/// biases.
pub(crate) fn digest(network: &Network) -> Digest {
    let mut hasher = blake3::Hasher::new();
    for layer in &network.layers {
        hasher.update(&bytes(&layer.weights));
        hasher.update(&bytes(&layer.biases));
    }
    Digest(*hasher.finalize().as_bytes())
}

/// Returns all weights and biases, in the order in which [`digest`] hashes them.
pub(crate) fn tensors(network: &Network) -> Vec<u8> {
    network.layers.iter().flat_map(|layer| [bytes(&layer.weights), bytes(&layer.biases)]).flatten().collect()
}

fn bytes(matrix: &Matrix) -> Vec<u8> {
    numbers(matrix).flat_map(f32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_weight_is_in_one_bin() {
        let cases = [(-5.0, 0), (-1.0, 0), (0.0, 50), (1.0, 100), (7.0, 100), (0.0099, 50), (0.01, 51)];
        for (weight, expected) in cases {
            assert_eq!(bin(weight), expected, "{weight}");
        }
    }

    #[test]
    fn small_weights_are_counted_as_zeros() {
        let mut weights = Matrix::zeros(2, 2);
        weights.set(0, 0, 1e-4);
        weights.set(0, 1, -9e-5);
        weights.set(1, 0, 0.5);
        let summary = summarize_matrix(&weights);
        // The f32 nearest to 1e-4 lies below it.
        assert_eq!(summary.sparsity, if f64::from(1e-4_f32) < 1e-4 { 0.75 } else { 0.5 });
        assert_eq!(summary.histogram.iter().sum::<u64>(), 4);
        assert!((summary.mean_absolute - (1e-4 + 9e-5 + 0.5) / 4.0).abs() < 1e-9);
    }
}
