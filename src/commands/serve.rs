//! `gridsweep serve`: a coordinator for workers and sweeps from other processes.

use crate::args::{Global, ServeArgs};
use crate::error::{CommandError, Ending};
use crate::output::note;
use gridsweep_coordinator::store::SqliteStore;
use gridsweep_coordinator::{Coordinator, StartError, Timing};
use gridsweep_engine::NUMERICS;
use std::net::SocketAddr;

/// Six heartbeats of a shorter lease are lost in what an fsync and a busy machine take.
const LEASE_LEAST: std::time::Duration = std::time::Duration::from_secs(1);

pub(crate) async fn serve(args: &ServeArgs, global: &Global) -> Result<Ending, CommandError> {
    if args.lease < LEASE_LEAST {
        let error = anyhow::anyhow!("a lease of {:?} ends before a worker can renew it", args.lease);
        return Err(CommandError::usage(error).hint("give --lease 1s or more; 30s serves most networks"));
    }
    let mut coordinator = start(global, args.listen, Timing::with_lease(args.lease), true).await?;
    let address = coordinator.address;
    note(global.quiet, &format!("serving at {address}, state in {}", global.state.display()));
    note(global.quiet, &format!("  workers:  gridsweep worker --connect {address}"));
    note(global.quiet, &format!("  sweeps:   gridsweep submit --server {address} FILE"));
    tokio::select! {
        ended = &mut coordinator.driver => {
            ended.map_err(CommandError::unexpected)??;
            return Ok(Ending::Done);
        }
        () = super::worker::asked_to_end() => {}
    }
    note(
        global.quiet,
        "stopping: workers hand back what they run and end; serve again, and start workers, to go on",
    );
    super::run::end_at_next_interrupt();
    wind_down(coordinator).await?;
    Ok(Ending::Done)
}

/// Starts a coordinator over the store in the state folder: for all sweeps in it and for workers that outlive it, or for
/// one command and the workers that end with it.
pub(crate) async fn start(
    global: &Global,
    address: SocketAddr,
    timing: Timing,
    is_for_all: bool,
) -> Result<Coordinator, CommandError> {
    let settings = timing.settings(NUMERICS, is_for_all);
    let store = SqliteStore::open(&global.state)?;
    let blobs = global.state.join("blobs");
    Coordinator::start(Box::new(store), &blobs, address, settings, timing).await.map_err(
        |error| match error {
            StartError::Store(error) => error.into(),
            StartError::NotLoopback(_) => CommandError::usage(error),
            StartError::Blob(_) | StartError::Listen { .. } => CommandError::infrastructure(error),
        },
    )
}

/// How long workers may take to hand back what they run.
const DRAIN_PATIENCE: std::time::Duration = std::time::Duration::from_secs(8);

/// Asks the workers to hand back what they run, waits until they have, and stops.
pub(crate) async fn wind_down(coordinator: Coordinator) -> Result<(), CommandError> {
    coordinator.handle.drain().await;
    let mut standing = coordinator.handle.standing();
    let gone = standing.wait_for(|standing| standing.snapshot.workers == 0);
    // Workers that do not answer lose their leases with this term.
    let _ = tokio::time::timeout(DRAIN_PATIENCE, gone).await;
    drop(standing);
    coordinator.stop().await?;
    Ok(())
}
