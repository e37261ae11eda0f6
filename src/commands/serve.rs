//! `gridsweep serve`: a coordinator for workers and sweeps from other processes.

use crate::args::{Global, ServeArgs};
use crate::error::{CommandError, Ending};
use crate::output::note;
use gridsweep_coordinator::doors::{CONNECTIONS_MAX, DoorError, Doors, Identity, Limits, Role, Tokens};
use gridsweep_coordinator::store::{SqliteReader, SqliteStore};
use gridsweep_coordinator::{Coordinator, StartError, Storage, Timing};
use gridsweep_engine::NUMERICS;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Six heartbeats of a shorter lease are lost in what an fsync and a busy machine take.
const LEASE_LEAST: std::time::Duration = std::time::Duration::from_secs(1);

pub(crate) async fn serve(args: &ServeArgs, global: &Global) -> Result<Ending, CommandError> {
    if args.lease < LEASE_LEAST {
        let error = anyhow::anyhow!("a lease of {:?} ends before a worker can renew it", args.lease);
        return Err(CommandError::usage(error).hint("give --lease 1s or more; 30s serves most networks"));
    }
    let doors = doors(args, global)?;
    let guards = Guards {
        fingerprint: doors.identity.as_ref().map(Identity::fingerprint),
        tokens: tokens_folder(args, global),
    };
    let mut coordinator = start(global, doors, Timing::with_lease(args.lease), true).await?;
    for line in announcement(&coordinator, &guards, global) {
        note(global.quiet, &line);
    }
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

/// Files that are kept for everything but connections: the store, blobs on their way, logs.
const FILES_RESERVED: u64 = 128;

/// Returns whom the coordinator lets in, and how.
fn doors(args: &ServeArgs, global: &Global) -> Result<Doors, CommandError> {
    let identity = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Identity::from_files(certificate, key)),
        _ if args.tls_self_signed => {
            Some(Identity::self_signed(&global.state.join("tls"), &names(args.listen)))
        }
        _ => None,
    };
    let identity = identity.transpose().map_err(CommandError::usage)?;
    if args.make_tokens {
        Tokens::make(&global.state.join("tokens")).map_err(CommandError::infrastructure)?;
    }
    let tokens = match tokens_folder(args, global) {
        // A file that is given may be one that a group is meant to read, such as a mounted secret.
        Some(folder) => Tokens::read(&folder, args.tokens.is_some()).map_err(CommandError::usage)?,
        None => Tokens::default(),
    };
    let limits =
        Limits::of(usize::try_from(files_max().saturating_sub(FILES_RESERVED)).unwrap_or(usize::MAX));
    Ok(Doors { listen: args.listen, metrics: args.metrics_listen, identity, tokens, limits })
}

fn tokens_folder(args: &ServeArgs, global: &Global) -> Option<PathBuf> {
    args.tokens.clone().or_else(|| Some(global.state.join("tokens")).filter(|folder| folder.exists()))
}

/// Returns what the certificate is for: what others may call this machine.
fn names(listen: SocketAddr) -> Vec<String> {
    let mut names = vec!["localhost".to_owned()];
    names.extend(gridsweep_worker::host_name());
    if !listen.ip().is_unspecified() {
        names.push(listen.ip().to_string());
    }
    names
}

/// Asks for as many open files as connections may need, and returns how many there may be.
fn files_max() -> u64 {
    let now = getrlimit(Resource::Nofile);
    let wanted = CONNECTIONS_MAX as u64 + FILES_RESERVED;
    let raised =
        Rlimit { current: Some(now.maximum.map_or(wanted, |most| most.min(wanted))), maximum: now.maximum };
    match now.current {
        Some(current) if current < wanted && setrlimit(Resource::Nofile, raised).is_ok() => {
            raised.current.unwrap_or(current)
        }
        Some(current) => current,
        None => u64::MAX,
    }
}

/// What workers and submitters need to come in.
struct Guards {
    fingerprint: Option<String>,
    tokens: Option<PathBuf>,
}

/// Says where the coordinator is and how to join it. A token is told by the file that it is in.
fn announcement(coordinator: &Coordinator, guards: &Guards, global: &Global) -> Vec<String> {
    let address = coordinator.address;
    let host = match address.ip() {
        ip if ip.is_unspecified() => gridsweep_worker::host_name().unwrap_or_else(|| "HOST".to_owned()),
        ip => SocketAddr::new(ip, 0).to_string().trim_end_matches(":0").to_owned(),
    };
    let how =
        guards.fingerprint.as_ref().map_or(String::new(), |print| format!(" --tls-fingerprint {print}"));
    let token = |role: Role| {
        let file = guards.tokens.as_ref().map(|folder| folder.join(role.name()));
        file.map_or(String::new(), |file| format!(" --token-file {}", file.display()))
    };
    let (worker, submit) = (token(Role::Worker), token(Role::Submit));
    let port = address.port();
    let mut lines = vec![
        format!("serving at {address}, state in {}", global.state.display()),
        format!("  workers:  gridsweep worker --connect {host}:{port}{how}{worker}"),
        format!("  sweeps:   gridsweep submit --server {host}:{port}{how}{submit} FILE"),
    ];
    if guards.tokens.is_some() {
        lines.push(
            "  tokens:   copy to each machine the file of its role, readable by its user alone".to_owned(),
        );
    }
    if let Some(metrics) = coordinator.metrics {
        let scheme = if guards.fingerprint.is_some() { "https" } else { "http" };
        lines.push(format!("  metrics:  {scheme}://{metrics}/metrics, and /health/live, /health/ready"));
    }
    lines
}

/// Starts a coordinator over the store in the state folder: for all sweeps in it and for workers that outlive it, or for
/// one command and the workers that end with it.
pub(crate) async fn start(
    global: &Global,
    doors: Doors,
    timing: Timing,
    is_for_all: bool,
) -> Result<Coordinator, CommandError> {
    // Said before anything is made or opened.
    doors.check().map_err(unguarded)?;
    let settings = timing.settings(NUMERICS, is_for_all);
    let state = global.state.clone();
    let storage = Storage {
        store: Box::new(SqliteStore::open(&global.state)?),
        open_reader: Arc::new(move || Ok(Box::new(SqliteReader::open(&state)?))),
        blobs: global.state.join("blobs"),
    };
    Coordinator::start(storage, doors, settings, timing).await.map_err(|error| match error {
        StartError::Store(error) => error.into(),
        StartError::Door(error) => unguarded(error),
        StartError::Tls(_) => CommandError::usage(error),
        StartError::Blob(_) | StartError::Listen { .. } => CommandError::infrastructure(error),
    })
}

fn unguarded(error: DoorError) -> CommandError {
    CommandError::usage(error)
        .hint("add --tls-self-signed --make-tokens, and it prints the commands that join it")
        .hint("or bring both: --tls-cert FILE --tls-key FILE --tokens DIR")
        .hint("or listen on the loopback interface, 127.0.0.1, which only this machine and its ssh tunnels reach")
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
