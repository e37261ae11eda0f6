//! The store as a model: what every other store has to behave like. Ends with the process.

use super::passed::following;
use super::{
    AttemptedTrial, Batch, Preview, Reader, RunningAttempt, Store, StoreError, StoredAttempt, StoredResult,
    StoredResults, StoredSweep, StoredTrial,
};
use crate::core::{AttemptEnding, Event, KnownResult, Moment, Passed, TrialEnd};
use gridsweep_common::id::{Attempt, Digest, Fence, SweepId, Term, TrialId, WorkerId};
use gridsweep_common::metric::{EpochMetrics, Outcome};
use gridsweep_common::trial::{Failure, TrialSpec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything in ordered maps.
#[derive(Debug, Default)]
pub struct MemoryStore {
    term: Term,
    sweeps: BTreeMap<SweepId, StoredSweep>,
    trials: BTreeMap<TrialId, MemoryTrial>,
    /// By place in the order in which they ended.
    endings: BTreeMap<u64, TrialId>,
    endings_ever: u64,
    previews: BTreeMap<(TrialId, Attempt, u32), EpochMetrics>,
    /// With the second results, and when each came.
    conflicts: Vec<(Event, i64)>,
    /// The newest of each trial.
    checkpoints: BTreeMap<TrialId, Event>,
    /// What each sweep has passed, from the beginning on to the first trial that it has not.
    passed: BTreeMap<SweepId, Vec<TrialId>>,
}

#[derive(Debug)]
struct MemoryTrial {
    spec: Arc<TrialSpec>,
    attempts: BTreeMap<Attempt, (StoredAttempt, Option<AttemptEnding>)>,
    end: Option<TrialEnd>,
    digest: Option<Digest>,
    failure: Option<Failure>,
    outcome: Option<Arc<Outcome>>,
    recorded_ms: Option<i64>,
    recorded_by: Option<Attempt>,
    /// What went wrong in attempts up to this one does not count.
    reopened_after: Option<Attempt>,
}

impl MemoryStore {
    fn keep(&mut self, event: &Event, at_ms: i64) {
        match event {
            Event::SweepSubmitted { sweep, open, priority } => {
                let stored = StoredSweep {
                    id: *sweep,
                    name: open.sweep.name.clone(),
                    frozen: open.frozen.clone(),
                    submitted_ms: at_ms,
                    priority: *priority,
                    is_cancelled: false,
                };
                self.sweeps.insert(*sweep, stored);
                self.passed.remove(sweep);
            }
            Event::SweepPrioritized { sweep, priority } => {
                self.with_sweep(*sweep, |sweep| sweep.priority = *priority);
            }
            Event::SweepCancelled { sweep } => self.with_sweep(*sweep, |sweep| sweep.is_cancelled = true),
            Event::SweepReinstated { sweep } => {
                self.passed.remove(sweep);
                self.with_sweep(*sweep, |sweep| sweep.is_cancelled = false);
            }
            Event::CursorAdvanced { sweep, passed, .. } => self.keep_passed(*sweep, passed),
            Event::AttemptLeased { fence, spec, worker_name, .. } => {
                self.keep_lease(*fence, spec, worker_name, at_ms)
            }
            Event::AttemptStarted { trial, attempt, epoch, step, .. } => {
                let trial = self.trials.get_mut(trial);
                if let Some((stored, _)) = trial.and_then(|trial| trial.attempts.get_mut(attempt)) {
                    (stored.from_epoch, stored.from_step) = (*epoch, *step);
                    "running".clone_into(&mut stored.state);
                }
            }
            Event::CheckpointKept { trial, .. } => drop(self.checkpoints.insert(*trial, event.clone())),
            Event::AttemptEnded { trial, attempt, ending } => {
                self.keep_attempt_end(*trial, *attempt, ending, at_ms)
            }
            Event::TrialFinished { trial, end, digest, .. } => {
                if let Some(trial) = self.trials.get_mut(trial) {
                    (trial.end, trial.digest, trial.failure) = (Some(*end), Some(*digest), None);
                }
                self.keep_trial_end(*trial);
            }
            Event::TrialFailed { trial, failure } => self.give_up(*trial, TrialEnd::Failed, Some(failure)),
            Event::TrialQuarantined { trial, failure } => {
                self.give_up(*trial, TrialEnd::Quarantined, Some(failure));
            }
            Event::TrialCancelled { trial } => self.give_up(*trial, TrialEnd::Cancelled, None),
            Event::TrialReopened { trial } => self.keep_reopened(*trial),
            Event::ResultConflicted { .. } => self.conflicts.push((event.clone(), at_ms)),
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
            | Event::DrainBegun => {}
        }
    }

    fn give_up(&mut self, id: TrialId, end: TrialEnd, failure: Option<&Failure>) {
        if let Some(trial) = self.trials.get_mut(&id) {
            (trial.end, trial.failure) = (Some(end), failure.cloned());
        }
        self.keep_trial_end(id);
    }

    fn with_sweep(&mut self, sweep: SweepId, change: impl FnOnce(&mut StoredSweep)) {
        if let Some(stored) = self.sweeps.get_mut(&sweep) {
            change(stored);
        }
    }

    fn keep_passed(&mut self, sweep: SweepId, passed: &[Passed]) {
        let kept = self.passed.entry(sweep).or_default();
        let next = following(passed, kept.len() as u64);
        kept.extend(next.into_iter().map(|(_, trial)| trial));
    }

    fn keep_reopened(&mut self, id: TrialId) {
        let Some(trial) = self.trials.get_mut(&id).filter(|trial| trial.digest.is_none()) else { return };
        (trial.end, trial.failure) = (None, None);
        trial.reopened_after = trial.attempts.keys().next_back().copied();
        self.endings.retain(|_, ended| *ended != id);
    }

    fn keep_trial_end(&mut self, trial: TrialId) {
        self.checkpoints.remove(&trial);
        self.endings.retain(|_, ended| *ended != trial);
        self.endings_ever += 1;
        self.endings.insert(self.endings_ever, trial);
    }

    fn keep_lease(&mut self, fence: Fence, spec: &Arc<TrialSpec>, worker: &str, at_ms: i64) {
        let trial = self.trials.entry(fence.trial).or_insert_with(|| MemoryTrial {
            spec: Arc::clone(spec),
            attempts: BTreeMap::new(),
            end: None,
            digest: None,
            failure: None,
            outcome: None,
            recorded_ms: None,
            recorded_by: None,
            reopened_after: None,
        });
        let attempt = StoredAttempt {
            attempt: fence.attempt,
            term: fence.term,
            worker: worker.to_owned(),
            state: "offered".to_owned(),
            failure: None,
            detail: None,
            from_epoch: 0,
            from_step: 0,
            started_ms: at_ms,
            ended_ms: None,
        };
        trial.attempts.insert(fence.attempt, (attempt, None));
    }

    fn keep_attempt_end(&mut self, trial: TrialId, attempt: Attempt, ending: &AttemptEnding, at_ms: i64) {
        if ending.starts_over() {
            self.checkpoints.remove(&trial);
        }
        let Some(trial) = self.trials.get_mut(&trial) else { return };
        let Some((stored, end)) = trial.attempts.get_mut(&attempt) else { return };
        let row = super::rows::attempt_end(ending);
        stored.state = row.state.to_owned();
        stored.failure = row.failure.map(str::to_owned);
        stored.detail = row.detail.map(str::to_owned);
        stored.ended_ms = Some(at_ms);
        *end = Some(ending.clone());
    }

    fn results_known(&self) -> Option<Event> {
        let known = |(&trial, of): (&TrialId, &MemoryTrial)| {
            let attempts = *of.attempts.keys().next_back()?;
            let epochs = of.outcome.as_ref()?.epochs.len() as u32;
            Some(KnownResult { trial, attempts, end: of.end?, digest: of.digest?, epochs })
        };
        let results: Vec<_> = self.trials.iter().filter_map(known).collect();
        (!results.is_empty()).then_some(Event::ResultsKnown { results })
    }

    fn events_of(id: TrialId, trial: &MemoryTrial) -> Vec<Event> {
        let mut events = Vec::new();
        for (attempt, (stored, ending)) in &trial.attempts {
            events.push(Event::AttemptLeased {
                fence: Fence { term: stored.term, trial: id, attempt: *attempt },
                spec: Arc::clone(&trial.spec),
                worker: WorkerId(0),
                worker_name: stored.worker.as_str().into(),
                expires: Moment(0),
            });
            if let Some(ending) = ending {
                events.push(Event::AttemptEnded { trial: id, attempt: *attempt, ending: ending.clone() });
            }
            if trial.reopened_after == Some(*attempt) {
                events.push(Event::TrialReopened { trial: id });
            }
        }
        let end = trial.end.map(|end| super::rows::trial_end(id, end, trial.failure.clone()));
        events.extend(end.transpose().expect("what the core decided is complete"));
        events
    }

    fn stored(&self, sequence: u64, id: TrialId) -> Option<StoredTrial> {
        let trial = self.trials.get(&id)?;
        Some(StoredTrial {
            sequence,
            id,
            spec: (*trial.spec).clone(),
            end: trial.end?,
            failure: trial.failure.clone(),
            summary: trial.outcome.as_ref().map(|outcome| outcome.summary()),
            recorded_ms: trial.recorded_ms,
        })
    }

    fn trials_behind(&self, after: Option<TrialId>) -> impl Iterator<Item = (&TrialId, &MemoryTrial)> {
        self.trials.iter().filter(move |(id, _)| after.is_none_or(|after| **id > after))
    }
}

impl Store for MemoryStore {
    fn begin_term(&mut self) -> Result<Term, StoreError> {
        self.term = Term(self.term.0 + 1);
        Ok(self.term)
    }

    fn load(&mut self) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        for sweep in self.sweeps.values() {
            let open = sweep.frozen.clone().open().expect("it was opened before it was stored");
            events.extend(sweep.events(Arc::new(open)));
        }
        events.extend(self.results_known());
        let open = self.trials.iter().filter(|(_, trial)| trial.digest.is_none());
        events.extend(open.flat_map(|(id, trial)| Self::events_of(*id, trial)));
        let passed = self.passed.iter().filter(|(_, trials)| !trials.is_empty());
        events.extend(passed.map(|(&sweep, of)| Event::PrefixPassed { sweep, trials: of.clone() }));
        events.extend(self.checkpoints.values().cloned());
        events.extend(self.conflicts.iter().map(|(event, _)| event.clone()));
        Ok(events)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if batch.term != self.term {
            return Err(StoreError::Superseded { current: self.term, own: batch.term });
        }
        for event in &batch.events {
            self.keep(event, batch.at_ms);
        }
        for Preview { trial, attempt, metrics } in &batch.previews {
            if self.trials.get(trial).is_some_and(|trial| trial.outcome.is_none()) {
                self.previews.insert((*trial, *attempt, metrics.epoch), *metrics);
            }
        }
        for record in &batch.records {
            if let Some(trial) = self.trials.get_mut(&record.trial) {
                trial.outcome = Some(Arc::clone(&record.outcome));
                trial.recorded_ms = Some(batch.at_ms);
                trial.recorded_by = Some(record.attempt);
            }
            self.previews.retain(|(trial, _, _), _| *trial != record.trial);
        }
        Ok(())
    }
}

impl Reader for MemoryStore {
    fn sweeps(&self) -> Result<Vec<StoredSweep>, StoreError> {
        Ok(self.sweeps.values().cloned().collect())
    }

    fn ended(&self, after: u64, limit: usize) -> Result<Vec<StoredTrial>, StoreError> {
        let behind = self.endings.range(after + 1..);
        Ok(behind.filter_map(|(sequence, id)| self.stored(*sequence, *id)).take(limit).collect())
    }

    fn epochs(&self, trial: TrialId) -> Result<Vec<EpochMetrics>, StoreError> {
        let Some(state) = self.trials.get(&trial) else { return Ok(Vec::new()) };
        if let Some(outcome) = &state.outcome {
            return Ok(outcome.epochs.clone());
        }
        let Some(&last) = state.attempts.keys().next_back() else { return Ok(Vec::new()) };
        Ok(self
            .previews
            .range((trial, last, 0)..=(trial, last, u32::MAX))
            .map(|(_, metrics)| *metrics)
            .collect())
    }

    fn attempts(&self, trial: TrialId) -> Result<Vec<StoredAttempt>, StoreError> {
        let attempts = self.trials.get(&trial).into_iter().flat_map(|trial| trial.attempts.values());
        Ok(attempts.map(|(attempt, _)| attempt.clone()).collect())
    }

    fn running(&self) -> Result<Vec<RunningAttempt>, StoreError> {
        let mut running = Vec::new();
        for (id, trial) in &self.trials {
            for (attempt, _) in trial.attempts.values().filter(|(attempt, _)| attempt.state == "running") {
                let reported = (*id, attempt.attempt, 0)..=(*id, attempt.attempt, u32::MAX);
                running.push(RunningAttempt {
                    id: *id,
                    spec: (*trial.spec).clone(),
                    attempt: attempt.clone(),
                    last_epoch: self.previews.range(reported).next_back().map(|(_, metrics)| *metrics),
                });
            }
        }
        Ok(running)
    }

    fn attempted(&self, after: Option<TrialId>, limit: usize) -> Result<Vec<AttemptedTrial>, StoreError> {
        let attempted = self
            .trials_behind(after)
            .map(|(id, trial)| AttemptedTrial { id: *id, spec: (*trial.spec).clone() });
        Ok(attempted.take(limit).collect())
    }

    fn conflicts(&self) -> Result<u64, StoreError> {
        Ok(self.conflicts.len() as u64)
    }

    fn results(&self, id: TrialId) -> Result<StoredResults, StoreError> {
        let of = |(event, at_ms): &(Event, i64)| match event {
            Event::ResultConflicted { trial, attempt, digest, .. } if *trial == id => {
                Some(StoredResult { attempt: *attempt, digest: *digest, recorded_ms: *at_ms })
            }
            _ => None,
        };
        let recorded = self.trials.get(&id).and_then(|trial| {
            Some(StoredResult {
                attempt: trial.recorded_by?,
                digest: trial.digest?,
                recorded_ms: trial.recorded_ms?,
            })
        });
        let sequence = self.endings.iter().find(|(_, ended)| **ended == id).map(|(sequence, _)| *sequence);
        let ended = sequence.and_then(|sequence| self.stored(sequence, id));
        Ok(StoredResults { recorded, conflicts: self.conflicts.iter().filter_map(of).collect(), ended })
    }
}
