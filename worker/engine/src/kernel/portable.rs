//! Any processor: sixteen lanes are four arrays of four numbers, which the compiler makes vectors of.
//!
//! Where fused multiply-add is part of every processor, as on aarch64, this is vector code (NEON). On x86 it is not:
//! `f32::mul_add` then calls a function for each number, with the same bits, some hundred times slower.

use super::lanes::{Lanes, Line};
use super::{LEAST_SPLIT, Task};

/// Whether a multiply-add is a call here and not an instruction.
pub(super) const IS_SLOW: bool = !cfg!(any(target_arch = "aarch64", target_feature = "fma"));

/// Numbers of one array: a NEON register.
const FOUR: usize = 4;

/// Sixteen numbers in four arrays.
#[derive(Clone, Copy)]
pub(crate) struct Portable([[f32; FOUR]; 4]);

/// Runs `task` with plain code.
pub(super) fn run<T: Task>(task: T) -> T::Output {
    task.run::<Portable>()
}

impl Portable {
    #[inline(always)]
    fn each(self, f: impl Fn(f32) -> f32) -> Portable {
        Portable(self.0.map(|four| four.map(&f)))
    }

    /// Applies `f` to (array, lane).
    #[inline(always)]
    fn from_fn(f: impl Fn(usize, usize) -> f32) -> Portable {
        Portable(std::array::from_fn(|array| std::array::from_fn(|lane| f(array, lane))))
    }

    #[inline(always)]
    fn both(self, other: Portable, f: impl Fn(f32, f32) -> f32) -> Portable {
        Portable::from_fn(|array, lane| f(self.0[array][lane], other.0[array][lane]))
    }
}

impl Lanes for Portable {
    // 16 accumulators, 4 registers of b and 4 of a: 24 of NEON's 32.
    const TILE_ROWS: usize = 4;
    const TILE_LINES: usize = 4;

    #[inline(always)]
    fn load(line: &Line) -> Portable {
        Portable::from_fn(|array, lane| line.0[FOUR * array + lane])
    }
    #[inline(always)]
    fn store(self, line: &mut Line) {
        for (out, four) in line.0.chunks_exact_mut(FOUR).zip(self.0) {
            out.copy_from_slice(&four);
        }
    }
    #[inline(always)]
    fn splat(value: f32) -> Portable {
        Portable([[value; FOUR]; 4])
    }
    #[inline(always)]
    fn add(self, other: Portable) -> Portable {
        self.both(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Portable) -> Portable {
        self.both(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Portable) -> Portable {
        self.both(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Portable) -> Portable {
        self.both(other, |a, b| a / b)
    }
    #[inline(always)]
    fn sqrt(self) -> Portable {
        self.each(f32::sqrt)
    }
    #[inline(always)]
    fn fma(self, factor: Portable, summand: Portable) -> Portable {
        Portable::from_fn(|array, lane| {
            self.0[array][lane].mul_add(factor.0[array][lane], summand.0[array][lane])
        })
    }
    #[inline(always)]
    fn abs(self) -> Portable {
        self.each(f32::abs)
    }
    #[inline(always)]
    fn select_greater(self, other: Portable, yes: Portable, no: Portable) -> Portable {
        Portable::from_fn(|array, lane| {
            let is_greater = self.0[array][lane] > other.0[array][lane];
            if is_greater { yes.0[array][lane] } else { no.0[array][lane] }
        })
    }
    #[inline(always)]
    fn copy_sign(self, other: Portable) -> Portable {
        self.both(other, f32::copysign)
    }
    #[inline(always)]
    fn nonzero(self) -> u16 {
        let numbers = self.0.as_flattened().iter().enumerate();
        numbers.fold(0, |bits, (lane, number)| bits | u16::from(*number != 0.0) << lane)
    }
    #[inline(always)]
    fn power_of_two(self) -> Portable {
        // n stands in the low bits; shifting drops all others.
        self.each(|shifted| f32::from_bits(shifted.to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    fn split(self) -> (Portable, Portable) {
        let shifted = |x: f32| x.to_bits().wrapping_sub(LEAST_SPLIT);
        let exponent = |x: f32| ((shifted(x) as i32) >> 23) as f32;
        let mantissa = |x: f32| f32::from_bits((shifted(x) & 0x007f_ffff).wrapping_add(LEAST_SPLIT));
        (self.each(mantissa), self.each(exponent))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let add = |a: [f32; FOUR], b: [f32; FOUR]| std::array::from_fn(|lane| a[lane] + b[lane]);
        let [a, b, c, d] = self.0;
        let four: [f32; FOUR] = add(add(a, c), add(b, d));
        (four[0] + four[2]) + (four[1] + four[3])
    }
}
