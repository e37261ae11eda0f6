//! The weights that trials left, read from a state folder or through its coordinator, and checked against their results.

use crate::place::Place;
use gridsweep_common::metric::Evaluation;
use gridsweep_common::weights::{self, Weights, WeightsError};
use gridsweep_coordinator::blob::BlobError;
use gridsweep_coordinator::store::{StoreError, StoredTrial};
use std::io::Read;

/// Why there are no weights to be had of a trial.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoWeights {
    /// It has no result, or diverged.
    #[error("it has no final weights")]
    NoResult,
    /// No file is kept: the sweep does not ask for it, or it did not arrive.
    #[error("none are kept; [artifacts] of the sweep file says which are")]
    NotKept,
    /// The file is not what the result says.
    #[error("what is kept is not theirs: {0}")]
    Wrong(#[from] WeightsError),
    /// The file does not read.
    #[error("they do not read: {0}")]
    Unreadable(String),
}

impl From<BlobError> for NoWeights {
    fn from(error: BlobError) -> NoWeights {
        NoWeights::Unreadable(error.to_string())
    }
}

impl From<StoreError> for NoWeights {
    fn from(error: StoreError) -> NoWeights {
        NoWeights::Unreadable(error.to_string())
    }
}

/// Returns the safetensors file of a trial, and what it holds.
pub(crate) fn of_trial(place: &Place, trial: &StoredTrial) -> Result<(Vec<u8>, Weights), NoWeights> {
    let evaluation = trial.summary.as_ref().and_then(|summary| summary.evaluation.as_ref());
    of_result(place, evaluation)
}

/// Returns the same by what the last weights of a trial gave.
pub(crate) fn of_result(
    place: &Place,
    evaluation: Option<&Evaluation>,
) -> Result<(Vec<u8>, Weights), NoWeights> {
    let evaluation = evaluation.ok_or(NoWeights::NoResult)?;
    let file = file(place, evaluation)?.ok_or(NoWeights::NotKept)?;
    let read = weights::read(&file, evaluation)?;
    Ok((file, read))
}

fn file(place: &Place, of: &Evaluation) -> Result<Option<Vec<u8>>, NoWeights> {
    let header = weights::header(of).map_or(0, |header| header.len() as u64);
    let length = header + weights::tensor_bytes(of).unwrap_or(0);
    match place {
        Place::Folder { weights, .. } => {
            let Some(file) = weights.read(of.weights_digest)? else { return Ok(None) };
            let mut bytes = Vec::new();
            // One byte more tells that it is too long.
            let read = file.take(length + 1).read_to_end(&mut bytes);
            read.map(|_| Some(bytes)).map_err(|error| NoWeights::Unreadable(error.to_string()))
        }
        Place::Server(reader) => Ok(reader.weights(of.weights_digest, length)?),
    }
}
