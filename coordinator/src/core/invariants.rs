//! What holds after every event.

use super::state::{Core, Phase};

/// Checks the core against itself and names the first invariant that does not hold.
pub fn check(core: &Core) -> Result<(), String> {
    check_trials(core)?;
    check_workers(core)?;
    check_waiting(core)?;
    check_sweeps(core)
}

fn check_trials(core: &Core) -> Result<(), String> {
    for (id, trial) in &core.trials {
        if let Phase::Leased { lease, .. } = &trial.phase {
            require(lease.fence.trial == *id, || format!("{id}: the lease is of another trial"))?;
            require(lease.fence.attempt.0 == trial.attempts, || {
                format!("{id}: not the last attempt is live")
            })?;
            if lease.fence.term == core.term {
                let held = core.workers.get(&lease.worker).is_some_and(|worker| worker.running.contains(id));
                require(held, || format!("{id}: leased to a worker that does not hold it"))?;
            }
        }
    }
    Ok(())
}

fn check_workers(core: &Core) -> Result<(), String> {
    for (worker, state) in &core.workers {
        for id in &state.running {
            let phase = core.trials.get(id).map(|trial| &trial.phase);
            let is_its_own = matches!(phase, Some(Phase::Leased { lease, .. }) if lease.worker == *worker);
            require(is_its_own, || format!("worker {worker} holds {id}, which is not leased to it"))?;
        }
        let fits = state.running.len() as u64 <= u64::from(state.offer.slots);
        require(fits, || format!("worker {worker} has more trials than slots"))?;
    }
    Ok(())
}

fn check_waiting(core: &Core) -> Result<(), String> {
    for (place, id) in &core.waiting {
        let trial = core.trials.get(id).ok_or_else(|| format!("{id} waits and is not known"))?;
        require(matches!(trial.phase, Phase::Pending { .. }), || format!("{id} waits and is not pending"))?;
        require(trial.places.first() == Some(place), || {
            format!("{id} waits at a place that is not its own")
        })?;
    }
    let pending = core
        .trials
        .values()
        .filter(|trial| matches!(trial.phase, Phase::Pending { .. }) && !trial.places.is_empty())
        .count();
    require(pending == core.waiting.len(), || "a pending trial of a sweep does not wait".to_owned())
}

fn check_sweeps(core: &Core) -> Result<(), String> {
    for (sweep, state) in &core.sweeps {
        let passed = state.ended.total() + state.outstanding;
        require(passed == state.cursor, || {
            format!("sweep {sweep}: {passed} trials counted, {} passed", state.cursor)
        })?;
        require(state.cursor <= state.open.trials(), || format!("sweep {sweep}: the cursor left the grid"))?;
    }
    Ok(())
}

fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}
