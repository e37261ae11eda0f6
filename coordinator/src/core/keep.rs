//! The newest checkpoint of a trial: whoever tries it next goes on from there.
//!
//! It saves time and decides nothing: with a checkpoint that is lost, late or refused, a trial has the same bits.

use super::state::Core;
use super::{AttemptEnding, Decision, Effect, Event};
use gridsweep_common::id::{Digest, Fence, TrialId};
use gridsweep_common::trial::{FailureKind, KeptCheckpoint};
use std::collections::BTreeSet;

impl Core {
    /// Returns what is kept of a trial.
    pub fn checkpoint(&self, trial: TrialId) -> Option<KeptCheckpoint> {
        self.trials.get(&trial)?.checkpoint.as_deref().copied()
    }

    /// Returns the digests of everything that is kept.
    pub fn checkpoints(&self) -> BTreeSet<Digest> {
        self.trials.values().filter_map(|trial| trial.checkpoint.as_ref()).map(|kept| kept.digest).collect()
    }

    /// Returns whether a checkpoint would be kept: its attempt is live, and nothing is kept that is as far.
    pub fn wants_checkpoint(&self, fence: Fence, checkpoint: KeptCheckpoint) -> bool {
        let is_live = self.live(fence.trial, fence.attempt).is_some_and(|lease| lease.fence == fence);
        let kept = self.checkpoint(fence.trial);
        is_live && kept.is_none_or(|kept| kept.progress() < checkpoint.progress())
    }
}

/// Takes a checkpoint whose bytes are stored, in the place of the one before, or lets go of it.
pub(super) fn offered(core: &Core, ticket: u64, fence: Fence, checkpoint: KeptCheckpoint) -> Decision {
    let mut decision = Decision::default();
    let before = core.checkpoint(fence.trial);
    // Sent again because its answer was lost.
    let is_there = before == Some(checkpoint);
    let is_wanted = core.wants_checkpoint(fence, checkpoint);
    if is_wanted {
        let Fence { trial, attempt, .. } = fence;
        decision.events.push(Event::CheckpointKept { trial, attempt, checkpoint });
    }
    let stale = if is_wanted { before } else { Some(checkpoint) };
    let stays = if is_wanted { Some(checkpoint) } else { before };
    discard(stale.filter(|stale| stays.is_none_or(|stays| stays.digest != stale.digest)), &mut decision);
    decision.effects.push(Effect::CheckpointTaken { ticket, is_kept: is_wanted || is_there });
    decision
}

/// Lets go of what is kept of a trial: it ends, or starts over.
pub(super) fn let_go(core: &Core, trial: TrialId, decision: &mut Decision) {
    discard(core.checkpoint(trial), decision);
}

fn discard(checkpoint: Option<KeptCheckpoint>, decision: &mut Decision) {
    decision.effects.extend(checkpoint.map(|stale| Effect::DiscardCheckpoint { digest: stale.digest }));
}

impl AttemptEnding {
    /// Returns whether the next attempt starts over, because what was computed may be why this one failed.
    pub fn starts_over(&self) -> bool {
        match self {
            AttemptEnding::Failed(failure) => match failure.kind {
                FailureKind::Panic
                | FailureKind::OutOfMemory
                | FailureKind::CheckpointCorrupt
                | FailureKind::Internal => true,
                FailureKind::Timeout
                | FailureKind::Io
                | FailureKind::WorkerShutdown
                | FailureKind::WorkerLost => false,
            },
            AttemptEnding::Finished
            | AttemptEnding::Lost(_)
            | AttemptEnding::Abandoned(_)
            | AttemptEnding::Released
            | AttemptEnding::Returned
            | AttemptEnding::Superseded
            | AttemptEnding::Revoked => false,
        }
    }
}

pub(super) fn apply_kept(core: &mut Core, id: TrialId, checkpoint: KeptCheckpoint) {
    if let Some(trial) = core.trials.get_mut(&id) {
        trial.checkpoint = Some(Box::new(checkpoint));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};
    use crate::core::{Input, Message};
    use gridsweep_common::id::Attempt;

    fn checkpoint(epoch: u32) -> KeptCheckpoint {
        KeptCheckpoint { digest: Digest([epoch as u8; 32]), length: 9, epoch, step: 0 }
    }

    /// Offers a checkpoint, and returns whether it is kept and what is let go of.
    fn offer(world: &mut World, fence: Fence, checkpoint: KeptCheckpoint) -> (bool, Vec<Digest>) {
        let decision = world.give(Input::Checkpoint { ticket: 1, fence, checkpoint });
        let is_kept = |effect: &Effect| match effect {
            Effect::CheckpointTaken { ticket: 1, is_kept } => Some(*is_kept),
            _ => None,
        };
        let is_kept = decision.effects.iter().find_map(is_kept).expect("whoever asked is answered");
        (is_kept, discarded(&decision))
    }

    fn discarded(decision: &Decision) -> Vec<Digest> {
        let digest = |effect: &Effect| match effect {
            Effect::DiscardCheckpoint { digest } => Some(*digest),
            _ => None,
        };
        decision.effects.iter().filter_map(digest).collect()
    }

    /// Returns what the next lease names.
    fn next_lease(world: &mut World) -> (Fence, Option<KeptCheckpoint>) {
        let decision = world.give(Input::Assign);
        let lease = |effect: &Effect| match effect {
            Effect::Send { message: Message::Lease { fence, checkpoint, .. }, .. } => {
                Some((*fence, *checkpoint))
            }
            _ => None,
        };
        decision.effects.iter().find_map(lease).expect("a trial is leased")
    }

    #[test]
    fn the_next_attempt_is_given_the_newest_checkpoint_of_the_one_before() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let first = world.join(1);
        let (fence, none) = next_lease(&mut world);
        assert_eq!(none, None);
        assert_eq!(offer(&mut world, fence, checkpoint(2)), (true, vec![]));
        assert_eq!(offer(&mut world, fence, checkpoint(5)), (true, vec![checkpoint(2).digest]));
        assert_eq!(offer(&mut world, fence, checkpoint(5)), (true, vec![]), "sent twice, it stays");
        assert_eq!(offer(&mut world, fence, checkpoint(4)), (false, vec![checkpoint(4).digest]));
        world.die(first);
        world.join(1);
        assert_eq!(next_lease(&mut world).1, Some(checkpoint(5)));
        assert_eq!(world.core.checkpoints(), BTreeSet::from([checkpoint(5).digest]));
    }

    #[test]
    fn an_attempt_that_is_not_live_leaves_no_checkpoint() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let first = world.join(1);
        let (fence, _) = next_lease(&mut world);
        let stranger = Fence { trial: TrialId([0; 16]), ..fence };
        let of_earlier_term = Fence { term: gridsweep_common::id::Term(0), ..fence };
        world.die(first);
        for wrong in [fence, stranger, of_earlier_term, Fence { attempt: Attempt(9), ..fence }] {
            assert_eq!(offer(&mut world, wrong, checkpoint(1)), (false, vec![checkpoint(1).digest]));
        }
        assert!(world.core.checkpoints().is_empty());
    }

    #[test]
    fn nothing_is_kept_of_a_trial_that_has_ended() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        let worker = world.join(1);
        let (fence, _) = next_lease(&mut world);
        offer(&mut world, fence, checkpoint(3));
        let outcome = crate::core::testing::honest(fence.trial);
        let decision = world.give(Input::Finished { worker, fence, outcome });
        assert_eq!(discarded(&decision), [checkpoint(3).digest]);
        assert!(world.core.checkpoints().is_empty());
    }

    #[test]
    fn what_panicked_starts_over_and_what_was_shut_down_does_not() {
        for (kind, stays) in [(FailureKind::Panic, false), (FailureKind::WorkerShutdown, true)] {
            let mut world = World::new();
            world.submit(sweep_of("a", 1));
            let worker = world.join(1);
            let (fence, _) = next_lease(&mut world);
            offer(&mut world, fence, checkpoint(3));
            world.fail(worker, fence, kind);
            assert_eq!(next_lease(&mut world).1.is_some(), stays, "{kind:?}");
        }
    }

    #[test]
    fn a_checkpoint_outlives_the_coordinator() {
        let mut world = World::new();
        world.submit(sweep_of("a", 1));
        world.join(1);
        let (fence, _) = next_lease(&mut world);
        offer(&mut world, fence, checkpoint(3));
        world.restart();
        world.join(1);
        assert_eq!(next_lease(&mut world).1, Some(checkpoint(3)));
    }
}
