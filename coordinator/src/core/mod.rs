//! The coordinator's mind: synchronous, in memory, pure. It is handed the time and never reads a clock.
//!
//! [`Core::decide`] looks at an input and says what is to happen: events (what is true from now on) and effects (what
//! to tell whom). [`Core::apply`] is the one interpreter of events: a restart folds the stored ones through it.

mod assign;
mod blame;
mod cancel;
mod decision;
mod expire;
mod finish;
mod invariants;
mod join;
mod keep;
mod leave;
mod passed;
mod renew;
mod retry;
mod room;
mod snapshot;
mod spare;
mod state;
mod submit;
mod window;

#[cfg(test)]
mod model;
#[cfg(test)]
pub(crate) mod testing;

pub use cancel::CancelReport;
pub use decision::{Answer, Decision, Effect, KnownResult, Message, Record};
pub use invariants::check;
pub use join::{Claims, Offer, Refusal};
pub use passed::Passed;
pub use renew::Progress;
pub use retry::RetryReport;
pub use snapshot::{Running, Snapshot, SweepStanding};
pub use state::{Core, Counts, Moment, Settings, TrialEnd};
pub use submit::{Changes, SubmitEffect, SubmitReport};

use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Attempt, Digest, Fence, SweepId, TrialId, WorkerId};
use gridsweep_common::metric::Outcome;
use gridsweep_common::trial::{Failure, KeptCheckpoint, TrialSpec};
use gridsweep_common::work::Work;
use std::sync::Arc;

/// Something happened outside.
#[derive(Clone, Debug)]
pub enum Input {
    /// The coordinator has just read its store: attempts of earlier terms may still be running somewhere.
    Recover,
    /// The coordinator itself stood still: what was sent to it meanwhile has not been heard.
    Stalled,
    /// A sweep is submitted; `ticket` names the caller who waits.
    Submit {
        /// Who waits for the answer.
        ticket: u64,
        /// The sweep, opened and checked.
        sweep: Arc<OpenSweep>,
        /// What it is to have of free slots before others; `None` leaves it as it is, 0 for a new one.
        priority: Option<i32>,
    },
    /// A sweep is not wanted any more.
    Cancel {
        /// Who waits for the answer.
        ticket: u64,
        /// The sweep.
        sweep: SweepId,
    },
    /// What failed of a sweep is to be tried again.
    Retry {
        /// Who waits for the answer.
        ticket: u64,
        /// The sweep.
        sweep: SweepId,
    },
    /// A worker says hello.
    Join {
        /// The session's number, never used before in this term.
        worker: WorkerId,
        /// What it offers.
        offer: Offer,
        /// What it has from earlier sessions.
        claims: Claims,
    },
    /// A worker lives and holds on to these attempts.
    Heartbeat {
        /// The worker.
        worker: WorkerId,
        /// Which of its heartbeats this is.
        number: u64,
        /// What it holds: in a slot, before one, or with a result that waits.
        held: Vec<Fence>,
        /// How far those in a slot have come.
        progress: Vec<Progress>,
    },
    /// A worker says that an attempt has its slot now.
    Started {
        /// The worker.
        worker: WorkerId,
        /// Which attempt.
        fence: Fence,
        /// Epochs that it found completed in a checkpoint.
        epoch: u32,
        /// Steps of the next epoch that it found completed.
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
    /// The bytes of an attempt's checkpoint are stored; `ticket` names whoever waits for the answer.
    Checkpoint {
        /// Who waits.
        ticket: u64,
        /// Which attempt.
        fence: Fence,
        /// The checkpoint.
        checkpoint: KeptCheckpoint,
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
    },
    /// The process of a worker is known to have ended.
    Died {
        /// What the worker called itself.
        name: String,
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
        /// Free slots go to the sweeps with the highest first.
        priority: i32,
    },
    /// Durable: a sweep has another priority.
    SweepPrioritized {
        /// The sweep.
        sweep: SweepId,
        /// Its priority from now on.
        priority: i32,
    },
    /// Durable: a sweep is not wanted any more.
    SweepCancelled {
        /// The sweep.
        sweep: SweepId,
    },
    /// Durable: a cancelled sweep is wanted again.
    SweepReinstated {
        /// The sweep.
        sweep: SweepId,
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
        worker_name: Arc<str>,
        /// When the lease ends unless it is renewed; of no meaning in a later term.
        expires: Moment,
    },
    /// Durable, for people: an attempt has its slot. Said again once it is known that it went on from a checkpoint.
    AttemptStarted {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: Attempt,
        /// When; of no meaning in a later term.
        at: Moment,
        /// Epochs that it found completed in a checkpoint.
        epoch: u32,
        /// Steps of the next epoch that it found completed.
        step: u32,
    },
    /// Durable: whoever tries the trial next can go on from here, until it ends or starts over.
    CheckpointKept {
        /// The trial.
        trial: TrialId,
        /// The attempt that left the checkpoint.
        attempt: Attempt,
        /// The checkpoint.
        checkpoint: KeptCheckpoint,
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
        /// How many epochs were run.
        epochs: u32,
    },
    /// Durable: a trial is given up.
    TrialFailed {
        /// The trial.
        trial: TrialId,
        /// The last attempt's failure.
        failure: Failure,
    },
    /// Durable: a trial is given up because its workers die of it.
    TrialQuarantined {
        /// The trial.
        trial: TrialId,
        /// What became of the last attempt.
        failure: Failure,
    },
    /// Durable: a trial is not wanted any more.
    TrialCancelled {
        /// The trial.
        trial: TrialId,
    },
    /// Durable: a trial without a result is wanted again, and what went wrong before does not count.
    TrialReopened {
        /// The trial.
        trial: TrialId,
    },
    /// What a store knows of trials that have their results: their attempts are of no more use.
    ResultsKnown {
        /// In the order of the ids.
        results: Vec<KnownResult>,
    },
    /// Durable: a second result of the same trial has other bits: broken hardware or a bug. It is kept.
    ResultConflicted {
        /// The trial.
        trial: TrialId,
        /// The attempt that delivered the second result.
        attempt: Attempt,
        /// The digest of the second result.
        digest: Digest,
        /// The second result.
        outcome: Arc<Outcome>,
    },
    /// A sweep is to be worked on in this term.
    SweepActivated {
        /// The sweep.
        sweep: SweepId,
    },
    /// Durable: a sweep's cursor has moved, and trials that need no new row were passed.
    CursorAdvanced {
        /// The sweep.
        sweep: SweepId,
        /// The index of the next trial to look at.
        cursor: u64,
        /// The trials looked at that no attempt was made at: they are to be begun, each by its index.
        ahead: Vec<(u64, Work)>,
        /// The trials that some attempt was made at and that were looked at, or were to be begun before.
        passed: Vec<Passed>,
    },
    /// What a store knows of a sweep's cursor: it has passed the first trials of the grid without a gap.
    PrefixPassed {
        /// The sweep, of which nothing else is known to be passed.
        sweep: SweepId,
        /// Those trials, from index 0 on.
        trials: Vec<TrialId>,
    },
    /// A worker's session began.
    WorkerJoined {
        /// The session.
        worker: WorkerId,
        /// What it offers.
        offer: Offer,
        /// When.
        at: Moment,
    },
    /// Attempts of an earlier session, or of an earlier coordinator, belong to this session now.
    LeasesClaimed {
        /// The session.
        worker: WorkerId,
        /// The attempts.
        attempts: Vec<(TrialId, Attempt)>,
        /// When the leases end now.
        expires: Moment,
    },
    /// A worker gave a sign of life: its leases hold on.
    LeasesRenewed {
        /// The session.
        worker: WorkerId,
        /// When it did.
        at: Moment,
        /// The attempts leased to it.
        attempts: Vec<(TrialId, Attempt)>,
        /// When their leases end now.
        expires: Moment,
        /// How far those in a slot have come.
        progress: Vec<Progress>,
        /// How many of its slots hold attempts that are not leased to it any more.
        strays: u32,
    },
    /// An attempt that waits for a slot of its worker was asked back.
    LeaseRecalled {
        /// The trial.
        trial: TrialId,
        /// The attempt.
        attempt: Attempt,
    },
    /// No time passed for workers while the coordinator was not there: all timers start anew.
    TimersRestarted {
        /// When.
        at: Moment,
        /// When every lease ends now.
        expires: Moment,
    },
    /// A worker delivered a result.
    WorkerDelivered {
        /// The session.
        worker: WorkerId,
        /// How long the attempt had its slot, where that is known.
        took_ms: Option<u64>,
    },
    /// An attempt failed on a worker.
    WorkerFailed {
        /// The session.
        worker: WorkerId,
        /// The trial.
        trial: TrialId,
    },
    /// A worker on which everything fails gets nothing more while there is another one.
    WorkerQuarantined {
        /// The session.
        worker: WorkerId,
    },
    /// A worker's connection is gone; the worker may be at work all the same.
    WorkerDisconnected {
        /// The session.
        worker: WorkerId,
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
    /// Its worker went away or fell silent while it ran.
    Lost(String),
    /// It ended through no doing of its own: with the coordinator, or before it had a slot on a worker that went away.
    Abandoned(String),
    /// Its worker handed it back.
    Released,
    /// Its worker handed it back before it had a slot: nothing of it was executed.
    Returned,
    /// Another attempt delivered the result first.
    Superseded,
    /// Its trial is not wanted any more.
    Revoked,
}

impl Event {
    /// Returns whether a store keeps this event.
    pub fn is_durable(&self) -> bool {
        match self {
            Event::SweepSubmitted { .. }
            | Event::SweepPrioritized { .. }
            | Event::SweepCancelled { .. }
            | Event::SweepReinstated { .. }
            | Event::TrialCancelled { .. }
            | Event::TrialReopened { .. }
            | Event::AttemptLeased { .. }
            | Event::AttemptStarted { .. }
            | Event::CheckpointKept { .. }
            | Event::AttemptEnded { .. }
            | Event::TrialFinished { .. }
            | Event::TrialFailed { .. }
            | Event::TrialQuarantined { .. }
            | Event::ResultConflicted { .. }
            | Event::CursorAdvanced { .. } => true,
            Event::SweepActivated { .. }
            | Event::PrefixPassed { .. }
            | Event::ResultsKnown { .. }
            | Event::WorkerJoined { .. }
            | Event::LeasesClaimed { .. }
            | Event::LeasesRenewed { .. }
            | Event::LeaseRecalled { .. }
            | Event::TimersRestarted { .. }
            | Event::WorkerDelivered { .. }
            | Event::WorkerFailed { .. }
            | Event::WorkerQuarantined { .. }
            | Event::WorkerDisconnected { .. }
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
            Input::Recover => expire::recover(self, now),
            Input::Stalled => expire::stalled(self, now),
            Input::Submit { ticket, sweep, priority } => submit::submit(self, ticket, sweep, priority),
            Input::Cancel { ticket, sweep } => cancel::cancel(self, ticket, sweep),
            Input::Retry { ticket, sweep } => retry::retry(self, ticket, sweep),
            Input::Join { worker, offer, claims } => join::join(self, now, worker, offer, &claims),
            Input::Heartbeat { worker, number, held, progress } => {
                renew::heartbeat(self, now, worker, number, &held, &progress)
            }
            Input::Started { worker, fence, epoch, step } => {
                renew::started(self, now, worker, fence, epoch, step)
            }
            Input::Finished { worker, fence, outcome } => finish::finished(self, now, worker, fence, outcome),
            Input::Failed { worker, fence, failure } => finish::failed(self, worker, fence, failure),
            Input::Checkpoint { ticket, fence, checkpoint } => keep::offered(self, ticket, fence, checkpoint),
            Input::Released { worker, fences, is_leaving } => {
                leave::released(self, worker, &fences, is_leaving)
            }
            Input::Left { worker } => leave::left(self, worker),
            Input::Died { name, reason } => leave::died(self, &name, &reason),
            Input::Assign => assign::assign(self, now),
            Input::Tick => expire::tick(self, now),
            Input::Drain => leave::drain(self),
        }
    }

    /// Makes an event true.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::SweepSubmitted { sweep, open, priority } => {
                submit::apply_submitted(self, *sweep, open, *priority);
            }
            Event::SweepPrioritized { sweep, priority } => {
                submit::apply_prioritized(self, *sweep, *priority);
            }
            Event::SweepCancelled { sweep } => cancel::apply_cancelled(self, *sweep),
            Event::SweepReinstated { sweep } => retry::apply_reinstated(self, *sweep),
            Event::TrialCancelled { trial } => cancel::apply_trial_cancelled(self, *trial),
            Event::TrialReopened { trial } => retry::apply_reopened(self, *trial),
            Event::SweepActivated { sweep } => submit::apply_activated(self, *sweep),
            Event::AttemptLeased { fence, spec, worker, worker_name, expires } => {
                assign::apply_leased(self, *fence, spec, *worker, worker_name, *expires);
            }
            Event::CursorAdvanced { sweep, cursor, ahead, passed } => {
                passed::apply_advanced(self, *sweep, *cursor, ahead, passed);
            }
            Event::PrefixPassed { sweep, trials } => passed::apply_prefix(self, *sweep, trials),
            Event::AttemptStarted { trial, attempt, at, epoch, .. } => {
                renew::apply_started(self, *trial, *attempt, *at, *epoch);
            }
            Event::LeaseRecalled { trial, attempt } => spare::apply_recalled(self, *trial, *attempt),
            Event::CheckpointKept { trial, checkpoint, .. } => keep::apply_kept(self, *trial, *checkpoint),
            Event::AttemptEnded { trial, attempt, ending } => {
                blame::apply_ended(self, *trial, *attempt, ending)
            }
            Event::TrialFinished { trial, end, digest, epochs } => {
                finish::apply_recorded(self, *trial, *end, *digest, *epochs);
            }
            Event::ResultsKnown { results } => finish::apply_known(self, results),
            Event::TrialFailed { trial, .. } => finish::apply_given_up(self, *trial, TrialEnd::Failed),
            Event::TrialQuarantined { trial, .. } => {
                finish::apply_given_up(self, *trial, TrialEnd::Quarantined);
            }
            Event::ResultConflicted { trial, attempt, digest, .. } => {
                self.conflicts.insert((*trial, *attempt, *digest));
            }
            Event::WorkerJoined { worker, offer, at } => join::apply_joined(self, *worker, offer, *at),
            Event::LeasesClaimed { worker, attempts, expires } => {
                join::apply_claimed(self, *worker, attempts, *expires);
            }
            Event::LeasesRenewed { worker, at, attempts, expires, progress, strays } => {
                renew::apply_renewed(self, *worker, *at, attempts, *expires);
                renew::apply_progress(self, *worker, *at, progress, *strays);
            }
            Event::TimersRestarted { at, expires } => expire::apply_restarted(self, *at, *expires),
            Event::WorkerDelivered { worker, took_ms } => finish::apply_delivered(self, *worker, *took_ms),
            Event::WorkerFailed { worker, trial } => blame::apply_worker_failed(self, *worker, *trial),
            Event::WorkerQuarantined { worker } => blame::apply_quarantined(self, *worker),
            Event::WorkerDisconnected { worker } => leave::apply_disconnected(self, *worker),
            Event::WorkerLeaving { worker } => leave::apply_leaving(self, *worker),
            Event::WorkerLeft { worker } => leave::apply_left(self, *worker),
            Event::DrainBegun => self.is_draining = true,
        }
    }
}
