//! A check of a kernel against the specification, on the machine where it is to run.

use super::lanes::{LANES, LEAST, Lanes, Line, ROUND};
use super::sparse::{PIXELS, SparseBatch, SparseRows};
use super::{Kernel, PairSums, Product, RowSums, Task};
use crate::batch;
use crate::math;
use crate::matrix::{self, Matrix, PANEL};
use crate::nonzero::Nonzero;
use crate::random::{Key, Stream};
use gridsweep_common::seed::{Purpose, SeedKey};

/// A kernel gave other bits than the specification: it must not be used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("kernel {kernel} differs from the reference in {operation}")]
pub struct WrongKernel {
    /// The kernel.
    pub kernel: &'static str,
    /// What it computed wrongly.
    pub operation: &'static str,
}

/// What is checked, and how a kernel computes it.
type Check = (&'static str, fn(Kernel) -> Vec<Line>);

/// Compares `kernel` with the reference, bit for bit, in every operation that it has of its own, on shapes with and
/// without remainders. Takes some milliseconds.
///
/// # Errors
/// Names the first operation that differs.
pub fn self_test(kernel: Kernel) -> Result<(), WrongKernel> {
    let checks: [Check; 6] = [
        ("dense products", products),
        ("products without their zeros", picked),
        ("sparse products", row_sums),
        ("elementwise operations", operations),
        ("transposition", transposition),
        ("functions", functions),
    ];
    for (operation, compute) in checks {
        if !same_bits(&compute(kernel), &compute(Kernel::REFERENCE)) {
            return Err(WrongKernel { kernel: kernel.name(), operation });
        }
    }
    Ok(())
}

fn same_bits(a: &[Line], b: &[Line]) -> bool {
    let bits = |line: &Line| line.0.map(canonical_bits);
    a.len() == b.len() && a.iter().map(bits).eq(b.iter().map(bits))
}

/// Returns the bits, one and the same for everything that is not a number: its payload is no part of the contract.
fn canonical_bits(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

fn stream(purpose: Purpose) -> Stream {
    Stream::new(Key::new(SeedKey { root: 0, replicate: 0 }, purpose), [0; 3])
}

/// Returns numbers of either sign and many sizes.
fn numbers(lines: usize) -> Vec<Line> {
    let mut stream = stream(Purpose::Init);
    let mut number = || {
        let size = f64::from(1_u32 << stream.below(20)) / 1024.0;
        ((2.0 * stream.unit() - 1.0) * size) as f32
    };
    (0..lines).map(|_| Line(std::array::from_fn(|_| number()))).collect()
}

/// Every row count up to two tiles, every width, and steps that no power of two divides.
fn products(kernel: Kernel) -> Vec<Line> {
    let mut all = Vec::new();
    for rows in 1..=13 {
        for width in 1..=4 {
            for steps in [1, 7, 97] {
                let (mut out, a) = (numbers(rows * width), numbers(rows * 7));
                let b = &numbers(steps * width + 1)[1..];
                // Some continue what is there, some begin with a row.
                let start = (rows % 2 == 0).then_some(&a[..4]);
                kernel.multiply(Product {
                    out: &mut out,
                    start,
                    width,
                    a: &a,
                    row_stride: 7 * LANES,
                    step_stride: 1,
                    b,
                    steps,
                    nonzero: None,
                });
                all.extend(out);
            }
        }
    }
    all
}

/// Products that leave out what is zero, by the bits that the kernel itself finds; the reference leaves out nothing.
fn picked(kernel: Kernel) -> Vec<Line> {
    let mut all = Vec::new();
    for (rows, columns, units) in [(7, 97, 64), (70, 33, 49)] {
        let mut stream = stream(Purpose::Dropout);
        let mut a = Matrix::zeros(rows, columns);
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            if stream.below(3) == 0 {
                a.set(row, column, stream.unit() as f32 - 0.5);
            }
        }
        let mut nonzero = Nonzero::default();
        nonzero.find(kernel, &a);
        nonzero.turn(kernel);
        let (mut b, mut out) = (Matrix::zeros(columns, units), Matrix::zeros(rows, units));
        let lines = b.lines().len();
        b.lines_mut().copy_from_slice(&numbers(lines));
        matrix::multiply(kernel, &mut out, None, (&a, &nonzero), &b);
        let mut gradient = numbers(columns.min(PANEL) * out.width(0));
        let inputs = 0..columns.min(PANEL);
        batch::add_gradient(kernel, (&a, &nonzero), inputs, None, out.panel(0), &mut gradient);
        all.extend(gradient);
        all.extend_from_slice(out.lines());
    }
    all
}

fn row_sums(kernel: Kernel) -> Vec<Line> {
    let mut stream = stream(Purpose::Shuffle);
    let columns = 250;
    let mut byte = || if stream.below(3) == 0 { stream.below(256) as u8 } else { 0 };
    let bytes: Vec<u8> = (0..5 * columns).map(|_| byte()).collect();
    let rows = SparseRows::new(&bytes, columns, &PIXELS).expect("a small matrix has lists");
    let mut batch = SparseBatch::default();
    batch.gather(&rows, &[4, 0, 3]);
    batch.transpose(&rows, &[4, 0, 3]);
    let mut all = Vec::new();
    for width in 1..=4 {
        let (weights, deltas) = (numbers(columns * width), numbers(3 * width));
        let (mut out, mut gradient) = (numbers(3 * width), numbers(columns * width));
        for (columns, lists) in batch.by_segment(&rows) {
            let rows = &weights[columns.start * width..];
            kernel.sum_rows(RowSums { out: &mut out, start: None, width, rows, lists });
        }
        for (_, lists) in batch.by_pair(&rows, 0..columns) {
            kernel.sum_pairs(PairSums {
                out: &mut gradient,
                start: Some(&weights),
                width,
                rows: &deltas,
                lists,
            });
        }
        all.extend(out);
        all.extend(gradient);
    }
    all
}

fn transposition(kernel: Kernel) -> Vec<Line> {
    kernel.run(Transposition)
}

struct Transposition;

impl Task for Transposition {
    type Output = Vec<Line>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<Line> {
        let numbers = numbers(LANES);
        let mut rows = [L::splat(0.0); LANES];
        for (row, line) in rows.iter_mut().zip(&numbers) {
            *row = L::load(line);
        }
        let mut lines = vec![Line::ZERO; LANES];
        for (line, column) in lines.iter_mut().zip(L::transpose(rows)) {
            column.store(line);
        }
        lines
    }
}

fn operations(kernel: Kernel) -> Vec<Line> {
    kernel.run(Operations)
}

struct Operations;

impl Task for Operations {
    type Output = Vec<Line>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<Line> {
        let mut all = Vec::new();
        let numbers = numbers(3 * 64);
        for lines in numbers.chunks_exact(3) {
            let [a, b, c] = [L::load(&lines[0]), L::load(&lines[1]), L::load(&lines[2])];
            let (mantissa, exponent) = a.abs().split();
            let shifted = L::splat(ROUND - 3.0);
            let results = [
                a.add(b),
                a.sub(b),
                a.mul(b),
                a.div(b),
                a.sqrt(),
                a.fma(b, c),
                a.select_greater(b, c, a),
                a.at_most(b),
                a.at_least(b),
                a.copy_sign(b),
                shifted.power_of_two().mul(a),
                a.mul(L::splat(LEAST)).clean(),
                a.mul(L::splat(f32::MIN_POSITIVE)).clean_moment(),
                mantissa,
                exponent,
                L::splat(a.sum()),
            ];
            for result in results {
                let mut line = Line::ZERO;
                result.store(&mut line);
                all.push(line);
            }
        }
        all
    }
}

fn functions(kernel: Kernel) -> Vec<Line> {
    kernel.run(Functions)
}

struct Functions;

impl Task for Functions {
    type Output = Vec<Line>;

    #[inline(always)]
    fn run<L: Lanes>(self) -> Vec<Line> {
        let mut all = Vec::new();
        for line in numbers(256) {
            let x = L::load(&line);
            for result in [math::exp(x), math::ln(x.abs()), math::tanh(x), math::sigmoid(x)] {
                let mut line = Line::ZERO;
                result.store(&mut line);
                all.push(line);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_of_this_machine_passes() {
        for kernel in Kernel::available() {
            assert_eq!(self_test(kernel), Ok(()));
        }
    }

    #[test]
    fn wrong_kernels_are_caught() {
        for kernel in Kernel::WRONG {
            assert!(self_test(kernel).is_err(), "{}", kernel.name());
        }
    }
}
