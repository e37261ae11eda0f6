//! The worker processes of `run`: started, started again when they die, and never left behind.
//!
//! Each holds the reading end of a pipe whose other end is here, as its standard input. When this process ends, however
//! it ends, the pipe closes and the workers with it.

use crate::error::CommandError;
use crate::settings::Crew;
use crate::usage;
use anyhow::{Context, anyhow};
use gridsweep_coordinator::Handle;
use gridsweep_worker::Usage;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A worker that dies sooner than this after its start has not worked.
const LIFE_LEAST: Duration = Duration::from_secs(5);
/// How many times in a row a worker may die that soon.
const EARLY_DEATHS_MAX: u32 = 4;
/// How long a worker may take to end when it is asked to.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// How the workers are started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) coordinator: SocketAddr,
    /// The way to it within this process: a worker that has ended is known to have, at once.
    pub(crate) handle: Handle,
    pub(crate) state: PathBuf,
    pub(crate) crew: Crew,
    pub(crate) checkpoint_every: Duration,
}

/// The workers that run. Dropped, it takes them with it.
#[derive(Debug)]
pub(crate) struct Children {
    keepers: JoinSet<CommandError>,
    folders: Vec<PathBuf>,
    wish: watch::Sender<Wish>,
}

/// What the keepers of the workers are to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wish {
    /// Keep a worker running.
    Run,
    /// Start none any more: the coordinator asks them to end.
    StandDown,
    /// End what still runs.
    End,
}

impl Children {
    /// Starts the workers.
    pub(crate) fn start(launch: &Launch) -> Children {
        let (wish, wishes) = watch::channel(Wish::Run);
        let mut keepers = JoinSet::new();
        let mut folders = Vec::new();
        for number in 1..=launch.crew.workers {
            let folder = launch.state.join("workers").join(number.to_string());
            keepers.spawn(keep(launch.clone(), number, folder.clone(), wishes.clone()));
            folders.push(folder);
        }
        Children { keepers, folders, wish }
    }

    /// Waits until a worker cannot be kept running, which is an error; never returns otherwise.
    pub(crate) async fn failed(&mut self) -> CommandError {
        match self.keepers.join_next().await {
            Some(Ok(error)) => error,
            Some(Err(error)) => CommandError::unexpected(error),
            None => std::future::pending().await,
        }
    }

    /// Lets workers end from now on without starting others.
    pub(crate) fn stand_down(&self) {
        self.wish.send_replace(Wish::StandDown);
    }

    /// Ends every worker that still runs, and waits until all have ended. Returns how their slots were used; those of a
    /// process that was killed are missing.
    pub(crate) async fn end(mut self) -> Usage {
        self.wish.send_replace(Wish::End);
        while self.keepers.join_next().await.is_some() {}
        let mut all = Usage::default();
        self.folders.iter().for_each(|folder| all.add(usage::take(folder)));
        all
    }
}

/// Keeps one worker running for as long as that is wished.
async fn keep(
    launch: Launch,
    number: usize,
    folder: PathBuf,
    mut wishes: watch::Receiver<Wish>,
) -> CommandError {
    // What an earlier one left is of another run.
    usage::take(&folder);
    let mut early_deaths = 0;
    loop {
        let began = Instant::now();
        let mut child = match start(&launch, &folder, number) {
            Ok(child) => child,
            Err(error) => return CommandError::infrastructure(error),
        };
        // Waiting for a process closes its standard input; this one is to stay open for as long as this process lives.
        let pipe = child.stdin.take();
        let status = tokio::select! {
            status = child.wait() => Some(status),
            _ = wishes.wait_for(|wish| *wish == Wish::End) => None,
        };
        drop(pipe);
        let Some(status) = status else { return end(child).await };
        let reason = format!("its process ended: {}", describe(&status));
        let had_trials = launch.handle.worker_died(name(number), reason).await;
        if *wishes.borrow() != Wish::Run {
            return stood_down();
        }
        // What ends workers while they work is found out trial by trial.
        let is_early = began.elapsed() < LIFE_LEAST && !had_trials;
        early_deaths = if is_early { early_deaths + 1 } else { 0 };
        tracing::warn!(number, status = describe(&status), "a worker process ended; starting another");
        if early_deaths >= EARLY_DEATHS_MAX {
            let error = anyhow!("worker {number} does not stay alive: {}", describe(&status));
            return CommandError::infrastructure(error).hint(last_words(&folder.join("log")));
        }
    }
}

/// What a keeper that was not needed any more returns; nobody reads it.
fn stood_down() -> CommandError {
    CommandError::unexpected(anyhow!("stopped"))
}

fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    match text.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("its last words in {}: {line}", log.display()),
        None => format!("its log is {}", log.display()),
    }
}

/// Waits for a worker whose pipe is closed.
async fn end(mut child: Child) -> CommandError {
    if tokio::time::timeout(END_PATIENCE, child.wait()).await.is_err() {
        // It cannot be reached any other way; what it had not delivered is computed again.
        let _ = child.kill().await;
    }
    stood_down()
}

/// What people call a worker.
fn name(number: usize) -> String {
    format!("worker-{number}")
}

fn start(launch: &Launch, folder: &Path, number: usize) -> anyhow::Result<Child> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let log = folder.join("log");
    let log = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("cannot write {}", log.display()))?;
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    Command::new(program)
        .arg("worker")
        .args(["--connect", &launch.coordinator.to_string()])
        .args(["--threads", &launch.crew.threads.to_string()])
        .args(["--name", &name(number)])
        .args(["--checkpoint-every", &format!("{}ms", launch.checkpoint_every.as_millis())])
        .arg("--checkpoints")
        .arg(launch.state.join("checkpoints"))
        .arg("--until-stdin-closes")
        .arg("--state")
        .arg(folder)
        // Meant for coordinators elsewhere; the one in this process asks for nothing.
        .env_remove("GRIDSWEEP_TOKEN")
        .env_remove("GRIDSWEEP_TOKEN_FILE")
        .env_remove("GRIDSWEEP_TLS_CA")
        .env_remove("GRIDSWEEP_TLS_FINGERPRINT")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::from(log))
        // A Ctrl-C in the terminal is for this process, which tells its workers.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("cannot start a worker process")
}

fn describe(status: &std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    }
}
