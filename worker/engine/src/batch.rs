//! The samples of one step, as the first layer wants them: lists of what is not zero, or rows of numbers.

use crate::dataset::Part;
use crate::inputs::Row;
use crate::kernel::lanes::{LANES, Lanes, Line};
use crate::kernel::sparse::{SparseBatch, SparseRows};
use crate::kernel::{Kernel, PairSums, Product, RowSums, Task};
use crate::matrix::{self, Matrix, PANEL};
use crate::nonzero::Nonzero;
use std::ops::Range;

/// Samples of a part of the data, gathered for one step.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The inputs where the data set keeps no lists; without rows else.
    dense: Matrix,
    sparse: SparseBatch,
    labels: Vec<u8>,
}

/// What a batch is gathered for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Use {
    /// The forward pass alone.
    Evaluation,
    /// The gradient too.
    Training,
}

impl Batch {
    /// Makes room for samples of this many inputs.
    pub(crate) fn new(inputs_per_sample: usize) -> Batch {
        let dense = Matrix::zeros(0, inputs_per_sample);
        Batch { dense, sparse: SparseBatch::default(), labels: Vec::new() }
    }

    /// Gathers these samples.
    pub(crate) fn gather(&mut self, kernel: Kernel, part: &Part, samples: &[u32], purpose: Use) {
        self.labels.clear();
        self.labels.extend(samples.iter().map(|&sample| part.labels[sample as usize]));
        match &part.inputs.sparse {
            Some(rows) => self.gather_lists(rows, samples, purpose),
            None => self.gather_numbers(kernel, part, samples),
        }
    }

    fn gather_lists(&mut self, rows: &SparseRows, samples: &[u32], purpose: Use) {
        self.sparse.gather(rows, samples);
        if purpose == Use::Training {
            self.sparse.transpose(rows, samples);
        }
    }

    fn gather_numbers(&mut self, kernel: Kernel, part: &Part, samples: &[u32]) {
        self.dense.set_rows(samples.len());
        for (at, &sample) in samples.iter().enumerate() {
            if let Some(&next) = samples.get(at + 1) {
                part.inputs.row(next as usize, 0..self.dense.columns()).prefetch();
            }
            for panel in 0..self.dense.panels() {
                let columns = panel * PANEL..panel * PANEL + self.dense.panel_columns(panel);
                let row = part.inputs.row(sample as usize, columns);
                let lines = self.dense.range(panel, at..at + 1);
                kernel.run(Numbers { row, out: &mut self.dense.lines_mut()[lines] });
            }
        }
    }

    /// Returns the labels of the samples.
    pub(crate) fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// Returns how many samples were gathered.
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Makes `out` (samples × units) inputs × weights, begun with the biases.
    pub(crate) fn multiply(
        &self,
        kernel: Kernel,
        part: &Part,
        (weights, biases): (&Matrix, &Matrix),
        out: &mut Matrix,
    ) {
        match &part.inputs.sparse {
            Some(rows) => self.multiply_lists(kernel, rows, (weights, biases), out),
            None => {
                let inputs = (&self.dense, &Nonzero::default());
                matrix::multiply(kernel, out, Some(biases), inputs, weights);
            }
        }
    }

    fn multiply_lists(
        &self,
        kernel: Kernel,
        rows: &SparseRows,
        (weights, biases): (&Matrix, &Matrix),
        out: &mut Matrix,
    ) {
        for panel in 0..out.panels() {
            let width = out.width(panel);
            for (columns, lists) in self.sparse.by_segment(rows) {
                let rows = &weights.panel(panel)[columns.start * width..columns.end * width];
                let start = (columns.start == 0).then(|| biases.panel(panel));
                kernel.sum_rows(RowSums { out: out.panel_mut(panel), start, width, rows, lists });
            }
        }
    }

    /// Makes `gradient`, rows `inputs` of one panel, the sum over the samples of input × delta, begun with the row `start` or
    /// continued. There is room for an even number of rows; what is not asked for has no meaning then.
    pub(crate) fn add_gradient(
        &self,
        kernel: Kernel,
        part: &Part,
        inputs: Range<usize>,
        start: Option<&[Line]>,
        deltas: &[Line],
        gradient: &mut [Line],
    ) {
        let Some(rows) = &part.inputs.sparse else {
            let values = (&self.dense, &Nonzero::default());
            return add_gradient(kernel, values, inputs, start, deltas, gradient);
        };
        let width = deltas.len() / self.len();
        let out = &mut gradient[..inputs.len().next_multiple_of(2) * width];
        for (samples, lists) in self.sparse.by_pair(rows, inputs) {
            let rows = &deltas[samples.start * width..samples.end * width];
            let start = start.filter(|_| samples.start == 0);
            kernel.sum_pairs(PairSums { out, start, width, rows, lists });
        }
    }
}

/// Writes inputs to whole lines. What fills the last line is left as it is.
struct Numbers<'a> {
    row: Row<'a>,
    out: &'a mut [Line],
}

impl Task for Numbers<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        match self.row {
            Row::Pixels(bytes) => {
                for (line, bytes) in self.out.iter_mut().zip(bytes.chunks(LANES)) {
                    // Plain code, which the compiler makes vectors of whatever the lanes.
                    for (number, &byte) in line.0.iter_mut().zip(bytes) {
                        *number = f32::from(byte) / 255.0;
                    }
                }
            }
            Row::Codes(codes, table) => {
                for (line, codes) in self.out.iter_mut().zip(codes.chunks(LANES)) {
                    for (number, &code) in line.0.iter_mut().zip(codes) {
                        *number = table[usize::from(code)];
                    }
                }
            }
            Row::Numbers(numbers) => {
                for (line, numbers) in self.out.iter_mut().zip(numbers.chunks(LANES)) {
                    line.0[..numbers.len()].copy_from_slice(numbers);
                }
            }
        }
    }
}

/// Continues `sums`, one row of a panel, by the sum of the samples' deltas, in the order of the samples.
pub(crate) fn add_deltas(kernel: Kernel, deltas: &[Line], sums: &mut [Line]) {
    kernel.multiply(Product {
        width: sums.len(),
        start: None,
        a: &[Line([1.0; LANES])],
        row_stride: 0,
        step_stride: 0,
        b: deltas,
        steps: deltas.len() / sums.len(),
        nonzero: None,
        out: sums,
    });
}

/// Makes `gradient`, rows `inputs` (of one panel of `values`) of one panel of the weights, the sum over the samples, in
/// their order, of value × delta, begun with the row `start` or continued. `nonzero` tells by columns which values are.
pub(crate) fn add_gradient(
    kernel: Kernel,
    (values, nonzero): (&Matrix, &Nonzero),
    inputs: Range<usize>,
    start: Option<&[Line]>,
    deltas: &[Line],
    gradient: &mut [Line],
) {
    let (panel, width) = (inputs.start / PANEL, deltas.len() / values.rows());
    kernel.multiply(Product {
        width,
        out: &mut gradient[..inputs.len() * width],
        start,
        a: values.panel(panel),
        row_stride: 1,
        step_stride: values.width(panel) * LANES,
        b: deltas,
        steps: values.rows(),
        nonzero: nonzero.by_column(panel),
    });
}
