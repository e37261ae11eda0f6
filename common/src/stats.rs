//! Means, intervals and differences over replicates, each with its formula and source.
//!
//! Tables are promised to be the same bytes on every machine, so all that enters one is made of +, −, ×, ÷ and square
//! roots, which IEEE 754 defines to the bit: sums run in the order of the replicates, and the Student-t quantile of
//! whole degrees of freedom needs no logarithm, exponential or gamma function from the system's library. Welch's
//! interval has fractional degrees of freedom and does need them: it may differ in the last bits and stays out of
//! tables. Numbers are rounded only where they are printed.

use std::f64::consts::PI;

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

/// More degrees of freedom than this are taken as this many: the quantile moves by less than 2 · 10⁻⁶ of itself.
const DOF_MAX: f64 = 1e6;

/// Returns the quantile of Student's t distribution: the t below which it has `probability`, for `dof` > 0 degrees of
/// freedom.
///
/// Found by bisection down to neighbouring numbers on the upper tail P(T > t) = ½ I_x(ν/2, ½), x = ν/(ν + t²)
/// (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.1 and 26.5.27). The same bits on every machine for
/// whole `dof`; see the module. NaN where `probability` is not within 0 … 1 or `dof` not positive.
pub fn t_quantile(probability: f64, dof: f64) -> f64 {
    if !(0.0..=1.0).contains(&probability) || dof.is_nan() || dof <= 0.0 {
        return f64::NAN;
    }
    if probability < 0.5 {
        return -t_quantile(1.0 - probability, dof);
    }
    let tail = 1.0 - probability;
    if tail == 0.0 {
        return f64::INFINITY;
    }
    let distribution = StudentT::new(dof.min(DOF_MAX));
    let (mut low, mut high) = (0.0, 1.0);
    while distribution.upper_tail(high) > tail && high < f64::MAX / 2.0 {
        (low, high) = (high, 2.0 * high);
    }
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return middle;
        }
        if distribution.upper_tail(middle) > tail {
            low = middle;
        } else {
            high = middle;
        }
    }
}

/// Student's t distribution with what does not depend on t.
struct StudentT {
    dof: f64,
    /// B(ν/2, ½).
    beta: f64,
}

impl StudentT {
    fn new(dof: f64) -> StudentT {
        StudentT { dof, beta: beta_half(dof) }
    }

    /// Returns P(T > t) for t ≥ 0.
    fn upper_tail(&self, t: f64) -> f64 {
        let (a, b) = (self.dof / 2.0, 0.5);
        // x and 1 − x each from t, so that neither loses digits where it is small.
        let ratio = t / self.dof.sqrt();
        let x = 1.0 / (1.0 + ratio * ratio);
        let y = ratio * (ratio / (1.0 + ratio * ratio));
        let front = power(x.sqrt(), self.dof) * y.sqrt() / self.beta;
        // The fraction converges fast below the mean of the distribution (Numerical Recipes, 3rd edition, 6.4).
        let share = if x < (a + 1.0) / (a + b + 2.0) {
            front * beta_fraction(x, a, b) / a
        } else {
            1.0 - front * beta_fraction(y, b, a) / b
        };
        share / 2.0
    }
}

/// Returns base^exponent for `base` within 0 … 1: by repeated squaring where the exponent is whole, since `powi` and
/// `powf` give other bits on other machines.
fn power(base: f64, exponent: f64) -> f64 {
    if exponent.fract() != 0.0 {
        return base.powf(exponent);
    }
    let (mut result, mut square, mut rest) = (1.0, base, exponent as u64);
    while rest > 0 {
        if rest % 2 == 1 {
            result *= square;
        }
        square *= square;
        rest /= 2;
    }
    result
}

/// Returns B(ν/2, ½), for whole ν as a product from B(½, ½) = π or B(1, ½) = 2 by B(a + 1, b) = B(a, b) · a/(a + b)
/// (DLMF 5.12.1 with 5.5.1).
fn beta_half(dof: f64) -> f64 {
    if dof.fract() != 0.0 {
        return (ln_gamma(dof / 2.0) + ln_gamma(0.5) - ln_gamma((dof + 1.0) / 2.0)).exp();
    }
    let (mut a, mut beta) = if dof % 2.0 == 1.0 { (0.5, PI) } else { (1.0, 2.0) };
    while a < dof / 2.0 {
        beta *= a / (a + 0.5);
        a += 1.0;
    }
    beta
}

/// Evaluates the continued fraction of the regularized incomplete beta function, I_x(a, b) = xᵃ(1 − x)ᵇ/(a B(a, b)) ·
/// 1/(1 + d₁/(1 + d₂/(1 + …))), by Lentz's method (DLMF 8.17.22; Numerical Recipes, 3rd edition, 6.4).
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    /// What stands for a denominator of 0 in Lentz's method.
    const TINY: f64 = 1e-300;
    /// It needs about √max(a, b) steps, and a is at most half of [`DOF_MAX`].
    const STEPS_MAX: u32 = 10_000;
    let away_from_zero = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..=STEPS_MAX {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away_from_zero(1.0 + even * d);
        c = away_from_zero(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away_from_zero(1.0 + odd * d);
        c = away_from_zero(1.0 + odd / c);
        let change = d * c;
        fraction *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    fraction
}

/// Returns ln Γ(x) for x > 0 by Lanczos' series with g = 5 and six terms, good to 2 · 10⁻¹⁰ (Numerical Recipes, 2nd
/// edition, 6.1). Only for what stays out of tables.
fn ln_gamma(x: f64) -> f64 {
    const TERMS: [f64; 6] = [
        76.180_091_729_471_46,
        -86.505_320_329_416_77,
        24.014_098_240_830_91,
        -1.231_739_572_450_155,
        0.120_865_097_386_617_9e-2,
        -0.539_523_938_495_3e-5,
    ];
    let mut series = 1.000_000_000_190_015;
    for (index, term) in TERMS.iter().enumerate() {
        series += term / (x + 1.0 + index as f64);
    }
    let shifted = x + 5.5;
    (x + 0.5) * shifted.ln() - shifted + ((2.0 * PI).sqrt() * series / x).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The common tables of t(0.975; ν) and t(0.995; ν), to nine digits.
    const PUBLISHED: [(f64, f64, f64); 12] = [
        (0.975, 1.0, 12.706_204_7),
        (0.975, 2.0, 4.302_652_73),
        (0.975, 3.0, 3.182_446_31),
        (0.975, 4.0, 2.776_445_11),
        (0.975, 9.0, 2.262_157_16),
        (0.975, 30.0, 2.042_272_46),
        (0.995, 1.0, 63.656_741_2),
        (0.995, 2.0, 9.924_843_20),
        (0.995, 3.0, 5.840_909_31),
        (0.995, 4.0, 4.604_094_87),
        (0.995, 9.0, 3.249_835_54),
        (0.995, 30.0, 2.749_995_65),
    ];

    #[test]
    fn quantiles_agree_with_published_tables() {
        for (probability, dof, published) in PUBLISHED {
            let t = t_quantile(probability, dof);
            assert!(
                (t / published - 1.0).abs() < 5e-9,
                "t({probability}; {dof}) = {t}, published {published}"
            );
            assert!((t_quantile(1.0 - probability, dof) / t + 1.0).abs() < 1e-10);
        }
    }

    #[test]
    fn quantiles_have_closed_forms_for_one_and_two_degrees() {
        for probability in [0.6, 0.9, 0.975, 0.995, 0.9999] {
            let (one, two) = (t_quantile(probability, 1.0), t_quantile(probability, 2.0));
            let centred = 2.0 * probability - 1.0;
            assert!((one / (PI * (probability - 0.5)).tan() - 1.0).abs() < 1e-10);
            assert!((two / (centred * (2.0 / (1.0 - centred * centred)).sqrt()) - 1.0).abs() < 1e-10);
        }
    }

    #[test]
    fn fractional_degrees_lie_between_whole_ones_and_join_them() {
        for dof in [1.0, 2.0, 7.0, 40.0, 1000.0] {
            let (whole, beside) = (t_quantile(0.975, dof), t_quantile(0.975, dof + 1e-9));
            assert!((whole / beside - 1.0).abs() < 1e-7, "{dof}: {whole} and {beside}");
            assert!(t_quantile(0.975, dof + 0.5) < whole);
            assert!(t_quantile(0.975, dof + 0.5) > t_quantile(0.975, dof + 1.0));
        }
    }

    #[test]
    fn many_degrees_approach_the_normal_distribution() {
        for dof in [1e6, 1e12, f64::INFINITY] {
            assert!((t_quantile(0.975, dof) - 1.959_963_985).abs() < 4e-6);
        }
    }

    #[test]
    fn quantiles_of_nonsense_are_not_numbers() {
        assert!(t_quantile(1.5, 3.0).is_nan());
        assert!(t_quantile(f64::NAN, 3.0).is_nan());
        assert!(t_quantile(0.975, 0.0).is_nan());
        assert_eq!(t_quantile(0.5, 3.0), 0.0);
        assert_eq!(t_quantile(1.0, 3.0), f64::INFINITY);
    }

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
