//! Coordinators and workers that are killed, cut off and drained, each for itself: what runs goes on, what is finished is
//! not lost, and the bytes are those of an undisturbed run.

use crate::support::{Place, Running, SWEEP, exports, gridsweep, output, stdout, wait_until};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A sweep of one trial that takes some seconds.
const LONG: &str = r#"
schema = 1
name   = "long"
[data]
dataset = "mnist"
[replicates]
count = 1
[base]
hidden      = [32]
epochs      = 60
regularizer = "l1"
coefficient = 1e-4
[[study]]
name = "one"
"#;

/// A coordinator of its own process, where it listens, and a sweep for it.
struct Scene {
    place: Place,
    file: PathBuf,
    state: PathBuf,
    address: String,
    serve: Running,
}

impl Scene {
    fn new(lease: &str) -> Scene {
        let place = Place::new();
        let (file, state) = (place.write("long.toml", LONG), place.path("state"));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let serve = serve(&state, &address, lease);
        let scene = Scene { place, file, state, address, serve };
        stdout(&mut scene.submit());
        scene
    }

    fn submit(&self) -> Command {
        let mut submit = gridsweep(&self.place.path("unused"));
        submit.arg("submit").arg(&self.file).args(["--server", &self.address]);
        submit
    }

    fn worker(&self, name: &str) -> Running {
        let mut worker = gridsweep(&self.place.path(name));
        worker.args(["worker", "--threads", "1", "--connect", &self.address, "--name", name]);
        worker.args(["--checkpoint-every", "100ms"]).arg("--checkpoints").arg(self.place.path("checkpoints"));
        Running::start(&mut worker)
    }

    fn wait_for_epochs(&self, epochs: u64) {
        wait_until("the trial has come that far", || {
            let status = output(gridsweep(&self.state).args(["status", "long", "--format", "json"]));
            let json = serde_json::from_slice::<Json>(&status.stdout).unwrap_or_default();
            assert_eq!(
                json[0]["succeeded"].as_u64().unwrap_or(0),
                0,
                "it ended before it could be disturbed"
            );
            json[0]["running"][0]["epochs"].as_u64().is_some_and(|done| done >= epochs)
        });
    }

    /// The coordinator is killed, and does what is wished while it is away.
    fn restart(&mut self, meanwhile: impl FnOnce()) {
        self.serve.signal("KILL");
        assert_eq!(self.serve.wait(), None);
        meanwhile();
        self.serve = serve(&self.state, &self.address, "30s");
    }

    fn wait_for_the_end(&self) {
        stdout(self.submit().arg("--wait"));
    }

    /// Returns the attempts at the one trial, once it has the bytes of an undisturbed run.
    fn attempts(&self) -> Vec<Json> {
        let calm = self.place.path("calm");
        assert!(output(gridsweep(&calm).arg("run").arg(&self.file)).status.success());
        assert_eq!(exports(&self.state, "long"), exports(&calm, "long"));
        attempts(&self.state, "long")
    }
}

fn serve(state: &Path, address: &str, lease: &str) -> Running {
    let mut serve = gridsweep(state);
    let serve = Running::start(serve.args(["serve", "--listen", address, "--lease", lease]));
    wait_until("the coordinator listens", || std::net::TcpStream::connect(address).is_ok());
    serve
}

/// A coordinator that ends by itself somewhere around its `n`th commit.
fn serve_until(state: &Path, address: &str, failpoint: &str, n: u32) -> Running {
    let mut serve = gridsweep(state);
    serve.args(["serve", "--listen", address]);
    let serve = Running::start(serve.env("FAILPOINTS", format!("{failpoint}={n}*off->return")));
    wait_until("the coordinator listens", || std::net::TcpStream::connect(address).is_ok());
    serve
}

fn attempts(state: &Path, sweep: &str) -> Vec<Json> {
    let text = stdout(gridsweep(state).args(["export", sweep, "--what", "attempts"]));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn states(attempts: &[Json]) -> Vec<&str> {
    attempts.iter().map(|attempt| attempt["state"].as_str().unwrap()).collect()
}

#[test]
fn a_worker_goes_on_while_its_coordinator_is_killed_and_comes_back() {
    let mut scene = Scene::new("30s");
    let worker = scene.worker("worker");
    scene.wait_for_epochs(3);
    scene.restart(|| ());
    scene.wait_for_the_end();
    let attempts = scene.attempts();
    assert_eq!(states(&attempts), ["finished"], "one attempt, through both coordinators");
    assert_eq!(attempts[0]["from_epoch"], 0, "it was never interrupted");
    drop(worker);
}

#[test]
fn a_result_outlives_the_coordinator_and_the_worker_that_computed_it() {
    let mut scene = Scene::new("30s");
    let mut worker = scene.worker("worker");
    scene.wait_for_epochs(30);
    let spool = scene.place.path("worker").join("workers/own-1/spool");
    scene.restart(|| {
        wait_until("the result waits on disk", || spool.metadata().is_ok_and(|file| file.len() > 1000));
        worker.signal("KILL");
        worker.wait();
    });
    let worker = scene.worker("worker");
    scene.wait_for_the_end();
    assert_eq!(states(&scene.attempts()), ["finished"], "it was not computed a second time");
    wait_until("nothing waits any more", || spool.metadata().is_ok_and(|file| file.len() == 0));
    drop(worker);
}

#[test]
fn what_a_killed_worker_ran_goes_on_elsewhere() {
    let scene = Scene::new("3s");
    let mut first = scene.worker("first");
    scene.wait_for_epochs(8);
    first.signal("KILL");
    first.wait();
    let second = scene.worker("second");
    scene.wait_for_the_end();
    let attempts = scene.attempts();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[1]["state"], "finished");
    assert!(["lost", "superseded"].contains(&states(&attempts)[0]), "{attempts:?}");
    assert!(attempts[1]["from_epoch"].as_u64().unwrap() >= 6, "in the middle of the trial");
    drop(second);
}

#[test]
fn a_worker_that_is_drained_hands_its_trial_on_with_its_checkpoint() {
    let scene = Scene::new("30s");
    let mut first = scene.worker("first");
    scene.wait_for_epochs(8);
    first.signal("TERM");
    assert_eq!(first.wait(), Some(0));
    let second = scene.worker("second");
    scene.wait_for_the_end();
    let attempts = scene.attempts();
    assert_eq!(states(&attempts), ["released", "finished"], "handed back, and not lost");
    assert!(attempts[1]["from_epoch"].as_u64().unwrap() >= 7);
    drop(second);
}

#[test]
fn a_coordinator_that_ends_around_any_commit_loses_and_doubles_nothing() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let (calm, state) = (place.path("calm"), place.path("state"));
    let short = ["--set", "base.epochs=1", "--set", "base.hidden=[4]"];
    assert!(output(gridsweep(&calm).arg("run").arg(&file).args(short)).status.success());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut submit = gridsweep(&place.path("unused"));
    submit.arg("submit").arg(&file).args(short).args(["--server", &address]);
    let serving = serve(&state, &address, "30s");
    stdout(&mut submit);
    drop(serving);
    let mut worker = gridsweep(&place.path("worker"));
    let worker =
        Running::start(worker.args(["worker", "--threads", "2", "--name", "w", "--connect", &address]));
    for (failpoint, n) in
        [("before_commit", 1), ("after_commit", 2), ("after_effects", 3), ("before_commit", 4)]
    {
        let mut serving = serve_until(&state, &address, failpoint, n);
        assert_eq!(serving.wait(), None, "{failpoint} was not reached");
    }
    let _serving = serve(&state, &address, "30s");
    stdout(submit.arg("--wait"));
    assert_eq!(exports(&state, "small"), exports(&calm, "small"));
    drop(worker);
}

#[test]
fn a_trial_that_ends_its_worker_is_quarantined_and_all_others_succeed() {
    let place = Place::new();
    let file = place.write("small.toml", SWEEP);
    let (calm, poisoned) = (place.path("calm"), place.path("poisoned"));
    assert!(output(gridsweep(&calm).arg("run").arg(&file)).status.success());
    let [trials, _] = exports(&calm, "small");
    let lines: Vec<Json> = trials.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let poison = lines[4]["trial"].as_str().unwrap();
    let mut run = gridsweep(&poisoned);
    run.arg("run").arg(&file).args(["--workers", "1", "--threads", "2"]);
    let ended = output(run.env("FAILPOINTS", format!("trial_aborts=return({poison})")));
    assert_eq!(ended.status.code(), Some(3), "{ended:?}");
    assert!(String::from_utf8_lossy(&ended.stderr).contains("quarantined: "), "{ended:?}");
    let [poisoned_trials, _] = exports(&poisoned, "small");
    for (calm, poisoned) in trials.lines().zip(poisoned_trials.lines()) {
        if calm.contains(poison) {
            let line: Json = serde_json::from_str(poisoned).unwrap();
            assert_eq!(
                (&line["state"], &line["failure"]["kind"]),
                (&"quarantined".into(), &"worker_lost".into())
            );
        } else {
            assert_eq!(calm, poisoned, "a neighbour is not harmed");
        }
    }
    assert_eq!(trials.lines().count(), poisoned_trials.lines().count());
    let attempts = attempts(&poisoned, "small");
    let of_poison: Vec<Json> =
        attempts.into_iter().filter(|attempt| attempt["trial"].as_str() == Some(poison)).collect();
    assert_eq!(states(&of_poison), ["lost", "lost", "lost"]);
}
