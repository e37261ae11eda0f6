//! Instruction sets. The only place with `unsafe`, and the only one that knows what processor this is.
//!
//! `reference.rs` is the specification; every other kernel computes the same bits, which [`self_test`] checks on the
//! machine itself and the golden digests check over whole trainings.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
pub(crate) mod lanes;
mod portable;
mod reference;
mod self_test;
pub(crate) mod sparse;
mod tiles;
#[cfg(test)]
mod wrong;

pub use self_test::{WrongKernel, self_test};

use lanes::{Lanes, Line};
use reference::Plain;
use sparse::{Lists, PairLists};

/// The bits of the smallest `f32` of at least √½: where [`Lanes::split`] changes the exponent.
const LEAST_SPLIT: u32 = 0x3f35_04f3;

/// An instruction set that this machine has. All give the same bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kernel(Set);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Set {
    Reference,
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(test)]
    SplitFma,
    #[cfg(test)]
    Reciprocal,
    #[cfg(test)]
    Backwards,
}

/// The kernels' names, the slowest first.
const NAMES: [&str; 4] = ["reference", "portable", "avx2", "avx512"];

/// Why there is no kernel of a name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoKernel {
    /// The name is none that any kernel has.
    #[error("unknown kernel \"{name}\"; known are {}", NAMES.join(", "))]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The name is known, but this program was built for processors without that kernel.
    #[error("kernel {name} is not built into this version")]
    NotBuilt {
        /// What was asked for.
        name: String,
    },
    /// The processor lacks the instructions.
    #[error("kernel {name} needs {instructions}, which this processor does not have")]
    NotOnThisProcessor {
        /// What was asked for.
        name: String,
        /// What is missing.
        instructions: &'static str,
    },
}

impl Kernel {
    /// The specification in plain loops. Always there, some hundred times slower than the others.
    pub const REFERENCE: Kernel = Kernel(Set::Reference);

    /// Returns the fastest kernel that this machine runs.
    pub fn detect() -> Kernel {
        Kernel::available().last().copied().unwrap_or(Kernel::REFERENCE)
    }

    /// Returns every kernel that this machine runs, the slowest first.
    pub fn available() -> Vec<Kernel> {
        NAMES.iter().filter_map(|name| Kernel::by_name(name).ok()).collect()
    }

    /// Returns the kernel of this name.
    ///
    /// # Errors
    /// Says whether the name is unknown, not built into this version, or not for this processor.
    pub fn by_name(name: &str) -> Result<Kernel, NoKernel> {
        let name = name.to_owned();
        match name.as_str() {
            "reference" => Ok(Kernel::REFERENCE),
            "portable" => Ok(Kernel(Set::Portable)),
            #[cfg(target_arch = "x86_64")]
            "avx2" if avx2::is_available() => Ok(Kernel(Set::Avx2)),
            #[cfg(target_arch = "x86_64")]
            "avx2" => Err(NoKernel::NotOnThisProcessor { name, instructions: "AVX2 and FMA" }),
            #[cfg(target_arch = "x86_64")]
            "avx512" if avx512::is_available() => Ok(Kernel(Set::Avx512)),
            #[cfg(target_arch = "x86_64")]
            "avx512" => Err(NoKernel::NotOnThisProcessor { name, instructions: "AVX-512F" }),
            known if NAMES.contains(&known) => Err(NoKernel::NotBuilt { name }),
            _ => Err(NoKernel::Unknown { name }),
        }
    }

    /// Returns the name that [`Kernel::by_name`] knows.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Reference => "reference",
            Set::Portable => "portable",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "avx512",
            #[cfg(test)]
            Set::SplitFma => "split fma",
            #[cfg(test)]
            Set::Reciprocal => "reciprocal",
            #[cfg(test)]
            Set::Backwards => "backwards",
        }
    }

    /// Returns whether this kernel is some hundred times slower than what processors can do: the reference, and the
    /// portable kernel where fused multiply-add is no instruction of every processor (x86).
    pub fn is_slow(self) -> bool {
        match self.0 {
            Set::Reference => true,
            Set::Portable => portable::IS_SLOW,
            _ => false,
        }
    }

    /// Kernels that are wrong on purpose: what checks kernels must reject them.
    #[cfg(test)]
    pub(crate) const WRONG: [Kernel; 3] =
        [Kernel(Set::SplitFma), Kernel(Set::Reciprocal), Kernel(Set::Backwards)];

    /// Runs `task` with this instruction set.
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            Set::Reference => task.run::<Plain>(),
            Set::Portable => portable::run(task),
            // SAFETY: `by_name` made this kernel, after it had detected AVX2 and FMA.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::run(task) },
            // SAFETY: `by_name` made this kernel, after it had detected AVX-512F.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::run(task) },
            #[cfg(test)]
            Set::SplitFma => task.run::<wrong::SplitFma>(),
            #[cfg(test)]
            Set::Reciprocal => task.run::<wrong::Reciprocal>(),
            #[cfg(test)]
            Set::Backwards => task.run::<Plain>(),
        }
    }

    /// Computes each element of `product.out` by its chain of fused multiply-adds over the steps, in order.
    pub(crate) fn multiply(self, product: Product<'_>) {
        match self.0 {
            Set::Reference => reference::multiply(product),
            #[cfg(test)]
            Set::Backwards => wrong::multiply_backwards(product),
            _ => self.run(tiles::Multiply(product)),
        }
    }

    /// Computes each row of `sums.out` by a list of rows times numbers, in the list's order.
    pub(crate) fn sum_rows(self, sums: RowSums<'_>) {
        debug_assert_eq!(sums.out.len(), sums.lists.len() * sums.width, "one row of out a list");
        match self.0 {
            Set::Reference => reference::sum_rows(sums),
            _ => self.run(tiles::SumRows(sums)),
        }
    }

    /// Computes each two rows of `sums.out` by a list of rows times two numbers, in the list's order.
    pub(crate) fn sum_pairs(self, sums: PairSums<'_>) {
        debug_assert_eq!(sums.out.len(), 2 * sums.lists.len() * sums.width, "two rows of out a list");
        match self.0 {
            Set::Reference => reference::sum_pairs(sums),
            _ => self.run(tiles::SumPairs(sums)),
        }
    }
}

/// From how many lines on a panel's product leaves out zeros. Less has too few sums a row: each would wait for its last
/// term, and a tile is quicker.
pub(crate) const PICKED_LINES: usize = 3;

/// The start of chains that begin at +0.
pub(crate) const ZEROS: &[Line] = &[Line::ZERO; 4];

/// Arithmetic written once for every instruction set. `run` is to be inlined.
pub(crate) trait Task {
    /// What it returns.
    type Output;
    /// Computes with these lanes.
    fn run<L: Lanes>(self) -> Self::Output;
}

/// `out[r][c] = Σ a(r, s) · b[s][c] + start` over s = 0, 1, … for one panel of at most four lines.
pub(crate) struct Product<'a> {
    /// Rows of `width` lines.
    pub(crate) out: &'a mut [Line],
    /// What every chain begins with: a row of `width` lines. Without it chains continue what is in `out`.
    pub(crate) start: Option<&'a [Line]>,
    /// Lines a row of `out` and `b`.
    pub(crate) width: usize,
    /// Holds a(r, s) at number `r · row_stride + s · step_stride`.
    pub(crate) a: &'a [Line],
    /// Numbers from one row of a to the next.
    pub(crate) row_stride: usize,
    /// Numbers from one step of a to the next.
    pub(crate) step_stride: usize,
    /// A row of `width` lines a step.
    pub(crate) b: &'a [Line],
    /// How many terms each chain has.
    pub(crate) steps: usize,
    /// Where a is not zero: for each 64 steps as many words, the first of them one a row, a bit a step. Terms without a bit
    /// may be left out. Without it nothing is known.
    pub(crate) nonzero: Option<&'a [u64]>,
}

/// `out[i] = Σ value · rows[index] + start` over the entries (index, value) of list i.
pub(crate) struct RowSums<'a> {
    /// A row of `width` lines a list.
    pub(crate) out: &'a mut [Line],
    /// What every chain begins with: a row of `width` lines. Without it chains continue what is in `out`.
    pub(crate) start: Option<&'a [Line]>,
    /// Lines a row, at most four.
    pub(crate) width: usize,
    /// What the indices of the lists select.
    pub(crate) rows: &'a [Line],
    /// A list for each row of `out`.
    pub(crate) lists: Lists<'a>,
}

/// `out[2i + j] = Σ values[j] · rows[index] + start` over the pairs (index, values) of list i, for j = 0 and 1.
pub(crate) struct PairSums<'a> {
    /// Two rows of `width` lines a list.
    pub(crate) out: &'a mut [Line],
    /// What every chain begins with: a row of `width` lines. Without it chains continue what is in `out`.
    pub(crate) start: Option<&'a [Line]>,
    /// Lines a row, at most four.
    pub(crate) width: usize,
    /// What the indices of the lists select.
    pub(crate) rows: &'a [Line],
    /// A list for each two rows of `out`.
    pub(crate) lists: PairLists<'a>,
}
