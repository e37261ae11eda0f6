//! `gridsweep worker`: runs trials for a coordinator.

use crate::args::{Global, WorkerArgs};
use crate::error::{CommandError, Ending};
use crate::route::route;
use crate::settings::Environment;
use crate::usage;
use gridsweep_engine::{Kernel, self_test};
use gridsweep_worker::{Settings, UsageMeter, WorkerError};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub(crate) async fn worker(
    args: &WorkerArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Ending, CommandError> {
    let kernel = kernel(environment)?;
    let (state, _claim) = state_folder(&global.state, args.until_stdin_closes)?;
    let slots = args.threads.map_or(environment.cores, usize::from);
    let (meter, folder) = (Arc::new(UsageMeter::new(slots)), state.clone());
    let settings = Settings {
        connect: route(&args.connect, &args.credentials, environment)?,
        slots,
        meter: Arc::clone(&meter),
        checkpoints: args.checkpoints.clone().unwrap_or_else(|| state.join("checkpoints")),
        checkpoint_every: args.checkpoint_every,
        // The workers of `run` share a folder with whoever goes on.
        checkpoints_are_sent: !args.until_stdin_closes,
        grace: args.grace,
        state,
        name: args.name.clone().unwrap_or_else(gridsweep_worker::default_name),
        kernel,
    };
    tracing::info!(name = settings.name, slots = settings.slots, kernel = kernel.name(), "worker starts");
    let (stop, shutdown) = watch::channel(false);
    if args.until_stdin_closes {
        tokio::spawn(end_with_stdin(Arc::clone(&meter), folder.clone()));
    } else {
        tokio::spawn(async move {
            asked_to_end().await;
            // The worker may have ended by itself.
            let _ = stop.send(true);
            asked_to_end().await;
            std::process::exit(130);
        });
    }
    let ended = gridsweep_worker::run(settings, shutdown).await;
    tell_usage(&meter, args.until_stdin_closes.then_some(&folder));
    ended.map_err(|error| match error {
        WorkerError::Refused { .. } | WorkerError::Threads { .. } | WorkerError::Stuck => {
            CommandError::infrastructure(error)
        }
    })?;
    Ok(Ending::Done)
}

/// Says how the slots were used: in the log, and to whoever started this worker.
fn tell_usage(meter: &UsageMeter, folder: Option<&PathBuf>) {
    let measured = meter.usage();
    if let Some(sentence) = usage::sentence(measured) {
        tracing::info!("{sentence}");
    }
    if let Some(folder) = folder {
        usage::leave(folder, measured);
    }
}

/// Returns the kernel that the environment asks for, or the best that this machine has.
pub(super) fn wanted_kernel(environment: &Environment) -> Result<Kernel, CommandError> {
    match &environment.kernel {
        Some(name) => Kernel::by_name(name).map_err(|error| {
            CommandError::usage(error).hint("GRIDSWEEP_KERNEL chooses the kernel; unset it")
        }),
        None => Ok(Kernel::detect()),
    }
}

/// Chooses what computes. A kernel that differs from the reference in one bit is not used.
pub(super) fn kernel(environment: &Environment) -> Result<Kernel, CommandError> {
    let wanted = wanted_kernel(environment)?;
    if wanted.is_slow() {
        tracing::warn!(
            kernel = wanted.name(),
            "this kernel is slow on this machine: the bits are the same, later"
        );
    }
    match self_test(wanted) {
        Ok(()) => Ok(wanted),
        Err(error) => {
            tracing::error!(%error, kernel = wanted.name(), "the kernel is wrong on this machine; the slow reference computes");
            Kernel::by_name("reference").map_err(CommandError::unexpected)
        }
    }
}

/// How many workers may share a state folder.
const WORKERS_MAX: usize = 4096;

/// Returns the folder for this worker's data: the one given by `run`, or a free one below the state folder.
fn state_folder(state: &Path, is_given: bool) -> Result<(PathBuf, Option<File>), CommandError> {
    if is_given {
        return Ok((state.to_owned(), None));
    }
    let unusable = |path: &Path, error: std::io::Error| {
        let error = anyhow::Error::new(error).context(format!("cannot use {}", path.display()));
        CommandError::infrastructure(error).hint("give another folder with --state")
    };
    for number in 1..=WORKERS_MAX {
        let folder = state.join("workers").join(format!("own-{number}"));
        std::fs::create_dir_all(&folder).map_err(|error| unusable(&folder, error))?;
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
        let lock = lock.map_err(|error| unusable(&folder, error))?;
        match lock.try_lock() {
            Ok(()) => return Ok((folder, Some(lock))),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(unusable(&folder, error)),
        }
    }
    Err(CommandError::infrastructure(anyhow::anyhow!(
        "{WORKERS_MAX} workers use {} already",
        state.display()
    )))
}

/// Ends the process when whoever started it has gone. What was not delivered is computed again.
async fn end_with_stdin(meter: Arc<UsageMeter>, folder: PathBuf) {
    // The terminal sends Ctrl-C to everyone; whoever started this worker tells it when to end.
    let mut interrupts = signal(SignalKind::interrupt()).ok();
    let mut stdin = tokio::io::stdin();
    let mut buffer = [0; 64];
    loop {
        let interrupt = async {
            match &mut interrupts {
                Some(interrupts) => interrupts.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = interrupt => {}
            read = stdin.read(&mut buffer) => match read {
                Ok(0) | Err(_) => {
                    tell_usage(&meter, Some(&folder));
                    std::process::exit(0)
                }
                Ok(_) => {}
            },
        }
    }
}

/// Waits for Ctrl-C or SIGTERM.
pub(crate) async fn asked_to_end() {
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return std::future::pending().await };
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => {
            if interrupted.is_err() {
                std::future::pending::<()>().await;
            }
        }
        _ = terminate.recv() => {}
    }
}
