//! Kernels that are wrong on purpose, each by one plausible mistake, so that tests can show that they are caught.

use super::Product;
use super::lanes::{LANES, Lanes, Line};
use super::reference::{Plain, begin};

/// Rounds twice where a fused multiply-add rounds once.
pub(crate) type SplitFma = Wrong<true>;

/// Multiplies by a reciprocal where it should divide: off by one in the last place now and then.
pub(crate) type Reciprocal = Wrong<false>;

/// Plain lanes with one mistake: multiply-adds that are split, or else divisions that are none.
#[derive(Clone, Copy)]
pub(crate) struct Wrong<const SPLITS: bool>(Plain);

impl<const SPLITS: bool> Lanes for Wrong<SPLITS> {
    const TILE_ROWS: usize = 4;
    const TILE_LINES: usize = 4;

    fn load(line: &Line) -> Self {
        Wrong(Plain::load(line))
    }
    fn store(self, line: &mut Line) {
        self.0.store(line);
    }
    fn splat(value: f32) -> Self {
        Wrong(Plain::splat(value))
    }
    fn add(self, other: Self) -> Self {
        Wrong(self.0.add(other.0))
    }
    fn sub(self, other: Self) -> Self {
        Wrong(self.0.sub(other.0))
    }
    fn mul(self, other: Self) -> Self {
        Wrong(self.0.mul(other.0))
    }
    fn div(self, other: Self) -> Self {
        let divided = if SPLITS { self.0.div(other.0) } else { self.0.mul(Plain::splat(1.0).div(other.0)) };
        Wrong(divided)
    }
    fn sqrt(self) -> Self {
        Wrong(self.0.sqrt())
    }
    fn fma(self, factor: Self, summand: Self) -> Self {
        if SPLITS { self.mul(factor).add(summand) } else { Wrong(self.0.fma(factor.0, summand.0)) }
    }
    fn abs(self) -> Self {
        Wrong(self.0.abs())
    }
    fn select_greater(self, other: Self, yes: Self, no: Self) -> Self {
        Wrong(self.0.select_greater(other.0, yes.0, no.0))
    }
    fn copy_sign(self, other: Self) -> Self {
        Wrong(self.0.copy_sign(other.0))
    }
    fn nonzero(self) -> u16 {
        self.0.nonzero()
    }
    fn power_of_two(self) -> Self {
        Wrong(self.0.power_of_two())
    }
    fn split(self) -> (Self, Self) {
        let (mantissa, exponent) = self.0.split();
        (Wrong(mantissa), Wrong(exponent))
    }
    fn sum(self) -> f32 {
        self.0.sum()
    }
}

/// Adds the terms of each chain from the last to the first.
pub(super) fn multiply_backwards(product: Product<'_>) {
    let Product { out, start, width, a, row_stride, step_stride, b, steps, nonzero: _ } = product;
    begin(out, start.map(|start| &start[..width]));
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        for column in 0..width * LANES {
            let (line, lane) = (column / LANES, column % LANES);
            for step in (0..steps).rev() {
                let at = row * row_stride + step * step_stride;
                let a = a[at / LANES].0[at % LANES];
                out[line].0[lane] = a.mul_add(b[step * width + line].0[lane], out[line].0[lane]);
            }
        }
    }
}
