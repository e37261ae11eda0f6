//! A sweep is not wanted any more: what runs of it is revoked, what has ended stays as it is.
//!
//! A grid may be too large to list, so the sweep is marked and only trials that an attempt was made at are ended one by
//! one. A trial that another sweep wants too goes on.

use super::state::{Core, Phase, TrialEnd, TrialState};
use super::{Answer, AttemptEnding, Decision, Effect, Event, Message, keep};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::{Fence, SweepId};
use gridsweep_common::trial::TrialSpec;

/// What a cancellation did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CancelReport {
    /// Whether the sweep was cancelled before.
    pub was_cancelled: bool,
    /// How many attempts were live and are revoked.
    pub revoked: u64,
}

/// Cancels a sweep. A second time changes nothing.
pub(super) fn cancel(core: &Core, ticket: u64, sweep: SweepId) -> Decision {
    let mut decision = Decision::default();
    let Some(state) = core.sweeps.get(&sweep) else {
        decision.effects.push(Effect::Reply { ticket, answer: Answer::NoSuchSweep });
        return decision;
    };
    let was_cancelled = state.is_cancelled;
    if !was_cancelled {
        decision.events.push(Event::SweepCancelled { sweep });
        let wanted = |spec: &TrialSpec| core.wants(spec, Some(sweep));
        let_go(core, &state.open, &wanted, &mut decision);
    }
    let is_revoked = |event: &&Event| matches!(event, Event::AttemptEnded { .. });
    let revoked = decision.events.iter().filter(is_revoked).count() as u64;
    let answer = Answer::Cancelled(CancelReport { was_cancelled, revoked });
    decision.effects.push(Effect::Reply { ticket, answer });
    decision
}

/// Ends what is open of a sweep's trials and not wanted any more.
pub(super) fn let_go(
    core: &Core,
    of: &OpenSweep,
    is_wanted: &dyn Fn(&TrialSpec) -> bool,
    decision: &mut Decision,
) {
    for (&id, trial) in &core.trials {
        let Some(spec) = trial.open_spec().filter(|spec| of.index_of(spec).is_some()) else { continue };
        if is_wanted(spec) {
            continue;
        }
        for lease in core.leases(id) {
            let Fence { trial, attempt, .. } = lease.fence;
            let ending = AttemptEnding::Revoked;
            decision.events.push(Event::AttemptEnded { trial, attempt, ending });
            if let Some(worker) = lease.worker {
                let reason = "its sweep was cancelled, or does not have it any more".to_owned();
                decision.send(worker, Message::Revoked { fence: lease.fence, reason });
            }
        }
        keep::let_go(core, id, decision);
        decision.events.push(Event::TrialCancelled { trial: id });
    }
}

impl Core {
    /// Returns whether a trial is of a sweep that is not cancelled, other than `but`.
    pub(super) fn wants(&self, spec: &TrialSpec, but: Option<SweepId>) -> bool {
        let mut others = self.sweeps.iter().filter(|(id, state)| Some(**id) != but && !state.is_cancelled);
        others.any(|(_, state)| state.open.index_of(spec).is_some())
    }
}

impl TrialState {
    /// Returns what the trial computes, while it has not ended.
    pub(super) fn open_spec(&self) -> Option<&TrialSpec> {
        match &self.phase {
            Phase::Pending { spec } | Phase::Leased { spec, .. } => Some(spec),
            Phase::Recorded { .. } | Phase::GivenUp { .. } => None,
        }
    }
}

/// Marks the sweep; what waits only for its sake waits no more.
pub(super) fn apply_cancelled(core: &mut Core, sweep: SweepId) {
    let Some(state) = core.sweeps.get_mut(&sweep) else { return };
    state.is_cancelled = true;
    let waiting: Vec<_> = core.waiting.range((sweep, 0)..=(sweep, u64::MAX)).map(|(_, &id)| id).collect();
    waiting.into_iter().for_each(|id| core.queue_anew(id));
}

pub(super) fn apply_trial_cancelled(core: &mut Core, id: gridsweep_common::id::TrialId) {
    super::finish::apply_given_up(core, id, TrialEnd::Cancelled);
}

#[cfg(test)]
mod tests {
    use crate::core::testing::{World, sweep_of};
    use crate::core::{CancelReport, SubmitEffect};
    use gridsweep_common::trial::FailureKind;

    #[test]
    fn what_runs_of_a_cancelled_sweep_is_revoked_and_what_ended_stays() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 5)).sweep;
        let worker = world.join(1);
        let leases = world.assign();
        assert_eq!(leases.len(), 2);
        world.finish(worker, leases[0].1);
        let (report, revoked) = world.cancel(sweep);
        assert_eq!(report, CancelReport { was_cancelled: false, revoked: 1 });
        assert_eq!(revoked, vec![leases[1].1]);
        assert!(world.assign().is_empty(), "nothing more of it is begun");
        let standing = &world.core.snapshot().sweeps[0];
        assert!(standing.has_ended && standing.is_cancelled);
        assert_eq!((standing.ended.succeeded, standing.ended.cancelled), (1, 4));
        assert_eq!(world.cancel(sweep).0, CancelReport { was_cancelled: true, revoked: 0 });
    }

    #[test]
    fn a_cancelled_sweep_is_so_after_a_restart_too() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 5)).sweep;
        let worker = world.join(2);
        let leases = world.assign();
        world.finish(worker, leases[0].1);
        world.cancel(sweep);
        world.restart();
        world.join(2);
        assert!(world.assign().is_empty());
        let standing = &world.core.snapshot().sweeps[0];
        assert_eq!((standing.ended.succeeded, standing.ended.cancelled), (1, 4));
        assert!(standing.has_ended);
    }

    #[test]
    fn a_trial_that_another_sweep_has_too_goes_on() {
        let mut world = World::new();
        let first = world.submit(sweep_of("a", 4)).sweep;
        world.submit(sweep_of("b", 1));
        let worker = world.join(1);
        let leases = world.assign();
        let (_, revoked) = world.cancel(first);
        assert_eq!(revoked, vec![leases[1].1], "the first trial of both is the other sweep's as well");
        assert_eq!(world.finish(worker, leases[0].1), 1);
        assert!(world.core.snapshot().sweeps[1].has_ended);
    }

    #[test]
    fn a_result_that_was_under_way_counts() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 1)).sweep;
        let worker = world.join(1);
        let fence = world.assign()[0].1;
        world.cancel(sweep);
        assert_eq!(world.finish(worker, fence), 1);
        assert_eq!(world.core.snapshot().sweeps[0].ended.succeeded, 1);
        assert_eq!(world.core.snapshot().sweeps[0].ended.cancelled, 0);
    }

    #[test]
    fn what_waits_for_another_attempt_is_cancelled_too_and_a_late_failure_changes_nothing() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 1)).sweep;
        let worker = world.join(1);
        let fence = world.assign()[0].1;
        world.fail(worker, fence, FailureKind::Panic);
        world.cancel(sweep);
        world.fail(worker, fence, FailureKind::Panic);
        assert!(world.assign().is_empty());
        assert_eq!(world.core.snapshot().sweeps[0].ended.cancelled, 1);
    }

    #[test]
    fn the_same_file_submitted_again_takes_a_cancellation_back() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 3)).sweep;
        let worker = world.join(1);
        let before = world.assign();
        world.cancel(sweep);
        world.heartbeat(worker, vec![]);
        assert_eq!(world.submit(sweep_of("a", 3)).effect, SubmitEffect::Unchanged);
        let after = world.assign();
        assert_eq!(after[0].1.trial, before[0].1.trial);
        assert!(after[0].1.attempt > before[0].1.attempt, "attempt numbers only grow");
        for (_, fence) in after {
            world.finish(worker, fence);
        }
        for (_, fence) in world.assign() {
            world.finish(worker, fence);
        }
        let standing = &world.core.snapshot().sweeps[0];
        assert_eq!((standing.ended.succeeded, standing.is_cancelled), (3, false));
        world.restart();
        assert!(!world.core.snapshot().sweeps[0].is_cancelled, "a restart tells the same story");
    }

    #[test]
    fn a_cancelled_trial_that_another_sweep_runs_is_counted_as_it_ends() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 2)).sweep;
        world.join(1);
        world.assign();
        world.cancel(sweep);
        // In one decision the cancelled sweep passes over its trials, and the other one opens them again.
        world.restart();
        world.submit(sweep_of("b", 2));
        let worker = world.join(1);
        for (_, fence) in world.assign() {
            world.finish(worker, fence);
        }
        for standing in world.core.snapshot().sweeps {
            assert_eq!((standing.ended.succeeded, standing.ended.cancelled), (2, 0), "{standing:?}");
        }
    }

    #[test]
    fn another_sweep_with_a_cancelled_trial_runs_it() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 2)).sweep;
        let worker = world.join(1);
        world.assign();
        world.cancel(sweep);
        world.heartbeat(worker, vec![]);
        world.submit(sweep_of("b", 2));
        let leases = world.assign();
        assert_eq!(leases.len(), 2);
        for (_, fence) in leases {
            world.finish(worker, fence);
        }
        let sweeps = world.core.snapshot().sweeps;
        assert_eq!((sweeps[0].ended.succeeded, sweeps[1].ended.succeeded), (2, 2));
        assert!(sweeps[0].is_cancelled && sweeps[1].has_ended);
    }

    #[test]
    fn what_an_edited_file_does_not_have_any_more_is_not_run_to_its_end() {
        let mut world = World::new();
        world.submit(sweep_of("a", 4));
        world.join(2);
        let leases = world.assign();
        assert_eq!(leases.len(), 4);
        world.submit(sweep_of("a", 1));
        assert_eq!(world.core.live_leases().count(), 1);
    }
}
