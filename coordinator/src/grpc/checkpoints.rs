//! Checkpoints in, in chunks: bounded in size, in number and in time, and checked by their digests.

use super::Shared;
use super::data::refused;
use crate::blob::BlobStore;
use crate::blocking::block_in_place;
use crate::driver::ToDriver;
use gridsweep_common::trial::KeptCheckpoint;
use gridsweep_proto::{convert, v1};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tonic::{Status, Streaming};

/// How many checkpoints come in at once: each has a file open, and an fsync at its end.
const UPLOADS_AT_ONCE_MAX: usize = 4;
/// How long an upload waits for its turn; a worker tries again with its next checkpoint.
const TURN_PATIENCE: Duration = Duration::from_secs(10);
/// How long the next piece may take to come.
const PIECE_PATIENCE: Duration = Duration::from_secs(20);

/// Where checkpoints are kept: apart from data, so that discarding one removes nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    pub(super) blobs: BlobStore,
    at_once: Arc<Semaphore>,
}

impl Checkpoints {
    pub(crate) fn new(blobs: BlobStore) -> Checkpoints {
        Checkpoints { blobs, at_once: Arc::new(Semaphore::new(UPLOADS_AT_ONCE_MAX)) }
    }
}

/// Takes a checkpoint in, if it is wanted, and returns whether it is kept.
pub(super) async fn keep(
    shared: &Shared,
    mut stream: Streaming<v1::KeepCheckpointRequest>,
) -> Result<bool, Status> {
    let Some(first) = next(&mut stream).await? else {
        return Err(Status::invalid_argument("an empty stream"));
    };
    let fence = convert::fence(first.fence.as_ref())?;
    let checkpoint = first.checkpoint.as_ref().ok_or_else(|| Status::invalid_argument("no checkpoint"))?;
    let checkpoint = convert::checkpoint(checkpoint)?;
    let turn = tokio::time::timeout(TURN_PATIENCE, shared.checkpoints.at_once.acquire()).await;
    let Ok(Ok(_turn)) = turn else {
        return Err(Status::resource_exhausted("too many checkpoints come in at once: try later"));
    };
    let is_wanted = |reply| ToDriver::WantsCheckpoint { fence, checkpoint, reply };
    if !shared.ask(is_wanted).await? {
        return Ok(false);
    }
    store(&shared.checkpoints.blobs, checkpoint, first, &mut stream).await?;
    shared.ask(|reply| ToDriver::KeepCheckpoint { fence, checkpoint, reply }).await
}

/// Stores the bytes that come, which must be those that were announced.
async fn store(
    blobs: &BlobStore,
    checkpoint: KeptCheckpoint,
    first: v1::KeepCheckpointRequest,
    stream: &mut Streaming<v1::KeepCheckpointRequest>,
) -> Result<(), Status> {
    let begun = block_in_place(|| blobs.begin_at(checkpoint.digest, &[], first.offset));
    let mut incoming = begun.map_err(|error| refused(&error))?;
    let (mut bytes, mut length) = (first.bytes, first.offset);
    loop {
        length = length.saturating_add(bytes.len() as u64);
        if length > checkpoint.length {
            incoming.discard();
            return Err(Status::invalid_argument("more bytes came than were announced"));
        }
        block_in_place(|| incoming.write(&bytes)).map_err(|error| refused(&error))?;
        match next(stream).await? {
            Some(piece) => bytes = piece.bytes,
            None if length < checkpoint.length => {
                return Err(Status::invalid_argument("fewer bytes came than were announced"));
            }
            None => break,
        }
    }
    block_in_place(|| incoming.finish()).map_err(|error| refused(&error))
}

async fn next(
    stream: &mut Streaming<v1::KeepCheckpointRequest>,
) -> Result<Option<v1::KeepCheckpointRequest>, Status> {
    let late = |_| Status::deadline_exceeded("the next piece of the checkpoint does not come");
    tokio::time::timeout(PIECE_PATIENCE, stream.message()).await.map_err(late)?
}
