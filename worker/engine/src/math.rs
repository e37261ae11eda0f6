//! exp, ln, tanh and sigmoid of the engine's own, over lanes: the same bits on every machine.
//!
//! Made of additions, multiplications, divisions and fused multiply-adds alone, all of which IEEE 754 rounds exactly.
//! Each is within 2 ulp of the exact value for every `f32` whose result is a normal number; below that, results of
//! [`exp`] and [`sigmoid`] are cleaned to +0 by whoever stores them.

use crate::kernel::lanes::{Lanes, ROUND};

/// ln 2 in two parts (fdlibm); the first ends at 2⁻¹⁷, so that x − n · first is exact wherever it is used.
const LN_2_HIGH: f32 = 6.931_381e-1;
const LN_2_LOW: f32 = 9.058_001e-6;

/// Returns c₀ + x·(c₁ + x·(…)).
#[inline(always)]
fn polynomial<L: Lanes, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    let mut sum = L::splat(coefficients[N - 1]);
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = sum.fma(x, L::splat(*coefficient));
    }
    sum
}

/// Returns the whole number n that is nearest to x / ln 2, and before it [`ROUND`] + n.
#[inline(always)]
fn binary_exponent<L: Lanes>(x: L) -> (L, L) {
    let shifted = x.fma(L::splat(std::f32::consts::LOG2_E), L::splat(ROUND));
    (shifted, shifted.sub(L::splat(ROUND)))
}

/// Returns eʳ − 1 for |r| ≤ ln 2 / 2, to 0.7 ulp.
///
/// r + r²·(½ + …) with a polynomial of degree 4, fitted for the least greatest relative error, 2⁻²⁶.
#[inline(always)]
fn exp_m1_near<L: Lanes>(r: L) -> L {
    let tail = polynomial(r, [0.5, 0.166_665_48, 0.041_666_828, 0.008_366_112, 0.001_390_042_6]);
    r.mul(r).fma(tail, r)
}

/// Returns 2ⁿ and eʳ − 1 with x = n ln 2 + r and |r| ≤ ln 2 / 2, for x ≤ 0, and the same for all x below −20.
///
/// ln 2 in one part will do: what n · ln 2 lacks is below 2⁻²⁹ n, and is multiplied by 2ⁿ.
#[inline(always)]
fn split_exp_m1<L: Lanes>(x: L) -> (L, L) {
    let x = x.at_least(L::splat(-20.0));
    let (shifted, n) = binary_exponent(x);
    let r = n.fma(L::splat(-std::f32::consts::LN_2), x);
    (shifted.power_of_two(), exp_m1_near(r))
}

/// Returns eˣ: +∞ above 88.73, 0 below −104.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2; eʳ by its Taylor polynomial of degree 7, whose remainder is below 0.1 ulp there.
#[inline(always)]
pub(crate) fn exp<L: Lanes>(x: L) -> L {
    let x = x.at_least(L::splat(-104.0)).at_most(L::splat(89.0));
    let round = L::splat(ROUND);
    let n = x.mul(L::splat(std::f32::consts::LOG2_E)).add(round).sub(round);
    let (ln_2_high, ln_2_low) = (L::splat(-LN_2_HIGH), L::splat(-LN_2_LOW));
    let exact = n.fma(ln_2_high, x);
    let r = n.fma(ln_2_low, exact);
    let lost = n.fma(ln_2_low, exact.sub(r));
    let tail = polynomial(r, [1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0]);
    let tail = r.mul(r).fma(tail, lost);
    // 1 + r in two parts: the sum is rounded once.
    let one = L::splat(1.0);
    let high = one.add(r);
    let low = one.sub(high).add(r);
    let power = high.add(low.add(tail));
    // 2ⁿ may lie outside of the normal numbers (n = 128, n < −126): it is applied in two halves.
    let half = n.fma(L::splat(0.5), round);
    let other = n.sub(half.sub(round)).add(round);
    power.mul(half.power_of_two()).mul(other.power_of_two())
}

/// Returns the natural logarithm: −∞ of 0, not a number of what is negative.
///
/// fdlibm's method: x = m 2ᵉ, s = (m − 1)/(m + 1), ln m = f − (f²/2 − s (f²/2 + R(s²))); coefficients of its `logf`.
#[inline(always)]
pub(crate) fn ln<L: Lanes>(x: L) -> L {
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    let is_small = L::splat(f32::MIN_POSITIVE);
    let normal = is_small.select_greater(x, x.mul(L::splat(8_388_608.0)), x);
    let (m, e) = normal.split();
    let e = is_small.select_greater(x, e.sub(L::splat(23.0)), e);
    let f = m.sub(one);
    let s = f.div(f.add(L::splat(2.0)));
    let z = s.mul(s);
    let r = z.mul(polynomial(z, [0.666_666_6, 0.400_009_72, 0.284_987_87, 0.242_790_79]));
    let half_square = L::splat(0.5).mul(f).mul(f);
    let inner = s.mul(half_square.add(r)).add(e.mul(L::splat(LN_2_LOW)));
    let value = e.mul(L::splat(LN_2_HIGH)).sub(half_square.sub(inner).sub(f));
    let value = x.select_greater(L::splat(f32::MAX), x, value);
    // √ of what is negative or not a number is not a number; √0 leaves −∞.
    let not_positive = x.sqrt().add(L::splat(f32::NEG_INFINITY));
    x.select_greater(zero, value, not_positive)
}

/// Returns the hyperbolic tangent.
///
/// Its magnitude is that of (e − 1)/(e + 1) with e = e^(−2|x|) = 2ⁿ·eʳ. Both are sums 2ⁿ·(eʳ − 1) + (2ⁿ ∓ 1), rounded once:
/// where 2ⁿ ∓ 1 is not exact, it is all that matters. A denominator made of the numerator would be off with it: 2.5 ulp.
#[inline(always)]
pub(crate) fn tanh<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    let (power, rest) = split_exp_m1(x.abs().mul(L::splat(-2.0)));
    let numerator = power.fma(rest, power.sub(one));
    let denominator = power.fma(rest, power.add(one));
    numerator.div(denominator).copy_sign(x)
}

/// Returns 1 / (1 + e⁻ˣ).
///
/// With x = n ln 2 − r it is 2ⁿ / (2ⁿ + eʳ), where nothing overflows. The denominator is the sum of 2ⁿ + 1 and eʳ − 1; what the
/// former loses of a small 2ⁿ is put back, what it loses of the 1 beside a large one matters to no bit.
#[inline(always)]
pub(crate) fn sigmoid<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    // Below −87.7 n is −127 and 2ⁿ is 0; e⁻⁸⁸ matters to no sum.
    let x = x.at_least(L::splat(-88.0)).at_most(L::splat(88.0));
    let (shifted, n) = binary_exponent(x);
    let r = n.fma(L::splat(LN_2_LOW), n.fma(L::splat(LN_2_HIGH), L::splat(0.0).sub(x)));
    let power = shifted.power_of_two();
    let sum = power.add(one);
    let lost = power.sub(sum.sub(one));
    power.div(exp_m1_near(r).add(lost).add(sum))
}

/// Returns the logistic function of x and its slope, the product of its values at x and at −x, neither by cancellation.
#[inline(always)]
pub(crate) fn sigmoid_and_slope<L: Lanes>(x: L) -> (L, L) {
    let (zero, one) = (L::splat(0.0), L::splat(1.0));
    let small = sigmoid(zero.sub(x.abs()));
    let large = one.sub(small);
    (x.select_greater(zero, large, small), small.mul(large))
}

/// Returns eˣ − 1 for x ≤ 0, within 4 ulp; elsewhere it has no meaning, and the same none everywhere.
#[inline(always)]
pub(crate) fn exp_m1<L: Lanes>(x: L) -> L {
    let (power, rest) = split_exp_m1(x);
    power.fma(rest, power.sub(L::splat(1.0)))
}

/// Returns ln(1 + x) for 0 ≤ x ≤ 1, within 4 ulp.
///
/// What the sum 1 + x loses is put back by the slope of the logarithm.
#[inline(always)]
pub(crate) fn ln_1p<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    let sum = one.add(x);
    let lost = x.sub(sum.sub(one));
    ln(sum).add(lost.div(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::lanes::{LANES, Line};
    use crate::kernel::{Kernel, Task};
    use crate::random::{Key, Stream};
    use gridsweep_common::seed::{Purpose, SeedKey};
    use rand::Rng;
    use std::ops::RangeInclusive;

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exp,
        Ln,
        Tanh,
        Sigmoid,
        ExpM1,
        Ln1p,
    }

    /// Those that are made of the others, where they have a meaning.
    const DERIVED: [Function; 2] = [Function::ExpM1, Function::Ln1p];
    const ALL: [Function; 4] = [Function::Exp, Function::Ln, Function::Tanh, Function::Sigmoid];

    impl Function {
        fn exact(self, x: f64) -> f64 {
            match self {
                Function::Exp => x.exp(),
                Function::Ln => x.ln(),
                Function::Tanh => x.tanh(),
                Function::Sigmoid => 1.0 / (1.0 + (-x).exp()),
                Function::ExpM1 => x.exp_m1(),
                Function::Ln1p => x.ln_1p(),
            }
        }
    }

    struct Apply<'a>(Function, &'a mut [Line]);

    impl Task for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn run<L: Lanes>(self) {
            for line in self.1 {
                let x = L::load(line);
                let value = match self.0 {
                    Function::Exp => exp(x),
                    Function::Ln => ln(x),
                    Function::Tanh => tanh(x),
                    Function::Sigmoid => sigmoid(x),
                    Function::ExpM1 => exp_m1(x),
                    Function::Ln1p => ln_1p(x),
                };
                value.store(line);
            }
        }
    }

    fn values(kernel: Kernel, function: Function, arguments: &[Line]) -> Vec<Line> {
        let mut values = arguments.to_vec();
        kernel.run(Apply(function, &mut values));
        values
    }

    /// Returns numbers of either sign over every exponent, what is not normal too, and the corners.
    fn arguments() -> Vec<Line> {
        let mut stream = Stream::new(Key::new(SeedKey { root: 3, replicate: 0 }, Purpose::Init), [0; 3]);
        let mut all: Vec<f32> = Vec::new();
        for sign_and_exponent in 0..512_u32 {
            let number = |bits: u32| f32::from_bits(sign_and_exponent << 23 | bits);
            all.extend([0, 1, 0x3f_ffff, 0x7f_fffe, 0x7f_ffff].map(number));
            all.extend((0..1000).map(|_| number(stream.next_u32() >> 9)));
        }
        // Where the results are ordinary.
        all.extend((0..400_000).map(|_| ((2.0 * stream.unit() - 1.0) * 105.0) as f32));
        all.extend((0..400_000).map(|_| ((2.0 * stream.unit() - 1.0) * 10.0) as f32));
        all.extend((0..100_000).map(|_| (0.5 + stream.unit()) as f32));
        all.resize(all.len().next_multiple_of(LANES), 0.0);
        all.chunks_exact(LANES).map(|chunk| Line(std::array::from_fn(|lane| chunk[lane]))).collect()
    }

    /// Returns how many units in the last place of the exact value's binade `value` is off.
    fn ulps(value: f32, exact: f64) -> f64 {
        if value.is_nan() || exact.is_nan() {
            return if value.is_nan() && exact.is_nan() { 0.0 } else { f64::INFINITY };
        }
        if f64::from(value) == exact || f64::from(value) == f64::from(exact as f32) {
            return (f64::from(value) - exact).abs().min(0.5);
        }
        let ulp = 2_f64.powi(exact.abs().log2().floor() as i32 - 23);
        (f64::from(value) - exact).abs() / ulp
    }

    fn worst(function: Function, arguments: &[Line], values: &[Line]) -> (f64, f32, f32) {
        let pairs = arguments.iter().zip(values).flat_map(|(x, y)| x.0.into_iter().zip(y.0));
        let normal =
            |exact: f64| exact.is_nan() || exact == 0.0 || exact.abs() >= f64::from(f32::MIN_POSITIVE);
        pairs
            .map(|(x, y)| (x, y, function.exact(f64::from(x))))
            .filter(|(_, _, exact)| normal(*exact))
            .map(|(x, y, exact)| (ulps(y, exact), x, y))
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .unwrap_or((0.0, 0.0, 0.0))
    }

    #[test]
    fn functions_are_within_two_ulps_over_all_arguments() {
        let arguments = arguments();
        for function in ALL {
            let (ulps, x, y) = worst(function, &arguments, &values(Kernel::detect(), function, &arguments));
            println!("{function:?}: {ulps:.3} ulp at {x:e}");
            assert!(ulps <= 2.0, "{function:?}({x:e}) = {y:e} is {ulps} ulp off");
        }
    }

    #[test]
    fn derived_functions_are_within_four_ulps_where_they_have_a_meaning() {
        for function in DERIVED {
            let into_range = |x: f32| match function {
                Function::ExpM1 => -x.abs(),
                _ => {
                    if x.abs() > 1.0 {
                        1.0 / x.abs()
                    } else {
                        x.abs()
                    }
                }
            };
            let arguments: Vec<Line> = arguments().iter().map(|line| Line(line.0.map(into_range))).collect();
            let expected = values(Kernel::REFERENCE, function, &arguments);
            let (ulps, x, y) = worst(function, &arguments, &expected);
            println!("{function:?}: {ulps:.3} ulp at {x:e}");
            assert!(ulps <= 4.0, "{function:?}({x:e}) = {y:e} is {ulps} ulp off");
            for kernel in Kernel::available() {
                let bits = |lines: Vec<Line>| -> Vec<u32> {
                    lines
                        .iter()
                        .flat_map(|line| line.0.map(|y| if y.is_nan() { 0 } else { y.to_bits() }))
                        .collect()
                };
                let same = bits(values(kernel, function, &arguments)) == bits(expected.clone());
                assert!(same, "{function:?}, {}", kernel.name());
            }
        }
    }

    /// Returns the bits of all arguments for which a function has a meaning, and how many ulps it may be off.
    fn all_arguments(function: Function) -> (RangeInclusive<u32>, f64) {
        match function {
            Function::ExpM1 => ((-0.0_f32).to_bits()..=u32::MAX, 4.0),
            Function::Ln1p => (0..=1.0_f32.to_bits(), 4.0),
            _ => (0..=u32::MAX, 2.0),
        }
    }

    /// Returns the largest error of a function over a part of its arguments: every block of 2¹⁶ from `first` on, each as
    /// many blocks after the one before as there are parts.
    fn worst_of_part(function: Function, first: u32, parts: u32) -> (f64, f32, f32) {
        let range = all_arguments(function).0;
        let (least, most) = (*range.start(), *range.end());
        let blocks = (0..=(most - least) >> 16).skip(first as usize).step_by(parts as usize);
        let mut worst_so_far = (0.0, 0.0, 0.0);
        for block in blocks {
            let bits = |line: u32, lane: usize| (least + (block << 16) + 16 * line + lane as u32).min(most);
            let line = |line: u32| Line(std::array::from_fn(|lane| f32::from_bits(bits(line, lane))));
            let arguments: Vec<Line> = (0..1 << 12).map(line).collect();
            let found = worst(function, &arguments, &values(Kernel::detect(), function, &arguments));
            worst_so_far = if found.0 > worst_so_far.0 { found } else { worst_so_far };
        }
        worst_so_far
    }

    /// On every core; prints the largest error of each function. Takes minutes:
    /// `cargo test --release -p gridsweep-engine every_f32 -- --ignored --nocapture`.
    #[test]
    #[ignore = "takes minutes"]
    fn functions_are_within_their_ulps_over_every_f32() {
        let parts = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
        for function in ALL.into_iter().chain(DERIVED) {
            let (ulps, x, y) = std::thread::scope(|scope| {
                let part = |part| scope.spawn(move || worst_of_part(function, part, parts));
                let parts: Vec<_> = (0..parts).map(part).collect();
                let ends = parts.into_iter().map(|part| part.join().expect("no part panics"));
                ends.max_by(|a, b| a.0.total_cmp(&b.0)).expect("there is a part")
            });
            let (arguments, most) = all_arguments(function);
            println!("{function:?}: at most {ulps:.3} ulp, at {x:e}, over {} arguments", arguments.count());
            assert!(ulps <= most, "{function:?}({x:e}) = {y:e} is {ulps} ulp off");
        }
    }

    /// What the whole does, over a part of 2⁻¹² of it.
    #[test]
    fn functions_are_within_their_ulps_over_a_part_of_every_f32() {
        for function in ALL.into_iter().chain(DERIVED) {
            let (ulps, x, y) = worst_of_part(function, 1, 1 << 12);
            assert!(ulps > 0.0 && ulps <= all_arguments(function).1, "{function:?}({x:e}) = {y:e}, {ulps}");
        }
    }

    #[test]
    fn a_function_that_is_three_ulps_off_is_noticed() {
        let arguments = arguments();
        let mut values = values(Kernel::detect(), Function::Exp, &arguments);
        let at = arguments.iter().position(|line| line.0[0].abs() < 50.0).expect("there are small arguments");
        values[at].0[0] = f32::from_bits(values[at].0[0].to_bits() + 3);
        assert!(worst(Function::Exp, &arguments, &values).0 > 2.0);
    }

    #[test]
    fn functions_have_the_same_bits_in_every_kernel() {
        let bits = |lines: Vec<Line>| -> Vec<u32> {
            let canonical = |x: f32| if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
            lines.iter().flat_map(|line| line.0.map(canonical)).collect()
        };
        let arguments = arguments();
        for function in ALL {
            let expected = bits(values(Kernel::REFERENCE, function, &arguments));
            for kernel in Kernel::available() {
                assert!(
                    bits(values(kernel, function, &arguments)) == expected,
                    "{function:?}, {}",
                    kernel.name()
                );
            }
        }
    }

    #[test]
    fn ends_of_the_range_are_what_they_should_be() {
        let cases = [
            (Function::Exp, f32::NEG_INFINITY, 0.0),
            (Function::Exp, f32::INFINITY, f32::INFINITY),
            (Function::Exp, 88.8, f32::INFINITY),
            (Function::Exp, 0.0, 1.0),
            (Function::Ln, 0.0, f32::NEG_INFINITY),
            (Function::Ln, f32::INFINITY, f32::INFINITY),
            (Function::Ln, 1.0, 0.0),
            (Function::Tanh, f32::INFINITY, 1.0),
            (Function::Tanh, -40.0, -1.0),
            (Function::Tanh, 0.0, 0.0),
            (Function::Sigmoid, f32::NEG_INFINITY, 0.0),
            (Function::Sigmoid, 100.0, 1.0),
            (Function::Sigmoid, 0.0, 0.5),
        ];
        for (function, x, expected) in cases {
            let value = values(Kernel::detect(), function, &[Line([x; LANES])])[0].0[0];
            // Below the normal numbers a result is cleaned when it is stored.
            let value = if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value };
            assert_eq!(value, expected, "{function:?}({x})");
        }
        for function in ALL {
            assert!(values(Kernel::detect(), function, &[Line([f32::NAN; LANES])])[0].0[0].is_nan());
        }
        assert!(values(Kernel::detect(), Function::Ln, &[Line([-1.0; LANES])])[0].0[0].is_nan());
    }
}
