//! The specification: what every kernel computes, bit for bit, in plain loops. Written to be read, not to be fast.

use super::lanes::{LANES, Lanes, Line};
use super::{LEAST_SPLIT, PairSums, Product, RowSums};

/// Sixteen numbers in an array.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; LANES]);

impl Plain {
    #[inline(always)]
    fn each(self, f: impl Fn(f32) -> f32) -> Plain {
        Plain(self.0.map(f))
    }

    #[inline(always)]
    fn both(self, other: Plain, f: impl Fn(f32, f32) -> f32) -> Plain {
        Plain(std::array::from_fn(|lane| f(self.0[lane], other.0[lane])))
    }
}

impl Lanes for Plain {
    const TILE_ROWS: usize = 4;
    const TILE_LINES: usize = 4;

    #[inline(always)]
    fn load(line: &Line) -> Plain {
        Plain(line.0)
    }
    #[inline(always)]
    fn store(self, line: &mut Line) {
        line.0 = self.0;
    }
    #[inline(always)]
    fn splat(value: f32) -> Plain {
        Plain([value; LANES])
    }
    #[inline(always)]
    fn add(self, other: Plain) -> Plain {
        self.both(other, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, other: Plain) -> Plain {
        self.both(other, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, other: Plain) -> Plain {
        self.both(other, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, other: Plain) -> Plain {
        self.both(other, |a, b| a / b)
    }
    #[inline(always)]
    fn sqrt(self) -> Plain {
        self.each(f32::sqrt)
    }
    #[inline(always)]
    fn fma(self, factor: Plain, summand: Plain) -> Plain {
        Plain(std::array::from_fn(|lane| self.0[lane].mul_add(factor.0[lane], summand.0[lane])))
    }
    #[inline(always)]
    fn abs(self) -> Plain {
        self.each(f32::abs)
    }
    #[inline(always)]
    fn select_greater(self, other: Plain, yes: Plain, no: Plain) -> Plain {
        let pick = |lane: usize| if self.0[lane] > other.0[lane] { yes.0[lane] } else { no.0[lane] };
        Plain(std::array::from_fn(pick))
    }
    #[inline(always)]
    fn copy_sign(self, other: Plain) -> Plain {
        self.both(other, f32::copysign)
    }
    #[inline(always)]
    fn nonzero(self) -> u16 {
        (0..LANES).fold(0, |bits, lane| bits | u16::from(self.0[lane] != 0.0) << lane)
    }
    #[inline(always)]
    fn power_of_two(self) -> Plain {
        // n stands in the low bits; shifting drops all others.
        self.each(|shifted| f32::from_bits(shifted.to_bits().wrapping_add(127) << 23))
    }
    #[inline(always)]
    fn split(self) -> (Plain, Plain) {
        let shifted = |x: f32| x.to_bits().wrapping_sub(LEAST_SPLIT);
        let exponent = |x: f32| ((shifted(x) as i32) >> 23) as f32;
        let mantissa = |x: f32| f32::from_bits((shifted(x) & 0x007f_ffff).wrapping_add(LEAST_SPLIT));
        (self.each(mantissa), self.each(exponent))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut lanes = self.0;
        for distance in [8, 4, 2, 1] {
            for lane in 0..distance {
                lanes[lane] += lanes[lane + distance];
            }
        }
        lanes[0]
    }
}

/// Computes every element of `out` by the chain `out = a · b + out` over the steps in order. Terms that are zero may be left
/// out, and are not here.
pub(super) fn multiply(product: Product<'_>) {
    let Product { out, start, width, a, row_stride, step_stride, b, steps, nonzero: _ } = product;
    begin(out, start.map(|start| &start[..width]));
    for (row, out) in out.chunks_exact_mut(width).enumerate() {
        for column in 0..width * LANES {
            let (line, lane) = (column / LANES, column % LANES);
            for step in 0..steps {
                let a = element(a, row * row_stride + step * step_stride);
                let b = b[step * width + line].0[lane];
                out[line].0[lane] = a.mul_add(b, out[line].0[lane]);
            }
        }
    }
}

/// Computes every element of row i of `out` by the chain `out = value · rows[index] + out` over list i in order.
pub(super) fn sum_rows(sums: RowSums<'_>) {
    let RowSums { out, start, width, rows, lists } = sums;
    begin(out, start.map(|start| &start[..width]));
    for (list, out) in out.chunks_exact_mut(width).enumerate() {
        for entry in lists.entries(list) {
            add_row(out, lists.table[entry.value()], &rows[entry.index() * width..][..width]);
        }
    }
}

/// Computes every element of rows 2i and 2i + 1 of `out` by such chains over list i in order, each row by its own values.
pub(super) fn sum_pairs(sums: PairSums<'_>) {
    let PairSums { out, start, width, rows, lists } = sums;
    begin(out, start.map(|start| &start[..width]));
    for (list, out) in out.chunks_exact_mut(2 * width).enumerate() {
        for pair in lists.pairs(list) {
            for (out, value) in out.chunks_exact_mut(width).zip(pair.values()) {
                add_row(out, lists.table[value], &rows[pair.index() * width..][..width]);
            }
        }
    }
}

/// Makes every row what its chains begin with.
pub(super) fn begin(out: &mut [Line], start: Option<&[Line]>) {
    if let Some(start) = start {
        out.chunks_exact_mut(start.len()).for_each(|out| out.copy_from_slice(start));
    }
}

fn add_row(out: &mut [Line], value: f32, row: &[Line]) {
    for (out, line) in out.iter_mut().zip(row) {
        for (out, number) in out.0.iter_mut().zip(line.0) {
            *out = value.mul_add(number, *out);
        }
    }
}

fn element(lines: &[Line], index: usize) -> f32 {
    lines[index / LANES].0[index % LANES]
}
