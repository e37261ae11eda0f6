//! Judges what a simulation left behind: the invariants, over the real store.

use crate::hosts::COORDINATOR;
use crate::scene::{Remains, Submission};
use gridsweep_common::id::{Digest, TrialId};
use gridsweep_coordinator::core::TrialEnd;
use gridsweep_coordinator::store::{Reader, SqliteReader, StoredAttempt};
use std::collections::BTreeMap;
use std::path::Path;

/// The result of every trial, by its digest.
pub(crate) type Results = BTreeMap<TrialId, Digest>;

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

/// Checks every invariant and returns the results.
pub(crate) fn judge(remains: &Remains, submission: &Submission) -> Result<Results, String> {
    let reader = SqliteReader::open(&remains.state.path().join(COORDINATOR)).map_err(|e| e.to_string())?;
    let error = |error: gridsweep_coordinator::store::StoreError| error.to_string();
    let ended = reader.ended(0, 1_000_000).map_err(error)?;
    let trials = submission.open.trials();
    require(ended.len() as u64 == trials, || format!("{} of {trials} trials ended", ended.len()))?;
    require(reader.conflicts().map_err(error)? == 0, || "equal trials gave other bits".to_owned())?;
    require(reader.running().map_err(error)?.is_empty(), || "something runs".to_owned())?;
    let mut results = Results::new();
    for trial in &ended {
        let id = trial.id;
        require(trial.end == TrialEnd::Succeeded, || format!("{id} {:?}: {:?}", trial.end, trial.failure))?;
        check_attempts(id, &reader.attempts(id).map_err(error)?)?;
        let epochs = reader.epochs(id).map_err(error)?;
        let is_whole = (0..).zip(&epochs).all(|(number, epoch)| epoch.epoch == number) && epochs.len() == 3;
        require(is_whole, || format!("{id}: its epochs have gaps"))?;
        let recorded = reader.results(id).map_err(error)?.recorded;
        let digest = recorded.ok_or_else(|| format!("{id}: no result"))?.digest;
        require(results.insert(id, digest).is_none(), || format!("{id}: two results"))?;
    }
    for id in remains.seen.acknowledged.keys() {
        let is_there = results.keys().any(|recorded| recorded.to_string() == *id);
        require(is_there, || format!("{id}: its result was acknowledged and is not recorded"))?;
    }
    Ok(results)
}

/// What is acknowledged is on disk then, and not only once it was computed again. No attempt fails here: it was a result.
pub(crate) fn check_acknowledged(state: &Path, trials: &[String]) -> Result<(), String> {
    if trials.is_empty() {
        return Ok(());
    }
    let reader = SqliteReader::open(&state.join(COORDINATOR)).map_err(|error| error.to_string())?;
    for trial in trials {
        let id: TrialId = trial.parse().map_err(|_| format!("\"{trial}\" is no trial"))?;
        let recorded = reader.results(id).map_err(|error| error.to_string())?.recorded;
        require(recorded.is_some(), || {
            format!("{id}: its result was acknowledged when it was not recorded")
        })?;
    }
    Ok(())
}

/// A trial that has ended has no live attempt, numbers have no gap, and terms only grow.
fn check_attempts(id: TrialId, attempts: &[StoredAttempt]) -> Result<(), String> {
    let is_live = |attempt: &StoredAttempt| matches!(&*attempt.state, "offered" | "running");
    require(!attempts.iter().any(is_live), || {
        format!("{id}: has ended, and an attempt is live: {attempts:?}")
    })?;
    let is_counted = (1..).zip(attempts).all(|(number, attempt)| attempt.attempt.0 == number);
    require(is_counted, || format!("{id}: attempts are numbered with gaps"))?;
    require(attempts.is_sorted_by_key(|attempt| attempt.term), || format!("{id}: a term went back"))?;
    let finished = attempts.iter().filter(|attempt| attempt.state == "finished").count();
    require(finished == 1, || format!("{id}: {finished} attempts delivered its result"))
}

/// What was seen to happen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fired {
    /// Faults that did something, by name.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// How often a worker was without its coordinator.
    pub(crate) cut_off: u64,
    /// Results that came again, and such as came when their attempt was over.
    pub(crate) twice: u64,
    pub(crate) late: u64,
    pub(crate) attempts_lost: u64,
    /// Coordinators that wrote.
    pub(crate) terms: u64,
}

impl Fired {
    /// Looks what the faults came to.
    pub(crate) fn of(remains: &Remains) -> Result<Fired, String> {
        let reader =
            SqliteReader::open(&remains.state.path().join(COORDINATOR)).map_err(|e| e.to_string())?;
        let seen = &remains.seen;
        let distinct = seen.acknowledged.values().map(|attempts| attempts.len() as u64).sum::<u64>();
        let twice = seen.acknowledgements - distinct;
        let mut fired = Fired { cut_off: seen.cut_off, twice, ..Fired::default() };
        remains.fired.iter().for_each(|name| *fired.faults.entry(name).or_default() += 1);
        for trial in reader.ended(0, 1_000_000).map_err(|error| error.to_string())? {
            let attempts = reader.attempts(trial.id).map_err(|error| error.to_string())?;
            let acknowledged = seen.acknowledged.get(&trial.id.to_string());
            for attempt in &attempts {
                fired.terms = fired.terms.max(attempt.term.0);
                fired.attempts_lost += u64::from(attempt.state == "lost");
                let came = acknowledged.is_some_and(|of| of.contains(&attempt.attempt.0));
                fired.late += u64::from(came && attempt.state != "finished");
            }
        }
        Ok(fired)
    }

    pub(crate) fn add(&mut self, other: &Fired) {
        other.faults.iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
        self.cut_off += other.cut_off;
        self.twice += other.twice;
        self.late += other.late;
        self.attempts_lost += other.attempts_lost;
        self.terms += other.terms;
    }
}
