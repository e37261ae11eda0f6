//! The trials that a sweep has passed are counted: one by one as it comes to them, and after a restart all at once as far as
//! they are known to be passed without a gap.

use super::state::{Core, Phase, SweepState, TrialState};
use gridsweep_common::id::{SweepId, TrialId};
use gridsweep_common::search::Search;
use gridsweep_common::work::Work;
use std::collections::BTreeMap;

/// A trial that some attempt was made at, by its place in a sweep.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Passed {
    /// Its index in the grid.
    pub index: u64,
    /// Which one it is.
    pub trial: TrialId,
    /// What it costs.
    pub work: Work,
}

/// Counts the trials passed as they are now: one that was decided to be cancelled may have been opened again for another
/// sweep since.
pub(super) fn apply_advanced(
    core: &mut Core,
    sweep: SweepId,
    cursor: u64,
    ahead: &[(u64, Work)],
    passed: &[Passed],
) {
    let Some(state) = core.sweeps.get_mut(&sweep) else { return };
    let before = std::mem::replace(&mut state.cursor, cursor);
    ahead.iter().for_each(|&(index, work)| state.window.add(index, work));
    let mut pending = Vec::new();
    for &Passed { index, trial, work } in passed {
        state.window.remove(index);
        match count(&mut core.trials, state, (sweep, index), trial) {
            Counted::Recorded { epochs } => state.learn(index, work, epochs),
            Counted::Pending => pending.push(trial),
            Counted::Other => {}
        }
        state.window.settle(index, cursor);
    }
    if before > 0 {
        state.window.settle(before - 1, cursor);
    }
    pending.into_iter().for_each(|id| core.queue_anew(id));
}

/// Puts a sweep that has passed nothing yet behind the first trials of its grid. What their results cost counts as if the
/// cursor had come to each.
pub(super) fn apply_prefix(core: &mut Core, sweep: SweepId, trials: &[TrialId]) {
    let Some(state) = core.sweeps.get_mut(&sweep) else { return };
    state.cursor = trials.len() as u64;
    let replicates = state.open.sweep.replicates.count.max(1) as usize;
    let mut pending = Vec::new();
    let mut index = 0;
    for (position, cell) in (0..).zip(trials.chunks(replicates)) {
        let work = state.open.sweep.grid().cell(position).map(|choices| Work::of(&choices));
        for &trial in cell {
            match (count(&mut core.trials, state, (sweep, index), trial), work) {
                (Counted::Recorded { epochs }, Some(work)) => state.learn(index, work, epochs),
                (Counted::Pending, _) => pending.push(trial),
                (Counted::Recorded { .. } | Counted::Other, _) => {}
            }
            index += 1;
        }
    }
    pending.into_iter().for_each(|id| core.queue_anew(id));
}

/// A trial that was counted.
enum Counted {
    /// It has its result: it is known how many epochs it took.
    Recorded {
        epochs: u32,
    },
    /// It waits for another attempt.
    Pending,
    Other,
}

/// Counts a trial at its place, which it remembers until it has its result.
fn count(
    trials: &mut BTreeMap<TrialId, TrialState>,
    state: &mut SweepState,
    place: (SweepId, u64),
    id: TrialId,
) -> Counted {
    let Some(trial) = trials.get_mut(&id) else {
        state.outstanding += 1;
        return Counted::Other;
    };
    let counted = match &trial.phase {
        Phase::Recorded { end, epochs, .. } => {
            *state.ended.of(*end) += 1;
            return Counted::Recorded { epochs: *epochs };
        }
        Phase::GivenUp { end, .. } => {
            *state.ended.of(*end) += 1;
            Counted::Other
        }
        Phase::Leased { .. } => {
            state.outstanding += 1;
            Counted::Other
        }
        Phase::Pending { .. } => {
            state.outstanding += 1;
            Counted::Pending
        }
    };
    trial.places.push(place);
    counted
}

#[cfg(test)]
mod tests {
    use crate::core::state::Counts;
    use crate::core::testing::{World, outcome_of, sweep_of, sweep_over};
    use gridsweep_common::id::{Fence, SweepId, TrialId};

    /// Where a sweep's cursor is, and what is counted before it.
    fn stands(world: &World, sweep: SweepId) -> (u64, Counts, u64) {
        let state = &world.core.sweeps[&sweep];
        (state.cursor, state.ended, state.outstanding)
    }

    #[test]
    fn after_a_restart_the_cursor_is_behind_what_was_begun_and_everything_before_it_is_counted() {
        let mut world = World::new();
        let sweep = world.submit(sweep_of("a", 9)).sweep;
        let worker = world.join(2);
        let leases = world.assign();
        world.finish(worker, leases[0].1);
        world.finish(worker, leases[2].1);
        let before = stands(&world, sweep);
        assert_eq!((before.0, before.1.succeeded, before.2), (9, 2, 2));
        world.restart();
        assert_eq!(stands(&world, sweep), (4, before.1, before.2), "nothing passed is looked at again");
        let worker = world.join(1);
        let next: Vec<_> = world.assign().iter().map(|(_, fence)| fence.trial).collect();
        assert_eq!(next, [leases[1].1.trial, leases[3].1.trial], "what was begun goes first");
        assert_eq!(stands(&world, sweep), before);
        for n in 0..7 {
            let lease = world.leases_of(worker)[0].1;
            assert_eq!(world.finish(worker, lease), 1, "trial {n} of the rest");
            world.assign();
        }
        assert!(world.core.snapshot().sweeps[0].has_ended);
    }

    #[test]
    fn what_was_passed_behind_a_gap_is_passed_again_after_a_restart_and_counted_once() {
        let mut world = World::new();
        let axes = "hidden = [[9], [50], [100]]\nepochs = [10]";
        let sweep = world.submit(sweep_over("a", axes, 2)).sweep;
        let worker = world.join(2);
        let index = |world: &World, trial: TrialId| {
            let open = &world.core.sweeps[&sweep].open;
            (0..6).find(|index| open.trial(*index).unwrap().id() == trial).unwrap()
        };
        let leases = world.assign();
        let order: Vec<_> = leases.iter().map(|(_, fence)| index(&world, fence.trial)).collect();
        assert_eq!(order, [4, 5, 2, 3], "the longest first");
        world.finish_with(worker, leases[0].1, outcome_of(0.5, 3));
        let before = stands(&world, sweep);
        assert_eq!((before.0, before.1.diverged, before.2), (6, 1, 3));
        world.restart();
        assert_eq!(stands(&world, sweep), (0, Counts::default(), 0), "trial 0 was not passed");
        world.assign();
        assert_eq!(stands(&world, sweep), before);
        // The gap is filled: from here on everything is before the cursor.
        let worker = world.join(3);
        let fences: Vec<Fence> = world.assign().into_iter().map(|(_, fence)| fence).collect();
        assert_eq!(fences.len(), 5, "what was begun, and the rest");
        for fence in fences {
            assert_eq!(world.finish(worker, fence), 1);
        }
        world.restart();
        world.assign();
        assert_eq!(stands(&world, sweep).1.total(), 6);
        world.restart();
        assert_eq!(stands(&world, sweep).0, 6, "what is passed again is stored again");
        assert!(world.core.snapshot().sweeps[0].has_ended);
    }

    #[test]
    fn a_restart_in_the_middle_of_a_cell_knows_how_long_its_trials_ran() {
        let mut world = World::new();
        let axes = "hidden = [[100], [95], [90]]\nepochs = [10]";
        let sweep = world.submit(sweep_over("a", axes, 3)).sweep;
        let worker = world.join(1);
        for epochs in [[10, 10], [10, 1]] {
            for ((_, fence), epochs) in world.assign().into_iter().zip(epochs) {
                world.finish_with(worker, fence, outcome_of(0.5, epochs));
            }
        }
        let order = |world: &World| {
            let mut order = world.core.sweeps[&sweep].window.order();
            std::iter::from_fn(|| order.take()).collect::<Vec<_>>()
        };
        let before = order(&world);
        assert_eq!(before, [6, 7, 8, 4, 5], "what is like the fourth one may run one epoch too");
        world.restart();
        assert_eq!(stands(&world, sweep).0, 4);
        world.assign();
        assert_eq!(order(&world), before);
    }
}
