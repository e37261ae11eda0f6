//! A coordinator whose disk is full: it says so, loses nothing, and goes on by itself when there is room.

use crate::support::{
    Place, Running, SWEEP, exports, free_address, gridsweep, output, said, stdout, wait_until,
};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A small disk of its own. Only root may make one.
struct Disk(PathBuf);

impl Disk {
    fn mount(folder: PathBuf) -> Option<Disk> {
        std::fs::create_dir_all(&folder).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"]).arg(&folder).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Disk(folder))
    }

    /// Leaves no room for anything else.
    fn fill(&self) {
        let mut ballast = File::create(self.0.join("ballast")).unwrap();
        for size in [1 << 16, 1 << 8, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: what still runs when a test fails must not keep the disk for ever.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn serve(state: &Path, address: &str, log: &Path) -> Running {
    let mut serve = gridsweep(state);
    serve.args(["serve", "--listen", address]).stdin(Stdio::null()).stdout(Stdio::null());
    let serving = Running(serve.stderr(File::create(log).unwrap()).spawn().unwrap());
    wait_until("the coordinator listens", || std::net::TcpStream::connect(address).is_ok());
    serving
}

#[test]
fn a_sweep_goes_on_when_there_is_room_again_and_nothing_is_lost() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("disk")) else {
        println!("skipped: only root may mount a disk");
        return;
    };
    let (file, state, log) = (place.write("small.toml", SWEEP), disk.0.join("state"), place.path("log"));
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let serving = serve(&state, &address, &log);
    let mut submit = gridsweep(&place.path("unused"));
    submit.arg("submit").arg(&file).args(["--server", &address]);
    stdout(&mut submit);
    let mut worker = gridsweep(&place.path("worker"));
    let worker = Running::start(worker.args(["worker", "--threads", "1", "--connect", &address]));
    let ended = || exports(&state, "small")[0].clone();
    wait_until("a trial has ended", || !ended().is_empty());
    disk.fill();
    let says = |what: &str| std::fs::read_to_string(&log).unwrap().contains(what);
    wait_until("the coordinator has noticed", || says("no room is left for the store"));
    let before = ended();
    assert!(before.lines().count() < 12, "the disk was full while the sweep ran");
    disk.make_room();
    stdout(submit.arg("--wait"));
    assert!(says("there is room for the store again"));
    assert!(before.lines().all(|line| ended().contains(line)), "what was recorded is still there");
    let calm = place.path("calm");
    assert!(output(gridsweep(&calm).arg("run").arg(&file)).status.success());
    assert_eq!(exports(&state, "small"), exports(&calm, "small"));
    drop((worker, serving));
}

#[test]
fn a_worker_whose_disk_is_full_goes_on_and_delivers_from_memory() {
    let place = Place::new();
    let Some(disk) = Disk::mount(place.path("disk")) else {
        println!("skipped: only root may mount a disk");
        return;
    };
    let (file, state, address) = (place.write("small.toml", SWEEP), place.path("state"), free_address());
    let (log, told) = (place.path("log"), place.path("told"));
    let mut serving = serve(&state, &address, &log);
    let mut submit = gridsweep(&place.path("unused"));
    submit.arg("submit").arg(&file).args(["--server", &address]);
    stdout(&mut submit);
    disk.fill();
    let mut worker = gridsweep(&disk.0.join("worker"));
    worker.args(["worker", "--threads", "1", "--connect", &address, "--checkpoint-every", "100ms"]);
    // The folder and its lock take no room on such a disk.
    let mut worker = Running::logged(worker.env("GRIDSWEEP_LOG", "info"), &told);
    wait_until("a trial has ended", || !exports(&state, "small")[0].is_empty());
    serving.signal("KILL");
    serving.wait();
    let says = |what: &str| said(&told).contains(what);
    wait_until("a result waits", || says("results that wait could not be written to disk"));
    for what in ["the data is not kept for the next time", "a checkpoint could not be written"] {
        assert!(says(what), "\"{what}\" is not said: {}", said(&told));
    }
    std::thread::sleep(Duration::from_millis(500));
    assert!(!worker.has_ended(), "{}", said(&told));
    let _serving = serve(&state, &address, &log);
    stdout(submit.arg("--wait"));
    let calm = place.path("calm");
    assert!(output(gridsweep(&calm).arg("run").arg(&file)).status.success());
    assert_eq!(exports(&state, "small"), exports(&calm, "small"));
    let attempts = stdout(gridsweep(&state).args(["export", "small", "--what", "attempts"]));
    assert!(
        attempts.lines().all(|line| line.contains("\"attempt\":1,")),
        "nothing was computed twice: {attempts}"
    );
}
