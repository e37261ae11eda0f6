//! A sweep is submitted: frozen, or an edited file in the place of an earlier one.

use super::state::{Core, Counts, Phase, SweepState};
use super::{Decision, Effect, Event};
use gridsweep_common::frozen::OpenSweep;
use gridsweep_common::id::SweepId;
use std::sync::Arc;

/// What a submission did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubmitReport {
    /// The sweep's number.
    pub sweep: SweepId,
    /// What happened to it.
    pub effect: SubmitEffect,
    /// Trials that were not in the sweep before.
    pub trials_new: u64,
    /// Trials that were.
    pub trials_unchanged: u64,
    /// Trials that the file no longer has. Their results stay in the store.
    pub trials_removed: u64,
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

pub(super) fn submit(core: &Core, ticket: u64, open: Arc<OpenSweep>) -> Decision {
    let existing = core.sweep_named(&open.sweep.name).map(|id| (id, &core.sweeps[&id].open));
    let report = report(core, &open, existing);
    let mut decision = Decision::default();
    if report.effect != SubmitEffect::Unchanged {
        decision.events.push(Event::SweepSubmitted { sweep: report.sweep, open });
    }
    decision.events.push(Event::SweepActivated { sweep: report.sweep });
    decision.effects.push(Effect::Reply { ticket, report });
    decision
}

fn report(core: &Core, open: &OpenSweep, existing: Option<(SweepId, &Arc<OpenSweep>)>) -> SubmitReport {
    let trials = open.trials();
    match existing {
        None => SubmitReport {
            sweep: SweepId(core.sweeps.keys().next_back().map_or(1, |last| last.0 + 1)),
            effect: SubmitEffect::Created,
            trials_new: trials,
            trials_unchanged: 0,
            trials_removed: 0,
        },
        Some((sweep, before)) => {
            let is_same = before.digest() == open.digest();
            let unchanged = if is_same { trials } else { open.shared_trials(before) };
            SubmitReport {
                sweep,
                effect: if is_same { SubmitEffect::Unchanged } else { SubmitEffect::Replaced },
                trials_new: trials - unchanged,
                trials_unchanged: unchanged,
                trials_removed: before.trials() - unchanged,
            }
        }
    }
}

/// Puts the sweep at its beginning: the cursor passes again over what has ended and counts it anew.
pub(super) fn apply_submitted(core: &mut Core, sweep: SweepId, open: &Arc<OpenSweep>) {
    let is_active = core.settings.resumes_all;
    let state =
        SweepState { open: Arc::clone(open), is_active, cursor: 0, ended: Counts::default(), outstanding: 0 };
    if core.sweeps.insert(sweep, state).is_some() {
        forget_places(core, sweep);
    }
}

/// Takes a replaced sweep's indices back from all trials: the new grid gives them new ones.
fn forget_places(core: &mut Core, sweep: SweepId) {
    for (&id, trial) in &mut core.trials {
        let Some(position) = trial.places.iter().position(|(of, _)| *of == sweep) else { continue };
        let was_first = position == 0;
        let (_, index) = trial.places.remove(position);
        if was_first && matches!(trial.phase, Phase::Pending { .. }) {
            core.waiting.remove(&(sweep, index));
            if let Some(&place) = trial.places.first() {
                core.waiting.insert(place, id);
            }
        }
    }
}

pub(super) fn apply_activated(core: &mut Core, sweep: SweepId) {
    if let Some(state) = core.sweeps.get_mut(&sweep) {
        state.is_active = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, sweep_of};

    #[test]
    fn the_same_file_again_changes_nothing() {
        let mut world = World::new();
        let first = world.submit(sweep_of("a", 4));
        let again = world.submit(sweep_of("a", 4));
        assert_eq!(first.effect, SubmitEffect::Created);
        assert_eq!(
            again,
            SubmitReport { effect: SubmitEffect::Unchanged, trials_new: 0, trials_unchanged: 4, ..first }
        );
    }

    #[test]
    fn an_edited_file_keeps_what_both_have() {
        let mut world = World::new();
        let first = world.submit(sweep_of("a", 4));
        let edited = world.submit(sweep_of("a", 6));
        assert_eq!(edited.sweep, first.sweep);
        assert_eq!((edited.trials_new, edited.trials_unchanged, edited.trials_removed), (2, 4, 0));
        let smaller = world.submit(sweep_of("a", 3));
        assert_eq!((smaller.trials_new, smaller.trials_unchanged, smaller.trials_removed), (0, 3, 3));
    }

    #[test]
    fn another_name_is_another_sweep() {
        let mut world = World::new();
        assert_ne!(world.submit(sweep_of("a", 4)).sweep, world.submit(sweep_of("b", 4)).sweep);
    }
}
