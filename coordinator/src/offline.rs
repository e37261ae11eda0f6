//! What people ask of a store that no coordinator holds: decided by the core and written, as a coordinator would.

use crate::core::{Answer, Core, Event, Input, Moment, Settings};
use crate::driver::wall_clock_ms;
use crate::store::{Batch, Store, StoreError};
use gridsweep_common::id::SweepId;

/// Who waits for the answer: there is nobody else.
const TICKET: u64 = 1;

/// Cancels a sweep; on disk when this returns. A worker that outlived its coordinator is told when it comes back to one.
pub fn cancel(store: &mut dyn Store, settings: Settings, sweep: SweepId) -> Result<Answer, StoreError> {
    ask(store, settings, Input::Cancel { ticket: TICKET, sweep })
}

/// Opens what failed of a sweep again; on disk when this returns.
pub fn retry(store: &mut dyn Store, settings: Settings, sweep: SweepId) -> Result<Answer, StoreError> {
    ask(store, settings, Input::Retry { ticket: TICKET, sweep })
}

fn ask(store: &mut dyn Store, settings: Settings, question: Input) -> Result<Answer, StoreError> {
    let term = store.begin_term()?;
    let mut core = Core::new(term, settings);
    for event in store.load()? {
        core.apply(&event);
    }
    let decision = core.decide(Moment(0), question);
    let answer = decision.effects.iter().find_map(|effect| match effect {
        crate::core::Effect::Reply { answer, .. } => Some(*answer),
        _ => None,
    });
    let batch = Batch {
        term,
        events: decision.events.into_iter().filter(Event::is_durable).collect(),
        records: decision.records,
        previews: Vec::new(),
        at_ms: wall_clock_ms(),
    };
    store.commit(&batch)?;
    Ok(answer.expect("every question is answered in its decision"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::{World, settings, sweep_of};
    use crate::core::{CancelReport, RetryReport};
    use gridsweep_common::trial::FailureKind;

    #[test]
    fn what_is_asked_while_no_coordinator_is_there_holds_for_the_next_one() {
        let mut world = World::with_workers_that_return();
        let sweep = world.submit(sweep_of("a", 2)).sweep;
        let worker = world.join(1);
        for (_, fence) in world.assign() {
            world.fail(worker, fence, FailureKind::Internal);
        }
        assert_eq!(world.core.snapshot().sweeps[0].ended.failed, 2);
        let retried = RetryReport { reopened: 2, was_cancelled: false };
        assert_eq!(retry(&mut world.store, settings(), sweep).unwrap(), Answer::Retried(retried));
        world.restart();
        let worker = world.join(1);
        let before = world.assign();
        assert_eq!(before.len(), 2);
        let cancelled = CancelReport { was_cancelled: false, revoked: 2 };
        assert_eq!(cancel(&mut world.store, settings(), sweep).unwrap(), Answer::Cancelled(cancelled));
        let identity = world.identity(worker);
        world.restart();
        let running = before.iter().map(|(_, fence)| *fence).collect::<Vec<_>>();
        let claims = crate::core::Claims { running: running.clone(), spooled: vec![] };
        let (_, go_on, kill, _) = world.join_again("w", 1, identity, claims);
        assert_eq!((go_on, kill), (vec![], running), "a worker that comes back is told to stop");
        assert!(world.assign().is_empty());
        assert_eq!(cancel(&mut world.store, settings(), SweepId(9)).unwrap(), Answer::NoSuchSweep);
    }
}
