//! The state of a training as bytes: what it takes to go on at the very same step, to the very same bits.
//!
//! Everything is little-endian, in one order, matrices row by row as they are meant and not as they lie in memory. There
//! is no generator's state: random numbers are functions of epoch, step and index. A frame with a checksum and the
//! trial's name is for whoever keeps the bytes.

use crate::NUMERICS;
use crate::matrix::Matrix;
use gridsweep_common::metric::EpochMetrics;

/// The layout of the bytes. Another one is not read: the trial starts over.
const LAYOUT: u32 = 1;

/// A training between two steps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// Epochs completed.
    pub epoch: u32,
    /// Steps of the next epoch completed.
    pub step: u32,
    /// The state.
    pub bytes: Vec<u8>,
}

/// Why a training cannot go on from some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Another version of gridsweep wrote them.
    #[error(
        "the checkpoint has layout {layout} and numerics {numerics}, this version has {LAYOUT} and {NUMERICS}"
    )]
    OtherVersion {
        /// Their layout.
        layout: u32,
        /// Their arithmetic.
        numerics: u32,
    },
    /// They are not the state of a training of this recipe.
    #[error("the checkpoint is not of this trial, or damaged")]
    Damaged,
}

/// Bytes in the making.
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Writer {
        let mut writer = Writer { bytes: Vec::new() };
        writer.u32(LAYOUT);
        writer.u32(NUMERICS);
        writer
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes.extend(value.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.u64(value.to_bits());
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.u32(u32::from(value));
    }

    pub(crate) fn epoch(&mut self, metrics: &EpochMetrics) {
        for value in [
            metrics.learning_rate,
            metrics.training_objective,
            metrics.training_loss,
            metrics.training_accuracy,
            metrics.validation_loss,
            metrics.validation_accuracy,
        ] {
            self.f64(value);
        }
    }

    pub(crate) fn matrix(&mut self, matrix: &Matrix) {
        for row in 0..matrix.rows() {
            for column in 0..matrix.columns() {
                self.bytes.extend(matrix.get(row, column).to_bits().to_le_bytes());
            }
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Bytes being read.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Begins to read, if the bytes are of this version.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Reader<'a>, CheckpointError> {
        let mut reader = Reader { rest: bytes };
        let (layout, numerics) = (reader.u32()?, reader.u32()?);
        if (layout, numerics) == (LAYOUT, NUMERICS) {
            Ok(reader)
        } else {
            Err(CheckpointError::OtherVersion { layout, numerics })
        }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], CheckpointError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(CheckpointError::Damaged)?;
        self.rest = rest;
        Ok(*taken)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, CheckpointError> {
        self.take().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, CheckpointError> {
        self.take().map(u64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Result<f64, CheckpointError> {
        self.u64().map(f64::from_bits)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, CheckpointError> {
        match self.u32()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(CheckpointError::Damaged),
        }
    }

    pub(crate) fn epoch(&mut self, epoch: u32) -> Result<EpochMetrics, CheckpointError> {
        Ok(EpochMetrics {
            epoch,
            learning_rate: self.f64()?,
            training_objective: self.f64()?,
            training_loss: self.f64()?,
            training_accuracy: self.f64()?,
            validation_loss: self.f64()?,
            validation_accuracy: self.f64()?,
        })
    }

    /// Fills a matrix, whose size the recipe has given.
    pub(crate) fn matrix(&mut self, matrix: &mut Matrix) -> Result<(), CheckpointError> {
        for row in 0..matrix.rows() {
            for column in 0..matrix.columns() {
                let value = f32::from_bits(self.u32()?);
                if !value.is_finite() {
                    return Err(CheckpointError::Damaged);
                }
                matrix.set(row, column, value);
            }
        }
        Ok(())
    }

    /// Ends the reading: nothing may be left.
    pub(crate) fn finish(self) -> Result<(), CheckpointError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CheckpointError::Damaged) }
    }
}
