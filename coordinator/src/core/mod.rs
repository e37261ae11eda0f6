//! The coordinator's mind: synchronous, in memory, pure. It is handed the time and never reads a clock.
//!
//! [`Core::decide`] looks at an input and says what is to happen: events (what is true from now on) and effects (what
//! to tell whom). [`Core::apply`] is the one interpreter of events: a restart folds the stored ones through it.

mod assign;
mod expire;
mod finish;
mod invariants;
mod join;
mod leave;
mod snapshot;
mod state;
mod submit;

#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod testing;

pub use assign::STEPS_MAX as ASSIGN_STEPS_MAX;
pub use invariants::check;
pub use join::{Offer, Refusal};
pub use snapshot::{Running, Snapshot, SweepStanding};
pub use state::{Core, Counts, Moment, Settings, TrialEnd};
pub use submit::{Changes, SubmitEffect, SubmitReport};

use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Attempt, Digest, Fence, SweepId, TrialId, WorkerId};
use gridsweep_common::metric::Outcome;
use gridsweep_common::trial::{Failure, TrialSpec};
use std::sync::Arc;

/// Something happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// The coordinator has just read its store: attempts of earlier terms are over.
    Recover,
    /// A sweep is submitted; `ticket` names the caller who waits.
    Submit {
        /// Who waits for the answer.
        ticket: u64,
        /// The sweep, opened and checked.
        sweep: Arc<OpenSweep>,
    },
    /// A worker says hello.
    Join {
        /// The session's number, never used before in this term.
        worker: WorkerId,
        /// What it offers.
        offer: Offer,
    },
    /// A worker lives and holds on to these attempts.
    Heartbeat {
        /// The worker.
        worker: WorkerId,
        /// What it runs.
        running: Vec<Fence>,
    },
    /// A worker says that an attempt went on from a checkpoint.
    Resumed {
        /// The worker.
        worker: WorkerId,
        /// Which attempt.
        fence: Fence,
        /// Epochs completed at that point.
        epoch: u32,
        /// Steps of the next epoch completed.
        step: u32,
    },
    /// A worker delivers a result.
    Finished {
        /// The worker.
        worker: WorkerId,
        /// Which attempt.
        fence: Fence,
        /// The result.
        outcome: Arc<Outcome>,
    },
    /// A worker says that an attempt gave no result.
    Failed {
        /// The worker.
        worker: WorkerId,
        /// Which attempt.
        fence: Fence,
        /// Why.
        failure: Failure,
    },
    /// A worker hands leases back.
    Released {
        /// The worker.
        worker: WorkerId,
        /// Which attempts.
        fences: Vec<Fence>,
        /// Whether it wants no further ones.
        is_leaving: bool,
    },
    /// A worker's session is over.
    Left {
        /// The worker.
        worker: WorkerId,
        /// Why, for people.
        reason: String,
    },
    /// Free slots are to be filled.
    Assign,
    /// Time has passed.
    Tick,
    /// No more leases; workers hand back what they run.
    Drain,
}

/// What is true from now on. The durable ones are what a store keeps; the others end with the process.
#[derive(Clone, Debug)]
pub enum Event {
    /// Durable: a sweep was submitted, or another file under the name of an earlier one.
    SweepSubmitted {
        /// Its number; that of the earlier one where it replaces it.
        sweep: SweepId,
        /// The sweep.
        open: Arc<OpenSweep>,
    },
    /// Durable: a worker got the right to run a trial.
    AttemptLeased {
        /// The right.
        fence: Fence,
        /// The trial.
        spec: Arc<TrialSpec>,
        /// The worker's session; of no meaning in a later term.
        worker: WorkerId,
        /// The worker's name, for people.
        worker_name: String,
        /// When the lease ends unless it is renewed; of no meaning in a later term.
        expires: Moment,
    },
    /// Durable: an attempt went on from a checkpoint. For people: it decides nothing.
    AttemptResumed {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: Attempt,
        /// Epochs completed at that point.
        epoch: u32,
        /// Steps of the next epoch completed.
        step: u32,
    },
    /// Durable: an attempt is over.
    AttemptEnded {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: Attempt,
        /// How it ended.
        ending: AttemptEnding,
    },
    /// Durable: a trial has its result. The result itself travels beside the event as a [`Record`].
    TrialFinished {
        /// The trial.
        trial: TrialId,
        /// Whether it diverged.
        end: TrialEnd,
        /// The digest of the result.
        digest: Digest,
    },
    /// Durable: a trial is given up.
    TrialFailed {
        /// The trial.
        trial: TrialId,
        /// The last attempt's failure.
        failure: Failure,
    },
    /// Durable: a second result of the same trial has other bits: broken hardware or a bug.
    ResultConflicted {
        /// The trial.
        trial: TrialId,
        /// The attempt that delivered the second result.
        attempt: Attempt,
        /// The digest of the second result.
        digest: Digest,
    },
    /// A sweep is to be worked on in this term.
    SweepActivated {
        /// The sweep.
        sweep: SweepId,
    },
    /// A sweep's cursor has moved over trials that need no new row.
    CursorAdvanced {
        /// The sweep.
        sweep: SweepId,
        /// The index of the next trial to look at.
        cursor: u64,
        /// The trials passed that some attempt was made at before, each with its index.
        known: Vec<(u64, TrialId)>,
        /// The trials passed that had ended already.
        ended: Counts,
    },
    /// A worker's session began.
    WorkerJoined {
        /// The session.
        worker: WorkerId,
        /// What it offers.
        offer: Offer,
    },
    /// A worker gave a sign of life: its leases hold on.
    LeasesRenewed {
        /// The trials leased to it.
        trials: Vec<TrialId>,
        /// When the leases end now.
        expires: Moment,
    },
    /// A worker wants no further leases.
    WorkerLeaving {
        /// The session.
        worker: WorkerId,
    },
    /// A worker's session ended.
    WorkerLeft {
        /// The session.
        worker: WorkerId,
    },
    /// No more leases in this term.
    DrainBegun,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptEnding {
    /// It delivered the trial's result.
    Finished,
    /// It failed by itself.
    Failed(Failure),
    /// Its worker went away or fell silent.
    Lost(String),
    /// Its worker handed it back.
    Released,
    /// Another attempt delivered the result first.
    Superseded,
}

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
    /// Answer a submission.
    Reply {
        /// Who waits.
        ticket: u64,
        /// The answer.
        report: SubmitReport,
    },
}

/// What the coordinator tells a worker.
#[derive(Clone, Debug)]
pub enum Message {
    /// The session stands.
    Welcome,
    /// Run this.
    Lease {
        /// The right to.
        fence: Fence,
        /// The trial.
        spec: Arc<TrialSpec>,
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
}

impl Decision {
    fn send(&mut self, worker: WorkerId, message: Message) {
        self.effects.push(Effect::Send { worker, message });
    }
}

impl Event {
    /// Returns whether a store keeps this event.
    pub fn is_durable(&self) -> bool {
        match self {
            Event::SweepSubmitted { .. }
            | Event::AttemptLeased { .. }
            | Event::AttemptResumed { .. }
            | Event::AttemptEnded { .. }
            | Event::TrialFinished { .. }
            | Event::TrialFailed { .. }
            | Event::ResultConflicted { .. } => true,
            Event::SweepActivated { .. }
            | Event::CursorAdvanced { .. }
            | Event::WorkerJoined { .. }
            | Event::LeasesRenewed { .. }
            | Event::WorkerLeaving { .. }
            | Event::WorkerLeft { .. }
            | Event::DrainBegun => false,
        }
    }
}

impl Core {
    /// Says what an input leads to. Changes nothing: the caller applies the events.
    pub fn decide(&self, now: Moment, input: Input) -> Decision {
        match input {
            Input::Recover => expire::recover(self),
            Input::Submit { ticket, sweep } => submit::submit(self, ticket, sweep),
            Input::Join { worker, offer } => join::join(self, worker, offer),
            Input::Heartbeat { worker, running } => join::heartbeat(self, now, worker, &running),
            Input::Resumed { worker, fence, epoch, step } => {
                finish::resumed(self, worker, fence, epoch, step)
            }
            Input::Finished { worker, fence, outcome } => finish::finished(self, worker, fence, outcome),
            Input::Failed { worker, fence, failure } => finish::failed(self, worker, fence, failure),
            Input::Released { worker, fences, is_leaving } => {
                leave::released(self, worker, &fences, is_leaving)
            }
            Input::Left { worker, reason } => leave::left(self, worker, &reason),
            Input::Assign => assign::assign(self, now),
            Input::Tick => expire::tick(self, now),
            Input::Drain => leave::drain(self),
        }
    }

    /// Makes an event true.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::SweepSubmitted { sweep, open } => submit::apply_submitted(self, *sweep, open),
            Event::SweepActivated { sweep } => submit::apply_activated(self, *sweep),
            Event::AttemptLeased { fence, spec, worker, expires, .. } => {
                assign::apply_leased(self, *fence, spec, *worker, *expires);
            }
            Event::CursorAdvanced { sweep, cursor, known, ended } => {
                assign::apply_advanced(self, *sweep, *cursor, known, ended);
            }
            Event::AttemptEnded { trial, attempt, ending } => {
                finish::apply_ended(self, *trial, *attempt, ending)
            }
            Event::AttemptResumed { .. } => {}
            Event::TrialFinished { trial, end, digest } => {
                finish::apply_trial_end(self, *trial, *end, Some(*digest));
            }
            Event::TrialFailed { trial, .. } => finish::apply_trial_end(self, *trial, TrialEnd::Failed, None),
            Event::ResultConflicted { .. } => self.conflicts += 1,
            Event::WorkerJoined { worker, offer } => join::apply_joined(self, *worker, offer),
            Event::LeasesRenewed { trials, expires } => join::apply_renewed(self, trials, *expires),
            Event::WorkerLeaving { worker } => leave::apply_leaving(self, *worker),
            Event::WorkerLeft { worker } => leave::apply_left(self, *worker),
            Event::DrainBegun => self.is_draining = true,
        }
    }
}
