//! The two products of the engine for any instruction set, in tiles that stay in registers.
//!
//! A tile decides which elements are computed together, never in which order the terms of one element are added: the
//! bits are those of `reference.rs`.

use super::lanes::{LANES, Lanes, Line};
use super::sparse::Lists;
use super::{PICKED_LINES, PairSums, Product, RowSums, Task};

/// [`super::Kernel::multiply`] as a task.
pub(super) struct Multiply<'a>(pub(super) Product<'a>);

impl Task for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut product = self.0;
        product.check();
        match (product.nonzero, product.width) {
            (Some(nonzero), PICKED_LINES) => return pick::<L, PICKED_LINES>(&mut product, nonzero),
            (Some(nonzero), 4) => return pick::<L, 4>(&mut product, nonzero),
            _ => {}
        }
        let rows = product.rows();
        let mut row = 0;
        while row + L::TILE_ROWS <= rows {
            match L::TILE_ROWS {
                8 => strip::<L, 8>(&mut product, row),
                6 => strip::<L, 6>(&mut product, row),
                _ => strip::<L, 4>(&mut product, row),
            }
            row += L::TILE_ROWS;
        }
        match rows - row {
            0 => {}
            1 => strip::<L, 1>(&mut product, row),
            2 => strip::<L, 2>(&mut product, row),
            3 => strip::<L, 3>(&mut product, row),
            4 => strip::<L, 4>(&mut product, row),
            5 => strip::<L, 5>(&mut product, row),
            6 => strip::<L, 6>(&mut product, row),
            _ => strip::<L, 7>(&mut product, row),
        }
    }
}

/// Continues `R` rows from `row` on, one tile after the other.
#[inline(always)]
fn strip<L: Lanes, const R: usize>(product: &mut Product<'_>, row: usize) {
    let mut line = 0;
    while line < product.width {
        line += match (L::TILE_LINES / R).min(product.width - line) {
            0 | 1 => tile::<L, R, 1>(product, row, line),
            2 => tile::<L, R, 2>(product, row, line),
            3 => tile::<L, R, 3>(product, row, line),
            _ => tile::<L, R, 4>(product, row, line),
        };
    }
}

/// Continues `R` rows × `W` lines and returns `W`.
#[inline(always)]
fn tile<L: Lanes, const R: usize, const W: usize>(
    product: &mut Product<'_>,
    row: usize,
    line: usize,
) -> usize {
    let width = product.width;
    let mut sums = [[L::splat(0.0); W]; R];
    for (r, sums) in sums.iter_mut().enumerate() {
        *sums = match product.start {
            Some(start) => load(&start[line..][..W]),
            None => load(&product.out[(row + r) * width + line..][..W]),
        };
    }
    let a = product.a.as_ptr().cast::<f32>();
    let b = product.b.as_ptr();
    for step in 0..product.steps {
        // SAFETY: `Product::check` made sure that the last row and step lie inside a and b.
        let factors: [L; W] = load(unsafe { std::slice::from_raw_parts(b.add(step * width + line), W) });
        for (r, sums) in sums.iter_mut().enumerate() {
            let at = (row + r) * product.row_stride + step * product.step_stride;
            // SAFETY: as above.
            let value = L::splat(unsafe { *a.add(at) });
            for (sum, factors) in sums.iter_mut().zip(factors) {
                *sum = value.fma(factors, *sum);
            }
        }
    }
    for (r, sums) in sums.into_iter().enumerate() {
        store(sums, &mut product.out[(row + r) * width + line..][..W]);
    }
    W
}

/// Continues all rows, `W` lines each, by the terms that are not zero.
///
/// 64 steps of all rows, then the next 64: so that what they read of b stays in the cache next to the processor.
#[inline(always)]
fn pick<L: Lanes, const W: usize>(product: &mut Product<'_>, nonzero: &[u64]) {
    let (a, b) = (product.a.as_ptr().cast::<f32>(), product.b.as_ptr());
    let blocks = product.steps.div_ceil(WORD);
    for (block, words) in nonzero.chunks_exact(nonzero.len() / blocks.max(1)).enumerate() {
        let start = product.start.filter(|_| block == 0);
        let steps = (product.steps - block * WORD).min(WORD);
        for (row, (out, word)) in product.out.chunks_exact_mut(W).zip(words).enumerate() {
            let mut sums: [L; W] = load(start.map_or(&*out, |start| &start[..W]));
            let mut left = word & u64::MAX >> (WORD - steps);
            while left != 0 {
                let step = block * WORD + left.trailing_zeros() as usize;
                left &= left - 1;
                // SAFETY: `Product::check` made sure that the last row and step lie inside a and b.
                let value =
                    L::splat(unsafe { *a.add(row * product.row_stride + step * product.step_stride) });
                // SAFETY: as above.
                let factors: [L; W] = load(unsafe { std::slice::from_raw_parts(b.add(step * W), W) });
                for (sum, factors) in sums.iter_mut().zip(factors) {
                    *sum = value.fma(factors, *sum);
                }
            }
            store(sums, out);
        }
    }
}

/// Steps that share a word of [`Product::nonzero`].
const WORD: usize = 64;

/// Loads `N` lines. A loop and not `array::from_fn`: functions that are given a closure are compiled without this
/// instruction set, and then each operation in the closure becomes a call.
#[inline(always)]
fn load<L: Lanes, const N: usize>(lines: &[Line]) -> [L; N] {
    let mut all = [L::splat(0.0); N];
    for (lanes, line) in all.iter_mut().zip(lines) {
        *lanes = L::load(line);
    }
    all
}

#[inline(always)]
fn store<L: Lanes, const N: usize>(all: [L; N], lines: &mut [Line]) {
    for (lanes, line) in all.into_iter().zip(lines) {
        lanes.store(line);
    }
}

/// [`super::Kernel::sum_rows`] as a task.
pub(super) struct SumRows<'a>(pub(super) RowSums<'a>);

impl Task for SumRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let RowSums { out, start, width, rows, lists } = self.0;
        assert!(lists.index_end() * width <= rows.len(), "every index of the lists is a row");
        match width {
            1 => sum_lists::<L, 1>(out, start, rows, lists),
            2 => sum_lists::<L, 2>(out, start, rows, lists),
            3 => sum_lists::<L, 3>(out, start, rows, lists),
            _ => sum_lists::<L, 4>(out, start, rows, lists),
        }
    }
}

#[inline(always)]
fn sum_lists<L: Lanes, const W: usize>(
    out: &mut [Line],
    start: Option<&[Line]>,
    rows: &[Line],
    lists: Lists<'_>,
) {
    for (list, out) in out.chunks_exact_mut(W).enumerate() {
        let mut sums: [L; W] = load(start.map_or(&*out, |start| &start[..W]));
        for entry in lists.entries(list) {
            let value = L::splat(lists.table[entry.value()]);
            for (line, sum) in sums.iter_mut().enumerate() {
                // SAFETY: an index of the lists is less than `index_end`, whose rows `run` has checked.
                let row = unsafe { rows.get_unchecked(entry.index() * W + line) };
                *sum = value.fma(L::load(row), *sum);
            }
        }
        store(sums, out);
    }
}

/// [`super::Kernel::sum_pairs`] as a task.
pub(super) struct SumPairs<'a>(pub(super) PairSums<'a>);

impl Task for SumPairs<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut sums = self.0;
        assert!(sums.lists.index_end() * sums.width <= sums.rows.len(), "every index of the lists is a row");
        let mut line = 0;
        while line < sums.width {
            // Two rows of sums: as many lines wide as half of a tile.
            line += match (L::TILE_LINES / 2).min(sums.width - line) {
                0 | 1 => sum_pair_lists::<L, 1>(&mut sums, line),
                2 => sum_pair_lists::<L, 2>(&mut sums, line),
                3 => sum_pair_lists::<L, 3>(&mut sums, line),
                _ => sum_pair_lists::<L, 4>(&mut sums, line),
            };
        }
    }
}

/// Continues `W` lines of all rows and returns `W`.
#[inline(always)]
fn sum_pair_lists<L: Lanes, const W: usize>(sums: &mut PairSums<'_>, line: usize) -> usize {
    let (width, start, table) = (sums.width, sums.rows[line..].as_ptr(), sums.lists.table);
    for (list, out) in sums.out.chunks_exact_mut(2 * width).enumerate() {
        let [mut first, mut second]: [[L; W]; 2] = match sums.start {
            Some(start) => [load(&start[line..][..W]), load(&start[line..][..W])],
            None => [load(&out[line..][..W]), load(&out[width + line..][..W])],
        };
        for pair in sums.lists.pairs(list) {
            let values = pair.values();
            let values = [L::splat(table[values[0]]), L::splat(table[values[1]])];
            // SAFETY: an index of the lists is less than `index_end`, whose rows `run` has checked.
            let row: [L; W] = load(unsafe { std::slice::from_raw_parts(start.add(pair.index() * width), W) });
            for (i, row) in row.into_iter().enumerate() {
                first[i] = values[0].fma(row, first[i]);
                second[i] = values[1].fma(row, second[i]);
            }
        }
        store(first, &mut out[line..][..W]);
        store(second, &mut out[width + line..][..W]);
    }
    W
}

impl Product<'_> {
    /// Returns how many rows are continued.
    pub(super) fn rows(&self) -> usize {
        self.out.len() / self.width
    }

    /// Panics unless every element that the product reads exists.
    fn check(&self) {
        let last_row = (self.rows().max(1) - 1) * self.row_stride;
        let last_step = (self.steps.max(1) - 1) * self.step_stride;
        assert!(last_row + last_step < self.a.len() * LANES, "a holds every row and step");
        assert!(self.steps * self.width <= self.b.len(), "b holds every step");
        assert!((1..=4).contains(&self.width), "a panel has at most four lines");
        let words = self.nonzero.map_or(usize::MAX, <[u64]>::len);
        assert!(words / self.steps.div_ceil(WORD).max(1) >= self.rows(), "every row has its words");
    }
}
