//! What people's commands ask.

use super::{Shared, data, stopped};
use crate::core::{Answer, CancelReport, RetryReport, SubmitEffect, SubmitReport};
use crate::driver::{Standing, ToDriver};
use gridsweep_common::catalogue::Catalogue;
use gridsweep_common::choice::Value;
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::id::SweepId;
use gridsweep_proto::{convert, v1};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// The most running trials that a progress message lists.
const RUNNING_LISTED_MAX: usize = 256;

/// The service that commands speak to.
#[derive(Debug)]
pub(crate) struct SweepsService(pub(crate) Shared);

type ProgressStream = ReceiverStream<Result<v1::SweepProgress, Status>>;

#[tonic::async_trait]
impl v1::sweeps_server::Sweeps for SweepsService {
    type WatchStream = ProgressStream;

    async fn submit(&self, request: Request<v1::SubmitRequest>) -> Result<Response<v1::SubmitReply>, Status> {
        let request = request.into_inner();
        let priority = request.priority;
        let sweep = open(request, self.0.numerics)?;
        let missing: Vec<_> = sweep
            .frozen
            .data
            .files
            .iter()
            .map(|file| file.blob)
            .filter(|blob| !self.0.blobs.has(*blob))
            .collect();
        if !missing.is_empty() {
            let digests = missing.iter().map(|digest| digest.0.to_vec()).collect();
            return Ok(reply(v1::submit_reply::Reply::Missing(v1::MissingBlobs { digests })));
        }
        let sweep = Arc::new(sweep);
        match self.ask(|reply| ToDriver::Submit { sweep, priority, reply }).await? {
            Answer::Submitted(report) => Ok(reply(v1::submit_reply::Reply::Submitted(submitted(&report)))),
            other => Err(answers_nothing(other)),
        }
    }

    async fn cancel(&self, request: Request<v1::CancelRequest>) -> Result<Response<v1::CancelReply>, Status> {
        let sweep = SweepId(request.into_inner().sweep);
        match self.ask(|reply| ToDriver::Cancel { sweep, reply }).await? {
            Answer::Cancelled(CancelReport { was_cancelled, revoked }) => {
                Ok(Response::new(v1::CancelReply { was_cancelled, revoked }))
            }
            Answer::NoSuchSweep => Err(no_such(sweep)),
            other => Err(answers_nothing(other)),
        }
    }

    async fn retry(&self, request: Request<v1::RetryRequest>) -> Result<Response<v1::RetryReply>, Status> {
        let sweep = SweepId(request.into_inner().sweep);
        match self.ask(|reply| ToDriver::Retry { sweep, reply }).await? {
            Answer::Retried(RetryReport { reopened, was_cancelled }) => {
                Ok(Response::new(v1::RetryReply { reopened, was_cancelled }))
            }
            Answer::NoSuchSweep => Err(no_such(sweep)),
            other => Err(answers_nothing(other)),
        }
    }

    async fn put_blob(
        &self,
        request: Request<Streaming<v1::PutBlobRequest>>,
    ) -> Result<Response<v1::PutBlobReply>, Status> {
        data::put(&self.0, request.into_inner()).await?;
        Ok(Response::new(v1::PutBlobReply {}))
    }

    async fn held_of_blob(
        &self,
        request: Request<v1::HeldRequest>,
    ) -> Result<Response<v1::HeldReply>, Status> {
        data::held(&self.0.blobs, &request.into_inner()).map(Response::new)
    }

    async fn watch(&self, request: Request<v1::WatchRequest>) -> Result<Response<ProgressStream>, Status> {
        let sweep = SweepId(request.into_inner().sweep);
        let mut standing = self.0.handle.standing();
        if progress(&standing.borrow(), sweep).is_none() {
            return Err(no_such(sweep));
        }
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            loop {
                let progress = progress(&standing.borrow_and_update(), sweep);
                let Some(progress) = progress else { break };
                let has_ended = progress.ended;
                if sender.send(Ok(progress)).await.is_err() || has_ended {
                    break;
                }
                if standing.changed().await.is_err() {
                    let _ = sender.send(Err(stopped())).await;
                    break;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}

impl SweepsService {
    /// Asks the driver and waits for what it says, which is on disk by then.
    async fn ask(
        &self,
        question: impl FnOnce(oneshot::Sender<Answer>) -> ToDriver,
    ) -> Result<Answer, Status> {
        let (sender, answer) = oneshot::channel();
        self.0.tell(question(sender)).await?;
        answer.await.map_err(|_| stopped())
    }
}

fn no_such(sweep: SweepId) -> Status {
    Status::not_found(format!("there is no sweep {sweep}"))
}

fn answers_nothing(answer: Answer) -> Status {
    Status::internal(format!("the answer is of another question: {answer:?}"))
}

fn reply(reply: v1::submit_reply::Reply) -> Response<v1::SubmitReply> {
    Response::new(v1::SubmitReply { reply: Some(reply) })
}

fn open(request: v1::SubmitRequest, numerics: u32) -> Result<OpenSweep, Status> {
    if request.numerics != numerics {
        return Err(Status::failed_precondition(format!(
            "this sweep is to be computed with numerics {}, the coordinator's workers compute with numerics {numerics}: \
             run the same version of gridsweep on both",
            request.numerics
        )));
    }
    let catalogue: Catalogue = serde_json::from_str(&request.catalogue)
        .map_err(|error| Status::invalid_argument(format!("the catalogue does not read: {error}")))?;
    let manifest = request.data.ok_or_else(|| Status::invalid_argument("a sweep without a data set"))?;
    let frozen = FrozenSweep {
        text: request.text,
        catalogue,
        data: convert::data_manifest(&manifest)?,
        numerics: request.numerics,
    };
    let text = frozen.text.clone();
    frozen.open().map_err(|problems| {
        let rendered: Vec<String> = problems.iter().map(|problem| problem.render("sweep", &text)).collect();
        Status::invalid_argument(rendered.join("\n"))
    })
}

fn submitted(report: &SubmitReport) -> v1::Submitted {
    let effect = match report.effect {
        SubmitEffect::Created => v1::SubmitEffect::Created,
        SubmitEffect::Unchanged => v1::SubmitEffect::Unchanged,
        SubmitEffect::Replaced => v1::SubmitEffect::Replaced,
    };
    v1::Submitted {
        sweep: report.sweep.0,
        effect: effect.into(),
        changes: report.changes.map(|changes| v1::Changes {
            new: changes.new,
            unchanged: changes.unchanged,
            removed: changes.removed,
        }),
    }
}

fn progress(standing: &Standing, sweep: SweepId) -> Option<v1::SweepProgress> {
    let snapshot = &standing.snapshot;
    let of = snapshot.sweeps.iter().find(|standing| standing.sweep == sweep)?;
    let running = |running: &crate::core::Running| v1::RunningTrial {
        trial: running.trial.0.to_vec(),
        attempt: running.attempt.0,
        worker: running.worker.clone(),
        epochs: standing.epochs.get(&running.trial).copied().unwrap_or(0),
        epochs_most: running.spec.choices.get("epochs").and_then(Value::as_number).unwrap_or(0.0) as u32,
    };
    Some(v1::SweepProgress {
        trials: of.trials,
        succeeded: of.ended.succeeded,
        diverged: of.ended.diverged,
        failed: of.ended.failed,
        cancelled: of.ended.cancelled,
        quarantined: of.ended.quarantined,
        conflicts: snapshot.conflicts,
        trouble: standing.trouble.clone().unwrap_or_default(),
        running: of
            .running
            .iter()
            .filter(|running| running.has_slot)
            .take(RUNNING_LISTED_MAX)
            .map(running)
            .collect(),
        workers: snapshot.workers,
        slots: snapshot.slots,
        ended: of.has_ended,
        is_cancelled: of.is_cancelled,
    })
}
