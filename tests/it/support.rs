//! Running the binary, and looking at what it did.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A sweep over real MNIST that takes about five seconds of one core: 6 cells, 2 replicates.
pub(crate) const SWEEP: &str = r#"
schema = 1
name   = "small"
[data]
dataset = "mnist"
[replicates]
count = 2
seed  = 7
[base]
hidden     = [16]
epochs     = 6
batch_size = 128
optimizer  = { kind = "adam", learning_rate = 0.002 }
reduce_learning_rate = { monitor = "validation_loss", factor = 0.1, patience = 2, min_delta = 1e-4 }
[[study]]
name = "penalties"
[study.axes]
regularizer = ["none", "l1", "l2"]
coefficient = [0.001, 0.0001]
[study.when]
coefficient = { regularizer = ["l1", "l2"] }
[[study]]
name = "activations"
[study.axes]
activation = ["relu", "tanh"]
"#;

/// A folder of its own for one test, with a sweep file and a state folder in it.
pub(crate) struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

/// Returns the command, run from the repository's root, where `sweeps/data` is.
pub(crate) fn gridsweep(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gridsweep"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).env("GRIDSWEEP_STATE", state);
    for (name, _) in std::env::vars_os() {
        // The rest are the settings of whoever runs the tests.
        if name.to_string_lossy().starts_with("GRIDSWEEP_") && name != "GRIDSWEEP_STATE" {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().unwrap()
}

/// Runs a command that must succeed, and returns what it printed.
pub(crate) fn stdout(command: &mut Command) -> String {
    let output = output(command);
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that must fail with this exit code and say these words.
pub(crate) fn fails(place: &Place, arguments: &[&str], code: i32, says: &[&str]) {
    let output = output(gridsweep(&place.path("state")).args(arguments));
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for words in says {
        assert!(text.contains(words), "{arguments:?} does not say \"{words}\": {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// What two runs of a sweep must have in common, to the byte.
pub(crate) fn exports(state: &Path, sweep: &str) -> [String; 2] {
    ["trials", "epochs"].map(|what| stdout(gridsweep(state).args(["export", sweep, "--what", what])))
}

/// A command that runs; it is ended when the test is.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// Starts a command that adds what it says to a file.
    pub(crate) fn logged(command: &mut Command, log: &Path) -> Running {
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.0.id(), name);
    }

    /// Waits for the end and returns the exit code, `None` after a signal.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        wait_until("the command has ended", || self.0.try_wait().unwrap().is_some());
        self.0.wait().unwrap().code()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(status.success(), "no process {pid} to send {name} to");
}

/// Waits until something holds, for a minute at most.
pub(crate) fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    wait_within(Duration::from_secs(60), what, holds);
}

/// Waits until something holds, and not for ever: what hangs fails.
pub(crate) fn wait_within(limit: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !holds() {
        assert!(Instant::now() < deadline, "{limit:?} have gone and still not: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What was written to a file so far.
pub(crate) fn said(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}

/// An address of the loopback interface that nobody listens on.
pub(crate) fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Returns the processes whose parent is `parent`.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| parent_of(*pid) == Some(parent)).collect()
}

fn parent_of(pid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; state and parent follow it.
    status.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// Returns whether a process runs; one that has ended and was not waited for does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = status.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().next());
    !matches!(state, None | Some("Z" | "X"))
}

/// Returns the sweep's counts of ended trials and of running ones, as `status` sees them.
pub(crate) fn standing(state: &Path) -> (u64, usize) {
    let output = output(gridsweep(state).args(["status", "small", "--format", "json"]));
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(&output.stdout) else { return (0, 0) };
    let running = json[0]["running"].as_array().map_or(0, Vec::len);
    (json[0]["succeeded"].as_u64().unwrap_or(0), running)
}

/// What is left to chance: of a seed that differs from run to run, unless `GRIDSWEEP_CHANCE` gives it. It is printed, so that
/// a failure can be looked into.
pub(crate) struct Chance(AtomicU64);

impl Chance {
    pub(crate) fn new(what: &str) -> Chance {
        let given = std::env::var("GRIDSWEEP_CHANCE").ok().and_then(|seed| seed.parse().ok());
        let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos().into();
        let seed = given.unwrap_or_else(by_clock);
        println!("{what}: GRIDSWEEP_CHANCE={seed}");
        Chance(AtomicU64::new(seed))
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&self, end: u64) -> u64 {
        // SplitMix64: a counter, well stirred.
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % end
    }
}
