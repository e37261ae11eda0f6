//! Kernels that are wrong on purpose, each by one plausible mistake, so that tests can show that they are caught.

use super::Product;
use super::lanes::{LANES, Lanes, Line};
use super::reference::{Plain, begin};

/// Rounds twice where a fused multiply-add rounds once.
#[derive(Clone, Copy)]
pub(crate) struct SplitFma(Plain);

impl Lanes for SplitFma {
    const TILE_ROWS: usize = 4;
    const TILE_LINES: usize = 4;

    fn load(line: &Line) -> Self {
        SplitFma(Plain::load(line))
    }
    fn store(self, line: &mut Line) {
        self.0.store(line);
    }
    fn splat(value: f32) -> Self {
        SplitFma(Plain::splat(value))
    }
    fn add(self, other: Self) -> Self {
        SplitFma(self.0.add(other.0))
    }
    fn sub(self, other: Self) -> Self {
        SplitFma(self.0.sub(other.0))
    }
    fn mul(self, other: Self) -> Self {
        SplitFma(self.0.mul(other.0))
    }
    fn div(self, other: Self) -> Self {
        SplitFma(self.0.div(other.0))
    }
    fn sqrt(self) -> Self {
        SplitFma(self.0.sqrt())
    }
    fn fma(self, factor: Self, summand: Self) -> Self {
        self.mul(factor).add(summand)
    }
    fn abs(self) -> Self {
        SplitFma(self.0.abs())
    }
    fn select_greater(self, other: Self, yes: Self, no: Self) -> Self {
        SplitFma(self.0.select_greater(other.0, yes.0, no.0))
    }
    fn power_of_two(self) -> Self {
        SplitFma(self.0.power_of_two())
    }
    fn split(self) -> (Self, Self) {
        let (mantissa, exponent) = self.0.split();
        (SplitFma(mantissa), SplitFma(exponent))
    }
    fn sum(self) -> f32 {
        self.0.sum()
    }
}

/// Adds the terms of each chain from the last to the first.
pub(super) fn multiply_backwards(product: Product<'_>) {
    let Product { out, start, width, a, row_stride, step_stride, b, steps } = product;
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
