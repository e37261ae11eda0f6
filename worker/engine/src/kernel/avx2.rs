//! AVX2 and FMA: sixteen lanes are two registers of eight.
//!
//! A value of [`Avx2`] exists only inside [`run`], which is reached only through a `Kernel` that was detected on this
//! machine: that is what every `unsafe` block here stands on.

use super::lanes::{Lanes, Line};
use super::{LEAST_SPLIT, Task};
use std::arch::x86_64::*;

/// Sixteen numbers in two registers.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256, __m256);

/// Runs `task` with this instruction set.
///
/// # Safety
/// The processor must have AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run<T: Task>(task: T) -> T::Output {
    task.run::<Avx2>()
}

/// Returns whether this processor has what the kernel needs.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

macro_rules! pairwise {
    ($name:ident, $intrinsic:ident) => {
        #[inline(always)]
        fn $name(self, other: Avx2) -> Avx2 {
            // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
            unsafe { Avx2($intrinsic(self.0, other.0), $intrinsic(self.1, other.1)) }
        }
    };
}

impl Lanes for Avx2 {
    // 6 × 2 accumulators, 2 registers of b and 1 of a: 15 of 16.
    const TILE_ROWS: usize = 6;
    const TILE_LINES: usize = 4;

    #[inline(always)]
    fn load(line: &Line) -> Avx2 {
        let start = line.0.as_ptr();
        // SAFETY: AVX is there (see the module); a line is 16 numbers on a boundary of 64 bytes.
        unsafe { Avx2(_mm256_load_ps(start), _mm256_load_ps(start.add(8))) }
    }
    #[inline(always)]
    fn store(self, line: &mut Line) {
        let start = line.0.as_mut_ptr();
        // SAFETY: AVX is there (see the module); a line is 16 numbers on a boundary of 64 bytes.
        unsafe {
            _mm256_store_ps(start, self.0);
            _mm256_store_ps(start.add(8), self.1);
        }
    }
    #[inline(always)]
    fn splat(value: f32) -> Avx2 {
        // SAFETY: called from `run` alone, where AVX2 and FMA are there.
        unsafe { Avx2(_mm256_set1_ps(value), _mm256_set1_ps(value)) }
    }
    pairwise!(add, _mm256_add_ps);
    pairwise!(sub, _mm256_sub_ps);
    pairwise!(mul, _mm256_mul_ps);
    pairwise!(div, _mm256_div_ps);
    #[inline(always)]
    fn sqrt(self) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe { Avx2(_mm256_sqrt_ps(self.0), _mm256_sqrt_ps(self.1)) }
    }
    #[inline(always)]
    fn fma(self, factor: Avx2, summand: Avx2) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            Avx2(_mm256_fmadd_ps(self.0, factor.0, summand.0), _mm256_fmadd_ps(self.1, factor.1, summand.1))
        }
    }
    #[inline(always)]
    fn abs(self) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            Avx2(_mm256_andnot_ps(sign, self.0), _mm256_andnot_ps(sign, self.1))
        }
    }
    #[inline(always)]
    fn select_greater(self, other: Avx2, yes: Avx2, no: Avx2) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let first = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0);
            let second = _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, other.1);
            Avx2(_mm256_blendv_ps(no.0, yes.0, first), _mm256_blendv_ps(no.1, yes.1, second))
        }
    }
    // Where either operand is not a number these two return the second one.
    #[inline(always)]
    fn at_most(self, most: Avx2) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe { Avx2(_mm256_min_ps(most.0, self.0), _mm256_min_ps(most.1, self.1)) }
    }
    #[inline(always)]
    fn at_least(self, least: Avx2) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe { Avx2(_mm256_max_ps(least.0, self.0), _mm256_max_ps(least.1, self.1)) }
    }
    #[inline(always)]
    fn copy_sign(self, other: Avx2) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let sign = _mm256_set1_ps(-0.0);
            let signed = |size, other| _mm256_or_ps(_mm256_andnot_ps(sign, size), _mm256_and_ps(sign, other));
            Avx2(signed(self.0, other.0), signed(self.1, other.1))
        }
    }
    // With a blend the compiler makes two operations of each where one does.
    #[inline(always)]
    fn zero_unless_greater(self, other: Avx2, value: Avx2) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let first = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, other.0);
            let second = _mm256_cmp_ps::<_CMP_GT_OQ>(self.1, other.1);
            Avx2(_mm256_and_ps(first, value.0), _mm256_and_ps(second, value.1))
        }
    }
    // One comparison instead of two: they share their units with division and square root.
    #[inline(always)]
    fn with_sign_of(self, other: Avx2) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let (sign, zero) = (_mm256_set1_ps(-0.0), _mm256_setzero_ps());
            let signed = |size, other| _mm256_or_ps(_mm256_and_ps(sign, other), size);
            let first = _mm256_cmp_ps::<_CMP_NEQ_OQ>(other.0, zero);
            let second = _mm256_cmp_ps::<_CMP_NEQ_OQ>(other.1, zero);
            Avx2(
                _mm256_and_ps(first, signed(self.0, other.0)),
                _mm256_and_ps(second, signed(self.1, other.1)),
            )
        }
    }
    #[inline(always)]
    fn zero_below(self, least: f32) -> Avx2 {
        let (least, size) = (Avx2::splat(least), self.abs());
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let first = _mm256_cmp_ps::<_CMP_GT_OQ>(least.0, size.0);
            let second = _mm256_cmp_ps::<_CMP_GT_OQ>(least.1, size.1);
            Avx2(_mm256_andnot_ps(first, self.0), _mm256_andnot_ps(second, self.1))
        }
    }
    #[inline(always)]
    fn nonzero(self) -> u16 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let zero = _mm256_setzero_ps();
            let bits = |eight| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(eight, zero)) as u16;
            bits(self.0) | bits(self.1) << 8
        }
    }
    #[inline(always)]
    fn power_of_two(self) -> Avx2 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let bias = _mm256_set1_epi32(127);
            let power = |x| _mm256_slli_epi32::<23>(_mm256_add_epi32(_mm256_castps_si256(x), bias));
            Avx2(_mm256_castsi256_ps(power(self.0)), _mm256_castsi256_ps(power(self.1)))
        }
    }
    #[inline(always)]
    fn split(self) -> (Avx2, Avx2) {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let least = _mm256_set1_epi32(LEAST_SPLIT as i32);
            let fraction = _mm256_set1_epi32(0x007f_ffff);
            let shifted = |x| _mm256_sub_epi32(_mm256_castps_si256(x), least);
            let exponent = |x| _mm256_cvtepi32_ps(_mm256_srai_epi32::<23>(shifted(x)));
            let mantissa =
                |x| _mm256_castsi256_ps(_mm256_add_epi32(_mm256_and_si256(shifted(x), fraction), least));
            (Avx2(mantissa(self.0), mantissa(self.1)), Avx2(exponent(self.0), exponent(self.1)))
        }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: an `Avx2` exists only where AVX2 and FMA do (see the module).
        unsafe {
            let eight = _mm256_add_ps(self.0, self.1);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            let one = _mm_add_ss(two, _mm_shuffle_ps::<1>(two, two));
            _mm_cvtss_f32(one)
        }
    }
    #[inline(always)]
    fn transpose(rows: [Avx2; 16]) -> [Avx2; 16] {
        let mut columns = rows;
        for half in [0, 8] {
            let (mut left, mut right) = ([rows[0].0; 8], [rows[0].0; 8]);
            for row in 0..8 {
                (left[row], right[row]) = (rows[half + row].0, rows[half + row].1);
            }
            let (left, right) = (transpose_eight(left), transpose_eight(right));
            for column in 0..8 {
                if half == 0 {
                    (columns[column].0, columns[column + 8].0) = (left[column], right[column]);
                } else {
                    (columns[column].1, columns[column + 8].1) = (left[column], right[column]);
                }
            }
        }
        columns
    }
}

/// Exchanges rows and columns of eight by eight numbers: pairs of rows, then fours, then halves of registers.
#[inline(always)]
fn transpose_eight(rows: [__m256; 8]) -> [__m256; 8] {
    let (mut pairs, mut fours, mut columns) = (rows, rows, rows);
    // SAFETY: called from `run` alone, where AVX2 and FMA are there.
    unsafe {
        for i in [0, 2, 4, 6] {
            pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
        }
        for (i, first) in [(0, 0), (2, 1), (4, 4), (6, 5)] {
            fours[i] = _mm256_shuffle_ps::<0x44>(pairs[first], pairs[first + 2]);
            fours[i + 1] = _mm256_shuffle_ps::<0xee>(pairs[first], pairs[first + 2]);
        }
        for i in 0..4 {
            columns[i] = _mm256_permute2f128_ps::<0x20>(fours[i], fours[i + 4]);
            columns[i + 4] = _mm256_permute2f128_ps::<0x31>(fours[i], fours[i + 4]);
        }
    }
    columns
}
