//! The weights of trials: in from workers, out to commands. A trial's result says which weights are its own; so nothing has
//! to be remembered of them but their bytes, and only what belongs to a recorded result is kept.

use super::Shared;
use super::data::{self, BlobStream, refused};
use crate::blob::BlobStore;
use crate::blocking::block_in_place;
use crate::driver::ToDriver;
use gridsweep_common::metric::Evaluation;
use gridsweep_common::weights;
use gridsweep_proto::{WEIGHTS_BYTES_MAX, convert, v1};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::{Status, Streaming};

/// How many come in at once: each has a file open, and an fsync at its end.
const UPLOADS_AT_ONCE_MAX: usize = 2;
/// How long an upload waits for its turn; a worker tries again later.
const TURN_PATIENCE: Duration = Duration::from_secs(10);
/// How long the next piece may take to come.
const PIECE_PATIENCE: Duration = Duration::from_secs(20);

/// Where weights are kept, as safetensors files under the digests of their tensors.
#[derive(Clone, Debug)]
pub(crate) struct WeightsStore {
    blobs: BlobStore,
    at_once: Arc<Semaphore>,
}

impl WeightsStore {
    pub(crate) fn new(blobs: BlobStore) -> WeightsStore {
        WeightsStore { blobs, at_once: Arc::new(Semaphore::new(UPLOADS_AT_ONCE_MAX)) }
    }

    /// Says from where on the tensors of a file are to be sent.
    pub(super) fn held(&self, request: &v1::HeldRequest) -> Result<v1::HeldReply, Status> {
        data::held(&self.blobs, request)
    }

    /// Streams a file out.
    pub(super) fn fetch(&self, request: &v1::FetchBlobRequest) -> Result<BlobStream, Status> {
        data::fetch(&self.blobs, request)
    }
}

/// Takes the weights of a trial in, if they are wanted, and returns whether they are kept.
pub(super) async fn keep(
    shared: &Shared,
    mut stream: Streaming<v1::KeepWeightsRequest>,
) -> Result<bool, Status> {
    let Some(first) = next(&mut stream).await? else {
        return Err(Status::invalid_argument("an empty stream"));
    };
    let trial = convert::trial_id(&first.trial)?;
    let turn = tokio::time::timeout(TURN_PATIENCE, shared.weights.at_once.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(Status::resource_exhausted("too many weights come in at once: try later"));
    };
    let results = shared.readers.read(move |reader| reader.results(trial)).await?.into_inner();
    let ended =
        results.ended.ok_or_else(|| Status::unavailable("no result of this trial is recorded yet"))?;
    let Some(evaluation) = ended.summary.and_then(|summary| summary.evaluation) else { return Ok(false) };
    let bytes_max = shared.ask(|reply| ToDriver::WantsWeights { spec: Box::new(ended.spec), reply }).await?;
    let length = weights::tensor_bytes(&evaluation).unwrap_or(u64::MAX);
    let blobs = &shared.weights.blobs;
    if length > bytes_max.min(WEIGHTS_BYTES_MAX) || blobs.has(evaluation.weights_digest) {
        return Ok(false);
    }
    store(blobs, &evaluation, length, first, &mut stream).await.map(|()| true)
}

/// Stores the bytes that come, which must be the tensors of this result, behind the header that follows from it.
async fn store(
    blobs: &BlobStore,
    of: &Evaluation,
    length: u64,
    first: v1::KeepWeightsRequest,
    stream: &mut Streaming<v1::KeepWeightsRequest>,
) -> Result<(), Status> {
    let header = weights::header(of).ok_or_else(|| Status::invalid_argument("no file could hold them"))?;
    let begun = block_in_place(|| blobs.begin_at(of.weights_digest, &header, first.offset));
    let mut incoming = begun.map_err(|error| refused(&error))?;
    let (mut bytes, mut came) = (first.bytes, first.offset);
    loop {
        came = came.saturating_add(bytes.len() as u64);
        if came > length {
            incoming.discard();
            return Err(Status::invalid_argument("more bytes came than the result's weights have"));
        }
        block_in_place(|| incoming.write(&bytes)).map_err(|error| refused(&error))?;
        match next(stream).await? {
            Some(piece) => bytes = piece.bytes,
            None => break,
        }
    }
    block_in_place(|| incoming.finish()).map_err(|error| refused(&error))
}

async fn next(
    stream: &mut Streaming<v1::KeepWeightsRequest>,
) -> Result<Option<v1::KeepWeightsRequest>, Status> {
    let late = |_| Status::deadline_exceeded("the next piece of the weights does not come");
    tokio::time::timeout(PIECE_PATIENCE, stream.message()).await.map_err(late)?
}
