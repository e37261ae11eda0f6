//! What people ask of sweeps that run: stop, try again, wait, look at one trial, compute again.

use crate::support::{Place, Running, SWEEP, exports, gridsweep, output, stdout, wait_until};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A coordinator of its own process, and where it listens.
struct Scene {
    place: Place,
    file: PathBuf,
    state: PathBuf,
    address: String,
    serve: Running,
}

impl Scene {
    fn new() -> Scene {
        let place = Place::new();
        let (file, state) = (place.write("small.toml", SWEEP), place.path("state"));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let serve = serve(&state, &address);
        Scene { place, file, state, address, serve }
    }

    /// A command that asks the coordinator and has no state folder.
    fn asking(&self, words: &[&str]) -> Command {
        let mut command = gridsweep(&self.place.path("unused"));
        command.args(words).args(["--server", &self.address]);
        command
    }

    fn submit(&self, options: &[&str]) -> Command {
        let mut submit = self.asking(&["submit"]);
        submit.arg(&self.file).args(options);
        submit
    }

    fn worker(&self) -> Running {
        let mut worker = gridsweep(&self.place.path("worker"));
        Running::start(worker.args(["worker", "--threads", "1", "--connect", &self.address]))
    }

    fn status(&self) -> Json {
        json(&mut self.asking(&["status", "small", "--format", "json"]))[0].clone()
    }

    /// A command that waits, with what it says on standard error in a file.
    fn start_waiting(&self, mut command: Command) -> (Running, PathBuf) {
        let log = self.place.path("waiting.log");
        let file = std::fs::File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file).spawn().unwrap();
        (Running(child), log)
    }

    fn restart(&mut self) {
        self.serve.signal("KILL");
        assert_eq!(self.serve.wait(), None);
        self.serve = serve(&self.state, &self.address);
    }
}

fn serve(state: &Path, address: &str) -> Running {
    let mut serve = gridsweep(state);
    let serve = Running::start(serve.args(["serve", "--listen", address]));
    wait_until("the coordinator listens", || std::net::TcpStream::connect(address).is_ok());
    serve
}

fn json(command: &mut Command) -> Json {
    serde_json::from_str(&stdout(command)).unwrap()
}

fn said(log: &Path) -> String {
    std::fs::read_to_string(log).unwrap_or_default()
}

/// Runs the sweep on one machine, with settings that make it short; returns its state folder.
fn run_short(place: &Place, text: &str, code: i32) -> PathBuf {
    let (file, state) = (place.write("small.toml", text), place.path("state"));
    let short = ["--set", "base.epochs=2", "--set", "base.hidden=[4]"];
    let run = output(gridsweep(&state).arg("run").arg(&file).args(short));
    assert_eq!(run.status.code(), Some(code), "{run:?}");
    state
}

#[test]
fn a_cancelled_sweep_stops_and_the_same_file_takes_it_back() {
    let mut scene = Scene::new();
    let _worker = scene.worker();
    stdout(&mut scene.submit(&["--priority", "-3"]));
    wait_until("one trial has ended and another one runs", || {
        let status = scene.status();
        status["succeeded"].as_u64() > Some(0) && status["running"][0]["epochs"].as_u64() > Some(0)
    });
    let in_use = output(gridsweep(&scene.state).args(["cancel", "small"]));
    let text = String::from_utf8_lossy(&in_use.stderr);
    assert!(in_use.status.code() == Some(4) && text.contains("--server"), "{text}");
    let cancelled = json(&mut scene.asking(&["cancel", "small", "--format", "json"]));
    assert_eq!((&cancelled["state"], &cancelled["was_cancelled"]), (&"cancelled".into(), &false.into()));
    assert!(cancelled["revoked"].as_u64() > Some(0), "{cancelled}");
    let status = scene.status();
    assert_eq!((&status["state"], &status["priority"]), (&"cancelled".into(), &(-3).into()), "{status}");
    assert_eq!(status["succeeded"].as_u64().unwrap() + status["cancelled"].as_u64().unwrap(), 12);
    let watch = stdout(&mut scene.asking(&["status", "small", "--watch"]));
    assert!(watch.contains("small (priority -3): cancelled"), "{watch}");
    scene.restart();
    assert_eq!(scene.status()["state"], "cancelled", "it is on disk");
    stdout(&mut scene.submit(&["--wait"]));
    assert_eq!(scene.status()["succeeded"], 12);
    let calm = scene.place.path("calm");
    assert!(output(gridsweep(&calm).arg("run").arg(&scene.file)).status.success());
    assert_eq!(exports(&scene.state, "small"), exports(&calm, "small"), "and no byte tells of it");
}

#[test]
fn who_waits_rides_through_a_restart_and_is_told_how_it_ended() {
    let mut scene = Scene::new();
    let (mut waiting, log) = scene.start_waiting(scene.submit(&["--wait"]));
    wait_until("the sweep is there", || said(&log).contains("no worker"));
    let shown = scene.place.path("watching.log");
    let mut watch = scene.asking(&["status", "small", "--watch"]);
    watch.stdin(Stdio::null()).stdout(std::fs::File::create(&shown).unwrap()).stderr(Stdio::null());
    let mut watching = Running(watch.spawn().unwrap());
    wait_until("it is watched", || said(&shown).contains("small"));
    scene.serve.signal("KILL");
    scene.serve.wait();
    wait_until("the coordinator is missed", || said(&log).contains("does not answer"));
    assert!(!waiting.has_ended() && !watching.has_ended());
    scene.serve = serve(&scene.state, &scene.address);
    let _worker = scene.worker();
    assert_eq!((waiting.wait(), watching.wait()), (Some(0), Some(0)));
    assert!(said(&log).contains("12 trials ended: 12 succeeded"), "{}", said(&log));
}

#[test]
fn without_a_worker_the_wait_ends_and_says_so_and_the_sweep_goes_on_later() {
    let scene = Scene::new();
    let waited = output(&mut scene.submit(&["--wait", "--wait-for-workers", "1s"]));
    let text = String::from_utf8_lossy(&waited.stderr);
    assert!(waited.status.code() == Some(4) && text.contains("no worker at 127.0.0.1"), "{text}");
    let _worker = scene.worker();
    stdout(&mut scene.submit(&["--wait"]));
    assert_eq!(scene.status()["succeeded"], 12);
}

#[test]
fn an_interrupt_ends_the_waiting_and_not_the_sweep() {
    let scene = Scene::new();
    let (mut waiting, log) = scene.start_waiting(scene.submit(&["--wait"]));
    wait_until("it waits", || said(&log).contains("no worker"));
    waiting.signal("INT");
    assert_eq!(waiting.wait(), Some(130));
    let text = said(&log);
    assert!(text.contains("the sweep goes on at") && text.contains("gridsweep cancel small"), "{text}");
    assert_eq!(scene.status()["state"], "waiting");
}

#[test]
fn what_failed_gets_new_attempts_whose_numbers_go_on() {
    let place = Place::new();
    let sizes = vec!["65536"; 20].join(", ");
    let axis = format!("activation = [\"relu\"]\nhidden = [[2], [{sizes}]]");
    let text = SWEEP.replace("activation = [\"relu\", \"tanh\"]", &axis).replace("count = 2", "count = 1");
    let state = run_short(&place, &text, 3);
    let retried = json(gridsweep(&state).args(["retry", "small", "--format", "json"]));
    assert_eq!((&retried["reopened"], &retried["was_cancelled"]), (&1.into(), &false.into()));
    let status = json(gridsweep(&state).args(["status", "last", "--format", "json"]))[0].clone();
    assert_eq!(
        (&status["state"], &status["failed"], &status["succeeded"]),
        (&"stopped".into(), &0.into(), &6.into())
    );
    let again = stdout(gridsweep(&state).args(["retry", "small"]));
    assert!(again.contains("no trial has failed"), "what is open is not opened again: {again}");
    run_short(&place, &text, 3);
    let shown = json(gridsweep(&state).args(["show", "last", "--format", "json"]));
    assert_eq!((&shown["state"], &shown["failure"]["kind"]), (&"failed".into(), &"out_of_memory".into()));
    let numbers: Vec<_> = shown["attempts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|attempt| attempt["attempt"].as_u64())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    let text = stdout(gridsweep(&state).args(["show", "last"]));
    assert!(text.contains("because: out_of_memory") && text.contains("6  failed on worker-1"), "{text}");
}

#[test]
fn a_trial_is_shown_by_the_beginning_of_its_id() {
    let place = Place::new();
    let state = run_short(&place, SWEEP, 0);
    let trials = stdout(gridsweep(&state).args(["export", "small", "--what", "trials"]));
    let trials: Vec<Json> = trials.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id = |trial: &Json| trial["trial"].as_str().unwrap().to_owned();
    let shown = json(gridsweep(&state).args(["show", &id(&trials[0])[..12], "--format", "json"]));
    for key in ["trial", "choices", "replicate", "state", "weights_digest", "sparsity"] {
        assert_eq!(shown[key], trials[0][key], "{key}");
    }
    assert_eq!(shown["schema"], 1);
    assert_eq!(shown["metrics"]["test_accuracy"], trials[0]["metrics"]["test_accuracy"]);
    assert_eq!(shown["sweeps"][0]["studies"], trials[0]["studies"]);
    assert_eq!(
        (shown["epochs"].as_array().unwrap().len(), &shown["attempts"][0]["state"]),
        (2, &"finished".into())
    );
    let first = |trial: &Json| id(trial)[..1].to_owned();
    let shared = trials.iter().find(|trial| trials.iter().filter(|of| first(of) == first(trial)).count() > 1);
    let beginning = first(shared.expect("two of twelve ids begin with the same digit"));
    let ambiguous = output(gridsweep(&state).args(["show", &beginning]));
    let text = String::from_utf8_lossy(&ambiguous.stderr);
    assert!(ambiguous.status.code() == Some(2) && text.contains(&id(shared.unwrap())), "{text}");
    let text = stdout(gridsweep(&state).args(["show", &id(&trials[0])]));
    assert!(text.contains("validation_loss") && text.contains('█') && !text.contains('\x1b'), "{text}");
}

#[test]
fn recorded_trials_are_computed_again_to_the_bit_and_what_differs_is_told() {
    let place = Place::new();
    let state = run_short(&place, SWEEP, 0);
    let verify = |options: &[&str]| {
        let mut verify = gridsweep(&state);
        verify.args(["verify", "small"]).args(options);
        verify
    };
    let all = json(verify(&["--sample", "100%", "--format", "json"]).env("GRIDSWEEP_KERNEL", "portable"));
    assert_eq!(
        (&all["verified"], &all["different"], &all["kernel"]),
        (&12.into(), &Json::Array(vec![]), &"portable".into())
    );
    let chosen =
        |seed| json(&mut verify(&["--sample", "3", "--seed", seed, "--format", "json"]))["trials"].clone();
    assert_eq!(chosen("5"), chosen("5"), "the same seed picks the same trials");
    assert_ne!(chosen("5"), chosen("6"));
    let store = rusqlite::Connection::open(state.join("store.sqlite")).unwrap();
    let victim = all["trials"][7].as_str().unwrap();
    let forged = "0".repeat(64);
    let forge = "UPDATE result SET digest = ?1 WHERE trial = (SELECT number FROM trial WHERE id = ?2)";
    assert_eq!(store.execute(forge, [&forged, victim]).unwrap(), 1);
    drop(store);
    let verified = output(&mut verify(&["--sample", "12"]));
    let text = String::from_utf8_lossy(&verified.stdout);
    assert_eq!(verified.status.code(), Some(3), "{text}");
    assert!(text.contains("1 differs") && text.contains(victim) && text.contains(&forged), "{text}");
}

#[test]
fn every_shell_gets_its_completions() {
    let place = Place::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(gridsweep(&place.path("unused")).args(["completions", shell]));
        assert!(script.contains("gridsweep") && script.contains("cancel"), "{shell}: {script}");
    }
}
