//! What the core knows.

use super::join::Offer;
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Attempt, Digest, Fence, SweepId, Term, TrialId, WorkerId};
use gridsweep_common::trial::TrialSpec;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A point on the coordinator's monotonic clock, in milliseconds since it started.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// Returns the moment `ms` later.
    pub fn plus_ms(self, ms: u64) -> Moment {
        Moment(self.0.saturating_add(ms))
    }
}

/// What the core is told about the world when it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a lease holds without a heartbeat.
    pub lease_ms: u64,
    /// The version of the engine's arithmetic that workers must have.
    pub numerics: u32,
    /// Whether sweeps found in the store are gone on with (`serve`), or only the one submitted now (`run`).
    pub resumes_all: bool,
}

/// Everything that the coordinator knows. Ordered maps only: the same inputs give the same decisions.
#[derive(Debug)]
pub struct Core {
    pub(super) settings: Settings,
    pub(super) term: Term,
    pub(super) sweeps: BTreeMap<SweepId, SweepState>,
    /// Every trial that an attempt was ever made at; the others are pending without a row.
    pub(super) trials: BTreeMap<TrialId, TrialState>,
    /// Known trials that wait for a new attempt, in the order of the sweeps' grids.
    pub(super) waiting: BTreeMap<(SweepId, u64), TrialId>,
    pub(super) workers: BTreeMap<WorkerId, WorkerState>,
    pub(super) is_draining: bool,
    /// Results that disagreed with the recorded one.
    pub(super) conflicts: u64,
}

/// One sweep.
#[derive(Debug)]
pub(super) struct SweepState {
    pub(super) open: Arc<OpenSweep>,
    pub(super) is_active: bool,
    /// Trials from this index on have not been looked at in this term.
    pub(super) cursor: u64,
    /// Trials before the cursor that have ended, by how.
    pub(super) ended: Counts,
    /// Trials before the cursor that have not.
    pub(super) outstanding: u64,
}

/// One trial that an attempt was made at.
#[derive(Debug)]
pub(super) struct TrialState {
    pub(super) phase: Phase,
    /// The number of the last attempt.
    pub(super) attempts: u32,
    /// How many attempts failed or were lost in a way that counts.
    pub(super) failures: u32,
    /// The sweeps that have passed it with their cursors, with its index in each.
    pub(super) places: Vec<(SweepId, u64)>,
}

/// Where a trial is on its way. Each state holds just what exists in it.
#[derive(Debug)]
pub(super) enum Phase {
    Pending { spec: Arc<TrialSpec> },
    Leased { spec: Arc<TrialSpec>, lease: Lease },
    Ended { end: TrialEnd, digest: Option<Digest> },
}

/// A live attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) fence: Fence,
    pub(super) worker: WorkerId,
    pub(super) expires: Moment,
}

/// One worker's session.
#[derive(Debug)]
pub(super) struct WorkerState {
    pub(super) offer: Offer,
    pub(super) running: BTreeSet<TrialId>,
    /// It wants no further leases.
    pub(super) is_leaving: bool,
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
}

impl TrialEnd {
    /// Returns the name in the store and in exports.
    pub fn name(self) -> &'static str {
        match self {
            TrialEnd::Succeeded => "succeeded",
            TrialEnd::Diverged => "diverged",
            TrialEnd::Failed => "failed",
            TrialEnd::Cancelled => "cancelled",
        }
    }

    /// Returns the end of this name.
    pub fn from_name(name: &str) -> Option<TrialEnd> {
        [TrialEnd::Succeeded, TrialEnd::Diverged, TrialEnd::Failed, TrialEnd::Cancelled]
            .into_iter()
            .find(|end| end.name() == name)
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
}

impl Counts {
    /// Returns the counter of one way to end.
    pub fn of(&mut self, end: TrialEnd) -> &mut u64 {
        match end {
            TrialEnd::Succeeded => &mut self.succeeded,
            TrialEnd::Diverged => &mut self.diverged,
            TrialEnd::Failed => &mut self.failed,
            TrialEnd::Cancelled => &mut self.cancelled,
        }
    }

    /// Returns how many have ended in any way.
    pub fn total(&self) -> u64 {
        self.succeeded + self.diverged + self.failed + self.cancelled
    }

    pub(super) fn add(&mut self, other: &Counts) {
        self.succeeded += other.succeeded;
        self.diverged += other.diverged;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
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
            is_draining: false,
            conflicts: 0,
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

    /// Returns what a worker calls itself.
    pub fn worker_name(&self, worker: WorkerId) -> Option<&str> {
        self.workers.get(&worker).map(|state| state.offer.name.as_str())
    }

    /// Returns the live attempt of `trial` if it is `attempt`.
    pub(super) fn live(&self, trial: TrialId, attempt: Attempt) -> Option<Lease> {
        match &self.trials.get(&trial)?.phase {
            Phase::Leased { lease, .. } if lease.fence.attempt == attempt => Some(*lease),
            _ => None,
        }
    }
}
