//! A worker behind a line that fails in every way of TCP: late, slow, reset, cut off, damaged, half-open, never read. With
//! TLS what is damaged is a broken connection; without it a damaged result is refused, and none is recorded wrong.

use super::disturbed::{CONNECTED, DISCONNECTED, Disturbed, sweep};
use super::invariants::ask;
use super::proxy::{Fault, Proxy};
use crate::support::{Running, free_address, gridsweep, said, wait_until};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const WORKER: &str = "worker";
/// 500 ms, 400 more or less.
const LATE: Fault = Fault::Late(Duration::from_millis(100), Duration::from_millis(900));

/// A coordinator on the loopback interface and a worker that reaches it through the line.
struct Scene {
    sweep: Disturbed,
    line: Proxy,
    submit: Running,
    _worker: Running,
    _serve: Running,
}

impl Scene {
    fn new(sweep: Disturbed, is_guarded: bool, lease: &str, checkpoint_every: &str) -> Scene {
        let address = free_address();
        let log = sweep.place.path("serve.log");
        let mut serve = gridsweep(&sweep.state);
        serve.args(["serve", "--listen", &address, "--lease", lease]).env("GRIDSWEEP_LOG", "debug");
        if is_guarded {
            serve.arg("--tls-self-signed");
        }
        let serve = Running::logged(&mut serve, &log);
        wait_until("the coordinator serves", || said(&log).contains("gridsweep submit"));
        let fingerprint = said(&log)
            .split_once("SHA256:")
            .map(|(_, rest)| rest.split_whitespace().next().unwrap().to_owned());
        let trust: Vec<String> = fingerprint
            .iter()
            .flat_map(|hash| ["--tls-fingerprint".to_owned(), format!("SHA256:{hash}")])
            .collect();
        assert_eq!(trust.is_empty(), !is_guarded);
        let line = Proxy::to(&address);
        let mut worker = gridsweep(&sweep.place.path(WORKER));
        worker.args(["worker", "--threads", "1", "--name", WORKER, "--connect", &line.address]).args(&trust);
        worker
            .args(["--checkpoint-every", checkpoint_every])
            .env("GRIDSWEEP_LOG", "info,gridsweep_worker=debug");
        let worker = Running::logged(&mut worker, &sweep.log(WORKER));
        let mut submit = gridsweep(&sweep.place.path("unused"));
        submit.arg("submit").arg(&sweep.file).args(["--wait", "--quiet", "--server", &address]).args(&trust);
        let submit = Running::logged(&mut submit, &sweep.place.path("submit.log"));
        sweep.wait_for_submission();
        Scene { sweep, line, submit, _worker: worker, _serve: serve }
    }

    fn serve_log(&self) -> PathBuf {
        self.sweep.place.path("serve.log")
    }

    /// The line breaks until the worker has lost its session to it; mended, the worker comes back by itself.
    fn breaks(&mut self, to_coordinator: Fault, from_coordinator: Fault, strikes: u64) {
        self.sweep.at_work(WORKER, 1).unwrap();
        let (lost, connected) = (self.sweep.count(WORKER, DISCONNECTED), self.sweep.count(WORKER, CONNECTED));
        self.line.set(to_coordinator, from_coordinator);
        self.sweep.wait_for(WORKER, DISCONNECTED, lost);
        wait_until("the fault has struck", || self.line.struck() >= strikes);
        println!("{to_coordinator:?} and {from_coordinator:?}: struck {} times", self.line.struck());
        self.line.set(Fault::None, Fault::None);
        self.sweep.wait_for(WORKER, CONNECTED, connected);
        self.sweep.check();
    }

    fn every_fault(&mut self) {
        for fault in [Fault::Reset(1000), Fault::Truncated(1000), Fault::Damaged(1500)] {
            self.breaks(fault, Fault::None, 1);
            self.breaks(Fault::None, fault, 1);
        }
        self.breaks(Fault::Swallowed, Fault::Swallowed, 1);
        self.breaks(Fault::None, Fault::Unread, 1);
    }

    fn ends_as_undisturbed(self) -> Disturbed {
        let Scene { mut sweep, submit, .. } = self;
        sweep.ends_as_undisturbed(submit);
        for log in [sweep.place.path("serve.log"), sweep.log(WORKER)] {
            assert!(!said(&log).contains("panicked"), "{}", said(&log));
        }
        sweep
    }
}

#[test]
fn a_guarded_line_that_fails_in_every_way_of_tcp_changes_no_byte() {
    let mut scene = Scene::new(Disturbed::new(&sweep(5, 10), &[WORKER]), true, "5s", "300ms");
    scene.every_fault();
    scene.ends_as_undisturbed();
}

#[test]
fn an_unguarded_line_that_fails_in_every_way_of_tcp_changes_no_byte() {
    let mut sweep = Disturbed::new(&sweep(5, 10), &[WORKER]);
    // What the coordinator says may arrive as something else: it costs time, and no result is recorded wrong.
    sweep.is_told_truly = false;
    let mut scene = Scene::new(sweep, false, "5s", "300ms");
    scene.every_fault();
    scene.ends_as_undisturbed();
}

#[test]
fn a_result_that_is_damaged_on_its_way_is_refused_and_the_right_one_recorded() {
    // No checkpoints: what is long is a result.
    let mut scene = Scene::new(Disturbed::new(&sweep(5, 6), &[WORKER]), false, "30s", "1h");
    let refused =
        |scene: &Scene| said(&scene.serve_log()).matches("a result that was damaged on its way").count();
    for _ in 0..10 {
        if refused(&scene) >= 2 {
            break;
        }
        scene.breaks(Fault::DamagedLong(500), Fault::None, 1);
    }
    assert!(refused(&scene) >= 2, "no result was damaged and noticed: {}", said(&scene.serve_log()));
    scene.ends_as_undisturbed();
}

#[test]
fn a_result_that_is_delivered_twice_counts_once() {
    let mut scene = Scene::new(Disturbed::new(&sweep(5, 3), &[WORKER]), true, "30s", "1h");
    scene.sweep.at_work(WORKER, 1).unwrap();
    // Acknowledgements do not come through.
    scene.line.set(Fault::None, Fault::Swallowed);
    scene.sweep.wait_for(WORKER, "it is sent again", 0);
    scene.sweep.check();
    let results = ask(&scene.sweep.state, "SELECT count(*) FROM result");
    let acknowledged = scene.sweep.count(WORKER, " acknowledged ");
    println!("{results} results, {acknowledged} acknowledged");
    assert!(results > acknowledged as i64, "what was sent again had arrived");
    scene.line.set(Fault::None, Fault::Reset(0));
    scene.sweep.wait_for(WORKER, DISCONNECTED, 0);
    scene.line.set(Fault::None, Fault::None);
    scene.ends_as_undisturbed();
}

#[test]
fn a_late_and_slow_line_interrupts_nothing() {
    let mut scene = Scene::new(Disturbed::new(&sweep(14, 7), &[WORKER]), true, "30s", "300ms");
    scene.sweep.at_work(WORKER, 1).unwrap();
    // 64 kbit a second for so long that whatever waits behind a checkpoint waits too long.
    for (fault, seconds) in [(LATE, 3), (Fault::Slow(64_000 / 8), 22)] {
        let (before, began) = (scene.sweep.books.results(), Instant::now());
        scene.line.set(fault, fault);
        wait_until("results come through", || {
            scene.sweep.check();
            scene.sweep.books.results() > before && began.elapsed() > Duration::from_secs(seconds)
        });
        assert!(scene.line.struck() > 20);
        println!("{fault:?}: struck {} times", scene.line.struck());
    }
    scene.line.set(Fault::None, Fault::None);
    let sweep = scene.ends_as_undisturbed();
    assert_eq!(sweep.count(WORKER, CONNECTED), 1, "one session: {}", said(&sweep.log(WORKER)));
    assert_eq!(ask(&sweep.state, "SELECT count(*) FROM attempt WHERE state <> 'finished'"), 0);
}

#[test]
fn a_worker_that_hears_nothing_stops_before_its_lease_ends_and_goes_on_from_there() {
    let one_trial =
        sweep(90, 1).replace("\"none\", \"l1\", \"l2\"", "\"l1\"").replace("\"l1\", \"l2\"", "\"l1\"");
    let one_trial = one_trial.replace("[0.001, 0.0001]", "[0.001]");
    let mut scene = Scene::new(Disturbed::new(&one_trial, &[WORKER]), false, "4s", "100ms");
    scene.sweep.at_work(WORKER, 0).unwrap();
    wait_until("the trial is at work", || {
        ask(&scene.sweep.state, "SELECT count(*) FROM checkpoint WHERE epoch > 2") > 0
    });
    // What it says arrives; the coordinator has no reason to give its trials to another.
    scene.line.set(Fault::None, Fault::Swallowed);
    scene.sweep.wait_for(WORKER, "what runs is stopped", 0);
    assert_eq!(ask(&scene.sweep.state, "SELECT count(*) FROM attempt WHERE state = 'lost'"), 0);
    assert_eq!(ask(&scene.sweep.state, "SELECT count(*) FROM attempt WHERE state = 'running'"), 1);
    scene.line.set(Fault::None, Fault::None);
    let sweep = scene.ends_as_undisturbed();
    let from = "SELECT count(*) FROM attempt WHERE number = 2 AND from_epoch > 2 AND state = 'finished'";
    assert!(ask(&sweep.state, from) > 0, "it starts over");
}
