//! The software of the simulated hosts.

use crate::network::{Listener, Simulated as Network};
use crate::slots::{Pace, Simulated as Slots};
use gridsweep_coordinator::doors::{Doors, Identity, Limits, Tokens};
use gridsweep_coordinator::store::{SqliteReader, SqliteStore};
use gridsweep_coordinator::{Coordinator, Storage, Timing};
use gridsweep_engine::{Kernel, NUMERICS};
use gridsweep_proto::v1;
use gridsweep_worker::connect::{Link, Route, Trust, fingerprint};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tonic::Status;
use turmoil::net::TcpListener;

pub(crate) const COORDINATOR: &str = "coordinator";
const PORT: u16 = 7433;
/// Slots of each worker.
const SLOTS: usize = 2;

/// What everyone needs to meet: made once for all simulations.
#[derive(Clone)]
pub(crate) struct Keys {
    folder: PathBuf,
    trust: Trust,
}

impl Keys {
    pub(crate) fn make(folder: &Path) -> Keys {
        let identity = Identity::self_signed(&folder.join("tls"), &[COORDINATOR.to_owned()]).unwrap();
        Tokens::make(&folder.join("tokens")).unwrap();
        Keys { folder: folder.to_owned(), trust: fingerprint(&identity.fingerprint()).unwrap() }
    }

    /// Returns the way to the coordinator for a role.
    pub(crate) fn route(&self, role: &str) -> Route {
        let token = std::fs::read_to_string(self.folder.join("tokens").join(role)).unwrap();
        let route = Route::new(&format!("{COORDINATOR}:{PORT}"), &self.trust, Some(token.trim())).unwrap();
        route.through(Arc::new(Network))
    }

    fn doors(&self) -> Doors {
        Doors {
            listen: SocketAddr::from(([0, 0, 0, 0], PORT)),
            metrics: None,
            identity: Some(Identity::self_signed(&self.folder.join("tls"), &[]).unwrap()),
            tokens: Tokens::read(&self.folder.join("tokens"), false).unwrap(),
            limits: Limits::default(),
        }
    }
}

/// Short times: what takes a minute in earnest takes seconds here.
pub(crate) fn timing() -> Timing {
    Timing {
        progress: Duration::from_secs(8),
        straggler: Duration::from_secs(4),
        ..Timing::with_lease(Duration::from_secs(3))
    }
}

/// Runs a coordinator until its host crashes.
pub(crate) async fn coordinator(keys: Keys, state: PathBuf) -> turmoil::Result {
    let listener = Listener(TcpListener::bind(("0.0.0.0", PORT)).await?);
    let folder = state.clone();
    let storage = Storage {
        store: Box::new(SqliteStore::open(&state)?),
        open_reader: Arc::new(move || Ok(Box::new(SqliteReader::open(&folder)?))),
        blobs: state.join("blobs"),
    };
    let settings = timing().settings(NUMERICS, true);
    let running = Coordinator::start_on(listener, storage, keys.doors(), settings, timing()).await?;
    running.driver.await??;
    Ok(())
}

/// Runs a worker until its host crashes.
pub(crate) async fn worker(keys: Keys, name: String, state: PathBuf, pace: Pace) -> turmoil::Result {
    let settings = gridsweep_worker::Settings {
        connect: keys.route("worker"),
        slots: SLOTS,
        checkpoints: state.join("checkpoints"),
        state,
        checkpoint_every: Duration::from_secs(3600),
        checkpoints_are_sent: false,
        meter: Arc::new(gridsweep_worker::UsageMeter::new(SLOTS)),
        grace: Duration::from_secs(1),
        name,
        kernel: Kernel::detect(),
    };
    let slots = |events| Ok(Arc::new(Slots { pace, events }) as Arc<dyn gridsweep_worker::Slots>);
    let (_nobody_asks, shutdown) = watch::channel(false);
    gridsweep_worker::run_on(settings, slots, shutdown).await?;
    Ok(())
}

type Sweeps = v1::sweeps_client::SweepsClient<Link>;

/// How long the user waits before trying again.
const AGAIN: Duration = Duration::from_millis(300);

/// Submits a sweep and waits until all of it has results, through everything that happens to the coordinator.
pub(crate) async fn user(keys: Keys, request: v1::SubmitRequest, data: Vec<PathBuf>) -> turmoil::Result {
    let route = keys.route("submit");
    loop {
        match follow(&route, &request, &data).await {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(status) => assert!(is_passing(&status), "{status:?}"),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

fn is_passing(status: &Status) -> bool {
    use tonic::Code::{Cancelled, DeadlineExceeded, Internal, Unavailable, Unknown};
    matches!(status.code(), Cancelled | DeadlineExceeded | Internal | Unavailable | Unknown)
}

/// Returns whether every trial has its result. A trial with which workers were lost too often is given another try, as a person
/// would who knows why they were.
async fn follow(route: &Route, request: &v1::SubmitRequest, data: &[PathBuf]) -> Result<bool, Status> {
    let mut sweeps = Sweeps::new(route.connect().await?);
    let sweep = loop {
        match sweeps.submit(request.clone()).await?.into_inner().reply {
            Some(v1::submit_reply::Reply::Submitted(submitted)) => break submitted.sweep,
            Some(v1::submit_reply::Reply::Missing(_)) => send(&mut sweeps, data).await?,
            None => return Err(Status::internal("an empty reply")),
        }
    };
    let mut progress = sweeps.watch(v1::WatchRequest { sweep }).await?.into_inner();
    while let Some(progress) = progress.message().await? {
        if progress.ended && progress.quarantined == 0 {
            return Ok(true);
        }
        if progress.ended {
            sweeps.retry(v1::RetryRequest { sweep }).await?;
            return Ok(false);
        }
    }
    Ok(false)
}

async fn send(sweeps: &mut Sweeps, data: &[PathBuf]) -> Result<(), Status> {
    for path in data {
        let bytes = std::fs::read(path).unwrap();
        let digest = gridsweep_common::id::Digest::of(&bytes).0.to_vec();
        sweeps.put_blob(tokio_stream::once(v1::PutBlobRequest { digest, bytes, offset: 0 })).await?;
    }
    Ok(())
}
