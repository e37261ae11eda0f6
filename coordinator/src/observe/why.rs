//! Why nothing of a sweep runs.

use crate::core::{Snapshot, SweepStanding};

/// Says in a sentence why no trial of a sweep runs; `None` where one does, and where all have ended. `fault` is why the
/// store cannot be written, if it cannot.
pub(crate) fn why(snapshot: &Snapshot, of: &SweepStanding, fault: Option<&str>) -> Option<String> {
    if of.has_ended || !of.running.is_empty() {
        return None;
    }
    if let Some(fault) = fault {
        return Some(format!("the store cannot be written: {fault}"));
    }
    if snapshot.workers == 0 {
        return Some(
            "no worker is connected; start one with `gridsweep worker --connect HOST:PORT`".to_owned(),
        );
    }
    let busy: usize = snapshot.sweeps.iter().map(|sweep| sweep.running.len()).sum();
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
    use crate::core::{Counts, Running};
    use gridsweep_common::id::{Attempt, SweepId};
    use std::sync::Arc;

    fn standing(number: u64, running: usize, has_ended: bool) -> SweepStanding {
        let spec = Arc::new(sweep_of("a", 3).trial(1).unwrap());
        let one = |_| Running {
            trial: spec.id(),
            attempt: Attempt(1),
            worker: "w".to_owned(),
            spec: Arc::clone(&spec),
        };
        let running = (0..running).map(one).collect();
        SweepStanding { sweep: SweepId(number), trials: 9, ended: Counts::default(), has_ended, running }
    }

    #[test]
    fn the_reason_that_holds_everything_up_is_told_first() {
        let snapshot =
            |workers, sweeps| Snapshot { sweeps, workers, slots: 2 * workers, ..Snapshot::default() };
        let cases = [
            (snapshot(0, vec![standing(1, 0, false)]), Some("full"), Some("cannot be written: full")),
            (snapshot(0, vec![standing(1, 0, false)]), None, Some("no worker")),
            (
                snapshot(1, vec![standing(1, 0, false), standing(2, 2, false)]),
                None,
                Some("another sweep (2 slots"),
            ),
            (snapshot(1, vec![standing(1, 0, false)]), None, Some("about to start")),
            (snapshot(1, vec![standing(1, 1, false)]), None, None),
            (snapshot(0, vec![standing(1, 0, true)]), Some("full"), None),
        ];
        for (snapshot, fault, says) in cases {
            let why = why(&snapshot, &snapshot.sweeps[0], fault);
            assert_eq!(why.is_some(), says.is_some(), "{why:?}");
            assert!(why.unwrap_or_default().contains(says.unwrap_or_default()), "{says:?}");
        }
    }
}
