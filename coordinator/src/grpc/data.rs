//! Blobs in and out, in chunks.

use super::Shared;
use crate::blob::{BlobError, BlobStore};
use crate::blocking::block_in_place;
use gridsweep_common::id::Digest;
use gridsweep_proto::{BLOB_CHUNK_BYTES_MAX, convert, v1};
use std::fs::File;
use std::io::Read;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// How many chunks of a blob wait for their reader.
const CHUNKS_AHEAD: usize = 4;
/// How long they wait for one that does not read.
const READER_PATIENCE: Duration = Duration::from_secs(60);

pub(super) type BlobStream = ReceiverStream<Result<v1::BlobChunk, Status>>;

/// Streams a blob out. A chunk is read on a thread where it may wait; none is held while the other side takes its time,
/// or a few that never read would keep every such thread from the store.
pub(super) fn fetch(blobs: &BlobStore, request: &v1::FetchBlobRequest) -> Result<BlobStream, Status> {
    let digest = convert::digest(&request.digest)?;
    let file = blobs.read(digest).map_err(|error| internal(&error))?;
    let file = file.ok_or_else(|| Status::not_found(format!("there is no blob {digest}")))?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::spawn(send_chunks(file, digest, sender));
    Ok(ReceiverStream::new(receiver))
}

async fn send_chunks(mut file: File, digest: Digest, to: mpsc::Sender<Result<v1::BlobChunk, Status>>) {
    loop {
        let read = tokio::task::spawn_blocking(move || next_chunk(file)).await;
        let chunk = match read.unwrap_or_else(|panic| Err(std::io::Error::other(panic))) {
            Ok(None) => return,
            Ok(Some((chunk, rest))) => {
                file = rest;
                Ok(chunk)
            }
            Err(error) => {
                // Whoever reads may be gone; without the rest the digest would not be right anyway.
                let _ = to.try_send(Err(Status::internal(format!("reading blob {digest}: {error}"))));
                return;
            }
        };
        if !matches!(tokio::time::timeout(READER_PATIENCE, to.send(chunk)).await, Ok(Ok(()))) {
            return;
        }
    }
}

/// Reads the next chunk; `None` at the end.
fn next_chunk(mut file: File) -> std::io::Result<Option<(v1::BlobChunk, File)>> {
    let mut bytes = vec![0; BLOB_CHUNK_BYTES_MAX];
    let length = file.read(&mut bytes)?;
    bytes.truncate(length);
    Ok((length > 0).then_some((v1::BlobChunk { bytes }, file)))
}

/// Says from where on a blob is to be sent.
pub(super) fn held(blobs: &BlobStore, request: &v1::HeldRequest) -> Result<v1::HeldReply, Status> {
    let digest = convert::digest(&request.digest)?;
    Ok(v1::HeldReply { bytes: block_in_place(|| blobs.held(digest)) })
}

/// Stores a blob that streams in.
pub(super) async fn put(shared: &Shared, mut stream: Streaming<v1::PutBlobRequest>) -> Result<(), Status> {
    let first = stream.message().await?.ok_or_else(|| Status::invalid_argument("an empty stream"))?;
    let digest: Digest = convert::digest(&first.digest)?;
    let begun = block_in_place(|| shared.blobs.begin_at(digest, &[], first.offset));
    let mut incoming = begun.map_err(|error| refused(&error))?;
    let mut next = Some(first);
    while let Some(message) = next {
        // Writing blocks for as long as the disk's cache takes: small chunks, few clients.
        block_in_place(|| incoming.write(&message.bytes)).map_err(|error| refused(&error))?;
        next = stream.message().await?;
    }
    block_in_place(|| incoming.finish()).map_err(|error| refused(&error))
}

pub(super) fn refused(error: &BlobError) -> Status {
    match error {
        BlobError::OtherBytes { .. } | BlobError::TooLarge => Status::invalid_argument(error.to_string()),
        // Another try, from what is here then, may go well.
        BlobError::NotHeld { .. } | BlobError::OtherBeginning { .. } => Status::aborted(error.to_string()),
        BlobError::Io { .. } => internal(error),
    }
}

pub(super) fn internal(error: &BlobError) -> Status {
    let source = std::error::Error::source(error).map_or(String::new(), |source| format!(": {source}"));
    // No room, or no file descriptors left: neither is for ever.
    Status::unavailable(format!("{error}{source}"))
}
