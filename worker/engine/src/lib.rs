//! Training of multi-layer perceptrons, the same bits on every machine.
//!
//! [`Recipe::from_choices`] turns choices into a typed recipe, [`Dataset`] prepares data, [`train`] makes an
//! outcome of both. [`catalogue`] says what can be chosen. [`Kernel`] is the instruction set: it decides how long
//! training takes and nothing else, which [`self_test`] checks on the machine itself.
//!
//! Pure: no files, no clocks, no environment; randomness from seeds alone. The README has the numerics contract.

mod activation;
mod batch;
mod catalog;
mod checkpoint;
mod crew;
mod dataset;
mod fold;
mod init;
mod inputs;
mod kernel;
mod loss;
mod mask;
mod math;
mod matrix;
#[doc(hidden)]
pub mod measure;
mod network;
mod nonzero;
mod optimizer;
mod phase;
mod piece;
mod plateau;
mod random;
mod recipe;
mod regularizer;
mod schedule;
mod split;
mod standardization;
mod summary;
#[cfg(test)]
mod tests;
mod together;
mod train;
mod workspace;

pub use catalog::{BELOW, catalogue};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use crew::{Crew, NoCrew};
pub use dataset::{Dataset, DatasetError};
pub use inputs::SPARSE_BELOW;
pub use kernel::{Kernel, NoKernel, WrongKernel, self_test};
pub use phase::{Phase, Probe};
pub use recipe::{Recipe, RecipeError};
pub use train::{Interrupted, Observer, Training, train};

/// The version of the arithmetic. It is part of every trial's identity: whatever changes one bit of any outcome raises
/// it.
pub const NUMERICS: u32 = 2;
