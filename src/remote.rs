//! What is stored, read through the coordinator that holds it: the same pages as from its file.

use crate::client;
use crate::error::CommandError;
use gridsweep_common::id::{Digest, TrialId};
use gridsweep_common::metric::EpochMetrics;
use gridsweep_coordinator::store::{
    AttemptedTrial, Reader, RunningAttempt, StoreError, StoredAttempt, StoredResults, StoredSweep,
    StoredTrial, wire,
};
use gridsweep_proto::convert::{self, Malformed};
use gridsweep_proto::{MESSAGE_BYTES_MAX, v1};
use gridsweep_worker::connect::{Link, Route};
use std::fmt;
use std::future::Future;
use tokio::runtime::Runtime;
use tonic::{Code, Response, Status};

type ReadsClient = v1::reads_client::ReadsClient<Link>;

/// A store behind a coordinator.
pub(crate) struct RemoteReader {
    address: String,
    client: ReadsClient,
    /// The connection is kept alive on it between two pages.
    runtime: Runtime,
}

impl RemoteReader {
    /// Connects.
    pub(crate) fn connect(route: &Route) -> Result<RemoteReader, CommandError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(CommandError::unexpected)?;
        let link = runtime.block_on(client::connect(route))?;
        let client = ReadsClient::new(link).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Ok(RemoteReader { address: route.to_string(), client, runtime })
    }

    /// Returns how things stand.
    pub(crate) fn standing(&self) -> Result<v1::StandingReply, StoreError> {
        self.ask(async |mut client| client.standing(v1::StandingRequest {}).await)
    }

    /// Returns the file with the weights of this digest, which has so many bytes; `None` where it is not there.
    pub(crate) fn weights(&self, digest: Digest, length: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let fetched = self.runtime.block_on(fetch(self.client.clone(), digest, length));
        match fetched {
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(self.error(status.message())),
            Ok(bytes) => Ok(Some(bytes)),
        }
    }

    fn ask<T, F: Future<Output = Result<Response<T>, Status>>>(
        &self,
        question: impl FnOnce(ReadsClient) -> F,
    ) -> Result<T, StoreError> {
        let answer = self.runtime.block_on(question(self.client.clone()));
        answer.map(Response::into_inner).map_err(|status| self.error(status.message()))
    }

    fn error(&self, reason: impl fmt::Display) -> StoreError {
        StoreError::Remote { address: self.address.clone(), reason: reason.to_string() }
    }

    fn all<W, T>(
        &self,
        wire: impl IntoIterator<Item = W>,
        read: impl Fn(W) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, StoreError> {
        wire.into_iter().map(read).collect::<Result<_, _>>().map_err(|malformed| self.error(malformed))
    }
}

impl Reader for RemoteReader {
    fn sweeps(&self) -> Result<Vec<StoredSweep>, StoreError> {
        let mut sweeps: Vec<StoredSweep> = Vec::new();
        loop {
            let after = sweeps.last().map_or(0, |last| last.id.0);
            let request = v1::ListSweepsRequest { after };
            let page = self.ask(async |mut client| client.list_sweeps(request).await)?.sweeps;
            // A page that goes back would be followed by itself for ever.
            let is_behind = page.first().is_some_and(|first| first.sweep > after);
            sweeps.extend(self.all(page, wire::sweep)?);
            if !is_behind {
                return Ok(sweeps);
            }
        }
    }

    fn ended(&self, after: u64, limit: usize) -> Result<Vec<StoredTrial>, StoreError> {
        let request = v1::ListEndedRequest { after, limit: rows(limit) };
        let page = self.ask(async |mut client| client.list_ended(request).await)?.trials;
        self.all(&page, wire::trial)
    }

    fn epochs(&self, trial: TrialId) -> Result<Vec<EpochMetrics>, StoreError> {
        let request = v1::ListEpochsRequest { trial: trial.0.to_vec() };
        let epochs = self.ask(async |mut client| client.list_epochs(request).await)?.epochs;
        self.all(&epochs, convert::epoch_metrics)
    }

    fn attempts(&self, trial: TrialId) -> Result<Vec<StoredAttempt>, StoreError> {
        let request = v1::ListAttemptsRequest { trial: trial.0.to_vec() };
        let attempts = self.ask(async |mut client| client.list_attempts(request).await)?.attempts;
        Ok(attempts.into_iter().map(wire::attempt).collect())
    }

    fn running(&self) -> Result<Vec<RunningAttempt>, StoreError> {
        let request = v1::ListRunningRequest {};
        let running = self.ask(async |mut client| client.list_running(request).await)?.running;
        self.all(running, wire::running)
    }

    fn attempted(&self, after: Option<TrialId>, limit: usize) -> Result<Vec<AttemptedTrial>, StoreError> {
        let after = after.map_or(Vec::new(), |id| id.0.to_vec());
        let request = v1::ListAttemptedRequest { after, limit: rows(limit) };
        let page = self.ask(async |mut client| client.list_attempted(request).await)?.trials;
        self.all(&page, wire::attempted)
    }

    fn conflicts(&self) -> Result<u64, StoreError> {
        self.standing().map(|standing| standing.conflicts)
    }

    fn results(&self, trial: TrialId) -> Result<StoredResults, StoreError> {
        let request = v1::ListResultsRequest { trial: trial.0.to_vec() };
        let reply = self.ask(async |mut client| client.list_results(request).await)?;
        wire::results(reply).map_err(|malformed| self.error(malformed))
    }
}

async fn fetch(mut client: ReadsClient, digest: Digest, length: u64) -> Result<Vec<u8>, Status> {
    let request = v1::FetchBlobRequest { digest: digest.0.to_vec() };
    let mut stream = client.fetch_weights(request).await?.into_inner();
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.message().await? {
        bytes.extend(chunk.bytes);
        if bytes.len() as u64 > length {
            return Err(Status::data_loss("the weights are longer than the result says"));
        }
    }
    Ok(bytes)
}

fn rows(limit: usize) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}
