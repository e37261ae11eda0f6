//! Interrupted in every way, and run again: the same bytes as an undisturbed run, and no process left behind.

use crate::support::{
    Place, Running, SWEEP, children, exports, gridsweep, is_alive, output, signal, standing, wait_until,
};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const TRIALS: u64 = 12;

/// A moment that differs from run to run; printed, so that a failure can be looked into.
fn random_moment(name: &str) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let moment = Duration::from_millis(u64::from(nanos / 1000 % 700));
    println!("{name} after {moment:?}");
    moment
}

fn start(state: &Path, file: &Path, workers: &str, threads: &str) -> Running {
    Running::start(gridsweep(state).arg("run").arg(file).args(["--workers", workers, "--threads", threads]))
}

/// Waits until something has ended since `before` and something runs, then for a random moment; says how many ended.
fn get_going(run: &mut Running, state: &Path, before: u64, name: &str) -> u64 {
    wait_until("a trial has ended and another runs", || {
        assert!(!run.has_ended(), "the sweep ended before it could be disturbed");
        let (ended, running) = standing(state);
        ended > before && running > 0
    });
    std::thread::sleep(random_moment(name));
    standing(state).0
}

#[test]
fn a_disturbed_sweep_gives_the_bytes_of_an_undisturbed_one() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let (calm, disturbed) = (place.path("calm"), place.path("disturbed"));
    assert!(
        output(gridsweep(&calm).arg("run").arg(&file).args(["--workers", "2", "--threads", "1"]))
            .status
            .success()
    );

    let ended = interrupt(&disturbed, &file);
    let ended = kill_the_worker_then_the_coordinator(&disturbed, &file, ended);
    assert!(ended < TRIALS, "something was left to go on with");
    let mut run = start(&disturbed, &file, "1", "2");
    assert_eq!(run.wait(), Some(0));
    assert_eq!(exports(&disturbed, "small"), exports(&calm, "small"));
}

/// Ctrl-C: exit code 130, the workers end too, and nothing that had ended is lost.
fn interrupt(state: &Path, file: &Path) -> u64 {
    let mut run = start(state, file, "1", "1");
    let ended = get_going(&mut run, state, 0, "Ctrl-C");
    let workers = children(run.0.id());
    assert_eq!(workers.len(), 1);
    run.signal("INT");
    assert_eq!(run.wait(), Some(130));
    wait_until("the worker has ended", || !workers.iter().any(|pid| is_alive(*pid)));
    let (kept, running) = standing(state);
    assert!(kept >= ended && running == 0);
    kept
}

/// `kill -9` of the worker: another takes its place. `kill -9` of the coordinator: the new worker ends by itself.
fn kill_the_worker_then_the_coordinator(state: &Path, file: &Path, ended: u64) -> u64 {
    let mut run = start(state, file, "1", "1");
    let ended = get_going(&mut run, state, ended, "kill -9 of the worker");
    let workers = children(run.0.id());
    signal(workers[0], "KILL");
    wait_until("another worker has taken its place", || {
        children(run.0.id()).iter().any(|pid| *pid != workers[0] && is_alive(*pid))
    });
    let ended = get_going(&mut run, state, ended, "kill -9 of the coordinator");
    let workers = children(run.0.id());
    run.signal("KILL");
    assert_eq!(run.wait(), None);
    wait_until("no worker is left", || !workers.iter().any(|pid| is_alive(*pid)));
    assert!(standing(state).0 >= ended, "what was recorded is still there");
    standing(state).0
}

#[test]
fn a_second_run_on_the_same_state_is_told_who_is_in_the_way() {
    let place = Place::new();
    let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
    let mut run = start(&state, &file, "1", "1");
    get_going(&mut run, &state, 0, "the second run");
    let second = output(gridsweep(&state).arg("run").arg(&file));
    assert_eq!(second.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&second.stderr).contains("in use by another coordinator"));
    run.signal("INT");
    assert_eq!(run.wait(), Some(130), "the first one was not disturbed");
}

/// A sweep of one trial that takes some seconds.
const LONG: &str = r#"
schema = 1
name   = "small"
[data]
dataset = "mnist"
[replicates]
count = 1
[base]
hidden      = [32]
epochs      = 60
regularizer = "dropout"
dropout_rate = 0.25
[[study]]
name = "one"
"#;

/// Waits until the one trial has reported this many epochs.
fn wait_for_epochs(run: &mut Running, state: &Path, epochs: u64) {
    wait_until("the trial has come that far", || {
        assert!(!run.has_ended(), "the trial ended before it could be disturbed");
        let status = output(gridsweep(state).args(["status", "small", "--format", "json"]));
        let json = serde_json::from_slice::<serde_json::Value>(&status.stdout).unwrap_or_default();
        json[0]["running"][0]["epochs"].as_u64().is_some_and(|done| done >= epochs)
    });
}

#[test]
fn a_trial_cut_off_goes_on_from_its_checkpoint_to_the_same_bytes() {
    let place = Place::new();
    let file = place.write("long.toml", LONG);
    let (calm, disturbed) = (place.path("calm"), place.path("disturbed"));
    assert!(output(gridsweep(&calm).arg("run").arg(&file)).status.success());
    let start = || {
        let mut run = gridsweep(&disturbed);
        Running::start(run.arg("run").arg(&file).args(["--checkpoint-every", "100ms"]))
    };
    for (signal, epochs) in [("INT", 4), ("KILL", 16)] {
        let mut run = start();
        wait_for_epochs(&mut run, &disturbed, epochs);
        let workers = children(run.0.id());
        run.signal(signal);
        run.wait();
        wait_until("no worker is left", || !workers.iter().any(|pid| is_alive(*pid)));
    }
    assert_eq!(start().wait(), Some(0));
    assert_eq!(exports(&disturbed, "small"), exports(&calm, "small"));
    let attempts =
        crate::support::stdout(gridsweep(&disturbed).args(["export", "small", "--what", "attempts"]));
    let from: Vec<u64> = attempts
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["from_epoch"].as_u64().unwrap())
        .collect();
    assert_eq!(from.len(), 3, "{attempts}");
    assert!(
        from[0] == 0 && from[1] >= 3 && from[2] >= 14,
        "each goes on where the one before stopped: {from:?}"
    );
    let left = std::fs::read_dir(disturbed.join("checkpoints")).unwrap().count();
    assert_eq!(left, 0, "a recorded result needs no checkpoint");
}
