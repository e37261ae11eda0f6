//! Why nothing of a sweep runs.

use crate::core::SweepStanding;
use crate::driver::Standing;

/// Says in a sentence why no trial of a sweep runs; `None` where one does, and where all have ended.
pub(crate) fn why(standing: &Standing, of: &SweepStanding) -> Option<String> {
    let snapshot = &standing.snapshot;
    if of.has_ended || of.running.iter().any(|running| running.has_slot) {
        return None;
    }
    if let Some(trouble) = &standing.trouble {
        return Some(format!("the store cannot be written: {trouble}"));
    }
    if snapshot.workers == 0 && snapshot.workers_away > 0 {
        return Some(format!(
            "no worker is connected; {} were cut off and may be at work, their trials are given to others when their \
             leases end",
            snapshot.workers_away
        ));
    }
    if snapshot.workers == 0 {
        return Some(
            "no worker is connected; start one with `gridsweep worker --connect HOST:PORT`".to_owned(),
        );
    }
    if snapshot.workers_quarantined.len() >= snapshot.workers as usize {
        return Some(format!(
            "everything fails on every worker ({}): look into their logs, and start others",
            snapshot.workers_quarantined.join(", ")
        ));
    }
    let has_slot = |sweep: &SweepStanding| sweep.running.iter().filter(|running| running.has_slot).count();
    let busy: usize = snapshot.sweeps.iter().map(has_slot).sum();
    if busy >= snapshot.slots as usize {
        return Some(format!(
            "every slot is busy with another sweep ({} slots, {} workers)",
            snapshot.slots, snapshot.workers
        ));
    }
    Some("its next trials are about to start, or wait for workers that end".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::testing::sweep_of;
    use crate::core::{Counts, Running, Snapshot};
    use gridsweep_common::id::{Attempt, SweepId};
    use std::sync::Arc;

    fn standing(number: u64, running: usize, has_ended: bool) -> SweepStanding {
        let spec = Arc::new(sweep_of("a", 3).trial(1).unwrap());
        let one = |_| Running {
            trial: spec.id(),
            attempt: Attempt(1),
            worker: "w".to_owned(),
            has_slot: true,
            spec: Arc::clone(&spec),
        };
        let running = (0..running).map(one).collect();
        SweepStanding {
            sweep: SweepId(number),
            trials: 9,
            ended: Counts::default(),
            has_ended,
            is_cancelled: false,
            priority: 0,
            running,
        }
    }

    #[test]
    fn the_reason_that_holds_everything_up_is_told_first() {
        let snapshot =
            |workers, sweeps| Snapshot { sweeps, workers, slots: 2 * workers, ..Snapshot::default() };
        let idle = |workers| snapshot(workers, vec![standing(1, 0, false)]);
        let quarantined = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let mut waits = standing(1, 1, false);
        waits.running[0].has_slot = false;
        let cases = [
            (idle(0), Some("full"), Some("cannot be written: full")),
            (idle(0), None, Some("start one with")),
            (Snapshot { workers_away: 2, ..idle(0) }, None, Some("2 were cut off")),
            (Snapshot { workers_away: 2, ..idle(1) }, None, Some("about to start")),
            (Snapshot { workers_quarantined: quarantined(&["a", "b"]), ..idle(2) }, None, Some("(a, b)")),
            (Snapshot { workers_quarantined: quarantined(&["a"]), ..idle(2) }, None, Some("about to start")),
            (snapshot(1, vec![waits, standing(2, 2, false)]), None, Some("another sweep (2 slots")),
            (
                snapshot(1, vec![standing(1, 0, false), standing(2, 2, false)]),
                None,
                Some("another sweep (2 slots"),
            ),
            (snapshot(1, vec![standing(1, 1, false)]), None, None),
            (snapshot(0, vec![standing(1, 0, true)]), Some("full"), None),
        ];
        for (snapshot, trouble, says) in cases {
            let standing = Standing { snapshot, trouble: trouble.map(str::to_owned), ..Standing::default() };
            let why = why(&standing, &standing.snapshot.sweeps[0]);
            assert_eq!(why.is_some(), says.is_some(), "{why:?}");
            assert!(why.unwrap_or_default().contains(says.unwrap_or_default()), "{says:?}");
        }
    }
}
