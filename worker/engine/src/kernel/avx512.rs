//! AVX-512F: sixteen lanes are one register.
//!
//! A value of [`Avx512`] exists only inside [`run`], which is reached only through a `Kernel` that was detected on this
//! machine: that is what every `unsafe` block here stands on.

use super::lanes::{Lanes, Line};
use super::{LEAST_SPLIT, Task};
use std::arch::x86_64::*;

/// Sixteen numbers in one register.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

/// Runs `task` with this instruction set.
///
/// # Safety
/// The processor must have AVX-512F (which brings AVX2 and FMA).
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run<T: Task>(task: T) -> T::Output {
    task.run::<Avx512>()
}

/// Returns whether this processor has what the kernel needs.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

macro_rules! pairwise {
    ($name:ident, $intrinsic:ident) => {
        #[inline(always)]
        fn $name(self, other: Avx512) -> Avx512 {
            // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
            unsafe { Avx512($intrinsic(self.0, other.0)) }
        }
    };
}

impl Lanes for Avx512 {
    // 8 × 2 accumulators, 2 registers of b and 1 of a: 19 of 32. Eight rows divide the usual batches.
    const TILE_ROWS: usize = 8;
    const TILE_LINES: usize = 16;

    #[inline(always)]
    fn load(line: &Line) -> Avx512 {
        // SAFETY: AVX-512F is there (see the module); a line is 16 numbers on a boundary of 64 bytes.
        unsafe { Avx512(_mm512_load_ps(line.0.as_ptr())) }
    }
    #[inline(always)]
    fn store(self, line: &mut Line) {
        // SAFETY: AVX-512F is there (see the module); a line is 16 numbers on a boundary of 64 bytes.
        unsafe { _mm512_store_ps(line.0.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    fn splat(value: f32) -> Avx512 {
        // SAFETY: called from `run` alone, where AVX-512F is there.
        unsafe { Avx512(_mm512_set1_ps(value)) }
    }
    pairwise!(add, _mm512_add_ps);
    pairwise!(sub, _mm512_sub_ps);
    pairwise!(mul, _mm512_mul_ps);
    pairwise!(div, _mm512_div_ps);
    #[inline(always)]
    fn sqrt(self) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe { Avx512(_mm512_sqrt_ps(self.0)) }
    }
    #[inline(always)]
    fn fma(self, factor: Avx512, summand: Avx512) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe { Avx512(_mm512_fmadd_ps(self.0, factor.0, summand.0)) }
    }
    #[inline(always)]
    fn abs(self) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe { Avx512(_mm512_abs_ps(self.0)) }
    }
    #[inline(always)]
    fn select_greater(self, other: Avx512, yes: Avx512, no: Avx512) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe {
            let is_greater = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(self.0, other.0);
            Avx512(_mm512_mask_blend_ps(is_greater, no.0, yes.0))
        }
    }
    // Where either operand is not a number these two return the second one.
    #[inline(always)]
    fn at_most(self, most: Avx512) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe { Avx512(_mm512_min_ps(most.0, self.0)) }
    }
    #[inline(always)]
    fn at_least(self, least: Avx512) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe { Avx512(_mm512_max_ps(least.0, self.0)) }
    }
    #[inline(always)]
    fn copy_sign(self, other: Avx512) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe {
            let sign = _mm512_set1_epi32(i32::MIN);
            let (size, other) = (_mm512_castps_si512(self.0), _mm512_castps_si512(other.0));
            let signed = _mm512_or_epi32(_mm512_andnot_epi32(sign, size), _mm512_and_epi32(sign, other));
            Avx512(_mm512_castsi512_ps(signed))
        }
    }
    #[inline(always)]
    fn nonzero(self) -> u16 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe { _mm512_cmp_ps_mask::<_CMP_NEQ_UQ>(self.0, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn power_of_two(self) -> Avx512 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe {
            let biased = _mm512_add_epi32(_mm512_castps_si512(self.0), _mm512_set1_epi32(127));
            Avx512(_mm512_castsi512_ps(_mm512_slli_epi32::<23>(biased)))
        }
    }
    #[inline(always)]
    fn split(self) -> (Avx512, Avx512) {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe {
            let least = _mm512_set1_epi32(LEAST_SPLIT as i32);
            let shifted = _mm512_sub_epi32(_mm512_castps_si512(self.0), least);
            let exponent = _mm512_cvtepi32_ps(_mm512_srai_epi32::<23>(shifted));
            let fraction = _mm512_and_si512(shifted, _mm512_set1_epi32(0x007f_ffff));
            let mantissa = _mm512_castsi512_ps(_mm512_add_epi32(fraction, least));
            (Avx512(mantissa), Avx512(exponent))
        }
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe {
            let upper = _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(self.0)));
            let eight = _mm256_add_ps(_mm512_castps512_ps256(self.0), upper);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            let one = _mm_add_ss(two, _mm_shuffle_ps::<1>(two, two));
            _mm_cvtss_f32(one)
        }
    }
    #[inline(always)]
    fn transpose(rows: [Avx512; 16]) -> [Avx512; 16] {
        let (mut pairs, mut fours, mut quarters, mut columns) = (rows, rows, rows, rows);
        // SAFETY: an `Avx512` exists only where AVX-512F does (see the module).
        unsafe {
            for i in [0, 2, 4, 6, 8, 10, 12, 14] {
                pairs[i].0 = _mm512_unpacklo_ps(rows[i].0, rows[i + 1].0);
                pairs[i + 1].0 = _mm512_unpackhi_ps(rows[i].0, rows[i + 1].0);
            }
            // Quarter q of fours[4 g + c] is column 4 q + c of rows 4 g .. 4 g + 4.
            for i in [0, 4, 8, 12] {
                for half in [0, 1] {
                    let (a, b) = (pairs[i + half].0, pairs[i + half + 2].0);
                    fours[i + 2 * half].0 = _mm512_shuffle_ps::<0x44>(a, b);
                    fours[i + 2 * half + 1].0 = _mm512_shuffle_ps::<0xee>(a, b);
                }
            }
            // Of each eight the first four hold quarters 0 and 2, the others 1 and 3.
            for i in [0, 1, 2, 3, 8, 9, 10, 11] {
                quarters[i].0 = _mm512_shuffle_f32x4::<0x88>(fours[i].0, fours[i + 4].0);
                quarters[i + 4].0 = _mm512_shuffle_f32x4::<0xdd>(fours[i].0, fours[i + 4].0);
            }
            for i in 0..8 {
                columns[i].0 = _mm512_shuffle_f32x4::<0x88>(quarters[i].0, quarters[i + 8].0);
                columns[i + 8].0 = _mm512_shuffle_f32x4::<0xdd>(quarters[i].0, quarters[i + 8].0);
            }
        }
        columns
    }
}
