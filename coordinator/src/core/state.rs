//! What the core knows.

use super::join::Offer;
use super::window::Window;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Attempt, Digest, Fence, SweepId, Term, TrialId, WorkerId};
use gridsweep_common::trial::{KeptCheckpoint, TrialSpec};
use gridsweep_common::work::Work;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// A point on the coordinator's monotonic clock, in milliseconds since it started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// Returns the moment `ms` later.
    pub fn plus_ms(self, ms: u64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }

    /// Returns the milliseconds since an earlier moment.
    pub fn since_ms(self, earlier: Moment) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What the core is told about the world when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a lease holds without a heartbeat.
    pub lease_ms: u64,
    /// How long a worker may be silent before it gets nothing new.
    pub suspect_ms: u64,
    /// How long an attempt may make no progress, at least; one with slow epochs may for longer.
    pub progress_ms_least: u64,
    /// How long an attempt runs, at least, before an idle slot may start another one beside it.
    pub straggler_ms_least: u64,
    /// The version of the engine's arithmetic that workers must have.
    pub numerics: u32,
    /// Whether sweeps found in the store are gone on with (`serve`), or only the one submitted now (`run`).
    pub resumes_all: bool,
    /// Whether workers outlive their coordinator (`serve`), or end with it (`run`): then nobody will claim an attempt of
    /// an earlier term.
    pub workers_return: bool,
}

/// Everything that the coordinator knows. Ordered maps only: the same inputs give the same decisions.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Settings,
    pub(super) term: Term,
    pub(super) sweeps: BTreeMap<SweepId, SweepState>,
    /// Every trial that an attempt was ever made at; the others are pending without a row.
    pub(super) trials: BTreeMap<TrialId, TrialState>,
    /// Known trials that wait for a new attempt, each in the live sweep that is served first, in the order of its grid.
    pub(super) waiting: BTreeMap<(SweepId, u64), TrialId>,
    pub(super) workers: BTreeMap<WorkerId, WorkerState>,
    /// Trials with a live attempt of an earlier term that no session has claimed.
    pub(super) unclaimed: BTreeSet<TrialId>,
    /// When timers started anew last.
    pub(super) restarted: Moment,
    pub(super) is_draining: bool,
    /// Results that disagreed with the recorded one: each once, however often it was sent.
    pub(super) conflicts: BTreeSet<(TrialId, Attempt, Digest)>,
    /// How long the last attempts with a result had their slots, in milliseconds.
    pub(super) took_ms: VecDeque<u64>,
}

/// One sweep.
#[derive(Debug)]
pub(super) struct SweepState {
    pub(super) open: Arc<OpenSweep>,
    pub(super) is_active: bool,
    /// The user wants no more of it: none of its trials is begun for its sake.
    pub(super) is_cancelled: bool,
    /// Free slots go to the sweeps with the highest first.
    pub(super) priority: i32,
    /// Trials from this index on have not been looked at in this term.
    pub(super) cursor: u64,
    /// Trials before the cursor that are to be begun next.
    pub(super) window: Window,
    /// The other trials before the cursor that have ended, by how.
    pub(super) ended: Counts,
    /// Those that have not.
    pub(super) outstanding: u64,
}

/// One trial that an attempt was made at.
#[derive(Debug)]
pub(super) struct TrialState {
    pub(super) phase: Phase,
    /// The number of the last attempt.
    pub(super) attempts: u32,
    /// How many attempts failed by themselves in a way that counts.
    pub(super) failures: u32,
    /// How many attempts ran when their worker was lost.
    pub(super) losses: u32,
    /// The worker on which an attempt failed or was lost last: the next one goes to another, where there is one.
    pub(super) shunned: Option<Arc<str>>,
    /// The sweeps that have passed it, with its index in each, while it has no result.
    pub(super) places: Vec<(SweepId, u64)>,
    /// Where the next attempt goes on.
    pub(super) checkpoint: Option<Box<KeptCheckpoint>>,
}

/// Where a trial is on its way. Each state holds just what exists in it.
#[derive(Debug)]
pub(super) enum Phase {
    Pending {
        spec: Arc<TrialSpec>,
    },
    /// One live attempt, or two where an idle slot started a second one.
    Leased {
        spec: Arc<TrialSpec>,
        leases: Vec<Lease>,
    },
    /// It has its result: succeeded or diverged.
    Recorded {
        end: TrialEnd,
        digest: Digest,
        /// How many epochs were run.
        epochs: u32,
    },
    /// It has none: failed, quarantined or cancelled. It may be opened again.
    GivenUp {
        end: TrialEnd,
        spec: Arc<TrialSpec>,
    },
}

/// A live attempt.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) fence: Fence,
    /// Who holds it; nobody yet where it is of an earlier term.
    pub(super) worker: Option<WorkerId>,
    pub(super) worker_name: Arc<str>,
    pub(super) expires: Moment,
    /// How it goes in its slot, once it has one.
    pub(super) slot: Option<InSlot>,
    /// Its worker was asked to hand it back, should it not have a slot yet.
    pub(super) is_recalled: bool,
}

/// What is known of an attempt that has its slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct InSlot {
    pub(super) since: Moment,
    /// Epochs completed when it got the slot, and now.
    pub(super) epochs_before: u32,
    pub(super) epochs: u32,
    /// Steps since it got the slot.
    pub(super) steps: u64,
    /// When it was last heard to have come further, and to have completed an epoch.
    pub(super) moved: Moment,
    pub(super) epoch_ended: Moment,
}

/// One worker's session.
#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) offer: Offer,
    /// The trials leased to it, oldest lease first: as many as it has slots may run, the others wait there.
    pub(super) running: Vec<TrialId>,
    /// A trial that is not to have neighbours.
    pub(super) lone: Option<TrialId>,
    /// When it was heard of last.
    pub(super) heard: Moment,
    /// Whether its session stands. It may be at work without one.
    pub(super) is_connected: bool,
    /// It wants no further leases.
    pub(super) is_leaving: bool,
    /// Trials that failed on it since it delivered a result.
    pub(super) failed: BTreeSet<TrialId>,
    /// Everything fails on it.
    pub(super) is_quarantined: bool,
    /// Slots that hold attempts which are not leased to it any more.
    pub(super) strays: u32,
}

/// How a trial ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum TrialEnd {
    /// It has a result.
    Succeeded,
    /// It has a result: its losses or weights left the finite numbers.
    Diverged,
    /// It has none: the machine's doing.
    Failed,
    /// It has none: the user's wish.
    Cancelled,
    /// It has none: workers died of it.
    Quarantined,
}

/// Every way to end.
const ENDS: [TrialEnd; 5] =
    [TrialEnd::Succeeded, TrialEnd::Diverged, TrialEnd::Failed, TrialEnd::Cancelled, TrialEnd::Quarantined];

impl TrialEnd {
    /// Returns the name in the store and in exports.
    pub fn name(self) -> &'static str {
        match self {
            TrialEnd::Succeeded => "succeeded",
            TrialEnd::Diverged => "diverged",
            TrialEnd::Failed => "failed",
            TrialEnd::Cancelled => "cancelled",
            TrialEnd::Quarantined => "quarantined",
        }
    }

    /// Returns the end of this name.
    pub fn from_name(name: &str) -> Option<TrialEnd> {
        ENDS.into_iter().find(|end| end.name() == name)
    }
}

/// Trials counted by how they ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// With a result.
    pub succeeded: u64,
    /// With a result that left the finite numbers.
    pub diverged: u64,
    /// Without one.
    pub failed: u64,
    /// Not wanted any more.
    pub cancelled: u64,
    /// Without one: workers died of them.
    pub quarantined: u64,
}

impl Counts {
    /// Returns the counter of one way to end.
    pub fn of(&mut self, end: TrialEnd) -> &mut u64 {
        match end {
            TrialEnd::Succeeded => &mut self.succeeded,
            TrialEnd::Diverged => &mut self.diverged,
            TrialEnd::Failed => &mut self.failed,
            TrialEnd::Cancelled => &mut self.cancelled,
            TrialEnd::Quarantined => &mut self.quarantined,
        }
    }

    /// Returns how many have ended in any way.
    pub fn total(&self) -> u64 {
        self.succeeded + self.diverged + self.failed + self.cancelled + self.quarantined
    }

    /// Returns how many have no result by the machine's doing.
    pub fn without_result(&self) -> u64 {
        self.failed + self.quarantined
    }

    /// Returns whether some have no result, whosever doing that is.
    pub fn lacks_results(&self) -> bool {
        self.without_result() + self.cancelled > 0
    }
}

impl Core {
    /// Returns a core that knows nothing yet.
    pub fn new(term: Term, settings: Settings) -> Core {
        Core {
            settings,
            term,
            sweeps: BTreeMap::new(),
            trials: BTreeMap::new(),
            waiting: BTreeMap::new(),
            workers: BTreeMap::new(),
            unclaimed: BTreeSet::new(),
            restarted: Moment(0),
            is_draining: false,
            conflicts: BTreeSet::new(),
            took_ms: VecDeque::new(),
        }
    }

    /// Returns the number of the sweep with this name.
    pub fn sweep_named(&self, name: &str) -> Option<SweepId> {
        self.sweeps.iter().find(|(_, state)| state.open.sweep.name == name).map(|(&id, _)| id)
    }

    /// Iterates over the sweeps.
    pub fn sweeps(&self) -> impl Iterator<Item = (SweepId, &Arc<OpenSweep>)> {
        self.sweeps.iter().map(|(&id, state)| (id, &state.open))
    }

    /// Returns how many bytes of weights a trial may leave, by the sweep that allows the most; 0 where none wants any.
    pub fn weights_bytes_max(&self, spec: &TrialSpec) -> u64 {
        self.sweeps.values().map(|state| state.open.weights_bytes_max(spec)).max().unwrap_or(0)
    }

    /// Returns what a worker calls itself.
    pub fn worker_name(&self, worker: WorkerId) -> Option<&str> {
        self.workers.get(&worker).map(|state| &*state.offer.name)
    }

    /// Returns whether any worker of this name has trials.
    pub fn has_trials(&self, name: &str) -> bool {
        self.workers.values().any(|state| &*state.offer.name == name && !state.running.is_empty())
    }

    /// Returns where a trial waits for another attempt: in the sweep that is served first of those that want it.
    pub(super) fn waiting_place(&self, trial: &TrialState) -> Option<(SweepId, u64)> {
        let wanted = trial.places.iter().filter_map(|&place| {
            let state = self.sweeps.get(&place.0).filter(|state| state.is_live())?;
            Some((Reverse(state.priority), place))
        });
        wanted.min().map(|(_, place)| place)
    }

    /// Puts a trial where it waits, or nowhere where it does not.
    pub(super) fn queue_anew(&mut self, id: TrialId) {
        let Some(trial) = self.trials.get(&id) else { return };
        for place in &trial.places {
            self.waiting.remove(place);
        }
        if matches!(trial.phase, Phase::Pending { .. })
            && let Some(place) = self.waiting_place(trial)
        {
            self.waiting.insert(place, id);
        }
    }

    /// Puts a sweep back at its beginning: its cursor passes again over everything and counts it anew.
    pub(super) fn rewind(&mut self, sweep: SweepId) {
        if let Some(state) = self.sweeps.get_mut(&sweep) {
            (state.cursor, state.outstanding, state.ended) = (0, 0, Counts::default());
            state.window = Window::new(state.open.sweep.replicates.count);
        }
        let mut passed = Vec::new();
        for (&id, trial) in &mut self.trials {
            if let Some(position) = trial.places.iter().position(|(of, _)| *of == sweep) {
                let place = trial.places.remove(position);
                self.waiting.remove(&place);
                passed.push(id);
            }
        }
        passed.into_iter().for_each(|id| self.queue_anew(id));
    }

    /// Returns the live attempts of a trial.
    pub(super) fn leases(&self, trial: TrialId) -> &[Lease] {
        match self.trials.get(&trial).map(|trial| &trial.phase) {
            Some(Phase::Leased { leases, .. }) => leases,
            Some(Phase::Pending { .. } | Phase::Recorded { .. } | Phase::GivenUp { .. }) | None => &[],
        }
    }

    /// Returns an attempt, if it is live.
    pub(super) fn live(&self, trial: TrialId, attempt: Attempt) -> Option<&Lease> {
        self.leases(trial).iter().find(|lease| lease.fence.attempt == attempt)
    }

    /// Returns an attempt, if it is live.
    pub(super) fn live_mut(&mut self, trial: TrialId, attempt: Attempt) -> Option<&mut Lease> {
        match self.trials.get_mut(&trial).map(|trial| &mut trial.phase) {
            Some(Phase::Leased { leases, .. }) => {
                leases.iter_mut().find(|lease| lease.fence.attempt == attempt)
            }
            Some(Phase::Pending { .. } | Phase::Recorded { .. } | Phase::GivenUp { .. }) | None => None,
        }
    }

    /// Returns the attempt that the fence names, if it is live and held by this session.
    pub(super) fn held(&self, worker: WorkerId, fence: Fence) -> Option<&Lease> {
        self.live(fence.trial, fence.attempt)
            .filter(|lease| lease.fence == fence && lease.worker == Some(worker))
    }

    /// Returns what a session holds of a trial.
    pub(super) fn lease_of(&self, worker: WorkerId, trial: TrialId) -> Option<&Lease> {
        self.leases(trial).iter().find(|lease| lease.worker == Some(worker))
    }

    /// Iterates over the live attempts: through the workers, of which there are few, and not through every trial there
    /// ever was.
    pub(super) fn live_leases(&self) -> impl Iterator<Item = &Lease> {
        let held = self.workers.iter().flat_map(move |(&worker, state)| {
            state.running.iter().filter_map(move |&trial| self.lease_of(worker, trial))
        });
        let unclaimed = self.unclaimed.iter().flat_map(move |&trial| self.leases(trial));
        held.chain(unclaimed.filter(|lease| lease.worker.is_none()))
    }
}

impl SweepState {
    /// Takes note of how many epochs a trial ran that it has passed: what is like it may run as many.
    pub(super) fn learn(&mut self, index: u64, work: Work, epochs: u32) {
        self.window.count(index, work, epochs);
        self.window.settle(index, self.cursor);
    }

    /// Returns whether trials are begun for its sake.
    pub(super) fn is_live(&self) -> bool {
        self.is_active && !self.is_cancelled
    }
}

impl TrialState {
    /// Returns a trial at which nothing has gone wrong.
    pub(super) fn new(phase: Phase) -> TrialState {
        let (attempts, failures, losses) = (0, 0, 0);
        TrialState { phase, attempts, failures, losses, shunned: None, places: Vec::new(), checkpoint: None }
    }

    /// Returns whether the trial runs without neighbours: workers were lost with it more often than can be chance.
    pub(super) fn is_lone(&self) -> bool {
        self.losses >= super::blame::LOSSES_UNTIL_LONE
    }
}

impl WorkerState {
    /// Returns whether the worker has not been heard of for too long.
    pub(super) fn is_suspect(&self, now: Moment, settings: &Settings) -> bool {
        !self.is_connected || now.since_ms(self.heard) >= settings.suspect_ms
    }

    /// Returns how many of its slots can hold what is leased to it.
    pub(super) fn slots(&self) -> usize {
        self.offer.slots.saturating_sub(self.strays) as usize
    }
}
