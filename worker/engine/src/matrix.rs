//! Matrices as the kernels want them: panels of 64 columns, rows of a panel one after the other.
//!
//! The last panel is as wide as it must be, in whole lines of 16; columns beyond the matrix hold what does no harm
//! (zeros in weights, gradients and deltas). Weights, activations and deltas all have this one layout.

use crate::kernel::lanes::{LANES, Lanes, Line};
use crate::kernel::{Kernel, Product, Task, ZEROS};
use crate::nonzero::Nonzero;
use std::ops::Range;

/// Columns of a full panel. Eight AVX2 registers: as much as one row of input reuses (narrower panels measured slower).
pub(crate) const PANEL: usize = 64;
/// Lines of a full panel's row.
const PANEL_LINES: usize = PANEL / LANES;

/// A matrix in panels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Matrix {
    rows: usize,
    columns: usize,
    /// Lines that are left free before the first row.
    lead: usize,
    lines: Vec<Line>,
}

/// By how many lines matrices that are read together begin at different places of a page.
///
/// Large allocations all begin at the same one, and a processor that looks at the low bits of addresses first takes their
/// lines for one another's: the first layer's step took 3 % longer then (batch 32, Zen 3), and loops like it a quarter.
const APART: usize = 4;

impl Matrix {
    /// Returns a matrix of zeros.
    pub(crate) fn zeros(rows: usize, columns: usize) -> Matrix {
        Matrix::zeros_beside(rows, columns, 0)
    }

    /// Returns a matrix of zeros that is read together with `others` that were made before.
    pub(crate) fn zeros_beside(rows: usize, columns: usize, others: usize) -> Matrix {
        let lead = others * APART;
        let lines = vec![Line::ZERO; lead + rows * columns.div_ceil(LANES)];
        Matrix { rows, columns, lead, lines }
    }

    /// Returns how many rows there are.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Returns how many columns there are, without what fills the last line.
    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Makes the matrix one of `rows` rows, whose numbers have no meaning. Does not allocate unless it grows beyond
    /// what it ever was.
    pub(crate) fn set_rows(&mut self, rows: usize) {
        if rows != self.rows {
            self.rows = rows;
            self.lines.resize(self.lead + rows * self.columns.div_ceil(LANES), Line::ZERO);
        }
    }

    /// Returns how many panels there are.
    pub(crate) fn panels(&self) -> usize {
        self.columns.div_ceil(PANEL)
    }

    /// Returns how many lines a row of this panel has.
    pub(crate) fn width(&self, panel: usize) -> usize {
        PANEL_LINES.min(self.columns.div_ceil(LANES) - panel * PANEL_LINES)
    }

    /// Returns how many columns this panel has.
    pub(crate) fn panel_columns(&self, panel: usize) -> usize {
        PANEL.min(self.columns - panel * PANEL)
    }

    /// Returns where rows of a panel lie among all lines.
    pub(crate) fn range(&self, panel: usize, rows: Range<usize>) -> Range<usize> {
        let (start, width) = (panel * PANEL_LINES * self.rows, self.width(panel));
        start + rows.start * width..start + rows.end * width
    }

    /// Returns one panel, row after row.
    pub(crate) fn panel(&self, panel: usize) -> &[Line] {
        &self.lines()[self.range(panel, 0..self.rows)]
    }

    /// Returns one panel to write to.
    pub(crate) fn panel_mut(&mut self, panel: usize) -> &mut [Line] {
        let range = self.range(panel, 0..self.rows);
        &mut self.lines_mut()[range]
    }

    /// Returns all lines: panel after panel.
    pub(crate) fn lines(&self) -> &[Line] {
        &self.lines[self.lead..]
    }

    /// Returns all lines to write to.
    pub(crate) fn lines_mut(&mut self) -> &mut [Line] {
        &mut self.lines[self.lead..]
    }

    /// Returns one number.
    pub(crate) fn get(&self, row: usize, column: usize) -> f32 {
        self.lines()[self.line_of(row, column)].0[column % LANES]
    }

    /// Sets one number.
    pub(crate) fn set(&mut self, row: usize, column: usize, value: f32) {
        let line = self.line_of(row, column);
        self.lines_mut()[line].0[column % LANES] = value;
    }

    fn line_of(&self, row: usize, column: usize) -> usize {
        self.range(column / PANEL, row..row + 1).start + column % PANEL / LANES
    }

    /// Writes the transposed block of `source` (rows of panel `panel`, of one panel here) to where it belongs in this
    /// matrix.
    pub(crate) fn transpose_block(
        &mut self,
        kernel: Kernel,
        source: &Matrix,
        panel: usize,
        rows: Range<usize>,
    ) {
        let own_width = self.width(rows.start / PANEL);
        let own = self.range_of_transposed(source, panel, &rows);
        let block = &source.lines()[source.range(panel, rows)];
        transpose(kernel, (block, source.width(panel)), (&mut self.lines_mut()[own], own_width));
    }

    /// Returns where the transposed block of `source` lies among the lines of this matrix. Blocks follow one another by
    /// their rows, and those of the same rows by their panels.
    pub(crate) fn range_of_transposed(
        &self,
        source: &Matrix,
        panel: usize,
        rows: &Range<usize>,
    ) -> Range<usize> {
        let first = panel * PANEL;
        self.range(rows.start / PANEL, first..first + source.panel_columns(panel))
    }
}

/// Writes the transposed rows of a block to `out`; each with the lines that a row of it has.
pub(crate) fn transpose(
    kernel: Kernel,
    (source, width): (&[Line], usize),
    (out, out_width): (&mut [Line], usize),
) {
    kernel.run(Transpose { source, width, out, out_width });
}

/// Writes the transposed rows of `source` to `out`, sixteen by sixteen numbers at a time.
struct Transpose<'a> {
    source: &'a [Line],
    /// Lines a row of `source`.
    width: usize,
    /// As many rows as `source` has columns, or less where its last line is not full.
    out: &'a mut [Line],
    /// Lines a row of `out`.
    out_width: usize,
}

impl Task for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Transpose { source, width, out, out_width } = self;
        for row in (0..source.len() / width).step_by(LANES) {
            for line in 0..width {
                let mut rows = [L::splat(0.0); LANES];
                for (numbers, lines) in rows.iter_mut().zip(source[row * width..].chunks_exact(width)) {
                    *numbers = L::load(&lines[line]);
                }
                for (column, numbers) in L::transpose(rows).into_iter().enumerate() {
                    if let Some(out) = out.get_mut((line * LANES + column) * out_width + row / LANES) {
                        numbers.store(out);
                    }
                }
            }
        }
    }
}

/// Makes `out` the product `a · b` and more: each element is a chain over the columns of `a` in order, begun with its
/// column of `start`, a matrix of one row, or at +0. `nonzero` tells which numbers of `a` are.
pub(crate) fn multiply(
    kernel: Kernel,
    out: &mut Matrix,
    start: Option<&Matrix>,
    (a, nonzero): (&Matrix, &Nonzero),
    b: &Matrix,
) {
    for panel in 0..out.panels() {
        let width = out.width(panel);
        let start = start.map_or(ZEROS, |start| start.panel(panel));
        for block in 0..a.panels() {
            let steps = a.panel_columns(block);
            let b_rows = block * PANEL..block * PANEL + steps;
            kernel.multiply(Product {
                out: out.panel_mut(panel),
                start: (block == 0).then_some(start),
                width,
                a: a.panel(block),
                row_stride: a.width(block) * LANES,
                step_stride: 1,
                b: &b.lines()[b.range(panel, b_rows)],
                steps,
                nonzero: nonzero.by_row(block),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_where_they_were_put() {
        let mut matrix = Matrix::zeros(3, 97);
        for row in 0..3 {
            for column in 0..97 {
                matrix.set(row, column, (row * 97 + column) as f32);
            }
        }
        assert_eq!((matrix.panels(), matrix.width(0), matrix.width(1)), (2, 4, 3));
        assert_eq!(matrix.get(2, 96), 290.0);
        assert_eq!(matrix.panel(1)[3].0[0], 97.0 + 64.0);
    }

    #[test]
    fn transposed_blocks_make_up_the_transposed_matrix() {
        let mut matrix = Matrix::zeros(70, 97);
        for row in 0..70 {
            for column in 0..97 {
                matrix.set(row, column, (row * 97 + column) as f32);
            }
        }
        for kernel in Kernel::available() {
            let mut transposed = Matrix::zeros(97, 70);
            for panel in 0..matrix.panels() {
                transposed.transpose_block(kernel, &matrix, panel, 0..64);
                transposed.transpose_block(kernel, &matrix, panel, 64..70);
            }
            for row in 0..70 {
                for column in 0..97 {
                    assert_eq!(transposed.get(column, row), matrix.get(row, column), "{}", kernel.name());
                }
            }
            let beyond = transposed.panel(1).chunks_exact(1).all(|row| row[0].0[6..] == [0.0; 10]);
            assert!(beyond, "what fills the last line does no harm");
        }
    }
}
