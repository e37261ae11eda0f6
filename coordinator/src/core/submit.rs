//! A sweep is submitted: frozen, or an edited file in the place of an earlier one.

use super::cancel::let_go;
use super::state::{Core, Counts, Phase, SweepState, TrialState};
use super::window::Window;
use super::{Answer, Decision, Effect, Event};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::SweepId;
use gridsweep_common::trial::TrialSpec;
use std::sync::Arc;

/// What a submission did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubmitReport {
    /// The sweep's number.
    pub sweep: SweepId,
    /// What happened to it.
    pub effect: SubmitEffect,
    /// How the trials compare with those of before; `None` where that cannot be told without enumerating two large
    /// grids.
    pub changes: Option<Changes>,
}

/// An edited sweep beside the one before it, in trials.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changes {
    /// Not in the sweep before.
    pub new: u64,
    /// In both.
    pub unchanged: u64,
    /// No longer in the file. Their results stay in the store.
    pub removed: u64,
}

/// What became of the sweep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubmitEffect {
    /// There was none of this name.
    Created,
    /// The same file again.
    Unchanged,
    /// An edited file.
    Replaced,
}

pub(super) fn submit(core: &Core, ticket: u64, open: Arc<OpenSweep>, priority: Option<i32>) -> Decision {
    let existing = core.sweep_named(&open.sweep.name).map(|id| (id, &core.sweeps[&id]));
    let report = report(core, &open, existing.map(|(id, state)| (id, &state.open)));
    let before = existing.map(|(_, state)| state);
    let sweep = report.sweep;
    let mut decision = Decision::default();
    let priority_before = before.map_or(0, |state| state.priority);
    let priority = priority.unwrap_or(priority_before);
    if report.effect != SubmitEffect::Unchanged {
        let submitted = Event::SweepSubmitted { sweep, open: Arc::clone(&open), priority };
        decision.events.push(submitted);
    } else {
        if before.is_some_and(|state| state.is_cancelled) {
            decision.events.push(Event::SweepReinstated { sweep });
        }
        if priority != priority_before {
            decision.events.push(Event::SweepPrioritized { sweep, priority });
        }
    }
    decision.events.push(Event::SweepActivated { sweep });
    if let Some(before) = before.filter(|_| report.effect == SubmitEffect::Replaced) {
        let is_wanted = |spec: &TrialSpec| open.index_of(spec).is_some() || core.wants(spec, Some(sweep));
        let_go(core, &before.open, &is_wanted, &mut decision);
    }
    decision.effects.push(Effect::Reply { ticket, answer: Answer::Submitted(report) });
    decision
}

fn report(core: &Core, open: &OpenSweep, existing: Option<(SweepId, &Arc<OpenSweep>)>) -> SubmitReport {
    let trials = open.trials();
    let Some((sweep, before)) = existing else {
        let sweep = SweepId(core.sweeps.keys().next_back().map_or(1, |last| last.0 + 1));
        let changes = Some(Changes { new: trials, ..Changes::default() });
        return SubmitReport { sweep, effect: SubmitEffect::Created, changes };
    };
    if before.digest() == open.digest() {
        let changes = Some(Changes { unchanged: trials, ..Changes::default() });
        return SubmitReport { sweep, effect: SubmitEffect::Unchanged, changes };
    }
    let changes = open.shared_trials(before).map(|unchanged| Changes {
        new: trials - unchanged,
        unchanged,
        removed: before.trials() - unchanged,
    });
    SubmitReport { sweep, effect: SubmitEffect::Replaced, changes }
}

/// Puts the sweep at its beginning: the cursor passes again over what has ended and counts it anew.
pub(super) fn apply_submitted(core: &mut Core, sweep: SweepId, open: &Arc<OpenSweep>, priority: i32) {
    let state = SweepState {
        open: Arc::clone(open),
        is_active: core.settings.resumes_all,
        is_cancelled: false,
        priority,
        cursor: 0,
        window: Window::new(open.sweep.replicates.count),
        ended: Counts::default(),
        outstanding: 0,
    };
    if core.sweeps.insert(sweep, state).is_some() {
        core.rewind(sweep);
    }
}

/// Gives the sweep another priority; trials that it shares may wait in another sweep from now on.
pub(super) fn apply_prioritized(core: &mut Core, sweep: SweepId, priority: i32) {
    let Some(state) = core.sweeps.get_mut(&sweep) else { return };
    state.priority = priority;
    let waiting: Vec<_> = core.waiting.values().copied().collect();
    waiting.into_iter().for_each(|id| core.queue_anew(id));
}

pub(super) fn apply_activated(core: &mut Core, sweep: SweepId) {
    let Some(state) = core.sweeps.get_mut(&sweep).filter(|state| !state.is_active) else { return };
    state.is_active = true;
    // What an earlier coordinator passed on its way waits for its sake from now on.
    let waits = |trial: &TrialState| {
        let is_of_it = trial.places.iter().any(|(of, _)| *of == sweep);
        is_of_it && matches!(trial.phase, Phase::Pending { .. })
    };
    let waiting: Vec<_> = core.trials.iter().filter(|(_, trial)| waits(trial)).map(|(&id, _)| id).collect();
    waiting.into_iter().for_each(|id| core.queue_anew(id));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};
    use gridsweep_common::trial::FailureKind;

    #[test]
    fn what_waits_of_a_sweep_found_in_the_store_is_begun_once_it_is_submitted_again() {
        let mut world = World::that_resumes_nothing();
        world.submit(sweep_of("a", 3));
        let worker = world.join(1);
        let begun = world.assign();
        world.fail(worker, begun[0].1, FailureKind::WorkerShutdown);
        world.restart();
        world.join(1);
        assert!(world.assign().is_empty(), "nobody asked for it in this term");
        world.submit(sweep_of("a", 3));
        let again: Vec<_> = world.assign().iter().map(|(_, fence)| fence.trial).collect();
        assert_eq!(again, begun.iter().map(|(_, fence)| fence.trial).collect::<Vec<_>>());
    }

    #[test]
    fn the_same_file_again_changes_nothing() {
        let mut world = World::new();
        let first = world.submit(sweep_of("a", 4));
        let again = world.submit(sweep_of("a", 4));
        assert_eq!(first.effect, SubmitEffect::Created);
        assert_eq!((again.sweep, again.effect), (first.sweep, SubmitEffect::Unchanged));
        assert_eq!(again.changes, Some(Changes { new: 0, unchanged: 4, removed: 0 }));
    }

    #[test]
    fn an_edited_file_keeps_what_both_have() {
        let mut world = World::new();
        let first = world.submit(sweep_of("a", 4));
        let edited = world.submit(sweep_of("a", 6));
        assert_eq!(edited.sweep, first.sweep);
        assert_eq!(edited.changes, Some(Changes { new: 2, unchanged: 4, removed: 0 }));
        let smaller = world.submit(sweep_of("a", 3));
        assert_eq!(smaller.changes, Some(Changes { new: 0, unchanged: 3, removed: 3 }));
    }

    #[test]
    fn another_name_is_another_sweep() {
        let mut world = World::new();
        assert_ne!(world.submit(sweep_of("a", 4)).sweep, world.submit(sweep_of("b", 4)).sweep);
    }
}
