//! A worker delivers a result, or says that an attempt gave none.

use super::blame::end_failed;
use super::state::{Core, Lease, Moment, Phase, TrialEnd, TrialState};
use super::{AttemptEnding, Decision, Event, KnownResult, Message, Record, keep};
use gridsweep_common::id::{Digest, Fence, TrialId, WorkerId};
use gridsweep_common::metric::{Ending, Outcome};
use gridsweep_common::trial::{Failure, TrialSpec};
use gridsweep_common::work::Work;
use std::sync::Arc;

/// Over how many results the usual duration of an attempt is taken.
const TOOK_MAX: usize = 101;

/// Records the first valid result of a trial, whichever attempt brings it: also one whose lease is lost, because equal
/// trials have equal bits. An equal duplicate is acknowledged; one with other bits is kept as a conflict.
pub(super) fn finished(
    core: &Core,
    now: Moment,
    worker: WorkerId,
    fence: Fence,
    outcome: Arc<Outcome>,
) -> Decision {
    let mut decision = Decision::default();
    let Some(trial) = core.trials.get(&fence.trial).filter(|trial| was_issued(trial, fence)) else {
        decision
            .send(worker, Message::Revoked { fence, reason: "no such attempt was issued here".to_owned() });
        return decision;
    };
    match &trial.phase {
        Phase::Recorded { digest: recorded, .. } => {
            let digest = outcome.digest();
            let Fence { trial, attempt, .. } = fence;
            if digest != *recorded && !core.conflicts.contains(&(trial, attempt, digest)) {
                decision.events.push(Event::ResultConflicted { trial, attempt, digest, outcome });
            }
        }
        Phase::Pending { .. } | Phase::Leased { .. } | Phase::GivenUp { .. } => {
            if outcome.numerics != core.settings.numerics {
                let reason = format!("the result has numerics {}", outcome.numerics);
                decision.send(worker, Message::Revoked { fence, reason });
                return decision;
            }
            let slot = core.held(worker, fence).and_then(|lease| lease.slot);
            let took_ms = slot.map(|slot| now.since_ms(slot.since));
            record(core, fence, outcome, &mut decision);
            decision.events.push(Event::WorkerDelivered { worker, took_ms });
        }
    }
    decision.send(worker, Message::Acknowledged(fence));
    decision
}

/// Returns whether an attempt of this number was ever made at the trial.
pub(super) fn was_issued(trial: &TrialState, fence: Fence) -> bool {
    (1..=trial.attempts).contains(&fence.attempt.0)
}

fn record(core: &Core, fence: Fence, outcome: Arc<Outcome>, decision: &mut Decision) {
    let Fence { trial, attempt, .. } = fence;
    decision.events.push(Event::AttemptEnded { trial, attempt, ending: AttemptEnding::Finished });
    for lease in core.leases(trial).iter().filter(|lease| lease.fence.attempt != attempt) {
        supersede(lease, decision);
    }
    let end = match outcome.ending {
        Ending::Succeeded => TrialEnd::Succeeded,
        Ending::Diverged => TrialEnd::Diverged,
    };
    let (digest, epochs) = (outcome.digest(), outcome.epochs.len() as u32);
    decision.events.push(Event::TrialFinished { trial, end, digest, epochs });
    decision.records.push(Record { trial, attempt, outcome });
    keep::let_go(core, trial, decision);
}

fn supersede(lease: &Lease, decision: &mut Decision) {
    let Fence { trial, attempt, .. } = lease.fence;
    decision.events.push(Event::AttemptEnded { trial, attempt, ending: AttemptEnding::Superseded });
    if let Some(worker) = lease.worker {
        let reason = "another attempt delivered the result".to_owned();
        decision.send(worker, Message::Revoked { fence: lease.fence, reason });
    }
}

/// Tries a trial again, or gives it up. Only the holder of the lease may say that its attempt failed.
pub(super) fn failed(core: &Core, worker: WorkerId, fence: Fence, failure: Failure) -> Decision {
    let mut decision = Decision::default();
    if let Some(lease) = core.held(worker, fence) {
        end_failed(core, lease, failure, &mut decision);
    }
    decision.send(worker, Message::Acknowledged(fence));
    decision
}

pub(super) fn apply_delivered(core: &mut Core, worker: WorkerId, took_ms: Option<u64>) {
    if let Some(state) = core.workers.get_mut(&worker) {
        state.failed.clear();
    }
    if let Some(took_ms) = took_ms {
        core.took_ms.truncate(TOOK_MAX - 1);
        core.took_ms.push_front(took_ms);
    }
}

/// Ends a trial with its result. One that comes after the trial was given up takes the failure's place.
pub(super) fn apply_recorded(core: &mut Core, id: TrialId, end: TrialEnd, digest: Digest, epochs: u32) {
    end_trial(core, id, end, |_| Phase::Recorded { end, digest, epochs });
}

/// Takes the results that a store has, all of them at once: they are in order, and a map of a million is built in one go.
pub(super) fn apply_known(core: &mut Core, results: &[KnownResult]) {
    let trial = |known: &KnownResult| {
        let &KnownResult { trial, attempts, end, digest, epochs } = known;
        let phase = Phase::Recorded { end, digest, epochs };
        (trial, TrialState { attempts: attempts.0, ..TrialState::new(phase) })
    };
    core.trials.append(&mut results.iter().map(trial).collect());
}

/// Ends a trial without a result.
pub(super) fn apply_given_up(core: &mut Core, id: TrialId, end: TrialEnd) {
    end_trial(core, id, end, |spec| Phase::GivenUp { end, spec });
}

/// Ends a trial, and counts it in every sweep that has passed it.
fn end_trial(core: &mut Core, id: TrialId, end: TrialEnd, phase: impl FnOnce(Arc<TrialSpec>) -> Phase) {
    let Some(trial) = core.trials.get_mut(&id) else { return };
    let (spec, before) = match &trial.phase {
        Phase::Recorded { .. } => return,
        Phase::GivenUp { end, spec } => (Arc::clone(spec), Some(*end)),
        Phase::Pending { spec } | Phase::Leased { spec, .. } => (Arc::clone(spec), None),
    };
    let work = Work::of(&spec.choices);
    (trial.phase, trial.checkpoint) = (phase(spec), None);
    let epochs = if let Phase::Recorded { epochs, .. } = trial.phase { Some(epochs) } else { None };
    // With its result a trial is over for good: of those there are many, and where they stand matters to nobody.
    let places = if epochs.is_some() { std::mem::take(&mut trial.places) } else { trial.places.clone() };
    for place in &places {
        core.waiting.remove(place);
    }
    for (sweep, index) in places {
        let Some(state) = core.sweeps.get_mut(&sweep) else { continue };
        match before {
            Some(before) => *state.ended.of(before) -= 1,
            None => state.outstanding -= 1,
        }
        *state.ended.of(end) += 1;
        if let Some(epochs) = epochs {
            state.learn(index, work, epochs);
        }
    }
    core.queue_anew(id);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, outcome, sweep_of};
    use gridsweep_common::id::Attempt;
    use gridsweep_common::trial::{ATTEMPTS_MAX, FailureKind};

    #[test]
    fn a_result_is_recorded_once_however_often_it_is_sent() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let fence = world.assign()[0].1;
        assert_eq!(world.finish(worker, fence), 1);
        assert_eq!(world.finish(worker, fence), 0);
        assert_eq!(world.core.snapshot().sweeps[0].ended.succeeded, 1);
        assert!(world.core.conflicts.is_empty());
    }

    #[test]
    fn a_second_result_with_other_bits_is_a_conflict_and_the_first_stays() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let fence = world.assign()[0].1;
        world.finish(worker, fence);
        assert_eq!(world.finish_with(worker, fence, outcome(0.123)), 0);
        assert_eq!(world.finish_with(worker, fence, outcome(0.123)), 0);
        assert_eq!(world.core.conflicts.len(), 1, "sent again, it is the same conflict");
    }

    #[test]
    fn late_result_of_a_lost_attempt_counts_once() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let slow = world.join(1);
        let first = world.assign()[0].1;
        world.pass_ms(world.lease_ms() + 1);
        assert_eq!(world.tick(), vec![first.trial]);
        world.die(slow);
        let other = world.join(1);
        let second = world.assign()[0].1;
        assert_eq!(second.attempt, Attempt(2));
        let returned = world.join(1);
        assert_eq!(world.finish(returned, first), 1);
        assert_eq!(world.finish(other, second), 0);
        assert_eq!(world.core.snapshot().sweeps[0].ended.succeeded, 1);
    }

    #[test]
    fn a_result_of_an_attempt_that_was_never_issued_is_refused() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let fence = world.assign()[0].1;
        assert_eq!(world.finish(worker, Fence { attempt: Attempt(2), ..fence }), 0);
        assert_eq!(world.finish(worker, Fence { trial: TrialId([0; 16]), ..fence }), 0);
        assert_eq!(world.core.snapshot().sweeps[0].ended.total(), 0);
    }

    #[test]
    fn a_trial_that_panics_three_times_has_failed() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        for attempt in 1..=ATTEMPTS_MAX {
            let (_, fence) = world.assign()[0];
            assert_eq!(fence.attempt, Attempt(attempt));
            world.fail(worker, fence, FailureKind::Panic);
        }
        assert!(world.assign().is_empty());
        assert_eq!(world.core.snapshot().sweeps[0].ended.failed, 1);
        assert!(world.core.snapshot().sweeps[0].has_ended);
    }

    #[test]
    fn a_shutdown_does_not_count_as_a_failed_attempt() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        for _ in 0..ATTEMPTS_MAX + 2 {
            let (_, fence) = world.assign()[0];
            world.fail(worker, fence, FailureKind::WorkerShutdown);
        }
        assert_eq!(world.assign().len(), 1);
    }

    #[test]
    fn a_stale_failure_changes_nothing() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let slow = world.join(1);
        let (_, first) = world.assign()[0];
        world.pass_ms(world.lease_ms() + 1);
        world.tick();
        world.heartbeat(slow, vec![]);
        let (_, second) = world.assign()[0];
        world.fail(slow, first, FailureKind::Internal);
        assert!(world.core.live(second.trial, second.attempt).is_some());
    }
}
