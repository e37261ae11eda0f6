//! What is stored as messages, and messages as what is stored. Nothing that arrives can panic.

use super::{
    AttemptedTrial, RunningAttempt, StoredAttempt, StoredResult, StoredResults, StoredSweep, StoredTrial,
};
use crate::core::TrialEnd;
use gridsweep_common::frozen::FrozenSweep;
use gridsweep_common::id::{Attempt, SweepId, Term};
use gridsweep_common::metric::{Ending, OutcomeSummary};
use gridsweep_common::trial::{Failure, FailureKind};
use gridsweep_proto::convert::{self, Malformed};
use gridsweep_proto::v1;

impl From<&StoredSweep> for v1::StoredSweep {
    fn from(sweep: &StoredSweep) -> v1::StoredSweep {
        let frozen = &sweep.frozen;
        v1::StoredSweep {
            sweep: sweep.id.0,
            name: sweep.name.clone(),
            text: frozen.text.clone(),
            catalogue: serde_json::to_string(&frozen.catalogue).expect("a catalogue is plain data"),
            data: Some((&frozen.data).into()),
            numerics: frozen.numerics,
            submitted_ms: sweep.submitted_ms,
            priority: sweep.priority,
            is_cancelled: sweep.is_cancelled,
        }
    }
}

/// Reads a sweep.
pub fn sweep(wire: v1::StoredSweep) -> Result<StoredSweep, Malformed> {
    let catalogue = serde_json::from_str(&wire.catalogue);
    let frozen = FrozenSweep {
        text: wire.text,
        catalogue: catalogue.map_err(|_| Malformed("a sweep whose catalogue does not read"))?,
        data: convert::data_manifest(wire.data.as_ref().ok_or(Malformed("a sweep without its data"))?)?,
        numerics: wire.numerics,
    };
    Ok(StoredSweep {
        id: SweepId(wire.sweep),
        name: wire.name,
        frozen,
        submitted_ms: wire.submitted_ms,
        priority: wire.priority,
        is_cancelled: wire.is_cancelled,
    })
}

impl From<&StoredResults> for v1::ListResultsReply {
    fn from(results: &StoredResults) -> v1::ListResultsReply {
        let message = |result: &StoredResult| v1::StoredResult {
            attempt: result.attempt.0,
            digest: result.digest.0.to_vec(),
            recorded_ms: result.recorded_ms,
        };
        v1::ListResultsReply {
            recorded: results.recorded.as_ref().map(message),
            conflicts: results.conflicts.iter().map(message).collect(),
            ended: results.ended.as_ref().map(Into::into),
        }
    }
}

/// Reads the results of a trial.
pub fn results(wire: v1::ListResultsReply) -> Result<StoredResults, Malformed> {
    let result = |wire: v1::StoredResult| {
        Ok(StoredResult {
            attempt: Attempt(wire.attempt),
            digest: convert::digest(&wire.digest)?,
            recorded_ms: wire.recorded_ms,
        })
    };
    Ok(StoredResults {
        recorded: wire.recorded.map(result).transpose()?,
        conflicts: wire.conflicts.into_iter().map(result).collect::<Result<_, Malformed>>()?,
        ended: wire.ended.as_ref().map(trial).transpose()?,
    })
}

impl From<&StoredTrial> for v1::StoredTrial {
    fn from(trial: &StoredTrial) -> v1::StoredTrial {
        let failure = |failure: &Failure| v1::StoredFailure {
            kind: failure.kind.name().to_owned(),
            detail: failure.detail.clone(),
        };
        v1::StoredTrial {
            sequence: trial.sequence,
            trial: trial.id.0.to_vec(),
            spec: Some((&trial.spec).into()),
            end: trial.end.name().to_owned(),
            failure: trial.failure.as_ref().map(failure),
            summary: trial.summary.as_ref().map(summary_message),
            recorded_ms: trial.recorded_ms,
        }
    }
}

/// Reads a trial that has ended.
pub fn trial(wire: &v1::StoredTrial) -> Result<StoredTrial, Malformed> {
    let failure = |failure: &v1::StoredFailure| {
        let kind = FailureKind::from_name(&failure.kind).ok_or(Malformed("a failure of no known kind"))?;
        Ok(Failure { kind, detail: failure.detail.clone() })
    };
    Ok(StoredTrial {
        sequence: wire.sequence,
        id: convert::trial_id(&wire.trial)?,
        spec: spec(wire.spec.as_ref())?,
        end: TrialEnd::from_name(&wire.end).ok_or(Malformed("a trial that ended in no known way"))?,
        failure: wire.failure.as_ref().map(failure).transpose()?,
        summary: wire.summary.as_ref().map(summary).transpose()?,
        recorded_ms: wire.recorded_ms,
    })
}

fn spec(wire: Option<&v1::TrialSpec>) -> Result<gridsweep_common::trial::TrialSpec, Malformed> {
    convert::trial_spec(wire.ok_or(Malformed("a trial without what it computes"))?)
}

fn summary_message(summary: &OutcomeSummary) -> v1::OutcomeSummary {
    v1::OutcomeSummary {
        ending: match summary.ending {
            Ending::Succeeded => v1::Ending::Succeeded,
            Ending::Diverged => v1::Ending::Diverged,
        }
        .into(),
        epochs: summary.epochs,
        min_training_objective: summary.min_training_objective,
        min_training_loss: summary.min_training_loss,
        min_validation_loss: summary.min_validation_loss,
        evaluation: summary.evaluation.as_ref().map(Into::into),
        numerics: summary.numerics,
    }
}

fn summary(wire: &v1::OutcomeSummary) -> Result<OutcomeSummary, Malformed> {
    Ok(OutcomeSummary {
        ending: match wire.ending() {
            v1::Ending::Succeeded => Ending::Succeeded,
            v1::Ending::Diverged => Ending::Diverged,
            v1::Ending::Unspecified => return Err(Malformed("a result without an ending")),
        },
        epochs: wire.epochs,
        min_training_objective: wire.min_training_objective,
        min_training_loss: wire.min_training_loss,
        min_validation_loss: wire.min_validation_loss,
        evaluation: wire.evaluation.as_ref().map(convert::evaluation).transpose()?,
        numerics: wire.numerics,
    })
}

impl From<&StoredAttempt> for v1::StoredAttempt {
    fn from(attempt: &StoredAttempt) -> v1::StoredAttempt {
        v1::StoredAttempt {
            attempt: attempt.attempt.0,
            term: attempt.term.0,
            worker: attempt.worker.clone(),
            state: attempt.state.clone(),
            failure: attempt.failure.clone(),
            detail: attempt.detail.clone(),
            from_epoch: attempt.from_epoch,
            from_step: attempt.from_step,
            started_ms: attempt.started_ms,
            ended_ms: attempt.ended_ms,
        }
    }
}

/// Reads an attempt.
pub fn attempt(wire: v1::StoredAttempt) -> StoredAttempt {
    StoredAttempt {
        attempt: Attempt(wire.attempt),
        term: Term(wire.term),
        worker: wire.worker,
        state: wire.state,
        failure: wire.failure,
        detail: wire.detail,
        from_epoch: wire.from_epoch,
        from_step: wire.from_step,
        started_ms: wire.started_ms,
        ended_ms: wire.ended_ms,
    }
}

impl From<&RunningAttempt> for v1::StoredRunning {
    fn from(running: &RunningAttempt) -> v1::StoredRunning {
        v1::StoredRunning {
            trial: running.id.0.to_vec(),
            spec: Some((&running.spec).into()),
            attempt: Some((&running.attempt).into()),
            last_epoch: running.last_epoch.as_ref().map(Into::into),
        }
    }
}

/// Reads an attempt that runs.
pub fn running(wire: v1::StoredRunning) -> Result<RunningAttempt, Malformed> {
    Ok(RunningAttempt {
        id: convert::trial_id(&wire.trial)?,
        spec: spec(wire.spec.as_ref())?,
        attempt: attempt(wire.attempt.ok_or(Malformed("a running trial without its attempt"))?),
        last_epoch: wire.last_epoch.as_ref().map(convert::epoch_metrics).transpose()?,
    })
}

impl From<&AttemptedTrial> for v1::AttemptedTrial {
    fn from(trial: &AttemptedTrial) -> v1::AttemptedTrial {
        v1::AttemptedTrial { trial: trial.id.0.to_vec(), spec: Some((&trial.spec).into()) }
    }
}

/// Reads a trial that an attempt was made at.
pub fn attempted(wire: &v1::AttemptedTrial) -> Result<AttemptedTrial, Malformed> {
    Ok(AttemptedTrial { id: convert::trial_id(&wire.trial)?, spec: spec(wire.spec.as_ref())? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{outcome, sweep_of};
    use gridsweep_common::id::Digest;

    fn stored_trial() -> StoredTrial {
        let spec = sweep_of("a", 3).trial(1).unwrap();
        StoredTrial {
            sequence: 7,
            id: spec.id(),
            spec,
            end: TrialEnd::Diverged,
            failure: Some(Failure { kind: FailureKind::WorkerLost, detail: "gone".to_owned() }),
            summary: Some(outcome(0.25).summary()),
            recorded_ms: Some(5),
        }
    }

    #[test]
    fn what_is_stored_comes_back_as_it_was() {
        let stored = stored_trial();
        assert_eq!(trial(&(&stored).into()).unwrap(), stored);
        let bare = StoredTrial { failure: None, summary: None, recorded_ms: None, ..stored.clone() };
        assert_eq!(trial(&(&bare).into()).unwrap(), bare);
        let frozen = sweep_of("a", 3).frozen.clone();
        let stored_sweep = StoredSweep {
            id: SweepId(3),
            name: "a".to_owned(),
            frozen,
            submitted_ms: -1,
            priority: -2,
            is_cancelled: true,
        };
        assert_eq!(sweep((&stored_sweep).into()).unwrap(), stored_sweep);
        let of_running = RunningAttempt {
            id: stored.id,
            spec: stored.spec.clone(),
            attempt: StoredAttempt {
                attempt: Attempt(2),
                term: Term(4),
                worker: "w".to_owned(),
                state: "running".to_owned(),
                failure: None,
                detail: Some(String::new()),
                from_epoch: 1,
                from_step: 2,
                started_ms: 3,
                ended_ms: None,
            },
            last_epoch: outcome(1.5).epochs.first().copied(),
        };
        assert_eq!(running((&of_running).into()).unwrap(), of_running);
        let result = StoredResult { attempt: Attempt(2), digest: Digest([7; 32]), recorded_ms: 5 };
        for recorded in [None, Some(result)] {
            let ended = recorded.map(|_| stored.clone());
            let of_results = StoredResults { recorded, conflicts: vec![result], ended };
            assert_eq!(results((&of_results).into()).unwrap(), of_results);
        }
        let of_attempted = AttemptedTrial { id: stored.id, spec: stored.spec };
        assert_eq!(attempted(&(&of_attempted).into()).unwrap(), of_attempted);
    }

    #[test]
    fn what_no_coordinator_sends_is_an_error() {
        let good = || v1::StoredTrial::from(&stored_trial());
        assert!(trial(&good()).is_ok());
        assert!(trial(&v1::StoredTrial { end: "vanished".to_owned(), ..good() }).is_err());
        assert!(trial(&v1::StoredTrial { trial: vec![1], ..good() }).is_err());
        assert!(trial(&v1::StoredTrial { spec: None, ..good() }).is_err());
        assert!(sweep(v1::StoredSweep { catalogue: "{".to_owned(), ..Default::default() }).is_err());
        assert!(running(v1::StoredRunning::default()).is_err());
    }
}
