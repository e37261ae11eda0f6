//! Student's t distribution: quantiles for intervals.

use std::f64::consts::PI;

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
}
