//! The user thinks that what was given up may go better now: it is opened again, with all the attempts that a new trial
//! has. The numbers of attempts go on where they were.

use super::state::{Core, Phase, TrialEnd};
use super::{Answer, Decision, Effect, Event};
use gridsweep_common::id::{SweepId, TrialId};
use std::sync::Arc;

/// What a retry did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryReport {
    /// How many failed and quarantined trials are tried again.
    pub reopened: u64,
    /// Whether the sweep was cancelled: it goes on.
    pub was_cancelled: bool,
}

/// Opens the failed and quarantined trials of a sweep again. A cancelled sweep goes on.
pub(super) fn retry(core: &Core, ticket: u64, sweep: SweepId) -> Decision {
    let mut decision = Decision::default();
    let Some(state) = core.sweeps.get(&sweep) else {
        decision.effects.push(Effect::Reply { ticket, answer: Answer::NoSuchSweep });
        return decision;
    };
    for (&trial, known) in &core.trials {
        let Phase::GivenUp { end: TrialEnd::Failed | TrialEnd::Quarantined, spec } = &known.phase else {
            continue;
        };
        if state.open.index_of(spec).is_some() {
            decision.events.push(Event::TrialReopened { trial });
        }
    }
    let reopened = decision.events.len() as u64;
    if state.is_cancelled {
        decision.events.push(Event::SweepReinstated { sweep });
    }
    decision.events.push(Event::SweepActivated { sweep });
    let answer = Answer::Retried(RetryReport { reopened, was_cancelled: state.is_cancelled });
    decision.effects.push(Effect::Reply { ticket, answer });
    decision
}

/// Opens a trial again: nothing that went wrong before counts.
pub(super) fn apply_reopened(core: &mut Core, id: TrialId) {
    let Some(trial) = core.trials.get_mut(&id) else { return };
    if matches!(trial.phase, Phase::Recorded { .. }) {
        return;
    }
    (trial.failures, trial.losses, trial.shunned) = (0, 0, None);
    if let Phase::GivenUp { end, spec } = &trial.phase {
        let end = *end;
        trial.phase = Phase::Pending { spec: Arc::clone(spec) };
        for (sweep, _) in &trial.places {
            let Some(state) = core.sweeps.get_mut(sweep) else { continue };
            *state.ended.of(end) -= 1;
            state.outstanding += 1;
        }
        core.queue_anew(id);
    }
}

/// Takes a cancellation back: the cursor passes over everything again, and opens what was cancelled where it meets it.
pub(super) fn apply_reinstated(core: &mut Core, sweep: SweepId) {
    let Some(state) = core.sweeps.get_mut(&sweep) else { return };
    state.is_cancelled = false;
    core.rewind(sweep);
}

#[cfg(test)]
mod tests {
    use crate::core::testing::{World, sweep_of};
    use crate::core::{Input, RetryReport};
    use gridsweep_common::id::{Attempt, SweepId, WorkerId};
    use gridsweep_common::trial::{ATTEMPTS_MAX, FailureKind};

    /// Lets the one trial of a sweep fail until it is given up.
    fn fail_for_good(world: &mut World, worker: WorkerId) {
        for _ in 0..ATTEMPTS_MAX {
            let (_, fence) = world.assign()[0];
            world.fail(worker, fence, FailureKind::Panic);
        }
        assert!(world.assign().is_empty());
    }

    fn world_with_a_failure() -> (World, SweepId, WorkerId) {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 1)).sweep;
        let worker = world.join(1);
        fail_for_good(&mut world, worker);
        assert_eq!(world.core.snapshot().sweeps[0].ended.failed, 1);
        (world, sweep, worker)
    }

    #[test]
    fn a_failed_trial_gets_all_its_attempts_again_and_numbers_go_on() {
        let (mut world, sweep, worker) = world_with_a_failure();
        assert_eq!(world.retry(sweep), RetryReport { reopened: 1, was_cancelled: false });
        let standing = &world.core.snapshot().sweeps[0];
        assert_eq!((standing.ended.failed, standing.has_ended), (0, false));
        for attempt in 1..=ATTEMPTS_MAX {
            let (_, fence) = world.assign()[0];
            assert_eq!(fence.attempt, Attempt(ATTEMPTS_MAX + attempt));
            world.fail(worker, fence, FailureKind::Panic);
        }
        assert_eq!(world.core.snapshot().sweeps[0].ended.failed, 1, "and is given up once more");
        assert_eq!(world.retry(sweep).reopened, 1);
        let (_, fence) = world.assign()[0];
        assert_eq!(world.finish(worker, fence), 1);
        assert_eq!(world.core.snapshot().sweeps[0].ended.succeeded, 1);
        assert_eq!(world.retry(sweep).reopened, 0, "a result is never tried again");
    }

    #[test]
    fn what_went_wrong_before_a_retry_does_not_count_after_a_restart_either() {
        let (mut world, sweep, _) = world_with_a_failure();
        world.retry(sweep);
        world.restart();
        let worker = world.join(1);
        for _ in 1..ATTEMPTS_MAX {
            let (_, fence) = world.assign()[0];
            world.fail(worker, fence, FailureKind::Panic);
        }
        assert_eq!(world.core.snapshot().sweeps[0].ended.failed, 0);
        world.restart();
        let worker = world.join(1);
        let (_, fence) = world.assign()[0];
        world.fail(worker, fence, FailureKind::Panic);
        assert_eq!(world.core.snapshot().sweeps[0].ended.failed, 1, "what went wrong since then does");
    }

    #[test]
    fn a_quarantined_trial_is_tried_with_neighbours_again() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 1)).sweep;
        for _ in 0..3 {
            let worker = world.join(1);
            world.assign();
            world.die(worker);
        }
        assert_eq!(world.core.snapshot().sweeps[0].ended.quarantined, 1);
        assert_eq!(world.retry(sweep).reopened, 1);
        let worker = world.join(1);
        let (_, fence) = world.assign()[0];
        assert!(!world.core.trials[&fence.trial].is_lone());
        assert_eq!(world.finish(worker, fence), 1);
    }

    #[test]
    fn right_after_a_restart_too_every_failed_trial_is_found() {
        let (mut world, sweep, _) = world_with_a_failure();
        world.core = World::reload(&mut world.store);
        let report = world.retry(sweep);
        assert_eq!(report.reopened, 1, "though no cursor has passed it yet");
        world.join(1);
        assert_eq!(world.assign().len(), 1);
    }

    #[test]
    fn a_retry_of_one_sweep_leaves_the_failures_of_another_alone() {
        let (mut world, _, _) = world_with_a_failure();
        let other = world.submit(crate::core::testing::sweep_with_seed("b", 2, 9)).sweep;
        assert_eq!(world.retry(other).reopened, 0);
        assert_eq!(world.core.snapshot().sweeps[0].ended.failed, 1);
    }

    #[test]
    fn a_cancelled_sweep_goes_on() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 3)).sweep;
        let worker = world.join(1);
        world.assign();
        world.cancel(sweep);
        assert_eq!(world.retry(sweep), RetryReport { reopened: 0, was_cancelled: true });
        world.heartbeat(worker, vec![]);
        assert_eq!(world.assign().len(), 2);
        assert!(!world.core.snapshot().sweeps[0].is_cancelled);
    }

    #[test]
    fn a_sweep_that_is_not_there_is_said_not_to_be() {
        let mut world = World::new();
        for input in
            [Input::Retry { ticket: 1, sweep: SweepId(7) }, Input::Cancel { ticket: 1, sweep: SweepId(7) }]
        {
            let decision = world.give(input);
            assert!(decision.events.is_empty());
            assert!(matches!(
                decision.effects[..],
                [crate::core::Effect::Reply { answer: crate::core::Answer::NoSuchSweep, .. }]
            ));
        }
    }
}
