//! Weights to the coordinator, one trial after the other, each once its result is acknowledged.

use super::Client;
use crate::blocking::block_in_place;
use crate::connect::upload;
use crate::pool::SlotEvent;
use crate::weights::WeightsFiles;
use gridsweep_common::id::{Digest, TrialId};
use gridsweep_proto::{BLOB_CHUNK_BYTES_MAX, v1};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

/// How many pieces wait for the stream.
const PIECES_AHEAD: usize = 4;
/// How long sending the weights of one trial may take.
const TRANSFER_PATIENCE: Duration = Duration::from_secs(120);
/// How long nothing is sent after the coordinator could not take something.
const PAUSE: Duration = Duration::from_secs(5);
/// How often weights are offered in one process; the next one tries again.
const TRIES_MAX: u32 = 20;

/// What waits to be sent, and what is on its way.
#[derive(Debug)]
pub(super) struct Offers {
    files: WeightsFiles,
    ready: VecDeque<(TrialId, u32)>,
    is_under_way: bool,
    not_before: Option<Instant>,
    /// Where it is said how sending ended.
    events: mpsc::Sender<SlotEvent>,
}

impl Offers {
    /// Begins with what an earlier process left.
    pub(super) fn new(files: WeightsFiles, events: mpsc::Sender<SlotEvent>) -> Offers {
        let ready = files.trials().into_iter().map(|trial| (trial, 0)).collect();
        Offers { files, ready, is_under_way: false, not_before: None, events }
    }

    /// The trial's result is acknowledged: its weights may follow, if it left any.
    pub(super) fn add(&mut self, trial: TrialId) {
        if self.files.has(trial) && !self.ready.iter().any(|(ready, _)| *ready == trial) {
            self.ready.push_back((trial, 0));
        }
    }

    /// Returns whether anything is on its way, or could be sent at once.
    pub(super) fn is_busy(&self) -> bool {
        self.is_under_way || (!self.ready.is_empty() && self.not_before.is_none())
    }

    /// Sends the next, if nothing is on its way.
    pub(super) fn begin_next(&mut self, client: &Client) {
        if self.is_under_way || self.not_before.is_some_and(|time| Instant::now() < time) {
            return;
        }
        self.not_before = None;
        let Some((trial, tries)) = self.ready.pop_front() else { return };
        self.is_under_way = true;
        let (client, files, events) = (client.clone(), self.files.clone(), self.events.clone());
        tokio::spawn(async move {
            let is_settled = offer(client, files, trial).await;
            // Nobody listens any more only when the worker ends.
            let _ = events.send(SlotEvent::WeightsOffered { trial, tries, is_settled }).await;
        });
    }

    /// Sending has ended. What is not settled is tried again later.
    pub(super) fn end(&mut self, trial: TrialId, tries: u32, is_settled: bool) {
        self.is_under_way = false;
        if is_settled {
            return;
        }
        self.not_before = Some(Instant::now() + PAUSE);
        if tries + 1 < TRIES_MAX {
            self.ready.push_back((trial, tries + 1));
        }
    }
}

/// Sends the weights of a trial, and returns whether that is settled: the coordinator has them, or will not have them.
async fn offer(client: Client, files: WeightsFiles, trial: TrialId) -> bool {
    let tensors = match tokio::task::block_in_place(|| files.read(trial)) {
        Ok(Some(tensors)) => tensors,
        Ok(None) => return true,
        Err(error) => {
            tracing::warn!(%trial, %error, "the weights of a trial do not read");
            return true;
        }
    };
    let sent = tokio::time::timeout(TRANSFER_PATIENCE, send(client, trial, tensors)).await;
    match sent.unwrap_or_else(|_| Err(Status::deadline_exceeded("sending them takes too long"))) {
        Ok(is_kept) => {
            tracing::debug!(%trial, is_kept, "weights were sent");
            files.remove(trial);
            true
        }
        Err(status) => {
            let is_final = matches!(
                status.code(),
                Code::InvalidArgument | Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated
            );
            tracing::warn!(%trial, reason = status.message(), is_final, "the coordinator does not keep weights");
            if is_final {
                files.remove(trial);
            }
            is_final
        }
    }
}

/// Sends what the coordinator does not have of the weights of a trial, and returns whether they are kept.
async fn send(mut client: Client, trial: TrialId, tensors: Vec<u8>) -> Result<bool, Status> {
    let request = || v1::HeldRequest { digest: block_in_place(|| Digest::of(&tensors)).0.to_vec() };
    let length = tensors.len() as u64;
    let offset = upload::beginning(length, || client.held_of_weights(request())).await?;
    let (pieces, stream) = mpsc::channel(PIECES_AHEAD);
    let cut = async move {
        let (mut trial, mut offset_once) = (trial.0.to_vec(), offset);
        for bytes in tensors[offset as usize..].chunks(BLOB_CHUNK_BYTES_MAX) {
            let (trial, offset) = (std::mem::take(&mut trial), std::mem::take(&mut offset_once));
            let piece = v1::KeepWeightsRequest { trial, bytes: bytes.to_vec(), offset };
            if pieces.send(piece).await.is_err() {
                // Answered before its end: they are not wanted.
                return;
            }
        }
    };
    let (reply, ()) = tokio::join!(client.keep_weights(ReceiverStream::new(stream)), cut);
    Ok(reply?.into_inner().is_kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fake;
    use std::sync::Arc;

    const TRIAL: TrialId = TrialId([7; 16]);

    #[tokio::test(flavor = "multi_thread")]
    async fn weights_arrive_whole_and_wait_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let files = WeightsFiles::new(folder.path());
        let fake = Arc::new(Fake::default());
        let client = fake.serve().await;
        let tensors = vec![5; 2 * BLOB_CHUNK_BYTES_MAX + 8];
        files.write(TRIAL, &tensors);
        let (events, mut heard) = mpsc::channel(1);
        // Left by an earlier process, and acknowledged once more in this one.
        let mut offers = Offers::new(files.clone(), events);
        offers.add(TRIAL);
        assert!(offers.is_busy());
        offers.begin_next(&client);
        let said = heard.recv().await;
        assert!(matches!(said, Some(SlotEvent::WeightsOffered { is_settled: true, .. })), "{said:?}");
        offers.end(TRIAL, 0, true);
        assert!(!offers.is_busy() && files.trials().is_empty());
        let pieces = fake.weights.lock().unwrap();
        assert!(pieces.len() == 3 && pieces[0].trial == TRIAL.0 && pieces[1].trial.is_empty());
        assert!(pieces.iter().flat_map(|piece| &piece.bytes).eq(&tensors));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_arrived_before_the_line_broke_is_not_sent_again() {
        let folder = tempfile::tempdir().unwrap();
        let files = WeightsFiles::new(folder.path());
        let fake = Arc::new(Fake::default());
        let client = fake.serve().await;
        let tensors: Vec<u8> = (0..2 * BLOB_CHUNK_BYTES_MAX).map(|n| (n % 251) as u8).collect();
        files.write(TRIAL, &tensors);
        fake.held.lock().unwrap().push_back(BLOB_CHUNK_BYTES_MAX as u64 - 3);
        assert!(offer(client, files, TRIAL).await);
        let pieces = fake.weights.lock().unwrap();
        assert!(pieces[0].offset == BLOB_CHUNK_BYTES_MAX as u64 - 3 && pieces[1].offset == 0);
        let sent = pieces.iter().flat_map(|piece| &piece.bytes);
        assert!(sent.eq(&tensors[BLOB_CHUNK_BYTES_MAX - 3..]));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_cannot_be_taken_now_waits_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let files = WeightsFiles::new(folder.path());
        let fake = Arc::new(Fake::default());
        let client = fake.serve().await;
        files.write(TRIAL, &[1, 2, 3]);
        let refusals = [Status::unavailable("no room"), Status::invalid_argument("other bytes")];
        fake.refusals.lock().unwrap().extend(refusals);
        assert!(!offer(client.clone(), files.clone(), TRIAL).await);
        assert_eq!(files.trials(), [TRIAL], "it is tried again");
        let (events, _heard) = mpsc::channel(1);
        let mut offers = Offers::new(files.clone(), events);
        offers.end(TRIAL, 0, false);
        assert!(!offers.is_busy(), "nobody waits for it");
        assert!(offer(client, files.clone(), TRIAL).await);
        assert!(files.trials().is_empty(), "it would be refused for ever");
    }
}
