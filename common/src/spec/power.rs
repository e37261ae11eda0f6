//! Powers for `logspace`: each the `f64` nearest to the exact power, so that 10^-4 is the literal 0.0001.

/// The largest base. With it and a limit on the result the numbers below stay under 1,100 bits.
pub(super) const BASE_MOST: u64 = 1_000;

/// Returns the `f64` nearest to `base`^`exponent`, or `None` where that is not a normal finite number or `base` is not
/// in `2 ..= BASE_MOST`.
pub(super) fn power(base: u64, exponent: i64) -> Option<f64> {
    if !(2..=BASE_MOST).contains(&base) || !(-1_100..=1_100).contains(&exponent) {
        return None;
    }
    let value = if base == 10 {
        // Reading a decimal literal rounds correctly.
        format!("1e{exponent}").parse().ok()?
    } else {
        exact_power(base, exponent)
    };
    value.is_normal().then_some(value)
}

/// Computes the power with whole numbers and rounds once.
fn exact_power(base: u64, exponent: i64) -> f64 {
    let mut whole = Whole(vec![1]);
    for _ in 0..exponent.unsigned_abs() {
        whole.multiply(base);
        if whole.bits() > 1_100 {
            return if exponent < 0 { 0.0 } else { f64::INFINITY };
        }
    }
    let bits = whole.bits() as i32;
    if exponent < 0 { scale(whole.reciprocal_top(), -(bits + 64)) } else { scale(whole.top(), bits - 66) }
}

/// Returns `top` × 2^`shift`: rounds to 53 bits once, and then multiplies by powers of two, which is exact for normal
/// results.
fn scale(top: u128, shift: i32) -> f64 {
    let half = shift / 2;
    top as f64 * 2f64.powi(half) * 2f64.powi(shift - half)
}

/// A whole number of any size, the lowest 64 bits first, without leading zeros.
struct Whole(Vec<u64>);

impl Whole {
    fn multiply(&mut self, factor: u64) {
        let mut carry = 0;
        for limb in &mut self.0 {
            let product = u128::from(*limb) * u128::from(factor) + carry;
            *limb = product as u64;
            carry = product >> 64;
        }
        if carry > 0 {
            self.0.push(carry as u64);
        }
    }

    fn bits(&self) -> u32 {
        let top = self.0.last().copied().unwrap_or(0);
        self.0.len() as u32 * 64 - top.leading_zeros()
    }

    fn bit(&self, index: u32) -> bool {
        self.0.get((index / 64) as usize).is_some_and(|limb| limb >> (index % 64) & 1 == 1)
    }

    /// Returns the highest 66 bits (as if zeros followed), the lowest of them set where anything below is: enough to
    /// round to 53.
    fn top(&self) -> u128 {
        let bits = self.bits();
        let mut top = 0;
        for place in 0..66 {
            top = top << 1 | u128::from(place < bits && self.bit(bits - 1 - place));
        }
        let below = (0..bits.saturating_sub(66)).any(|index| self.bit(index));
        top | u128::from(below)
    }

    /// Returns 2^(bits + 64) / self rounded down, the lowest bit set where there is a remainder.
    fn reciprocal_top(&self) -> u128 {
        // Long division, bit by bit; the remainder starts as 2^bits, which is above self and at most twice as large.
        let length = self.0.len() + 1;
        let mut remainder = vec![0u64; length];
        let bits = self.bits();
        remainder[(bits / 64) as usize] = 1 << (bits % 64);
        let mut quotient: u128 = 0;
        for step in 0..=64 {
            if step > 0 {
                double(&mut remainder);
            }
            quotient <<= 1;
            while !self.is_above(&remainder) {
                self.subtract_from(&mut remainder);
                quotient += 1;
            }
        }
        quotient | u128::from(remainder.iter().any(|&limb| limb > 0))
    }

    fn limb(&self, index: usize) -> u64 {
        self.0.get(index).copied().unwrap_or(0)
    }

    fn is_above(&self, other: &[u64]) -> bool {
        (0..other.len())
            .rev()
            .find(|&index| self.limb(index) != other[index])
            .is_some_and(|index| self.limb(index) > other[index])
    }

    fn subtract_from(&self, other: &mut [u64]) {
        let mut borrow = false;
        for (index, limb) in other.iter_mut().enumerate() {
            let (first, under_first) = limb.overflowing_sub(self.limb(index));
            let (second, under_second) = first.overflowing_sub(u64::from(borrow));
            *limb = second;
            borrow = under_first || under_second;
        }
    }
}

fn double(limbs: &mut [u64]) {
    let mut carry = 0;
    for limb in limbs {
        let next = *limb >> 63;
        *limb = *limb << 1 | carry;
        carry = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_ten_are_the_literals() {
        for exponent in -300..=300 {
            let literal: f64 = format!("1e{exponent}").parse().unwrap();
            assert_eq!(power(10, exponent).map(f64::to_bits), Some(literal.to_bits()));
            assert_eq!(exact_power(10, exponent).to_bits(), literal.to_bits(), "10^{exponent}");
        }
        assert_eq!(power(10, -4), Some(0.0001));
    }

    #[test]
    fn powers_of_two_are_exact() {
        for exponent in -1022..=1023 {
            assert_eq!(power(2, exponent), Some(2f64.powi(exponent as i32)), "2^{exponent}");
        }
    }

    #[test]
    fn the_usual_function_is_not_exact_enough() {
        // The counter-example that the integers are there for: multiplying rounds at each step.
        assert!((-300..=300).any(|exponent| 10f64.powi(exponent) != exact_power(10, i64::from(exponent))));
    }

    #[test]
    fn what_is_not_a_normal_number_is_refused() {
        let cases =
            [(10, 309), (10, -308), (2, 1024), (2, -1023), (1, 1), (0, 1), (3, i64::MIN), (1000, 1100)];
        for (base, exponent) in cases {
            assert_eq!(power(base, exponent), None, "{base}^{exponent}");
        }
        assert!(power(10, -307).is_some());
    }
}
