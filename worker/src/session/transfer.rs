//! Checkpoints to and from the coordinator, so that another worker goes on where this one stops, and this one where
//! another did. They save time and decide nothing: what fails here is a warning.

use super::Client;
use super::attempts::Leased;
use crate::blocking::block_in_place;
use crate::checkpoint::{CheckpointFiles, Framed, unframe};
use crate::connect::upload;
use crate::pool::SlotEvent;
use gridsweep_common::id::{Digest, Fence};
use gridsweep_common::trial::KeptCheckpoint;
use gridsweep_engine::Training;
use gridsweep_proto::{BLOB_CHUNK_BYTES_MAX, v1};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// How many checkpoints are sent at once.
const UPLOADS_AT_ONCE_MAX: usize = 2;
/// How many pieces wait for the stream.
const PIECES_AHEAD: usize = 4;
/// How long nothing is sent after the line broke.
const SEND_WAIT: Duration = Duration::from_secs(1);
/// How long a checkpoint may take to be sent, or to be fetched.
const TRANSFER_PATIENCE: Duration = Duration::from_secs(120);
/// How often a checkpoint is asked for when the coordinator does not answer, and how long in between.
const FETCH_TRIES: u32 = 3;
const FETCH_WAIT: Duration = Duration::from_secs(1);

/// Checkpoints on their way to the coordinator: of each attempt one at a time.
#[derive(Debug)]
pub(super) struct Uploads {
    under_way: BTreeSet<Fence>,
    at_once: Arc<Semaphore>,
    /// Where it is said that one has ended.
    events: mpsc::Sender<SlotEvent>,
}

impl Uploads {
    pub(super) fn new(events: mpsc::Sender<SlotEvent>) -> Uploads {
        let at_once = Arc::new(Semaphore::new(UPLOADS_AT_ONCE_MAX));
        Uploads { under_way: BTreeSet::new(), at_once, events }
    }

    /// Returns whether a checkpoint of the attempt is on its way.
    pub(super) fn is_under_way(&self, fence: Fence) -> bool {
        self.under_way.contains(&fence)
    }

    /// Sends a checkpoint, and says so when that has ended, well or not.
    pub(super) fn begin(&mut self, client: Client, fence: Fence, checkpoint: Arc<Framed>) {
        self.under_way.insert(fence);
        let (at_once, events) = (Arc::clone(&self.at_once), self.events.clone());
        tokio::spawn(async move {
            let progress = checkpoint.progress;
            let Ok(_turn) = at_once.acquire_owned().await else { return };
            match tokio::time::timeout(TRANSFER_PATIENCE, send(client, fence, checkpoint)).await {
                Ok(Ok(is_kept)) => tracing::debug!(trial = %fence.trial, is_kept, "a checkpoint was sent"),
                Ok(Err(status)) => {
                    let reason = status.message();
                    tracing::warn!(trial = %fence.trial, reason, "the coordinator does not keep a checkpoint");
                }
                Err(_) => tracing::warn!(trial = %fence.trial, "sending a checkpoint takes too long"),
            }
            // Nobody listens any more only when the worker ends.
            let _ = events.send(SlotEvent::Uploaded { fence, progress }).await;
        });
    }

    /// One has ended.
    pub(super) fn end(&mut self, fence: Fence) {
        self.under_way.remove(&fence);
    }
}

/// Sends a checkpoint, and returns whether it is kept. What takes several messages goes on where the line broke, for as long
/// as the caller has patience: it would be another checkpoint by the next time.
async fn send(client: Client, fence: Fence, checkpoint: Arc<Framed>) -> Result<bool, Status> {
    let (epoch, step) = checkpoint.progress;
    let digest = block_in_place(|| Digest::of(&checkpoint.bytes));
    let kept = KeptCheckpoint { digest, length: checkpoint.bytes.len() as u64, epoch, step };
    loop {
        match send_rest(client.clone(), fence, kept, &checkpoint.bytes).await {
            Err(status)
                if kept.length > BLOB_CHUNK_BYTES_MAX as u64 && upload::is_worth_another_try(&status) =>
            {
                tokio::time::sleep(SEND_WAIT).await;
            }
            done => return done,
        }
    }
}

/// Sends what the coordinator does not have of a checkpoint.
async fn send_rest(
    mut client: Client,
    fence: Fence,
    kept: KeptCheckpoint,
    bytes: &[u8],
) -> Result<bool, Status> {
    let request = v1::HeldRequest { digest: kept.digest.0.to_vec() };
    let offset = upload::beginning(kept.length, || client.held_of_checkpoint(request)).await?;
    let (pieces, stream) = mpsc::channel(PIECES_AHEAD);
    let cut = async move {
        let (mut fence, mut announced) = (Some(fence.into()), Some(kept.into()));
        let mut offset_once = offset;
        for bytes in bytes[offset as usize..].chunks(BLOB_CHUNK_BYTES_MAX) {
            let (fence, checkpoint) = (fence.take(), announced.take());
            let offset = std::mem::take(&mut offset_once);
            let piece = v1::KeepCheckpointRequest { fence, checkpoint, bytes: bytes.to_vec(), offset };
            if pieces.send(piece).await.is_err() {
                // Answered before its end: it is not wanted.
                return;
            }
        }
    };
    let (reply, ()) = tokio::join!(client.keep_checkpoint(ReceiverStream::new(stream)), cut);
    Ok(reply?.into_inner().is_kept)
}

/// Returns the state that the coordinator keeps of an earlier attempt, where it is farther than what is here.
pub(super) async fn fetch(client: Client, files: &CheckpointFiles, leased: &Leased) -> Option<Vec<u8>> {
    let (kept, trial) = (leased.checkpoint?, leased.fence.trial);
    let here = block_in_place(|| files.read(trial));
    let here = here.and_then(|state| Training::progress_of(&state).ok());
    if here.is_some_and(|here| here >= kept.progress()) {
        return None;
    }
    let fetched = tokio::time::timeout(TRANSFER_PATIENCE, fetch_patiently(client, kept)).await;
    let fetched = fetched.unwrap_or_else(|_| Err(Status::deadline_exceeded("it takes too long")));
    let state = fetched
        .map_err(|status| status.message().to_owned())
        .and_then(|bytes| block_in_place(|| unframe(bytes, trial)).map_err(|error| error.to_string()));
    match state {
        Ok(state) => Some(state),
        Err(reason) => {
            tracing::warn!(%trial, reason, "the checkpoint of an earlier attempt is not to be had");
            None
        }
    }
}

async fn fetch_patiently(client: Client, kept: KeptCheckpoint) -> Result<Vec<u8>, Status> {
    for _ in 1..FETCH_TRIES {
        match fetch_once(client.clone(), kept).await {
            Err(status) if status.code() != Code::NotFound && status.code() != Code::DataLoss => {
                tokio::time::sleep(FETCH_WAIT).await;
            }
            done => return done,
        }
    }
    fetch_once(client, kept).await
}

async fn fetch_once(mut client: Client, kept: KeptCheckpoint) -> Result<Vec<u8>, Status> {
    let request = v1::FetchBlobRequest { digest: kept.digest.0.to_vec() };
    let mut stream = client.fetch_checkpoint(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.message().await? {
        bytes.extend(chunk.bytes);
        if bytes.len() as u64 > kept.length {
            return Err(Status::data_loss("it is longer than was announced"));
        }
    }
    match block_in_place(|| Digest::of(&bytes)) == kept.digest {
        true => Ok(bytes),
        false => Err(Status::data_loss("its bytes are not those that were kept")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;
    use gridsweep_common::choice::Choices;
    use gridsweep_common::data::{Pick, Validation};
    use gridsweep_common::id::{Attempt, Term};
    use gridsweep_common::seed::SeedKey;
    use gridsweep_common::trial::TrialSpec;
    use gridsweep_engine::{Checkpoint, NUMERICS};

    fn spec() -> TrialSpec {
        TrialSpec {
            choices: Choices::default(),
            seed: SeedKey { root: 1, replicate: 0 },
            data: Digest([0; 32]),
            validation: Validation { fraction: 0.5, pick: Pick::Last },
            numerics: NUMERICS,
        }
    }

    fn fence() -> Fence {
        Fence { term: Term(1), trial: spec().id(), attempt: Attempt(1) }
    }

    /// A checkpoint that takes several pieces, as far as its header says.
    fn framed(epoch: u32, step: u32) -> Arc<Framed> {
        let header = [1, NUMERICS, step, epoch].into_iter().flat_map(u32::to_le_bytes);
        let bytes = header.chain(vec![7; 2 * BLOB_CHUNK_BYTES_MAX]).collect();
        Arc::new(Framed::new(fence().trial, &Checkpoint { epoch, step, bytes }))
    }

    fn leased(checkpoint: &Framed) -> Leased {
        let (epoch, step) = checkpoint.progress;
        let (digest, length) = (Digest::of(&checkpoint.bytes), checkpoint.bytes.len() as u64);
        let kept = KeptCheckpoint { digest, length, epoch, step };
        Leased { fence: fence(), spec: spec(), checkpoint: Some(kept), weights_bytes_max: 0 }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_checkpoint_arrives_whole_with_all_that_is_said_of_it() {
        let fake = Arc::new(Fake::default());
        let client = fake.serve().await;
        let (events, mut heard) = mpsc::channel(1);
        let mut uploads = Uploads::new(events);
        uploads.begin(client, fence(), framed(3, 5));
        assert!(uploads.is_under_way(fence()));
        let said = heard.recv().await;
        assert!(matches!(said, Some(SlotEvent::Uploaded { progress: (3, 5), .. })), "{said:?}");
        uploads.end(fence());
        assert!(!uploads.is_under_way(fence()));
        let pieces = fake.pieces.lock().unwrap();
        assert!(pieces.len() > 2 && pieces[1..].iter().all(|piece| piece.checkpoint.is_none()));
        assert_eq!(pieces[0].fence, Some(fence().into()));
        assert_eq!(pieces[0].checkpoint, leased(&framed(3, 5)).checkpoint.map(Into::into));
        assert!(pieces.iter().flat_map(|piece| &piece.bytes).eq(&framed(3, 5).bytes));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_arrived_before_the_line_broke_is_not_sent_again() {
        let fake = Arc::new(Fake::default());
        let client = fake.serve().await;
        let checkpoint = framed(3, 5);
        let held = BLOB_CHUNK_BYTES_MAX + 17;
        fake.refusals.lock().unwrap().push_back(Status::unavailable("the line breaks"));
        fake.held.lock().unwrap().extend([0, held as u64]);
        assert!(send(client, fence(), Arc::clone(&checkpoint)).await.unwrap());
        let pieces = fake.pieces.lock().unwrap();
        let again = pieces.iter().rposition(|piece| piece.checkpoint.is_some()).unwrap();
        assert!(again > 0 && pieces[0].offset == 0 && pieces[again].offset == held as u64);
        let sent = pieces[again..].iter().flat_map(|piece| &piece.bytes);
        assert!(sent.eq(&checkpoint.bytes[held..]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_fetched_is_what_was_kept_and_farther_than_what_is_here() {
        let folder = tempfile::tempdir().unwrap();
        let files = CheckpointFiles::new(folder.path());
        let fake = Arc::new(Fake::default());
        let client = fake.serve().await;
        let (kept, trial) = (framed(3, 5), fence().trial);
        let fetch = async || fetch(client.clone(), &files, &leased(&kept)).await;
        assert_eq!(fetch().await, None, "there is none any more");
        *fake.checkpoint.lock().unwrap() = Some(kept.bytes.clone());
        let state = unframe(kept.bytes.clone(), trial).unwrap();
        assert_eq!(fetch().await.as_ref(), Some(&state));
        for (here, is_fetched) in [(framed(3, 4), true), (framed(3, 5), false), (framed(4, 0), false)] {
            files.write(trial, &here);
            assert_eq!(fetch().await.is_some(), is_fetched, "{:?}", here.progress);
        }
        files.remove(trial);
        let mut wrong = kept.bytes.clone();
        wrong[100] ^= 1;
        for wrong in [wrong, kept.bytes[1..].to_vec(), [&kept.bytes[..], &[0]].concat()] {
            *fake.checkpoint.lock().unwrap() = Some(wrong);
            assert_eq!(fetch().await, None, "other bytes are of no use");
        }
    }
}
