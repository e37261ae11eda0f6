//! What commands that look ask: pages of the store, each read on a thread where it may wait.

use super::Shared;
use super::data::BlobStream;
use crate::observe::why;
use crate::store::{Reader, StoreError};
use gridsweep_common::id::TrialId;
use gridsweep_proto::{convert, v1};
use prost::Message;
use std::fmt;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};

/// How many pages are read at once: each takes a thread, and the driver's commits need some too.
const READS_AT_ONCE_MAX: usize = 4;
/// The most rows of a page.
const PAGE_ROWS_MAX: u32 = 1000;
/// A page ends when it has more bytes than this; the longest row is far from the limit of a message.
const PAGE_BYTES: usize = 4 * 1024 * 1024;

/// Opens what is stored for a look.
pub type OpenReader = dyn Fn() -> Result<Box<dyn Reader>, StoreError> + Send + Sync;

/// The way to what is stored.
#[derive(Clone)]
pub(crate) struct Readers {
    open: Arc<OpenReader>,
    at_once: Arc<Semaphore>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Readers")
    }
}

impl Readers {
    pub(crate) fn new(open: Arc<OpenReader>) -> Readers {
        Readers { open, at_once: Arc::new(Semaphore::new(READS_AT_ONCE_MAX)) }
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let permit = Arc::clone(&self.at_once).acquire_owned().await;
        let permit = permit.map_err(|_| super::stopped())?;
        let open = Arc::clone(&self.open);
        let result = tokio::task::spawn_blocking(move || {
            // Held until the thread is free again, also where nobody waits for the answer any more.
            let _permit = permit;
            open().and_then(|reader| read(&*reader))
        });
        let result = result.await.map_err(|_| Status::internal("reading the store failed"))?;
        result.map(Response::new).map_err(|error| Status::unavailable(error.to_string()))
    }
}

/// The service that commands read through.
#[derive(Debug)]
pub(crate) struct ReadsService(pub(crate) Shared);

#[tonic::async_trait]
impl v1::reads_server::Reads for ReadsService {
    type FetchWeightsStream = BlobStream;

    async fn standing(&self, _: Request<v1::StandingRequest>) -> Result<Response<v1::StandingReply>, Status> {
        let standing = self.0.handle.standing().borrow().clone();
        let snapshot = &standing.snapshot;
        let of = |of: &crate::core::SweepStanding| v1::SweepStanding {
            sweep: of.sweep.0,
            running: of.running.iter().filter(|running| running.has_slot).count() as u64,
            waits_because: why(&standing, of).unwrap_or_default(),
        };
        Ok(Response::new(v1::StandingReply {
            workers: snapshot.workers,
            slots: snapshot.slots,
            conflicts: snapshot.conflicts,
            sweeps: snapshot.sweeps.iter().map(of).collect(),
        }))
    }

    async fn list_sweeps(
        &self,
        request: Request<v1::ListSweepsRequest>,
    ) -> Result<Response<v1::ListSweepsReply>, Status> {
        let after = request.into_inner().after;
        let page = move |reader: &dyn Reader| {
            let sweeps = reader.sweeps()?;
            let mut behind: Vec<_> = sweeps.iter().filter(|sweep| sweep.id.0 > after).collect();
            behind.sort_by_key(|sweep| sweep.id);
            Ok(v1::ListSweepsReply { sweeps: cut(behind.into_iter().map(Into::into)) })
        };
        self.0.readers.read(page).await
    }

    async fn list_ended(
        &self,
        request: Request<v1::ListEndedRequest>,
    ) -> Result<Response<v1::ListEndedReply>, Status> {
        let v1::ListEndedRequest { after, limit } = request.into_inner();
        let page = move |reader: &dyn Reader| {
            let trials = reader.ended(after, rows(limit))?;
            Ok(v1::ListEndedReply { trials: cut(trials.iter().map(Into::into)) })
        };
        self.0.readers.read(page).await
    }

    async fn list_epochs(
        &self,
        request: Request<v1::ListEpochsRequest>,
    ) -> Result<Response<v1::ListEpochsReply>, Status> {
        let trial = convert::trial_id(&request.into_inner().trial)?;
        let all = move |reader: &dyn Reader| {
            let epochs = reader.epochs(trial)?;
            Ok(v1::ListEpochsReply { epochs: epochs.iter().map(Into::into).collect() })
        };
        self.0.readers.read(all).await
    }

    async fn list_attempts(
        &self,
        request: Request<v1::ListAttemptsRequest>,
    ) -> Result<Response<v1::ListAttemptsReply>, Status> {
        let trial = convert::trial_id(&request.into_inner().trial)?;
        let all = move |reader: &dyn Reader| {
            let attempts = reader.attempts(trial)?;
            Ok(v1::ListAttemptsReply { attempts: cut(attempts.iter().map(Into::into)) })
        };
        self.0.readers.read(all).await
    }

    async fn list_results(
        &self,
        request: Request<v1::ListResultsRequest>,
    ) -> Result<Response<v1::ListResultsReply>, Status> {
        let trial = convert::trial_id(&request.into_inner().trial)?;
        self.0.readers.read(move |reader: &dyn Reader| Ok((&reader.results(trial)?).into())).await
    }

    async fn list_running(
        &self,
        _: Request<v1::ListRunningRequest>,
    ) -> Result<Response<v1::ListRunningReply>, Status> {
        let all = |reader: &dyn Reader| {
            let running = reader.running()?;
            Ok(v1::ListRunningReply { running: cut(running.iter().map(Into::into)) })
        };
        self.0.readers.read(all).await
    }

    async fn list_attempted(
        &self,
        request: Request<v1::ListAttemptedRequest>,
    ) -> Result<Response<v1::ListAttemptedReply>, Status> {
        let v1::ListAttemptedRequest { after, limit } = request.into_inner();
        let after: Option<TrialId> =
            (!after.is_empty()).then(|| convert::trial_id(&after)).transpose().map_err(Status::from)?;
        let page = move |reader: &dyn Reader| {
            let trials = reader.attempted(after, rows(limit))?;
            Ok(v1::ListAttemptedReply { trials: cut(trials.iter().map(Into::into)) })
        };
        self.0.readers.read(page).await
    }

    async fn fetch_weights(
        &self,
        request: Request<v1::FetchBlobRequest>,
    ) -> Result<Response<BlobStream>, Status> {
        self.0.weights.fetch(&request.into_inner()).map(Response::new)
    }
}

fn rows(limit: u32) -> usize {
    limit.clamp(1, PAGE_ROWS_MAX) as usize
}

/// Returns the first rows, as many as a message holds well, and one at least.
fn cut<T: Message>(rows: impl Iterator<Item = T>) -> Vec<T> {
    let mut bytes = 0;
    let fits = |row: &T| {
        let is_first = bytes == 0;
        bytes += row.encoded_len().max(1);
        is_first || bytes <= PAGE_BYTES
    };
    rows.take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_before_a_message_is_too_long_and_is_never_empty() {
        let row = |length: usize| v1::BlobChunk { bytes: vec![0; length] };
        let lengths = |lengths: &[usize]| cut(lengths.iter().map(|length| row(*length))).len();
        assert_eq!(lengths(&[]), 0);
        assert_eq!(lengths(&[10, 10, 10]), 3);
        assert_eq!(lengths(&[2 << 20, 1 << 20, 2 << 20, 1]), 2);
        assert_eq!(lengths(&[8 << 20, 1]), 1, "what is long by itself goes alone");
    }
}
