//! What an input leads to: events, and what is to be done once they are on disk.

use super::{CancelReport, Event, Refusal, RetryReport, SubmitReport, TrialEnd};
use gridsweep_common::id::{Attempt, Digest, Fence, TrialId, WorkerId};
use gridsweep_common::metric::Outcome;
use gridsweep_common::trial::{KeptCheckpoint, TrialSpec};
use std::sync::Arc;

/// A result to be stored in the same transaction as its [`Event::TrialFinished`].
#[derive(Clone, Debug)]
pub struct Record {
    /// The trial.
    pub trial: TrialId,
    /// The attempt that delivered it.
    pub attempt: Attempt,
    /// The result.
    pub outcome: Arc<Outcome>,
}

/// A trial that has its result, as far as it must be known: whoever brings another one is told whether it is the same.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownResult {
    /// The trial.
    pub trial: TrialId,
    /// The number of the last attempt at it.
    pub attempts: Attempt,
    /// How it ended.
    pub end: TrialEnd,
    /// The digest of its result.
    pub digest: Digest,
    /// How many epochs were run.
    pub epochs: u32,
}

/// What is to be done outside, once the events are on disk.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Tell a worker something.
    Send {
        /// The session.
        worker: WorkerId,
        /// What.
        message: Message,
    },
    /// Refuse a worker and end its session.
    Refuse {
        /// The session.
        worker: WorkerId,
        /// Why.
        refusal: Refusal,
    },
    /// End a session that another one has taken the place of, or whose worker is dead.
    HangUp {
        /// The session.
        worker: WorkerId,
    },
    /// Say whether a checkpoint is kept.
    CheckpointTaken {
        /// Who waits.
        ticket: u64,
        /// Whether it is.
        is_kept: bool,
    },
    /// Remove the bytes of a checkpoint.
    DiscardCheckpoint {
        /// Their digest.
        digest: Digest,
    },
    /// Answer a submission.
    /// Answer a question.
    Reply {
        /// Who waits.
        ticket: u64,
        /// The answer.
        answer: Answer,
    },
}

/// What someone who waits is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// What a submission did.
    Submitted(SubmitReport),
    /// What a cancellation did.
    Cancelled(CancelReport),
    /// What a retry did.
    Retried(RetryReport),
    /// There is no sweep of that number.
    NoSuchSweep,
}

/// What the coordinator tells a worker.
#[derive(Clone, Debug)]
pub enum Message {
    /// The session stands.
    Welcome {
        /// What to go on with.
        go_on: Vec<Fence>,
        /// What to stop.
        kill: Vec<Fence>,
        /// Whose results to deliver. Other results that it kept are not needed any more.
        deliver: Vec<Fence>,
    },
    /// This heartbeat was heard.
    Renewed(u64),
    /// Run this.
    Lease {
        /// The right to.
        fence: Fence,
        /// The trial.
        spec: Arc<TrialSpec>,
        /// Where an earlier attempt had come to.
        checkpoint: Option<KeptCheckpoint>,
        /// How many bytes of weights the trial may leave; 0 where it leaves none.
        weights_bytes_max: u64,
    },
    /// What was said of this attempt is on disk.
    Acknowledged(Fence),
    /// This attempt is not wanted.
    Revoked {
        /// The attempt.
        fence: Fence,
        /// Why.
        reason: String,
    },
    /// Hand this attempt back, if it has no slot yet.
    Recalled(Fence),
    /// Everything fails on this worker: it gets nothing more while there is another one.
    Quarantined,
    /// Hand back what runs.
    Drain,
}

/// What an input leads to.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// What is true from now on.
    pub events: Vec<Event>,
    /// Results to store with the events.
    pub records: Vec<Record>,
    /// What to do once they are on disk.
    pub effects: Vec<Effect>,
    /// Whether there is more to look at for free slots: [`super::Input::Assign`] is to come again at once.
    pub has_more: bool,
}

impl Decision {
    pub(super) fn send(&mut self, worker: WorkerId, message: Message) {
        self.effects.push(Effect::Send { worker, message });
    }
}
