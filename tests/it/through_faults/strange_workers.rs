//! Workers that are there and of no use: one that stands still, one on which everything fails, one that is slow, one whose
//! trial hangs. What they have goes to another, and the bytes are those of an undisturbed run.

use super::disturbed::{CONNECTED, Disturbed, sweep};
use super::invariants::ask;
use crate::support::{Running, free_address, gridsweep, said, stdout, wait_until, wait_within};
use serde_json::Value as Json;
use std::time::Duration;

/// A coordinator, a sweep for it, and workers as a test wants them.
struct Scene {
    sweep: Disturbed,
    address: String,
    submit: Running,
    _serve: Running,
}

impl Scene {
    fn new(text: &str, workers: &[&str]) -> Scene {
        let (sweep, address) = (Disturbed::new(text, workers), free_address());
        let log = sweep.place.path("serve.log");
        let mut serve = gridsweep(&sweep.state);
        let serve = Running::logged(serve.args(["serve", "--listen", &address, "--lease", "2s"]), &log);
        wait_until("the coordinator serves", || said(&log).contains("gridsweep submit"));
        let mut submit = gridsweep(&sweep.place.path("unused"));
        submit.arg("submit").arg(&sweep.file).args(["--wait", "--quiet", "--server", &address]);
        let submit = Running::logged(&mut submit, &sweep.place.path("submit.log"));
        sweep.wait_for_submission();
        Scene { sweep, address, submit, _serve: serve }
    }

    /// A worker of one slot in which something happens at the end of every epoch.
    fn worker(&self, name: &str, at_every_epoch: &str) -> Running {
        let mut worker = gridsweep(&self.sweep.place.path(name));
        worker.args(["worker", "--threads", "1", "--name", name, "--connect", &self.address]);
        worker.args(["--checkpoint-every", "100ms"]).env("GRIDSWEEP_LOG", "info,gridsweep_worker=debug");
        if !at_every_epoch.is_empty() {
            worker.env("FAILPOINTS", format!("trial_aborts={at_every_epoch}"));
        }
        Running::logged(&mut worker, &self.sweep.log(name))
    }

    fn coordinator_said(&self, words: &str) -> bool {
        said(&self.sweep.place.path("serve.log")).contains(words)
    }

    /// How many attempts on a worker are in this state.
    fn attempts(&self, worker: &str, state: &str) -> i64 {
        let question = "SELECT count(*) FROM attempt WHERE worker =";
        ask(&self.sweep.state, &format!("{question} '{worker}' AND state = '{state}'"))
    }

    fn wait_for_attempt(&self, worker: &str, state: &str) {
        wait_until(&format!("an attempt of {worker} is {state}"), || self.attempts(worker, state) > 0);
    }

    fn ends_as_undisturbed(self) -> Disturbed {
        let Scene { mut sweep, submit, .. } = self;
        sweep.ends_as_undisturbed(submit);
        sweep
    }
}

/// The attempts at all trials, in the order of their numbers.
fn attempts(sweep: &Disturbed) -> Vec<Json> {
    let text = stdout(gridsweep(&sweep.state).args(["export", "small", "--what", "attempts"]));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_trial_that_hangs_is_given_to_another_worker_and_its_own_is_of_use_again() {
    let scene = Scene::new(&sweep(5, 1), &["hanging", "sound"]);
    // In its second trial, the third epoch does not end for long; then the attempt stops, as it was asked to.
    let _hanging = scene.worker("hanging", "7*off->1*sleep(50000)->off");
    wait_within(Duration::from_secs(120), "an attempt hangs", || scene.attempts("hanging", "failed") > 0);
    assert_eq!(scene.sweep.count("hanging", "is not wanted any more: "), 0);
    let _sound = scene.worker("sound", "");
    let sweep = scene.ends_as_undisturbed();
    let attempts = attempts(&sweep);
    let hung = attempts.iter().find(|attempt| attempt["state"] == "failed").unwrap();
    assert_eq!((&hung["failure"], &hung["worker"]), (&"timeout".into(), &"hanging".into()), "{hung}");
    assert!(hung["detail"].as_str().unwrap().contains("no progress"), "{hung}");
    let last = attempts.iter().rfind(|attempt| attempt["trial"] == hung["trial"]).unwrap();
    assert_eq!((&last["state"], &last["worker"]), (&"finished".into(), &"sound".into()), "{last}");
    wait_until("the attempt has stopped", || sweep.count("hanging", "an attempt is not wanted any more") > 0);
}

#[test]
fn a_worker_that_stands_still_loses_its_trial_to_another_and_is_of_use_again() {
    let mut scene = Scene::new(&sweep(14, 4), &["still", "sound"]);
    let (still, sound) = (scene.worker("still", ""), scene.worker("sound", ""));
    scene.sweep.at_work("still", 2).unwrap();
    still.signal("STOP");
    let question = "SELECT count(*) FROM attempt WHERE worker = 'still' AND state IN ('lost', 'superseded')";
    wait_until("another has its trial", || ask(&scene.sweep.state, question) > 0);
    scene.sweep.check();
    let connected = scene.sweep.count("still", CONNECTED);
    still.signal("CONT");
    scene.sweep.wait_for("still", CONNECTED, connected);
    // What it has in hand is worth nothing more, and nothing is wrong with it.
    sound.signal("TERM");
    scene.ends_as_undisturbed();
}

#[test]
fn a_worker_on_which_everything_fails_is_quarantined_and_says_so() {
    let mut scene = Scene::new(&sweep(5, 10), &["bad", "good"]);
    let _good = scene.worker("good", "");
    scene.sweep.at_work("good", 1).unwrap();
    let _bad = scene.worker("bad", "panic");
    wait_until("both are told", || {
        scene.coordinator_said("everything fails on a worker")
            && scene.sweep.count("bad", "trial after trial fails on this worker") > 0
    });
    assert!(!scene.coordinator_said("quarantined: workers die"), "no trial is to blame");
    let sweep = scene.ends_as_undisturbed();
    let failed = attempts(&sweep).into_iter().filter(|attempt| attempt["state"] == "failed");
    let failed: Vec<Json> = failed.collect();
    assert!(failed.len() >= 5 && failed.iter().all(|attempt| attempt["worker"] == "bad"), "{failed:?}");
}

#[test]
fn a_trial_on_a_slow_worker_is_begun_again_by_an_idle_one() {
    let scene = Scene::new(&sweep(5, 2), &["slow", "quick"]);
    let slow = scene.worker("slow", "sleep(2500)");
    scene.wait_for_attempt("slow", "running");
    let _quick = scene.worker("quick", "");
    let sweep = scene.ends_as_undisturbed();
    let attempts = attempts(&sweep);
    let late = attempts.iter().find(|attempt| attempt["state"] == "superseded").unwrap();
    assert_eq!(late["worker"], "slow", "{late}");
    let counted = |other: &&Json| other["trial"] == late["trial"] && other["state"] == "finished";
    assert_eq!(attempts.iter().find(counted).unwrap()["worker"], "quick", "{attempts:?}");
    drop(slow);
}
