//! A worker says hello and gives signs of life.

use super::state::{Core, Moment, Phase, WorkerState};
use super::{Decision, Effect, Event, Message};
use gridsweep_common::id::{Fence, TrialId, WorkerId};
use std::collections::BTreeSet;

/// What a worker offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// What people call it.
    pub name: String,
    /// How many trials it runs at once.
    pub slots: u32,
    /// The version of its engine's arithmetic.
    pub numerics: u32,
}

/// Why a worker is not taken.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Its results would have other bits.
    #[error(
        "this worker computes with numerics {worker}, the coordinator's sweeps with numerics {coordinator}: \
         run the same version of gridsweep on both"
    )]
    OtherNumerics {
        /// The worker's version.
        worker: u32,
        /// The coordinator's version.
        coordinator: u32,
    },
    /// It cannot run anything.
    #[error("this worker offers {0} slots; between 1 and {SLOTS_MAX} are possible")]
    SlotsOutOfRange(u32),
    /// The coordinator is about to stop.
    #[error("the coordinator is stopping")]
    Draining,
}

/// More slots than any machine has cores.
pub(super) const SLOTS_MAX: u32 = 4096;

pub(super) fn join(core: &Core, worker: WorkerId, offer: Offer) -> Decision {
    let mut decision = Decision::default();
    match refusal(core, &offer) {
        Some(refusal) => decision.effects.push(Effect::Refuse { worker, refusal }),
        None => {
            decision.events.push(Event::WorkerJoined { worker, offer });
            decision.send(worker, Message::Welcome);
        }
    }
    decision
}

fn refusal(core: &Core, offer: &Offer) -> Option<Refusal> {
    if core.is_draining {
        return Some(Refusal::Draining);
    }
    if offer.numerics != core.settings.numerics {
        return Some(Refusal::OtherNumerics { worker: offer.numerics, coordinator: core.settings.numerics });
    }
    (!(1..=SLOTS_MAX).contains(&offer.slots)).then_some(Refusal::SlotsOutOfRange(offer.slots))
}

/// Renews the leases that the worker really holds; what it holds on to without a lease is revoked.
pub(super) fn heartbeat(core: &Core, now: Moment, worker: WorkerId, running: &[Fence]) -> Decision {
    let mut decision = Decision::default();
    if !core.workers.contains_key(&worker) {
        return decision;
    }
    let mut trials = Vec::with_capacity(running.len());
    for &fence in running {
        match core.live(fence.trial, fence.attempt) {
            Some(lease) if lease.fence == fence && lease.worker == worker => trials.push(fence.trial),
            _ => decision
                .send(worker, Message::Revoked { fence, reason: "the lease is no longer held".to_owned() }),
        }
    }
    let expires = now.plus_ms(core.settings.lease_ms);
    decision.events.push(Event::LeasesRenewed { trials, expires });
    decision
}

pub(super) fn apply_joined(core: &mut Core, worker: WorkerId, offer: &Offer) {
    let state = WorkerState { offer: offer.clone(), running: BTreeSet::new(), is_leaving: false };
    core.workers.insert(worker, state);
}

pub(super) fn apply_renewed(core: &mut Core, trials: &[TrialId], expires: Moment) {
    for id in trials {
        if let Some(Phase::Leased { lease, .. }) = core.trials.get_mut(id).map(|trial| &mut trial.phase) {
            lease.expires = expires;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};

    #[test]
    fn a_worker_with_other_numerics_is_told_what_to_do() {
        let mut world = World::new();
        let refusal = world.join_with(Offer { name: "w".to_owned(), slots: 1, numerics: 99 }).unwrap_err();
        assert!(refusal.to_string().contains("run the same version of gridsweep on both"));
        assert!(world.join_with(Offer { name: "w".to_owned(), slots: 0, numerics: 1 }).is_err());
    }

    #[test]
    fn a_heartbeat_renews_and_what_is_not_leased_is_revoked() {
        let mut world = World::new();
        world.submit(sweep_of("a", 2));
        let worker = world.join(1);
        let fence = world.assign()[0].1;
        let stranger = Fence { attempt: gridsweep_common::id::Attempt(7), ..fence };
        let revoked = world.heartbeat(worker, vec![fence, stranger]);
        assert_eq!(revoked, vec![stranger]);
        world.pass_ms(world.lease_ms() - 1);
        assert!(world.tick().is_empty(), "the renewed lease still holds");
    }
}
