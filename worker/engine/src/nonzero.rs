//! Which numbers of a matrix are not zero, a bit each: what products then leave out.
//!
//! A third to a half of what rectifiers give is not zero, less where units are dropped, and the deltas that go back through
//! them are zero in the same places.

use crate::kernel::lanes::{LANES, Lanes};
use crate::kernel::{Kernel, PICKED_LINES, Task};
use crate::matrix::{Matrix, PANEL};

/// Columns of a panel, and rows of a block: a bit each of a word.
const WORD: usize = 64;

/// Where a matrix is not zero. By default nothing is known of it, and nothing is left out.
#[derive(Default, Debug)]
pub(crate) struct Nonzero {
    rows: usize,
    /// Panel after panel a word a row, a bit a column.
    by_row: Vec<u64>,
    /// Panel after panel, block of rows after block of rows, a word a column, a bit a row.
    by_column: Vec<u64>,
    /// How many numbers are not zero.
    found: usize,
    /// Whether it is worth it to leave out what is zero.
    is_sparse: bool,
}

impl Nonzero {
    /// Finds what is not zero in `matrix`; what is not a number is not zero. Does not allocate unless the matrix grows.
    pub(crate) fn find(&mut self, kernel: Kernel, matrix: &Matrix) {
        self.rows = matrix.rows();
        self.by_row.resize(matrix.panels() * self.rows, 0);
        self.found = 0;
        for (panel, words) in self.by_row.chunks_exact_mut(self.rows).enumerate() {
            self.found += kernel.run(Find { matrix, panel, words });
        }
        // Terms that are picked cost more than those of a tile: beyond three quarters they would not be fewer by enough.
        self.is_sparse = self.found * 4 <= self.rows * matrix.columns() * 3;
    }

    /// Returns how many multiply-adds a product of `matrix` takes that gives `width` numbers for each of its rows or columns.
    pub(crate) fn multiply_adds(&self, matrix: &Matrix, width: usize) -> usize {
        let last = width % PANEL;
        let in_tiles = match self.is_sparse {
            true if last.div_ceil(LANES) < PICKED_LINES => last,
            true => 0,
            false => width,
        };
        matrix.rows() * matrix.columns() * in_tiles + self.found * (width - in_tiles)
    }

    /// Makes what was found available by columns, too.
    pub(crate) fn turn(&mut self, kernel: Kernel) {
        if !self.is_sparse {
            return;
        }
        let blocks = self.rows.div_ceil(WORD);
        let panels = self.by_row.len() / self.rows;
        self.by_column.resize(panels * blocks * WORD, 0);
        let columns = self.by_column.chunks_exact_mut(blocks * WORD);
        for (rows, columns) in self.by_row.chunks_exact(self.rows).zip(columns) {
            for (rows, columns) in rows.chunks(WORD).zip(columns.chunks_exact_mut(WORD)) {
                kernel.run(Turn { rows, columns });
            }
        }
    }

    /// Returns of one panel a word a row, a bit a column; `None` where nothing is worth leaving out.
    pub(crate) fn by_row(&self, panel: usize) -> Option<&[u64]> {
        self.is_sparse.then(|| &self.by_row[panel * self.rows..(panel + 1) * self.rows])
    }

    /// Returns of one panel, block after block of 64 rows, a word for each of 64 columns, a bit a row: as
    /// [`Nonzero::turn`] found them. `None` where nothing is worth leaving out.
    pub(crate) fn by_column(&self, panel: usize) -> Option<&[u64]> {
        let length = self.rows.div_ceil(WORD) * WORD;
        self.is_sparse.then(|| &self.by_column[panel * length..(panel + 1) * length])
    }
}

/// Writes a word for each row of a panel and returns how many bits are set.
struct Find<'a> {
    matrix: &'a Matrix,
    panel: usize,
    words: &'a mut [u64],
}

impl Task for Find<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<L: Lanes>(self) -> usize {
        let width = self.matrix.width(self.panel);
        let mut found = 0;
        for (word, row) in self.words.iter_mut().zip(self.matrix.panel(self.panel).chunks_exact(width)) {
            *word = 0;
            for (line, numbers) in row.iter().enumerate() {
                *word |= u64::from(L::load(numbers).nonzero()) << (line * LANES);
            }
            found += word.count_ones() as usize;
        }
        found
    }
}

/// Exchanges rows and columns of at most 64 rows of 64 bits; rows that are not there are zero.
struct Turn<'a> {
    rows: &'a [u64],
    columns: &'a mut [u64],
}

impl Task for Turn<'_> {
    type Output = ();

    /// Exchanges halves of words with halves of the block, then quarters with quarters, and so on: Hacker's Delight,
    /// second edition, section 7-3.
    #[inline(always)]
    fn run<L: Lanes>(self) {
        let mut words = [0_u64; WORD];
        words[..self.rows.len()].copy_from_slice(self.rows);
        exchange::<32>(&mut words, 0x0000_0000_ffff_ffff);
        exchange::<16>(&mut words, 0x0000_ffff_0000_ffff);
        exchange::<8>(&mut words, 0x00ff_00ff_00ff_00ff);
        exchange::<4>(&mut words, 0x0f0f_0f0f_0f0f_0f0f);
        exchange::<2>(&mut words, 0x3333_3333_3333_3333);
        exchange::<1>(&mut words, 0x5555_5555_5555_5555);
        self.columns.copy_from_slice(&words);
    }
}

/// Exchanges the upper bits of each two parts of `N` bits with the lower ones of the word `N` further.
#[inline(always)]
fn exchange<const N: usize>(words: &mut [u64; WORD], lower: u64) {
    for pair in words.chunks_exact_mut(2 * N) {
        let (first, second) = pair.split_at_mut(N);
        for (first, second) in first.iter_mut().zip(second) {
            let changed = (*first >> N ^ *second) & lower;
            *first ^= changed << N;
            *second ^= changed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix in which about a third is not zero, by no pattern that a transposition leaves as it is.
    fn sparse(rows: usize, columns: usize) -> Matrix {
        let mut matrix = Matrix::zeros(rows, columns);
        for row in 0..rows {
            for column in (0..columns).filter(|column| (row * row + 7 * row * column + column) % 3 == 0) {
                matrix.set(row, column, if row % 2 == 0 { -1.5 } else { f32::NAN });
            }
        }
        matrix
    }

    #[test]
    fn every_number_has_its_bit_by_row_and_by_column() {
        for kernel in Kernel::available() {
            let mut nonzero = Nonzero::default();
            // The larger one first: what it leaves must not show in the smaller.
            for (rows, columns) in [(130, 128), (1, 1), (63, 97), (64, 16), (3, 200)] {
                let matrix = sparse(rows, columns);
                nonzero.find(kernel, &matrix);
                nonzero.turn(kernel);
                for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                    let is = matrix.get(row, column) != 0.0;
                    let (panel, bit) = (column / WORD, column % WORD);
                    let by_row = nonzero.by_row(panel).map(|words| words[row] >> bit & 1 == 1);
                    let at = row / WORD * WORD + bit;
                    let by_column = nonzero.by_column(panel).map(|words| words[at] >> (row % WORD) & 1 == 1);
                    if columns > 1 {
                        let name = kernel.name();
                        assert_eq!(by_row, Some(is), "{name}: {row}, {column} of {rows} × {columns}");
                        assert_eq!(by_column, Some(is), "{name}: {row}, {column} of {rows} × {columns}");
                    }
                }
            }
        }
    }

    #[test]
    fn of_a_dense_matrix_and_of_an_unknown_one_nothing_is_left_out() {
        let mut nonzero = Nonzero::default();
        assert_eq!(nonzero.by_row(0), None);
        let mut matrix = Matrix::zeros(4, 64);
        (0..4).for_each(|row| (0..49).for_each(|column| matrix.set(row, column, 1.0)));
        nonzero.find(Kernel::detect(), &matrix);
        nonzero.turn(Kernel::detect());
        assert_eq!((nonzero.by_row(0), nonzero.by_column(0)), (None, None));
    }
}
