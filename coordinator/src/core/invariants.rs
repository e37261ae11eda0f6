//! What holds after every event.

use super::state::{Core, Phase};
use gridsweep_common::id::SweepId;

/// A trial has one live attempt, or two where an idle slot began a second one.
const LEASES_MAX: usize = 2;

/// Checks the core against itself and names the first invariant that does not hold.
pub fn check(core: &Core) -> Result<(), String> {
    check_trials(core)?;
    check_workers(core)?;
    check_waiting(core)?;
    check_sweeps(core)
}

fn check_trials(core: &Core) -> Result<(), String> {
    for (id, trial) in &core.trials {
        let is_kept_in_vain = trial.checkpoint.is_some()
            && matches!(trial.phase, Phase::Recorded { .. } | Phase::GivenUp { .. });
        require(!is_kept_in_vain, || format!("{id}: has ended, and its checkpoint is kept"))?;
        let Phase::Leased { leases, .. } = &trial.phase else { continue };
        require((1..=LEASES_MAX).contains(&leases.len()), || {
            format!("{id}: {} live attempts", leases.len())
        })?;
        require(leases.is_sorted_by(|a, b| a.fence.attempt < b.fence.attempt), || {
            format!("{id}: two live attempts of one number")
        })?;
        for lease in leases {
            require(lease.fence.trial == *id, || format!("{id}: the lease is of another trial"))?;
            require(lease.fence.attempt.0 <= trial.attempts, || {
                format!("{id}: an attempt that was never issued is live")
            })?;
            let is_held = match lease.worker {
                Some(worker) => core.workers.get(&worker).is_some_and(|state| state.running.contains(id)),
                None => core.unclaimed.contains(id) && lease.fence.term < core.term,
            };
            require(is_held, || format!("{id}: leased to a worker that does not hold it"))?;
        }
        let holders: std::collections::BTreeSet<_> = leases.iter().map(|lease| lease.worker).collect();
        require(holders.len() == leases.len() || holders.contains(&None), || {
            format!("{id}: two live attempts on one worker")
        })?;
    }
    for id in &core.unclaimed {
        let is_unclaimed = core.leases(*id).iter().any(|lease| lease.worker.is_none());
        require(is_unclaimed, || format!("{id}: nothing of it is unclaimed"))?;
    }
    Ok(())
}

fn check_workers(core: &Core) -> Result<(), String> {
    for (&worker, state) in &core.workers {
        let mut distinct = std::collections::BTreeSet::new();
        for &id in &state.running {
            let is_its_own = core.lease_of(worker, id).is_some() && distinct.insert(id);
            require(is_its_own, || format!("worker {worker} holds {id}, which is not leased to it"))?;
        }
        let most = 2 * u64::from(state.offer.slots);
        require(state.running.len() as u64 <= most, || {
            format!("worker {worker} has more trials than slots and places before them")
        })?;
        let is_held = state.lone.is_none_or(|lone| state.running.contains(&lone));
        require(is_held, || format!("worker {worker} is kept for a trial that it does not hold"))?;
    }
    Ok(())
}

fn check_waiting(core: &Core) -> Result<(), String> {
    for (place, id) in &core.waiting {
        let trial = core.trials.get(id).ok_or_else(|| format!("{id} waits and is not known"))?;
        require(matches!(trial.phase, Phase::Pending { .. }), || format!("{id} waits and is not pending"))?;
        require(core.waiting_place(trial).as_ref() == Some(place), || {
            format!("{id} waits at a place that is not its own")
        })?;
    }
    let pending = core
        .trials
        .values()
        .filter(|trial| matches!(trial.phase, Phase::Pending { .. }) && core.waiting_place(trial).is_some())
        .count();
    require(pending == core.waiting.len(), || "a pending trial of a sweep does not wait".to_owned())
}

fn check_sweeps(core: &Core) -> Result<(), String> {
    for (sweep, state) in &core.sweeps {
        if state.is_cancelled {
            check_cancelled(core, *sweep)?;
        }
        let looked_at = state.ended.total() + state.outstanding + state.window.len() as u64;
        require(looked_at == state.cursor, || {
            format!("sweep {sweep}: {looked_at} trials counted, {} looked at", state.cursor)
        })?;
        state.window.check(state.cursor).map_err(|what| format!("sweep {sweep}: {what}"))?;
        require(state.cursor <= state.open.trials(), || format!("sweep {sweep}: the cursor left the grid"))?;
    }
    Ok(())
}

/// Nothing is done for the sake of a cancelled sweep: what of it is not over is wanted by another one.
fn check_cancelled(core: &Core, sweep: SweepId) -> Result<(), String> {
    for (id, trial) in &core.trials {
        let Some(spec) = trial.open_spec() else { continue };
        let is_of_it = trial.places.iter().any(|(of, _)| *of == sweep);
        require(!is_of_it || core.wants(spec, None), || {
            format!("{id}: goes on though sweep {sweep} is cancelled and no other has it")
        })?;
    }
    Ok(())
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}
