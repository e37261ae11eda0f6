//! Numbers in pictures: computed and written the same on every machine.

use crate::choice::Number;

/// Larger coordinates are of no picture.
const COORDINATE_MOST: f64 = 1e6;

/// Writes a coordinate with two decimals at most; what is not finite is 0.
pub fn coordinate(value: f64) -> String {
    let value = if value.is_finite() { value.clamp(-COORDINATE_MOST, COORDINATE_MOST) } else { 0.0 };
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Writes a value for people: four significant digits, whole numbers whole.
pub fn written(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return "not finite".to_owned();
    }
    if value.fract() == 0.0 && magnitude < 1e6 {
        return format!("{value:.0}");
    }
    if !(1e-4..1e6).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let rounded: f64 = format!("{value:.3e}").parse().unwrap_or(value);
    Number::new(rounded).map_or_else(|| "not finite".to_owned(), |number| number.to_string())
}

/// Returns the logarithm to base 10 of a positive finite number, by additions, multiplications and divisions alone: the
/// system's logarithm has other last digits elsewhere.
///
/// x = m · 2^e with √½ ≤ m < √2, ln m = 2 artanh((m − 1)/(m + 1)) by its series (Abramowitz and Stegun 4.1.27); twelve
/// terms leave less than 10⁻¹⁷.
pub fn log10(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return f64::NAN;
    }
    const SUBNORMAL_SCALE: f64 = 18_014_398_509_481_984.0;
    let (value, shift) = if value.is_normal() { (value, 0) } else { (value * SUBNORMAL_SCALE, 54) };
    let bits = value.to_bits();
    let mut exponent = ((bits >> 52) & 0x7ff) as i64 - 1023 - shift;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1;
    }
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let mut sum = 0.0;
    for term in (0..12).rev() {
        sum = sum * square + 1.0 / f64::from(2 * term + 1);
    }
    (2.0 * ratio * sum) * std::f64::consts::LOG10_E + exponent as f64 * std::f64::consts::LOG10_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_library_to_its_last_digits() {
        for value in [1e-310, 1e-300, 1e-4, 0.5, 0.9999, 1.0, 1.414, 1.4143, 2.0, 10.0, 12345.678, 1e300] {
            let difference = (log10(value) - value.log10()).abs();
            assert!(difference <= 4e-16 * value.log10().abs().max(1.0), "{value}: {difference:e}");
        }
        assert_eq!(log10(1.0), 0.0);
        assert!(log10(0.0).is_nan() && log10(-1.0).is_nan() && log10(f64::INFINITY).is_nan());
    }

    #[test]
    fn coordinates_have_two_decimals_and_no_negative_zero() {
        let cases = [(1.0, "1"), (-0.004, "0"), (0.125, "0.12"), (10.0, "10"), (1.1, "1.1"), (f64::NAN, "0")];
        for (value, text) in cases {
            assert_eq!(coordinate(value), text);
        }
    }

    #[test]
    fn values_have_four_digits() {
        let cases = [
            (0.98123, "0.9812"),
            (29.0, "29"),
            (1234.56, "1235"),
            (0.00001234, "1.234e-5"),
            (0.1, "0.1"),
            (f64::NAN, "not finite"),
        ];
        for (value, text) in cases {
            assert_eq!(written(value), text);
        }
    }
}
