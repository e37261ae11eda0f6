//! exp, ln, tanh and sigmoid of the engine's own, over lanes: the same bits on every machine.
//!
//! Made of additions, multiplications, divisions and fused multiply-adds alone, all of which IEEE 754 rounds exactly.
//! Each is within 2 ulp of the exact value for every `f32` whose result is a normal number; below that, results of
//! [`exp`] and [`sigmoid`] are cleaned to +0 by whoever stores them.

use crate::kernel::lanes::Lanes;

/// 1.5 · 2²³: adding and subtracting it rounds to a whole number, ties to even.
const ROUND: f32 = 12_582_912.0;

/// ln 2 in two parts; the first has 15 bits, so its product with a whole exponent is exact (fdlibm).
const LN_2_HIGH: f32 = 6.931_381_2e-1;
const LN_2_LOW: f32 = 9.058_000_6e-6;

#[inline(always)]
fn round<L: Lanes>(x: L) -> L {
    x.add(L::splat(ROUND)).sub(L::splat(ROUND))
}

/// Returns c₀ + x·(c₁ + x·(…)).
#[inline(always)]
fn polynomial<L: Lanes, const N: usize>(x: L, coefficients: [f32; N]) -> L {
    let mut sum = L::splat(coefficients[N - 1]);
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = sum.fma(x, L::splat(*coefficient));
    }
    sum
}

/// Returns eˣ: +∞ above 88.73, 0 below −104.
///
/// x = n ln 2 + r with |r| ≤ ln 2 / 2; eʳ by its Taylor polynomial of degree 7, whose remainder is below 0.1 ulp there.
#[inline(always)]
pub(crate) fn exp<L: Lanes>(x: L) -> L {
    let (least, most) = (L::splat(-104.0), L::splat(89.0));
    let x = least.select_greater(x, least, x);
    let x = x.select_greater(most, most, x);
    let n = round(x.mul(L::splat(std::f32::consts::LOG2_E)));
    let r = n.fma(L::splat(-LN_2_HIGH), x);
    let r = n.fma(L::splat(-LN_2_LOW), r);
    let tail = polynomial(r, [1.0 / 2.0, 1.0 / 6.0, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0]);
    let power = r.mul(r).fma(tail, r).add(L::splat(1.0));
    // 2ⁿ may lie outside of the normal numbers (n = 128, n < −126): it is applied in two halves.
    let half = round(n.mul(L::splat(0.5)));
    power.mul(half.power_of_two()).mul(n.sub(half).power_of_two())
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
/// Below 0.625 an odd polynomial (Cephes `tanhf`), above it 1 − 2/(e²ˣ + 1).
#[inline(always)]
pub(crate) fn tanh<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    let size = x.abs();
    let square = x.mul(x);
    let tail = polynomial(
        square,
        [-3.333_328_2e-1, 1.333_144_2e-1, -5.373_971_6e-2, 2.063_908_9e-2, -5.704_988_7e-3],
    );
    let near = x.mul(square).fma(tail, x);
    let far = one.sub(L::splat(2.0).div(exp(size.add(size)).add(one)));
    let far = L::splat(0.0).select_greater(x, L::splat(0.0).sub(far), far);
    size.select_greater(L::splat(0.625), far, near)
}

/// Returns 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid<L: Lanes>(x: L) -> L {
    let one = L::splat(1.0);
    one.div(one.add(exp(L::splat(0.0).sub(x))))
}
