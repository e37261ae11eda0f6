//! A core with a clock that the test moves, and a store in memory beneath it.

use super::{
    Answer, CancelReport, Claims, Core, Decision, Effect, Event, Input, Message, Moment, Offer, Progress,
    Refusal, RetryReport, Settings, SubmitReport, TrialEnd, check,
};
use crate::store::{Batch, MemoryStore, Store};
use gridsweep_common::catalogue::{Catalogue, Kind, Setting};
use gridsweep_common::choice::Value;
use gridsweep_common::data::{DataFile, DataFormat, DataManifest, Standardize};
use gridsweep_common::frozen::{FrozenSweep, OpenSweep};
use gridsweep_common::id::{Digest, Fence, SweepId, TrialId, WorkerId};
use gridsweep_common::metric::{Ending, EpochMetrics, Outcome};
use gridsweep_common::trial::{Failure, FailureKind};
use std::sync::Arc;

const LEASE_MS: u64 = 1000;
const NUMERICS: u32 = 1;

/// Short times.
pub(crate) fn settings() -> Settings {
    Settings {
        lease_ms: LEASE_MS,
        suspect_ms: LEASE_MS / 2,
        progress_ms_least: LEASE_MS,
        straggler_ms_least: LEASE_MS,
        numerics: NUMERICS,
        resumes_all: true,
        workers_return: false,
    }
}

/// What a worker of this name offers.
pub(crate) fn offer(name: &str, slots: u32) -> Offer {
    Offer { name: name.into(), identity: 0, slots, numerics: NUMERICS }
}

/// A catalogue of one setting that tells trials apart, and of those that say what they cost.
fn catalogue() -> Catalogue {
    let setting = |name: &str, kind, default, description: &str| Setting {
        name: name.to_owned(),
        kind,
        default: Some(default),
        applies: None,
        description: description.to_owned(),
    };
    let whole = || Kind::Integer { least: 1, most: 1_000_000 };
    let sizes = Kind::Sizes { length_most: 9, most: 10_000 };
    let settings = vec![
        setting("width", whole(), Value::from(1.0), "Tells trials apart."),
        setting("hidden", sizes, Value::List(vec![]), "Hidden layers."),
        setting("epochs", whole(), Value::from(1.0), "The most epochs."),
    ];
    Catalogue { settings, optional_tables: vec![], families: vec![] }
}

/// A data set that nobody reads.
pub(crate) fn manifest() -> DataManifest {
    let file =
        |&role| DataFile { role, content_sha256: Digest([1; 32]), blob: Digest([2; 32]), stored_bytes: 1 };
    let files = DataFormat::Idx.roles().iter().map(file).collect();
    DataManifest { format: DataFormat::Idx, files, standardize: Standardize::None }
}

/// A sweep of `trials` trials; those of a smaller one are the first of a larger one.
pub(crate) fn sweep_of(name: &str, trials: usize) -> Arc<OpenSweep> {
    sweep_with_seed(name, trials, 0)
}

/// The same with trials of its own: those of another seed are others.
pub(crate) fn sweep_with_seed(name: &str, trials: usize, seed: u64) -> Arc<OpenSweep> {
    sweep_with(name, trials, seed, "")
}

/// A sweep of a cell for each combination along `axes`, the text of a study's axes.
pub(crate) fn sweep_over(name: &str, axes: &str, replicates: usize) -> Arc<OpenSweep> {
    sweep_with(name, replicates, 0, &format!("[study.axes]\n{axes}\n"))
}

fn sweep_with(name: &str, replicates: usize, seed: u64, axes: &str) -> Arc<OpenSweep> {
    let text = format!(
        "schema = 1\nname = \"{name}\"\n[data]\ndataset = \"d\"\n[replicates]\ncount = {replicates}\nseed = {seed}\n[base]\n\
         [[study]]\nname = \"s\"\n{axes}"
    );
    let frozen = FrozenSweep { text, catalogue: catalogue(), data: manifest(), numerics: NUMERICS };
    Arc::new(frozen.open().expect("the test's sweep reads"))
}

/// A result of one epoch with this loss.
pub(crate) fn outcome(loss: f64) -> Arc<Outcome> {
    outcome_of(loss, 1)
}

/// A result of so many epochs with this loss.
pub(crate) fn outcome_of(loss: f64, epochs: u32) -> Arc<Outcome> {
    let epoch = |epoch| EpochMetrics {
        epoch,
        learning_rate: 0.001,
        training_objective: loss,
        training_loss: loss,
        training_accuracy: 0.5,
        validation_loss: loss,
        validation_accuracy: 0.5,
    };
    let epochs = (0..epochs).map(epoch).collect();
    Arc::new(Outcome { ending: Ending::Diverged, epochs, evaluation: None, numerics: NUMERICS })
}

/// The result that every honest attempt at this trial gives.
pub(crate) fn honest(trial: TrialId) -> Arc<Outcome> {
    let mut outcome = (*outcome_of(f64::from(trial.0[0]), 1 + u32::from(trial.0[1] % 3))).clone();
    outcome.ending = Ending::Succeeded;
    Arc::new(outcome)
}

pub(crate) struct World {
    pub(crate) core: Core,
    pub(crate) store: MemoryStore,
    settings: Settings,
    now: Moment,
    next_worker: u64,
}

impl World {
    /// Workers end with the coordinator.
    pub(crate) fn new() -> World {
        World::with(settings())
    }

    /// Workers outlive the coordinator.
    pub(crate) fn with_workers_that_return() -> World {
        World::with(Settings { workers_return: true, ..settings() })
    }

    /// A sweep found in the store is gone on with when it is submitted again.
    pub(crate) fn that_resumes_nothing() -> World {
        World::with(Settings { resumes_all: false, ..settings() })
    }

    fn with(settings: Settings) -> World {
        let mut store = MemoryStore::default();
        let core = Self::start(&mut store, &settings);
        World { core, store, settings, now: Moment(0), next_worker: 1 }
    }

    fn start(store: &mut MemoryStore, settings: &Settings) -> Core {
        let term = store.begin_term().unwrap();
        let mut core = Core::new(term, settings.clone());
        for event in store.load().unwrap() {
            core.apply(&event);
        }
        core
    }

    /// The coordinator dies and another one opens its store.
    pub(crate) fn restart(&mut self) {
        self.core = Self::start(&mut self.store, &self.settings);
        self.give(Input::Recover);
    }

    pub(crate) fn suspect_ms(&self) -> u64 {
        self.settings.suspect_ms
    }

    pub(crate) fn progress_ms_least(&self) -> u64 {
        self.settings.progress_ms_least
    }

    pub(crate) fn straggler_ms_least(&self) -> u64 {
        self.settings.straggler_ms_least
    }

    pub(crate) fn lease_ms(&self) -> u64 {
        LEASE_MS
    }

    pub(crate) fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// Decides, applies and stores, checking the invariants after the whole decision.
    pub(crate) fn give(&mut self, input: Input) -> Decision {
        let decision = self.core.decide(self.now, input);
        for event in &decision.events {
            self.core.apply(event);
        }
        check(&self.core).unwrap();
        let batch = Batch {
            term: self.core.term,
            events: decision.events.iter().filter(|event| event.is_durable()).cloned().collect(),
            records: decision.records.clone(),
            previews: Vec::new(),
            at_ms: 0,
        };
        self.store.commit(&batch).unwrap();
        decision
    }

    pub(crate) fn submit(&mut self, sweep: Arc<OpenSweep>) -> SubmitReport {
        self.submit_with(sweep, None)
    }

    pub(crate) fn submit_with(&mut self, sweep: Arc<OpenSweep>, priority: Option<i32>) -> SubmitReport {
        match self.give(Input::Submit { ticket: 1, sweep, priority }).effects.pop() {
            Some(Effect::Reply { answer: Answer::Submitted(report), .. }) => report,
            other => panic!("a submission was answered with {other:?}"),
        }
    }

    /// Cancels a sweep; returns what is reported and what workers were told to stop.
    pub(crate) fn cancel(&mut self, sweep: SweepId) -> (CancelReport, Vec<Fence>) {
        let mut effects = self.give(Input::Cancel { ticket: 1, sweep }).effects;
        let Some(Effect::Reply { answer: Answer::Cancelled(report), .. }) = effects.pop() else {
            panic!("a cancellation was not answered: {effects:?}");
        };
        let revoked = |effect| match effect {
            Effect::Send { message: Message::Revoked { fence, .. }, .. } => Some(fence),
            _ => None,
        };
        (report, effects.into_iter().filter_map(revoked).collect())
    }

    pub(crate) fn retry(&mut self, sweep: SweepId) -> RetryReport {
        match self.give(Input::Retry { ticket: 1, sweep }).effects.pop() {
            Some(Effect::Reply { answer: Answer::Retried(report), .. }) => report,
            other => panic!("a retry was answered with {other:?}"),
        }
    }

    /// Returns the core of another coordinator over this store that has just read it.
    pub(crate) fn reload(store: &mut MemoryStore) -> Core {
        Self::start(store, &settings())
    }

    /// A worker says hello for the first time; its process gets an identity of its own.
    pub(crate) fn join_with(&mut self, offer: Offer) -> Result<WorkerId, Refusal> {
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        let offer = Offer { identity: 1000 + worker.0, ..offer };
        match self.give(Input::Join { worker, offer, claims: Claims::default() }).effects.pop() {
            Some(Effect::Refuse { refusal, .. }) => Err(refusal),
            _ => Ok(worker),
        }
    }

    pub(crate) fn join(&mut self, slots: u32) -> WorkerId {
        let name = format!("worker {}", self.next_worker);
        self.join_as(&name, slots)
    }

    pub(crate) fn join_as(&mut self, name: &str, slots: u32) -> WorkerId {
        self.join_with(offer(name, slots)).unwrap()
    }

    pub(crate) fn identity(&self, worker: WorkerId) -> u64 {
        self.core.workers[&worker].offer.identity
    }

    /// A worker says hello once more; returns its session, and what it is to go on with, stop and deliver.
    pub(crate) fn join_again(
        &mut self,
        name: &str,
        slots: u32,
        identity: u64,
        claims: Claims,
    ) -> (WorkerId, Vec<Fence>, Vec<Fence>, Vec<Fence>) {
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        let offer = Offer { identity, ..offer(name, slots) };
        match self.give(Input::Join { worker, offer, claims }).effects.pop() {
            Some(Effect::Send { message: Message::Welcome { go_on, kill, deliver }, .. }) => {
                (worker, go_on, kill, deliver)
            }
            other => panic!("a hello was answered with {other:?}"),
        }
    }

    /// Returns the digest of the recorded result.
    pub(crate) fn digest(&self, trial: TrialId) -> Digest {
        match &self.core.trials[&trial].phase {
            super::state::Phase::Recorded { end: TrialEnd::Succeeded, digest, .. } => *digest,
            other => panic!("{trial} is {other:?}"),
        }
    }

    /// Fills free slots and returns the leases given.
    pub(crate) fn assign(&mut self) -> Vec<(WorkerId, Fence)> {
        let lease = |effect| match effect {
            Effect::Send { worker, message: Message::Lease { fence, .. } } => Some((worker, fence)),
            _ => None,
        };
        self.give(Input::Assign).effects.into_iter().filter_map(lease).collect()
    }

    /// Fills free slots and returns what this worker holds then.
    pub(crate) fn assign_to(&mut self, worker: WorkerId) -> Vec<Fence> {
        self.assign();
        self.leases_of(worker).into_iter().map(|(_, fence)| fence).collect()
    }

    pub(crate) fn leases_of(&self, worker: WorkerId) -> Vec<(WorkerId, Fence)> {
        let held = self.core.live_leases().filter(|lease| lease.worker == Some(worker));
        held.map(|lease| (worker, lease.fence)).collect()
    }

    /// The attempt gets its slot.
    pub(crate) fn start_attempt(&mut self, worker: WorkerId, fence: Fence) {
        self.give(Input::Started { worker, fence, epoch: 0, step: 0 });
    }

    /// The worker says how far its attempt has come.
    pub(crate) fn report(&mut self, worker: WorkerId, fence: Fence, epochs: u32, steps: u64) {
        let progress = vec![Progress { fence, epochs, steps }];
        self.give(Input::Heartbeat { worker, number: 0, held: vec![fence], progress });
    }

    /// Delivers a result and returns how many were recorded.
    pub(crate) fn finish_with(&mut self, worker: WorkerId, fence: Fence, outcome: Arc<Outcome>) -> usize {
        self.give(Input::Finished { worker, fence, outcome }).records.len()
    }

    pub(crate) fn finish(&mut self, worker: WorkerId, fence: Fence) -> usize {
        self.finish_with(worker, fence, honest(fence.trial))
    }

    /// The same without the check of the invariants, which looks at every trial.
    pub(crate) fn finish_unchecked(&mut self, worker: WorkerId, fence: Fence) {
        let input = Input::Finished { worker, fence, outcome: honest(fence.trial) };
        for event in &self.core.decide(self.now, input).events {
            self.core.apply(event);
        }
    }

    /// Says that an attempt failed, and returns whether the worker is told that everything fails on it.
    pub(crate) fn fail(&mut self, worker: WorkerId, fence: Fence, kind: FailureKind) -> bool {
        let failure = Failure { kind, detail: "test".to_owned() };
        let decision = self.give(Input::Failed { worker, fence, failure });
        decision
            .effects
            .iter()
            .any(|effect| matches!(effect, Effect::Send { message: Message::Quarantined, .. }))
    }

    pub(crate) fn release(&mut self, worker: WorkerId, fences: Vec<Fence>) {
        self.give(Input::Released { worker, fences, is_leaving: false });
    }

    pub(crate) fn leave(&mut self, worker: WorkerId) {
        self.give(Input::Left { worker });
    }

    /// The worker's process is known to have ended.
    pub(crate) fn die(&mut self, worker: WorkerId) {
        let name = self.core.workers[&worker].offer.name.to_string();
        self.give(Input::Died { name, reason: "test".to_owned() });
    }

    pub(crate) fn drain(&mut self) {
        self.give(Input::Drain);
    }

    /// Returns what was revoked.
    pub(crate) fn heartbeat(&mut self, worker: WorkerId, held: Vec<Fence>) -> Vec<Fence> {
        let revoked = |effect| match effect {
            Effect::Send { message: Message::Revoked { fence, .. }, .. } => Some(fence),
            _ => None,
        };
        self.give(Input::Heartbeat { worker, number: 0, held, progress: vec![] })
            .effects
            .into_iter()
            .filter_map(revoked)
            .collect()
    }

    /// Lets time take effect and returns the trials whose attempts ended.
    pub(crate) fn tick(&mut self) -> Vec<TrialId> {
        let ended = |event| match event {
            Event::AttemptEnded { trial, .. } => Some(trial),
            _ => None,
        };
        self.give(Input::Tick).events.into_iter().filter_map(ended).collect()
    }
}
