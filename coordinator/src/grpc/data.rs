//! Blobs in and out, in chunks.

use super::Shared;
use crate::blob::BlobError;
use gridsweep_common::id::Digest;
use gridsweep_proto::{BLOB_CHUNK_BYTES_MAX, convert, v1};
use std::io::Read;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// How many chunks of a blob wait for their reader.
const CHUNKS_AHEAD: usize = 4;

pub(super) type BlobStream = ReceiverStream<Result<v1::BlobChunk, Status>>;

/// Streams a blob out. The file is read on a thread where it may wait.
pub(super) fn fetch(shared: &Shared, request: &v1::FetchBlobRequest) -> Result<BlobStream, Status> {
    let digest = convert::digest(&request.digest)?;
    let file = shared.blobs.read(digest).map_err(|error| internal(&error))?;
    let mut file = file.ok_or_else(|| Status::not_found(format!("there is no blob {digest}")))?;
    let (sender, receiver) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; BLOB_CHUNK_BYTES_MAX];
        loop {
            let chunk = match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => Ok(v1::BlobChunk { bytes: buffer[..length].to_vec() }),
                Err(error) => Err(Status::internal(format!("reading blob {digest}: {error}"))),
            };
            if sender.blocking_send(chunk).is_err() {
                break;
            }
        }
    });
    Ok(ReceiverStream::new(receiver))
}

/// Stores a blob that streams in.
pub(super) async fn put(shared: &Shared, mut stream: Streaming<v1::PutBlobRequest>) -> Result<(), Status> {
    let first = stream.message().await?.ok_or_else(|| Status::invalid_argument("an empty stream"))?;
    let digest: Digest = convert::digest(&first.digest)?;
    let mut incoming = shared.blobs.begin(digest).map_err(|error| internal(&error))?;
    let mut next = Some(first);
    while let Some(message) = next {
        // Writing blocks for as long as the disk's cache takes: small chunks, few clients.
        tokio::task::block_in_place(|| incoming.write(&message.bytes)).map_err(|error| refused(&error))?;
        next = stream.message().await?;
    }
    tokio::task::block_in_place(|| incoming.finish()).map_err(|error| refused(&error))
}

fn refused(error: &BlobError) -> Status {
    match error {
        BlobError::OtherBytes { .. } | BlobError::TooLarge => Status::invalid_argument(error.to_string()),
        BlobError::Io { .. } => internal(error),
    }
}

fn internal(error: &BlobError) -> Status {
    let source = std::error::Error::source(error).map_or(String::new(), |source| format!(": {source}"));
    Status::internal(format!("{error}{source}"))
}
