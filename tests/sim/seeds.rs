//! Many seeds, each compared with the undisturbed simulation.

use crate::hosts::Keys;
use crate::scene::{Submission, play};
use crate::verdict::{Fired, Results, judge};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// How many seeds are run where nothing else is asked for.
const SEEDS: u64 = 50;
/// How many simulations run side by side: each has one thread.
const SIDE_BY_SIDE: usize = 2;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
}

fn run(seed: Option<u64>, submission: &Arc<Submission>, keys: &Keys) -> Result<(Results, Fired), String> {
    let remains = play(seed, submission, keys)?;
    let results =
        judge(&remains, submission).map_err(|what| format!("{what}; faults: {:?}", remains.faults))?;
    Ok((results, Fired::of(&remains)?))
}

#[test]
fn whatever_fails_every_trial_gets_the_result_of_the_undisturbed_run_and_no_acknowledged_one_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (submission, keys) = (Arc::new(Submission::make(folder.path())), Keys::make(folder.path()));
    let (expected, undisturbed) = run(None, &submission, &keys).unwrap();
    let Fired { faults, cut_off, late, attempts_lost, terms, .. } = undisturbed;
    assert_eq!((faults.len(), cut_off, late, attempts_lost, terms), (0, 0, 0, 0, 1));
    let seeds: Vec<u64> = match asked("GRIDSWEEP_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (1..=asked("GRIDSWEEP_SIM_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let (next, total) = (AtomicU64::new(0), Mutex::new((Fired::default(), Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    let judged = run(Some(seed), &submission, &keys).and_then(|(results, fired)| {
                        let is_same = results == expected;
                        if is_same { Ok(fired) } else { Err("other results than undisturbed".to_owned()) }
                    });
                    let mut total = total.lock().unwrap();
                    match judged {
                        Ok(fired) => total.0.add(&fired),
                        Err(what) => total.1.push(format!("GRIDSWEEP_SIM_SEED={seed}: {what}")),
                    }
                }
            });
        }
    });
    let (fired, failed) = total.into_inner().unwrap();
    println!("{} seeds: {fired:?}", seeds.len());
    assert!(failed.is_empty(), "{} seeds failed:\n{}", failed.len(), failed.join("\n"));
    if seeds.len() as u64 >= SEEDS {
        let Fired { faults, cut_off, twice, late, attempts_lost, terms } = fired;
        assert_eq!(faults.len(), 8, "a kind of fault never did anything: {faults:?}");
        assert!([cut_off, twice, late, attempts_lost].iter().all(|count| *count > 0), "nothing came of them");
        assert!(terms > seeds.len() as u64, "no coordinator was restarted");
    }
}
