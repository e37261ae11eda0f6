//! Clocks that people set: the time of day jumps by days, forth and back, under coordinator and worker. Nothing rests on it.

use super::disturbed::{CONNECTED, Disturbed, sweep};
use super::invariants::ask;
use crate::support::{Running, free_address, gridsweep, said, wait_until};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where Debian's package `faketime` has the library that stands before the C library's clocks.
const LIBRARIES: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
];

/// Lets a command's time of day be what a file says. The clock that only ever goes on is left alone, as when a person or
/// a time server sets a clock.
fn with_clock(command: &mut Command, library: &Path, file: &Path) {
    command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", file);
    command
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        .env("DONT_FAKE_MONOTONIC", "1");
}

#[test]
fn a_clock_that_jumps_by_days_ends_no_lease_and_changes_no_byte() {
    let Some(library) = LIBRARIES.map(PathBuf::from).into_iter().find(|library| library.exists()) else {
        println!("skipped: no libfaketime; Debian: apt-get install faketime");
        return;
    };
    let mut scene = Disturbed::new(&sweep(5, 4), &["worker"]);
    let (clock, address) = (scene.place.write("clock", "+0d"), free_address());
    let mut serve = gridsweep(&scene.state);
    serve.args(["serve", "--listen", &address, "--lease", "5s"]);
    with_clock(&mut serve, &library, &clock);
    let log = scene.place.path("serve.log");
    let _serve = Running::logged(&mut serve, &log);
    wait_until("the coordinator serves", || said(&log).contains("gridsweep submit"));
    let mut worker = gridsweep(&scene.place.path("worker"));
    worker.args(["worker", "--threads", "1", "--name", "worker", "--connect", &address]);
    with_clock(&mut worker, &library, &clock);
    let _worker =
        Running::logged(worker.env("GRIDSWEEP_LOG", "info,gridsweep_worker=debug"), &scene.log("worker"));
    let mut submit = gridsweep(&scene.place.path("unused"));
    submit.arg("submit").arg(&scene.file).args(["--wait", "--quiet", "--server", &address]);
    let submit = Running::logged(&mut submit, &scene.place.path("submit.log"));
    scene.wait_for_submission();
    for jump in ["+3d", "-40d", "+400d"] {
        scene.at_work("worker", 2).unwrap();
        // Put in its place as a whole: half a line would be another time.
        std::fs::rename(scene.place.write("next", jump), &clock).unwrap();
    }
    scene.at_work("worker", 2).unwrap();
    let span = "SELECT (max(recorded_ms) - min(recorded_ms)) / 86400000 FROM result";
    assert!(ask(&scene.state, span) > 430, "the clocks have jumped: {} days", ask(&scene.state, span));
    scene.ends_as_undisturbed(submit);
    assert_eq!(ask(&scene.state, "SELECT count(*) FROM attempt WHERE state <> 'finished' OR number > 1"), 0);
    assert_eq!(scene.count("worker", CONNECTED), 1, "one session");
}
