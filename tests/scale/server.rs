//! A coordinator in a process of its own.

use crate::sweep::Grid;
use gridsweep_common::id::Digest;
use gridsweep_proto::v1;
use gridsweep_worker::connect::{Link, Route, fingerprint};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const GRIDSWEEP: &str = env!("CARGO_BIN_EXE_gridsweep");
/// Ticks of the process clock a second: Linux's USER_HZ.
const TICKS_PER_SECOND: u64 = 100;

/// `gridsweep serve` at work.
pub(crate) struct Server {
    process: Child,
    state: Option<TempDir>,
    address: String,
    fingerprint: String,
}

impl Server {
    /// Starts one over an empty state folder.
    pub(crate) fn start() -> Server {
        let folder = std::env::var_os("GRIDSWEEP_SCALE_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        Server::start_in(tempfile::tempdir_in(folder).unwrap())
    }

    /// Starts one, and returns when it listens.
    pub(crate) fn start_in(state: TempDir) -> Server {
        let mut process = Command::new(GRIDSWEEP)
            .args(["serve", "--listen", "127.0.0.1:0", "--tls-self-signed", "--make-tokens", "--state"])
            .arg(state.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut address, mut print) = (None, None);
        let mut said = BufReader::new(process.stderr.take().unwrap()).lines();
        for line in said.by_ref().map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let behind = |word: &str| Some(words[words.iter().position(|w| *w == word)? + 1].to_owned());
            address = address.or_else(|| behind("at").map(|at| at.trim_end_matches(',').to_owned()));
            print = print.or_else(|| behind("--tls-fingerprint"));
            if address.is_some() && print.is_some() {
                break;
            }
        }
        // It may have more to say, and must not wait for someone to read it.
        std::thread::spawn(move || said.for_each(drop));
        let (address, fingerprint) = (address.expect("it listens"), print.expect("it speaks TLS"));
        Server { process, state: Some(state), address, fingerprint }
    }

    /// Ends it and returns its state folder.
    pub(crate) fn stop(mut self) -> TempDir {
        self.end();
        self.state.take().expect("it is there until now")
    }

    fn end(&mut self) {
        if matches!(self.process.try_wait(), Ok(Some(_))) {
            return;
        }
        let terminate = Command::new("kill").arg(self.process.id().to_string()).status();
        if !terminate.is_ok_and(|status| status.success()) {
            // It has ended already, or does not end otherwise.
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }

    fn state(&self) -> &Path {
        self.state.as_ref().expect("it is there until the end").path()
    }

    /// Returns the way to it for a role.
    pub(crate) fn route(&self, role: &str) -> Route {
        let token = std::fs::read_to_string(self.state().join("tokens").join(role)).unwrap();
        Route::new(&self.address, &fingerprint(&self.fingerprint).unwrap(), Some(token.trim())).unwrap()
    }

    /// Submits a sweep, with its data.
    pub(crate) async fn submit(&self, grid: &Grid) {
        let (request, data) = grid.request(self.state());
        let link: Link = self.route("submit").connect().await.unwrap();
        let mut sweeps = v1::sweeps_client::SweepsClient::new(link);
        for _ in 0..2 {
            let reply = sweeps.submit(request.clone()).await.unwrap().into_inner().reply;
            if let Some(v1::submit_reply::Reply::Submitted(_)) = reply {
                return;
            }
            for path in &data {
                let bytes = std::fs::read(path).unwrap();
                let digest = Digest::of(&bytes).0.to_vec();
                sweeps
                    .put_blob(tokio_stream::once(v1::PutBlobRequest { digest, bytes, offset: 0 }))
                    .await
                    .unwrap();
            }
        }
        panic!("the data were sent and are missing");
    }

    /// Returns the processor time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Returns the memory that it holds, in MiB.
    pub(crate) fn resident_mib(&self) -> i64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<i64>().unwrap() / 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs the command that prints a sweep's table, and returns how long that takes.
pub(crate) fn time_table(state: &TempDir, name: &str) -> Duration {
    let began = Instant::now();
    let output = Command::new(GRIDSWEEP)
        .args(["table", &format!("s{name}"), "--state"])
        .arg(state.path())
        .output()
        .unwrap();
    let took = began.elapsed();
    assert!(output.status.success() && output.stdout.len() > 1000, "{output:?}");
    took
}
