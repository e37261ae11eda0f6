//! One worker's session.

use super::data::{self, BlobStream};
use super::{Shared, checkpoints, stopped, weights};
use crate::core::{Claims, Input, Message, Offer, Progress, Refusal};
use crate::driver::{OUTBOX_MESSAGES_MAX, Outbound, ToDriver};
use gridsweep_common::id::WorkerId;
use gridsweep_proto::convert::{self, Malformed};
use gridsweep_proto::{PROTOCOL_MAJOR, v1};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// How many messages wait between the session and its stream.
const STREAM_MESSAGES_AHEAD: usize = 64;
/// The longest name that a worker may give itself.
const NAME_CHARACTERS_MAX: usize = 200;

/// The service that workers speak to.
#[derive(Debug)]
pub(crate) struct WorkersService(pub(crate) Shared);

type ToWorkerStream = ReceiverStream<Result<v1::ToWorker, Status>>;

#[tonic::async_trait]
impl v1::workers_server::Workers for WorkersService {
    type WorkStream = ToWorkerStream;
    type FetchBlobStream = BlobStream;
    type FetchCheckpointStream = BlobStream;

    async fn work(
        &self,
        request: Request<Streaming<v1::FromWorker>>,
    ) -> Result<Response<ToWorkerStream>, Status> {
        let mut inbound = request.into_inner();
        let (offer, claims, minor) = read_hello(&mut inbound).await?;
        let (outbox, outbound) = mpsc::channel(OUTBOX_MESSAGES_MAX);
        let (joined, worker) = oneshot::channel();
        tracing::debug!(name = &*offer.name, slots = offer.slots, "a worker says hello");
        self.0.tell(ToDriver::Join { offer, claims, outbox, joined }).await?;
        let worker = worker.await.map_err(|_| stopped())?;
        let (stream, receiver) = mpsc::channel(STREAM_MESSAGES_AHEAD);
        tokio::spawn(serve(self.0.clone(), Speaker { worker, minor }, inbound, outbound, stream));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn describe_data(
        &self,
        request: Request<v1::DescribeDataRequest>,
    ) -> Result<Response<v1::DataManifest>, Status> {
        let data = convert::digest(&request.into_inner().data)?;
        match self.0.ask(|reply| ToDriver::Describe { data, reply }).await? {
            Some(manifest) => Ok(Response::new((&manifest).into())),
            None => Err(Status::not_found(format!("no sweep here has the data set {data}"))),
        }
    }

    async fn fetch_blob(
        &self,
        request: Request<v1::FetchBlobRequest>,
    ) -> Result<Response<BlobStream>, Status> {
        data::fetch(&self.0.blobs, &request.into_inner()).map(Response::new)
    }

    async fn keep_checkpoint(
        &self,
        request: Request<Streaming<v1::KeepCheckpointRequest>>,
    ) -> Result<Response<v1::KeepCheckpointReply>, Status> {
        let is_kept = checkpoints::keep(&self.0, request.into_inner()).await?;
        Ok(Response::new(v1::KeepCheckpointReply { is_kept }))
    }

    async fn fetch_checkpoint(
        &self,
        request: Request<v1::FetchBlobRequest>,
    ) -> Result<Response<BlobStream>, Status> {
        data::fetch(&self.0.checkpoints.blobs, &request.into_inner()).map(Response::new)
    }

    async fn held_of_checkpoint(
        &self,
        request: Request<v1::HeldRequest>,
    ) -> Result<Response<v1::HeldReply>, Status> {
        data::held(&self.0.checkpoints.blobs, &request.into_inner()).map(Response::new)
    }

    async fn held_of_weights(
        &self,
        request: Request<v1::HeldRequest>,
    ) -> Result<Response<v1::HeldReply>, Status> {
        self.0.weights.held(&request.into_inner()).map(Response::new)
    }

    async fn keep_weights(
        &self,
        request: Request<Streaming<v1::KeepWeightsRequest>>,
    ) -> Result<Response<v1::KeepWeightsReply>, Status> {
        let is_kept = weights::keep(&self.0, request.into_inner()).await?;
        Ok(Response::new(v1::KeepWeightsReply { is_kept }))
    }
}

/// A worker, and the minor version of the protocol that it speaks.
#[derive(Clone, Copy)]
struct Speaker {
    worker: WorkerId,
    minor: u32,
}

async fn read_hello(inbound: &mut Streaming<v1::FromWorker>) -> Result<(Offer, Claims, u32), Status> {
    let first = inbound.message().await?.and_then(|message| message.message);
    let Some(v1::from_worker::Message::Hello(hello)) = first else {
        return Err(Status::invalid_argument("a session begins with hello"));
    };
    if hello.protocol_major != PROTOCOL_MAJOR {
        return Err(Status::failed_precondition(format!(
            "this worker speaks protocol {}, the coordinator {PROTOCOL_MAJOR}: run the same version of gridsweep on both",
            hello.protocol_major
        )));
    }
    let name: String = hello.name.chars().filter(|c| !c.is_control()).take(NAME_CHARACTERS_MAX).collect();
    let spooled = |spooled: &v1::Spooled| {
        Ok((convert::fence(spooled.fence.as_ref())?, convert::digest(&spooled.digest)?))
    };
    let claims = Claims {
        running: convert::fences(&hello.running)?,
        spooled: hello.spooled.iter().map(spooled).collect::<Result<_, Malformed>>()?,
    };
    let v1::Hello { identity, slots, numerics, protocol_minor, .. } = hello;
    Ok((Offer { name: name.into(), identity, slots, numerics }, claims, protocol_minor))
}

/// Passes messages both ways until one side ends the session, then says that the worker has left.
async fn serve(
    shared: Shared,
    speaker: Speaker,
    inbound: Streaming<v1::FromWorker>,
    outbound: mpsc::Receiver<Outbound>,
    stream: mpsc::Sender<Result<v1::ToWorker, Status>>,
) {
    // Side by side: a worker that is slow to read must still be heard, or each could wait for the other for ever.
    let reason = tokio::select! {
        reason = read_all(&shared, speaker, inbound, stream.clone()) => reason,
        reason = write_all(&shared, speaker.worker, outbound, stream) => reason,
    };
    let worker = speaker.worker;
    tracing::debug!(%worker, reason, "a worker's session is over");
    // A driver that is gone has forgotten the worker already.
    let _ = shared.tell(ToDriver::Input(Input::Left { worker })).await;
}

async fn read_all(
    shared: &Shared,
    speaker: Speaker,
    mut inbound: Streaming<v1::FromWorker>,
    stream: mpsc::Sender<Result<v1::ToWorker, Status>>,
) -> String {
    loop {
        let message = match inbound.message().await {
            Ok(Some(message)) => message,
            Ok(None) => return "the worker ended the session".to_owned(),
            Err(status) => return format!("the connection to the worker broke: {}", status.message()),
        };
        match read(speaker, message) {
            Ok(Some(message)) => {
                if shared.tell(message).await.is_err() {
                    return "the coordinator has stopped".to_owned();
                }
            }
            Ok(None) => {}
            Err(malformed) => {
                // The worker may be gone before it can be told.
                let _ = stream.send(Err(malformed.clone().into())).await;
                return malformed.to_string();
            }
        }
    }
}

async fn write_all(
    shared: &Shared,
    worker: WorkerId,
    mut outbound: mpsc::Receiver<Outbound>,
    stream: mpsc::Sender<Result<v1::ToWorker, Status>>,
) -> String {
    while let Some(message) = outbound.recv().await {
        let is_refused = matches!(message, Outbound::Refused(_));
        if stream.send(write(shared, worker, message)).await.is_err() {
            return "the worker ended the session".to_owned();
        }
        if is_refused {
            return "refused".to_owned();
        }
    }
    "the worker did not read what it was sent".to_owned()
}

fn read(speaker: Speaker, message: v1::FromWorker) -> Result<Option<ToDriver>, Malformed> {
    use v1::from_worker::Message as From;
    let worker = speaker.worker;
    let input = match message.message {
        None => return Ok(None),
        Some(From::Hello(_)) => return Err(Malformed("a second hello")),
        Some(From::Heartbeat(heartbeat)) => {
            let progress = |progress: &v1::Progress| {
                let fence = convert::fence(progress.fence.as_ref())?;
                Ok(Progress { fence, epochs: progress.epochs, steps: progress.steps })
            };
            Input::Heartbeat {
                worker,
                number: heartbeat.number,
                held: convert::fences(&heartbeat.running)?,
                progress: heartbeat.progress.iter().map(progress).collect::<Result<_, _>>()?,
            }
        }
        Some(From::Epochs(epochs)) => {
            let report = |report: &v1::EpochReport| {
                let metrics = report.metrics.as_ref().ok_or(Malformed("a report without its epoch"))?;
                Ok((convert::fence(report.fence.as_ref())?, convert::epoch_metrics(metrics)?))
            };
            let reports = epochs.reports.iter().map(report).collect::<Result<_, _>>()?;
            return Ok(Some(ToDriver::Previews { worker, reports }));
        }
        Some(From::Finished(finished)) => {
            let (fence, outcome) = convert::finished(&finished, speaker.minor)?;
            Input::Finished { worker, fence, outcome: Arc::new(outcome) }
        }
        Some(From::Failed(failed)) => Input::Failed {
            worker,
            fence: convert::fence(failed.fence.as_ref())?,
            failure: convert::failure(&failed)?,
        },
        Some(From::Started(started)) => Input::Started {
            worker,
            fence: convert::fence(started.fence.as_ref())?,
            epoch: started.epoch,
            step: started.step,
        },
        Some(From::Released(released)) => {
            let fences = convert::fences(&released.fences)?;
            Input::Released { worker, fences, is_leaving: released.is_leaving }
        }
    };
    Ok(Some(ToDriver::Input(input)))
}

fn write(shared: &Shared, worker: WorkerId, outbound: Outbound) -> Result<v1::ToWorker, Status> {
    use v1::to_worker::Message as To;
    let message = match outbound {
        // A coordinator that stops may be followed by another.
        Outbound::Refused(refusal @ Refusal::Draining) => {
            return Err(Status::unavailable(refusal.to_string()));
        }
        Outbound::Refused(refusal) => return Err(Status::failed_precondition(refusal.to_string())),
        Outbound::Message(Message::Welcome { go_on, kill, deliver }) => To::Welcome(v1::Welcome {
            worker: worker.0,
            lease_ms: shared.lease_ms,
            heartbeat_ms: shared.heartbeat_ms,
            go_on: go_on.into_iter().map(Into::into).collect(),
            kill: kill.into_iter().map(Into::into).collect(),
            deliver: deliver.into_iter().map(Into::into).collect(),
        }),
        Outbound::Message(Message::Renewed(number)) => To::Renewed(v1::Renewed { number }),
        Outbound::Message(Message::Recalled(fence)) => {
            To::Recalled(v1::Recalled { fence: Some(fence.into()) })
        }
        Outbound::Message(Message::Quarantined) => To::Quarantined(v1::Quarantined {}),
        Outbound::Message(Message::Lease { fence, spec, checkpoint, weights_bytes_max }) => {
            To::Lease(v1::Lease {
                fence: Some(fence.into()),
                trial: Some((&*spec).into()),
                checkpoint: checkpoint.map(Into::into),
                weights_bytes_max,
            })
        }
        Outbound::Message(Message::Acknowledged(fence)) => {
            To::Acknowledged(v1::Acknowledged { fence: Some(fence.into()) })
        }
        Outbound::Message(Message::Revoked { fence, reason }) => {
            To::Revoked(v1::Revoked { fence: Some(fence.into()), reason })
        }
        Outbound::Message(Message::Drain) => To::Drain(v1::Drain {}),
    };
    Ok(v1::ToWorker { message: Some(message) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::outcome;
    use gridsweep_common::id::{Attempt, Fence, Term, TrialId};
    use gridsweep_proto::RESULT_DIGEST_MINOR;

    #[test]
    fn a_result_without_a_digest_is_taken_from_an_older_worker_and_from_no_other() {
        let fence = Fence { term: Term(1), trial: TrialId([7; 16]), attempt: Attempt(1) };
        let bare = v1::Finished { digest: vec![], ..v1::Finished::from((fence, &*outcome(0.5))) };
        let said = |minor| {
            let message = Some(v1::from_worker::Message::Finished(bare.clone()));
            read(Speaker { worker: WorkerId(1), minor }, v1::FromWorker { message })
        };
        let older = said(RESULT_DIGEST_MINOR - 1);
        assert!(matches!(older, Ok(Some(ToDriver::Input(Input::Finished { fence: of, .. }))) if of == fence));
        assert!(said(RESULT_DIGEST_MINOR).is_err());
    }
}
