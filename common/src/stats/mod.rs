//! Means, intervals and differences over replicates, each with its formula and source.
//!
//! Tables are promised to be the same bytes on every machine, so all that enters one is made of +, −, ×, ÷ and square
//! roots, which IEEE 754 defines to the bit: sums run in the order of the replicates, and the Student-t quantile of
//! whole degrees of freedom needs no logarithm, exponential or gamma function from the system's library. Welch's
//! interval has fractional degrees of freedom and does need them: it may differ in the last bits and stays out of
//! tables. Numbers are rounded only where they are printed.

mod outperform;
mod student;
pub mod variance;

#[cfg(test)]
mod witness;

pub use outperform::{Outperforming, outperforming};
pub use student::t_quantile;

/// The confidence of every interval in a table.
pub const CONFIDENCE: f64 = 0.95;

/// The mean over a cell's replicates and how well it is known.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Summary {
    /// How many values it is over, at least 1.
    pub n: usize,
    /// Their mean; the value itself where there is one.
    pub mean: f64,
    /// Half the width of the 95 % Student-t interval of the mean; absent with a single value.
    pub half_width: Option<f64>,
}

/// An estimate with its confidence interval, `estimate ± half_width`.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// The middle.
    pub estimate: f64,
    /// Half the width, not negative.
    pub half_width: f64,
}

impl Interval {
    /// Returns the lower end.
    pub fn lower(&self) -> f64 {
        self.estimate - self.half_width
    }

    /// Returns the upper end.
    pub fn upper(&self) -> f64 {
        self.estimate + self.half_width
    }

    /// Returns whether `value` lies within, the ends included.
    pub fn contains(&self, value: f64) -> bool {
        (value - self.estimate).abs() <= self.half_width
    }
}

/// Returns the arithmetic mean, x₁ + Σ(xᵢ − x₁)/n, or `None` without values.
///
/// Shifted by the first value so that equal values have exactly that mean (the plain sum of three 0.1 does not).
pub fn mean(values: &[f64]) -> Option<f64> {
    let first = *values.first()?;
    let sum: f64 = values.iter().map(|value| value - first).sum();
    Some(first + sum / values.len() as f64)
}

/// Returns the sample variance, Σ(xᵢ − x̄)²/(n − 1), or `None` with fewer than two values.
///
/// Two passes with the correction for the rounding of the mean, (Σdᵢ² − (Σdᵢ)²/n)/(n − 1): Chan, Golub, LeVeque,
/// "Algorithms for computing the sample variance", The American Statistician 37 (1983), equation 1.7.
pub fn sample_variance(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values)?;
    let n = values.len() as f64;
    let sum: f64 = values.iter().map(|value| value - mean).sum();
    let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    Some(((squares - sum * sum / n) / (n - 1.0)).max(0.0))
}

/// Returns the sample standard deviation, the root of [`sample_variance`].
pub fn sample_sd(values: &[f64]) -> Option<f64> {
    sample_variance(values).map(f64::sqrt)
}

/// Returns the standard error of the mean, s/√n, or `None` with fewer than two values.
pub fn standard_error(values: &[f64]) -> Option<f64> {
    Some(sample_sd(values)? / (values.len() as f64).sqrt())
}

/// Returns half the width of the 95 % interval of the mean, t(0.975; n − 1) · s/√n (Student 1908; NIST/SEMATECH
/// e-Handbook of Statistical Methods, section 1.3.5.2), or `None` with fewer than two values.
pub fn half_width_95(values: &[f64]) -> Option<f64> {
    TQuantiles::new(CONFIDENCE).half_width(values)
}

/// Returns the interval of mean(a − b) over pairs, d̄ ± t((1 + confidence)/2; n − 1) · s_d/√n: the replicates of two
/// cells share seeds, so what a seed does to both cancels (NIST/SEMATECH e-Handbook, section 7.3.1.1). `None` with
/// fewer than two pairs.
pub fn paired_interval(pairs: &[(f64, f64)], confidence: f64) -> Option<Interval> {
    TQuantiles::new(confidence).paired_interval(pairs)
}

/// Returns the interval of mean(a) − mean(b) for independent samples of unlike variance,
/// (ā − b̄) ± t((1 + confidence)/2; ν) · √(s_a²/n_a + s_b²/n_b) with the Welch–Satterthwaite degrees of freedom
/// ν = (s_a²/n_a + s_b²/n_b)² / ((s_a²/n_a)²/(n_a − 1) + (s_b²/n_b)²/(n_b − 1)).
///
/// Welch, "The generalization of 'Student's' problem when several different population variances are involved",
/// Biometrika 34 (1947). `None` with fewer than two values on a side. Two samples without any spread have an interval
/// of no width.
pub fn welch_interval(a: &[f64], b: &[f64], confidence: f64) -> Option<Interval> {
    let share_a = sample_variance(a)? / a.len() as f64;
    let share_b = sample_variance(b)? / b.len() as f64;
    let estimate = mean(a)? - mean(b)?;
    let variance = share_a + share_b;
    if variance == 0.0 {
        return Some(Interval { estimate, half_width: 0.0 });
    }
    // Divided by the variance first: squares of small variances would underflow.
    let (part_a, part_b) = (share_a / variance, share_b / variance);
    let dof = 1.0 / (part_a * part_a / (a.len() - 1) as f64 + part_b * part_b / (b.len() - 1) as f64);
    let t = t_quantile((1.0 + confidence) / 2.0, dof);
    Some(Interval { estimate, half_width: t * variance.sqrt() })
}

/// The quantiles t((1 + confidence)/2; ν) for whole ν, each found once: a table asks for the same few thousands of times.
#[derive(Clone, Debug)]
pub struct TQuantiles {
    confidence: f64,
    by_dof: std::collections::BTreeMap<usize, f64>,
}

impl TQuantiles {
    /// Makes an empty memory for two-sided intervals of this confidence, within 0 … 1.
    pub fn new(confidence: f64) -> TQuantiles {
        TQuantiles { confidence, by_dof: std::collections::BTreeMap::new() }
    }

    /// Returns the quantile for a mean over `n` ≥ 2 values.
    fn for_values(&mut self, n: usize) -> f64 {
        let probability = (1.0 + self.confidence) / 2.0;
        *self.by_dof.entry(n - 1).or_insert_with(|| t_quantile(probability, (n - 1) as f64))
    }

    /// Returns half the width of the interval of the mean, t · s/√n, or `None` with fewer than two values.
    pub fn half_width(&mut self, values: &[f64]) -> Option<f64> {
        standard_error(values).map(|error| error * self.for_values(values.len()))
    }

    /// Returns mean and half-width, or `None` without values.
    pub fn summarize(&mut self, values: &[f64]) -> Option<Summary> {
        let mean = mean(values)?;
        Some(Summary { n: values.len(), mean, half_width: self.half_width(values) })
    }

    /// Returns what the function [`paired_interval`] does.
    pub fn paired_interval(&mut self, pairs: &[(f64, f64)]) -> Option<Interval> {
        let differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
        let half_width = self.half_width(&differences)?;
        Some(Interval { estimate: mean(&differences)?, half_width })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_exactly_their_mean_and_no_spread() {
        let values = [0.1; 3];
        assert_ne!(values.iter().sum::<f64>() / 3.0, 0.1, "the plain sum would do");
        assert_eq!(mean(&values), Some(0.1));
        assert_eq!(half_width_95(&values), Some(0.0));
    }

    #[test]
    fn one_value_has_a_mean_and_no_interval() {
        assert_eq!(mean(&[]), None);
        assert_eq!(mean(&[0.5]), Some(0.5));
        assert_eq!(sample_sd(&[0.5]), None);
        assert_eq!(half_width_95(&[0.5]), None);
        assert_eq!(paired_interval(&[(1.0, 2.0)], 0.95), None);
    }

    #[test]
    fn the_half_width_is_that_of_a_worked_example() {
        // s = 1 and n = 3 exactly: t(0.975; 2)/√3.
        let half_width = half_width_95(&[1.0, 2.0, 3.0]).unwrap();
        assert!((half_width - 4.302_652_73 / 3f64.sqrt()).abs() < 1e-8);
    }

    #[test]
    fn a_large_offset_does_not_hide_the_spread() {
        let values = [1e9 + 4.0, 1e9 + 7.0, 1e9 + 13.0, 1e9 + 16.0];
        assert_eq!(sample_variance(&values), Some(30.0));
    }

    #[test]
    fn pairs_see_a_difference_that_independent_samples_do_not() {
        let a = [0.10, 0.20, 0.30];
        let b = [0.11, 0.21, 0.3101];
        let pairs: Vec<_> = a.into_iter().zip(b).collect();
        assert!(!paired_interval(&pairs, 0.95).unwrap().contains(0.0));
        assert!(welch_interval(&a, &b, 0.95).unwrap().contains(0.0));
    }

    #[test]
    fn welch_agrees_with_worked_examples() {
        // Equal sizes and variances: the degrees of freedom are the pooled 2n − 2 = 4, and the error is √(2/3).
        let equal = welch_interval(&[1.0, 2.0, 3.0], &[11.0, 12.0, 13.0], 0.95).unwrap();
        assert_eq!(equal.estimate, -10.0);
        assert!((equal.half_width - 2.776_445_11 * (2.0f64 / 3.0).sqrt()).abs() < 1e-8);
        // One side without spread: only the other's degrees of freedom count.
        let one_sided = welch_interval(&[1.0, 2.0, 3.0], &[0.0, 0.0, 0.0, 0.0], 0.99).unwrap();
        assert!((one_sided.half_width - 9.924_843_20 / 3f64.sqrt()).abs() < 1e-7);
        let none = welch_interval(&[2.0, 2.0], &[1.0, 1.0], 0.95).unwrap();
        assert_eq!((none.lower(), none.upper()), (1.0, 1.0));
        assert_eq!(welch_interval(&[1.0], &[1.0, 2.0], 0.95), None);
    }

    #[test]
    fn welch_agrees_with_a_fractional_example() {
        // s²: 1 and 16, n = 3: ν = (17/3)²/((1/9 + 256/9)/2) = 578/257 = 2.249…
        let interval = welch_interval(&[1.0, 2.0, 3.0], &[4.0, 8.0, 12.0], 0.95).unwrap();
        let t = interval.half_width / (17.0f64 / 3.0).sqrt();
        assert!((t - t_quantile(0.975, 578.0 / 257.0)).abs() < 1e-9);
        assert!(t < t_quantile(0.975, 2.0) && t > t_quantile(0.975, 3.0));
    }
}
