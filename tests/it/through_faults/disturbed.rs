//! A sweep of real trials at a coordinator, which tests disturb while it runs: how far it is, what holds of it all the while,
//! and that it ends with the bytes of an undisturbed run on one machine.

use super::invariants::{Books, ask};
use crate::support::{Place, Running, exports, gridsweep, output, said, stdout, wait_until, wait_within};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// What a worker says when it has a session, when it has lost it, and when it has heard nothing for most of a lease.
pub(crate) const CONNECTED: &str = " connected ";
pub(crate) const DISCONNECTED: &str = "no connection to the coordinator; trying again";
pub(crate) const UNHEARD: &str = "the coordinator does not answer heartbeats";

/// The sweep ended before every fault had come.
#[derive(Debug)]
pub(crate) struct Ended;

/// A sweep over real MNIST of five cells.
pub(crate) fn sweep(epochs: u32, replicates: u32) -> String {
    format!(
        "schema = 1
         name = \"small\"
         [data]
         dataset = \"mnist\"
         [replicates]
         count = {replicates}
         seed = 11
         [base]
         hidden = [16]
         epochs = {epochs}
         [[study]]
         name = \"penalties\"
         [study.axes]
         regularizer = [\"none\", \"l1\", \"l2\"]
         coefficient = [0.001, 0.0001]
         [study.when]
         coefficient = {{ regularizer = [\"l1\", \"l2\"] }}
         "
    )
}

/// Runs that nothing disturbs, on one machine. One state folder serves all tests that run at a time: a trial that two of them
/// have is computed once.
struct Calm(Mutex<Place>);

impl Calm {
    fn share() -> Arc<Calm> {
        static SHARED: Mutex<Weak<Calm>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap();
        let calm = shared.upgrade().unwrap_or_else(|| Arc::new(Calm(Mutex::new(Place::new()))));
        *shared = Arc::downgrade(&calm);
        calm
    }

    /// Runs a sweep file and returns what it gives.
    fn exports(&self, file: &Path) -> [String; 2] {
        let place = self.0.lock().unwrap();
        let state = place.path("state");
        assert!(output(gridsweep(&state).arg("run").arg(file)).status.success());
        exports(&state, "small")
    }
}

/// The sweep `small`, its workers' logs, and what was seen of it.
pub(crate) struct Disturbed {
    pub(crate) place: Place,
    pub(crate) file: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) books: Books,
    /// By their workers' names.
    logs: Vec<(String, PathBuf)>,
    calm: Arc<Calm>,
    /// What workers were told is what the coordinator said.
    pub(crate) is_told_truly: bool,
}

impl Disturbed {
    /// Writes the sweep file; its workers will have these names.
    pub(crate) fn new(text: &str, workers: &[&str]) -> Disturbed {
        let place = Place::new();
        let (file, state) = (place.write("small.toml", text), place.path("state"));
        let logs = workers.iter().map(|name| ((*name).to_owned(), place.path(&format!("{name}.log"))));
        let logs = logs.collect();
        Disturbed {
            place,
            file,
            state,
            books: Books::default(),
            logs,
            calm: Calm::share(),
            is_told_truly: true,
        }
    }

    /// Where a worker writes what it does.
    pub(crate) fn log(&self, worker: &str) -> PathBuf {
        self.logs.iter().find(|(name, _)| name == worker).unwrap().1.clone()
    }

    /// How often a worker has said something.
    pub(crate) fn count(&self, worker: &str, words: &str) -> usize {
        said(&self.log(worker)).matches(words).count()
    }

    /// Waits until a worker has said something more often than `before`.
    pub(crate) fn wait_for(&self, worker: &str, words: &str, before: usize) {
        wait_until(&format!("{worker} says: {words}"), || self.count(worker, words) > before);
    }

    pub(crate) fn wait_for_submission(&self) {
        wait_until("the sweep is there", || {
            output(gridsweep(&self.state).args(["status", "small"])).status.success()
        });
    }

    /// Looks whether all invariants hold.
    pub(crate) fn check(&mut self) {
        let logs: Vec<PathBuf> = match self.is_told_truly {
            true => self.logs.iter().map(|(_, log)| log.clone()).collect(),
            false => Vec::new(),
        };
        self.books.check(&self.state, &logs).unwrap();
    }

    /// Waits until some more results are there and a worker has something to run, as before a fault.
    pub(crate) fn at_work(&mut self, worker: &str, results: usize) -> Result<(), Ended> {
        let running = format!("SELECT count(*) FROM attempt WHERE state = 'running' AND worker = '{worker}'");
        let wanted = self.books.results() + results;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            self.check();
            if self.has_ended() {
                return Err(Ended);
            }
            if self.books.results() >= wanted && ask(&self.state, &running) > 0 {
                return Ok(());
            }
            assert!(Instant::now() < deadline, "{worker} does not come to work: {}", self.last_words());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the workers said last, for whoever looks into a failure.
    fn last_words(&self) -> String {
        let tail = |(name, log): &(String, PathBuf)| {
            let said = said(log);
            let lines: Vec<&str> = said.lines().collect();
            format!("{name}:\n{}\n", lines[lines.len().saturating_sub(25)..].join("\n"))
        };
        self.logs.iter().map(tail).collect()
    }

    fn status(&self) -> Json {
        let text = stdout(gridsweep(&self.state).args(["status", "small", "--format", "json"]));
        serde_json::from_str::<Json>(&text).unwrap()[0].clone()
    }

    fn has_ended(&self) -> bool {
        let question = "SELECT count(*) FROM trial WHERE state IN ('leased', 'pending')";
        // Looked at the store first: a sweep that has just begun has no rows, and starting a command takes long.
        self.books.results() > 0 && ask(&self.state, question) == 0 && self.status()["state"] == "ended"
    }

    /// Waits for the end; then every trial has its result, and results and curves are those of an undisturbed run.
    pub(crate) fn ends_as_undisturbed(&mut self, mut submit: Running) {
        wait_within(Duration::from_secs(300), "the sweep has ended", || submit.has_ended());
        assert_eq!(submit.wait(), Some(0), "{} {}", self.status(), self.last_words());
        self.check();
        let status = self.status();
        let count = |what: &str| usize::try_from(status[what].as_u64().unwrap()).unwrap();
        assert_eq!((count("succeeded"), count("conflicts")), (count("trials"), 0), "{status}");
        assert_eq!(self.books.results(), count("trials"));
        println!(
            "{} results by {} attempts, {} of them from a checkpoint, {} that ended otherwise",
            self.books.results(),
            ask(&self.state, "SELECT count(*) FROM attempt"),
            ask(&self.state, "SELECT count(*) FROM attempt WHERE from_epoch + from_step > 0"),
            ask(&self.state, "SELECT count(*) FROM attempt WHERE state <> 'finished'"),
        );
        assert_eq!(exports(&self.state, "small"), self.calm.exports(&self.file));
    }
}
