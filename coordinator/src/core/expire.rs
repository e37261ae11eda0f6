//! Leases end by themselves: after their time, and with the coordinator that gave them.

use super::finish::{end_without_result, loss};
use super::state::{Core, Lease, Moment, Phase, TrialState};
use super::{AttemptEnding, Decision, Event, Message};

/// Ends the leases that were not renewed in time. The worker is told, should it still listen.
pub(super) fn tick(core: &Core, now: Moment) -> Decision {
    let mut decision = Decision::default();
    for lease in leases_of_workers(core).filter(|lease| lease.expires <= now) {
        let reason = "the lease ran out";
        let ending = AttemptEnding::Lost(reason.to_owned());
        end_without_result(core, lease.fence, ending, loss(reason), &mut decision);
        decision.send(lease.worker, Message::Revoked { fence: lease.fence, reason: reason.to_owned() });
    }
    decision
}

/// Ends the attempts that an earlier coordinator left behind. They are not counted against their trials.
pub(super) fn recover(core: &Core) -> Decision {
    let ended = core.trials.values().filter_map(lease_of).map(|Lease { fence, .. }| Event::AttemptEnded {
        trial: fence.trial,
        attempt: fence.attempt,
        ending: AttemptEnding::Released,
    });
    Decision { events: ended.collect(), ..Decision::default() }
}

/// Goes through the workers, of which there are few, and not through every trial there ever was.
fn leases_of_workers(core: &Core) -> impl Iterator<Item = &Lease> {
    let running = core.workers.values().flat_map(|worker| &worker.running);
    running.filter_map(|id| core.trials.get(id)).filter_map(lease_of)
}

fn lease_of(trial: &TrialState) -> Option<&Lease> {
    match &trial.phase {
        Phase::Leased { lease, .. } => Some(lease),
        Phase::Pending { .. } | Phase::Ended { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::core::testing::{World, sweep_of};

    #[test]
    fn a_lease_that_is_not_renewed_ends_and_the_trial_is_tried_again() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        world.join(2);
        let (_, fence) = world.assign()[0];
        world.pass_ms(world.lease_ms() - 1);
        assert!(world.tick().is_empty());
        world.pass_ms(1);
        assert_eq!(world.tick(), vec![fence.trial]);
        assert_eq!(world.assign().len(), 1);
    }

    #[test]
    fn a_restarted_coordinator_goes_on_where_the_last_one_stopped() {
        let mut world = World::new();
        world.submit(sweep_of("a", 3));
        let worker = world.join(2);
        let leases = world.assign();
        world.finish(worker, leases[0].1);
        world.restart();
        world.submit(sweep_of("a", 3));
        world.join(8);
        let again = world.assign();
        assert_eq!(again.len(), 2, "what has a result is not run again");
        assert_eq!(again[0].1.trial, leases[1].1.trial);
        assert_eq!(again[0].1.attempt.0, 2, "attempt numbers are never reused");
        assert!(again[0].1.term > leases[0].1.term);
    }
}
