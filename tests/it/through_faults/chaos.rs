//! Processes that are killed, stopped and drained at random moments, and that end by themselves wherever a crash is worst, again
//! and again: no acknowledged result is lost, none is there twice, nothing hangs, and the bytes are those of a calm run.
//!
//! `GRIDSWEEP_CHAOS_CYCLES=200 cargo test --workspace --test it -- --nocapture chaos::` for longer; `GRIDSWEEP_CHANCE` repeats the chances
//! of a run.

use super::disturbed::sweep;
use super::invariants::{Books, acknowledged, ask};
use crate::support::{
    Chance, Place, Running, exports, free_address, gridsweep, output, said, stdout, wait_until, wait_within,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Blows in CI; `GRIDSWEEP_CHAOS_CYCLES` gives another number.
const CYCLES: usize = 20;
/// Leases are this short, so that what is lost is missed soon.
const LEASE: Duration = Duration::from_secs(2);
/// The longest that a coordinator or worker takes to get anything done after a blow. A lease ends, data is read, two connect.
const PATIENCE: Duration = Duration::from_secs(60);
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];

/// Where the processes end by themselves when they are told to.
const COORDINATOR_POINTS: [&str; 4] = ["before_commit", "within_commit", "after_commit", "after_effects"];
const WORKER_POINTS: [&str; 3] = ["before_delivery", "before_forgetting", "within_spool"];

/// What happens to a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Blow {
    KillCoordinator,
    KillWorker,
    /// Nobody is left.
    KillEverybody,
    CoordinatorEndsAt(&'static str),
    WorkerEndsAt(&'static str),
    /// For so many tenths of a lease.
    StopCoordinator(u32),
    StopWorker(u32),
    DrainWorker,
    /// Another coordinator wants the same store.
    Rival,
}

/// Every blow but the plain kills, once; kills fill up what is left.
fn blows(cycles: usize, chance: &Chance) -> Vec<Blow> {
    let mut special: Vec<Blow> = COORDINATOR_POINTS.map(Blow::CoordinatorEndsAt).into();
    special.extend(WORKER_POINTS.map(Blow::WorkerEndsAt));
    special.extend([5, 10, 30].map(Blow::StopWorker));
    special.extend([5, 15].map(Blow::StopCoordinator));
    special.extend([Blow::DrainWorker, Blow::Rival, Blow::KillEverybody]);
    let kills = [Blow::KillCoordinator, Blow::KillWorker];
    let mut blows: Vec<Blow> = special.iter().copied().chain(kills).collect();
    while blows.len() < cycles {
        let all = (special.len() + 3 * kills.len()) as u64;
        let at = chance.below(all) as usize;
        blows.push(special.get(at).copied().unwrap_or(kills[at % kills.len()]));
    }
    for at in (1..blows.len()).rev() {
        blows.swap(at, chance.below(at as u64 + 1) as usize);
    }
    blows.truncate(cycles.max(1));
    blows
}

struct Scene {
    place: Place,
    state: PathBuf,
    address: String,
    serve: Running,
    workers: Vec<Running>,
    books: Books,
    /// Sweeps submitted so far, and how many replicates of five cells each has.
    sweeps: u64,
    replicates: u32,
    chance: Chance,
}

impl Scene {
    fn new(replicates: u32) -> Scene {
        let place = Place::new();
        let (state, address) = (place.path("state"), free_address());
        let serve = serve(&place, &address, None);
        let workers = WORKERS.map(|name| worker(&place, &address, name, None));
        let chance = Chance::new("chaos");
        let books = Books::default();
        let mut scene = Scene {
            place,
            state,
            address,
            serve,
            workers: workers.into(),
            books,
            sweeps: 0,
            replicates,
            chance,
        };
        scene.keep_busy();
        scene
    }

    fn file(&self, number: u64) -> PathBuf {
        self.place.path(&format!("chaos-{number}.toml"))
    }

    /// Submits another sweep when little is left to do.
    fn keep_busy(&mut self) {
        let ended = ask(&self.state, "SELECT count(*) FROM ending") as u64;
        if ended + 15 < self.trials() {
            return;
        }
        let (number, text) = (self.sweeps + 1, sweep(1, self.replicates));
        let text = text.replace("seed = 11", &format!("seed = {}", 1000 + number));
        let text = text.replace("\"small\"", &format!("\"chaos-{number}\""));
        std::fs::write(self.file(number), text).unwrap();
        // A coordinator that is away is asked again later.
        if self.submit(number, &[]) == Some(0) {
            self.sweeps = number;
        }
    }

    fn submit(&self, number: u64, options: &[&str]) -> Option<i32> {
        let mut submit = gridsweep(&self.place.path("unused"));
        submit
            .arg("submit")
            .arg(self.file(number))
            .args(["--quiet", "--server", &self.address])
            .args(options);
        output(&mut submit).status.code()
    }

    /// How many trials the sweeps have together.
    fn trials(&self) -> u64 {
        5 * self.sweeps * u64::from(self.replicates)
    }

    /// Nothing is lost and nothing is wrong.
    fn check(&mut self) {
        let logs = WORKERS.map(|name| log(&self.place, name));
        self.books.check(&self.state, &logs).unwrap();
    }

    fn random_moment(&self) {
        std::thread::sleep(Duration::from_millis(self.chance.below(300)));
    }

    /// Picks a worker.
    fn victim(&self) -> usize {
        self.chance.below(WORKERS.len() as u64) as usize
    }

    fn start_worker(&mut self, victim: usize) {
        self.workers[victim] = worker(&self.place, &self.address, WORKERS[victim], None);
    }

    fn strike(&mut self, blow: Blow) {
        let victim = self.victim();
        self.random_moment();
        match blow {
            Blow::KillCoordinator => {
                kill(&mut self.serve);
                self.check();
                self.serve = serve(&self.place, &self.address, None);
            }
            Blow::KillWorker => {
                kill(&mut self.workers[victim]);
                self.start_worker(victim);
            }
            Blow::KillEverybody => {
                self.workers.iter_mut().for_each(kill);
                kill(&mut self.serve);
                self.check();
                self.serve = serve(&self.place, &self.address, None);
                (0..WORKERS.len()).for_each(|victim| self.start_worker(victim));
            }
            Blow::CoordinatorEndsAt(point) => self.coordinator_ends_at(point),
            Blow::WorkerEndsAt(point) => self.worker_ends_at(victim, point),
            Blow::StopCoordinator(tenths) => stop(&self.serve, tenths),
            Blow::StopWorker(tenths) => stop(&self.workers[victim], tenths),
            Blow::DrainWorker => {
                self.workers[victim].signal("TERM");
                assert_eq!(self.workers[victim].wait(), Some(0));
                self.start_worker(victim);
            }
            Blow::Rival => {
                let rival = output(gridsweep(&self.state).args(["serve", "--listen", "127.0.0.1:0"]));
                let text = String::from_utf8_lossy(&rival.stderr);
                assert!(rival.status.code() == Some(4) && text.contains("in use"), "{text}");
            }
        }
    }

    fn coordinator_ends_at(&mut self, point: &str) {
        kill(&mut self.serve);
        let passes = self.chance.below(6);
        self.serve = serve(&self.place, &self.address, Some((point, passes)));
        // Whatever is asked of it brings it there, if work does not.
        let _ = self.submit(self.sweeps, &["--priority", "1"]);
        wait_within(PATIENCE, "the coordinator has ended by itself", || self.serve.has_ended());
        assert_eq!(self.serve.wait(), None, "{point}");
        self.check();
        self.serve = serve(&self.place, &self.address, None);
    }

    fn worker_ends_at(&mut self, victim: usize, point: &str) {
        kill(&mut self.workers[victim]);
        let before = self.acknowledged(victim);
        self.workers[victim] = worker(&self.place, &self.address, WORKERS[victim], Some((point, 0)));
        match point {
            "within_spool" => self.ends_with_results_in_hand(victim, before),
            _ => wait_within(PATIENCE, "the worker has ended by itself", || {
                self.keep_busy();
                self.workers[victim].has_ended()
            }),
        }
        assert_eq!(self.workers[victim].wait(), None, "{point}");
        self.check();
        self.start_worker(victim);
    }

    fn acknowledged(&self, victim: usize) -> usize {
        acknowledged(&log(&self.place, WORKERS[victim])).len()
    }

    /// The coordinator is killed when the worker is at work, so that a result has to wait.
    fn ends_with_results_in_hand(&mut self, victim: usize, mut before: usize) {
        for _ in 0..20 {
            wait_within(PATIENCE, "the worker is at work", || {
                self.keep_busy();
                self.acknowledged(victim) > before || self.workers[victim].has_ended()
            });
            before = self.acknowledged(victim);
            kill(&mut self.serve);
            // It runs nothing at that moment, or something.
            let deadline = Instant::now() + 2 * LEASE;
            while Instant::now() < deadline && !self.workers[victim].has_ended() {
                std::thread::sleep(Duration::from_millis(20));
            }
            self.serve = serve(&self.place, &self.address, None);
            if self.workers[victim].has_ended() {
                return;
            }
        }
    }

    /// After a blow it goes on: some more results come, in bounded time.
    fn goes_on(&mut self) {
        let wanted = self.books.results() + 3;
        let began = Instant::now();
        while self.books.results() < wanted {
            assert!(began.elapsed() < PATIENCE, "it hangs: {} results", self.books.results());
            self.keep_busy();
            self.check();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every sweep ends, and gives the bytes of a calm run.
    fn ends_as_undisturbed(mut self) -> u64 {
        let mut retried = 0;
        let calm = self.place.path("calm");
        for number in 1..=self.sweeps {
            let name = format!("chaos-{number}");
            // A trial that three workers were killed with is suspected, and quarantined, until somebody says otherwise.
            while self.submit(number, &["--wait", "--wait-for-workers", "60s"]) == Some(3) {
                assert!(retried < 10, "{}", stdout(gridsweep(&self.state).args(["status", &name])));
                let _ = stdout(gridsweep(&self.state).args(["retry", &name, "--server", &self.address]));
                retried += 1;
            }
            assert!(output(gridsweep(&calm).arg("run").arg(self.file(number))).status.success());
            assert_eq!(exports(&self.state, &name), exports(&calm, &name));
        }
        self.check();
        assert_eq!(self.books.results() as u64, self.trials());
        retried
    }
}

fn log(place: &Place, name: &str) -> PathBuf {
    place.path(&format!("{name}.log"))
}

/// The environment that ends a process when it passes a point for the time after these.
fn failpoints(point: Option<(&str, u64)>) -> String {
    match point {
        // Once: `panic` and the like would go on.
        Some((point, passes)) if passes > 0 => format!("{point}={passes}*off->return"),
        Some((point, _)) => format!("{point}=return"),
        None => String::new(),
    }
}

fn serve(place: &Place, address: &str, point: Option<(&str, u64)>) -> Running {
    let log = log(place, "serve");
    let mut serve = gridsweep(&place.path("state"));
    serve.args(["serve", "--listen", address, "--lease", &format!("{}ms", LEASE.as_millis())]);
    serve.env("GRIDSWEEP_LOG", "info").env("FAILPOINTS", failpoints(point));
    let before = said(&log).matches("gridsweep submit").count();
    let mut serving = Running::logged(&mut serve, &log);
    wait_until("the coordinator serves", || {
        said(&log).matches("gridsweep submit").count() > before || (point.is_some() && serving.has_ended())
    });
    serving
}

fn worker(place: &Place, address: &str, name: &str, point: Option<(&str, u64)>) -> Running {
    let mut worker = gridsweep(&place.path(name));
    worker.args(["worker", "--threads", "1", "--name", name, "--connect", address]);
    worker.args(["--checkpoint-every", "100ms"]);
    worker.env("GRIDSWEEP_LOG", "info,gridsweep_worker=debug").env("FAILPOINTS", failpoints(point));
    Running::logged(&mut worker, &log(place, name))
}

fn kill(process: &mut Running) {
    process.signal("KILL");
    assert_eq!(process.wait(), None);
}

/// Lets a process stand still for so many tenths of a lease.
fn stop(process: &Running, tenths: u32) {
    process.signal("STOP");
    std::thread::sleep(LEASE * tenths / 10);
    process.signal("CONT");
}

#[test]
fn processes_that_end_anywhere_again_and_again_lose_double_and_hang_nothing() {
    let given = std::env::var("GRIDSWEEP_CHAOS_CYCLES").ok();
    let cycles = given.map_or(CYCLES, |cycles| cycles.parse().unwrap());
    let (began, mut scene) = (Instant::now(), Scene::new(if cycles > CYCLES { 30 } else { 6 }));
    scene.goes_on();
    let mut struck: BTreeMap<Blow, u32> = BTreeMap::new();
    for blow in blows(cycles, &scene.chance) {
        println!("{:.1?}: {blow:?}", began.elapsed());
        scene.strike(blow);
        scene.goes_on();
        *struck.entry(blow).or_default() += 1;
    }
    let (sweeps, results, term) = (scene.sweeps, scene.trials(), scene.books.term());
    let seen: usize = (0..WORKERS.len()).map(|victim| scene.acknowledged(victim)).sum();
    let attempts = ask(&scene.state, "SELECT count(*) FROM attempt");
    println!("{struck:?}");
    println!("{cycles} cycles in {:.0?}: {term} terms, {attempts} attempts", began.elapsed());
    let retried = scene.ends_as_undisturbed();
    println!(
        "{sweeps} sweeps, {} results, {seen} acknowledgements seen: 0 lost, 0 doubled, 0 hangs; {retried} retries",
        results
    );
}

#[test]
fn a_cancel_in_the_middle_of_everything_stops_the_sweep_and_the_same_file_takes_it_back() {
    let mut scene = Scene::new(20);
    scene.goes_on();
    // One worker is dead, the other stands still, and the coordinator dies at once after it has answered.
    kill(&mut scene.workers[0]);
    scene.workers[1].signal("STOP");
    stdout(gridsweep(&scene.place.path("unused")).args(["cancel", "chaos-1", "--server", &scene.address]));
    kill(&mut scene.serve);
    scene.check();
    let attempts = ask(&scene.state, "SELECT count(*) FROM attempt");
    scene.serve = serve(&scene.place, &scene.address, None);
    scene.workers[1].signal("CONT");
    scene.start_worker(0);
    let live = "SELECT count(*) FROM attempt WHERE state IN ('offered', 'running')";
    wait_until("nothing runs any more", || ask(&scene.state, live) == 0);
    let status = || stdout(gridsweep(&scene.state).args(["status", "chaos-1", "--format", "json"]));
    assert!(status().contains("\"state\": \"cancelled\""), "{}", status());
    scene.check();
    assert_eq!(ask(&scene.state, "SELECT count(*) FROM attempt"), attempts, "nothing is begun");
    assert_eq!(scene.submit(1, &[]), Some(0));
    scene.goes_on();
    scene.ends_as_undisturbed();
}

#[test]
fn every_point_at_which_a_process_can_end_by_itself_is_tried() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut points = Vec::new();
    let mut folders = vec![root.join("coordinator/src"), root.join("worker/src"), root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let names = text.split("fail_point!(\"").skip(1);
                points.extend(names.map(|rest| rest.split('"').next().unwrap().to_owned()));
            }
        }
    }
    // What `recovery` has: a trial that ends its process whoever runs it.
    points.retain(|point| point != "trial_aborts");
    points.sort();
    let mut tried: Vec<&str> = COORDINATOR_POINTS.into_iter().chain(WORKER_POINTS).collect();
    tried.sort_unstable();
    assert_eq!(points, tried);
}
