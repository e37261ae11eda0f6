//! A coordinator that listens: the driver and the services around it.

use crate::blob::{BlobError, BlobStore};
use crate::core::Settings;
use crate::driver::{Driver, Handle};
use crate::grpc::{Shared, SweepsService, WorkersService};
use crate::store::{Store, StoreError};
use gridsweep_proto::MESSAGE_BYTES_MAX;
use gridsweep_proto::v1::{sweeps_server::SweepsServer, workers_server::WorkersServer};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;

/// How long leases hold, how often workers speak, and when something is late.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long a lease holds without a heartbeat.
    pub lease: Duration,
    /// How often a worker is asked to send one.
    pub heartbeat: Duration,
    /// How long a worker may be silent before it gets nothing new.
    pub suspect: Duration,
    /// How long an attempt may make no progress, at least, before it counts as stuck.
    pub progress: Duration,
    /// How long an attempt runs, at least, before an idle slot may start another one beside it.
    pub straggler: Duration,
}

impl Timing {
    /// Six heartbeats a lease: one that comes late does not end it. Half a lease of silence is suspect.
    pub fn with_lease(lease: Duration) -> Timing {
        Timing { lease, heartbeat: lease / 6, suspect: lease / 2, ..Timing::default() }
    }

    /// Returns what the core is told.
    pub fn settings(&self, numerics: u32, is_for_all: bool) -> Settings {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Settings {
            lease_ms: ms(self.lease),
            suspect_ms: ms(self.suspect),
            progress_ms_least: ms(self.progress),
            straggler_ms_least: ms(self.straggler),
            numerics,
            resumes_all: is_for_all,
            workers_return: is_for_all,
        }
    }
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            lease: Duration::from_secs(30),
            heartbeat: Duration::from_secs(5),
            suspect: Duration::from_secs(15),
            progress: Duration::from_secs(60),
            straggler: Duration::from_secs(60),
        }
    }
}

/// Streams that one connection may have open at a time.
const CONNECTION_STREAMS_MAX: u32 = 64;
/// How often a silent connection is asked whether it lives, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Why a coordinator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The folder of the blobs cannot be used.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Anyone could connect.
    #[error(
        "{0} can be reached from other machines: this version serves the loopback interface only; \
         listen on 127.0.0.1 and use an ssh tunnel"
    )]
    NotLoopback(SocketAddr),
}

/// A coordinator that runs.
#[derive(Debug)]
pub struct Coordinator {
    /// Where it listens.
    pub address: SocketAddr,
    /// The way to it within this process.
    pub handle: Handle,
    /// Ends with the store's error when it cannot be written any more.
    pub driver: JoinHandle<Result<(), StoreError>>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    stop: oneshot::Sender<()>,
}

impl Coordinator {
    /// Reads the store, begins a term and listens on `address`, whose port may be 0 for a free one.
    pub async fn start(
        store: Box<dyn Store>,
        blobs: &Path,
        address: SocketAddr,
        settings: Settings,
        timing: Timing,
    ) -> Result<Coordinator, StartError> {
        if !address.ip().is_loopback() {
            return Err(StartError::NotLoopback(address));
        }
        let blobs = BlobStore::open(blobs)?;
        let listener =
            TcpListener::bind(address).await.map_err(|source| StartError::Listen { address, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address, source })?;
        let numerics = settings.numerics;
        let (driver, handle) = tokio::task::spawn_blocking(move || Driver::start(store, settings))
            .await
            .expect("reading a store reports errors and does not panic")?;
        let ms = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let shared = Shared {
            handle: handle.clone(),
            blobs,
            numerics,
            lease_ms: ms(timing.lease),
            heartbeat_ms: ms(timing.heartbeat),
        };
        let (stop, stopped) = oneshot::channel();
        Ok(Coordinator {
            address,
            handle,
            driver: tokio::spawn(driver.run()),
            server: tokio::spawn(serve(listener, shared, stopped)),
            stop,
        })
    }

    /// Stops listening and waits until everything that reached the driver is on disk.
    pub async fn stop(self) -> Result<(), StoreError> {
        // Whoever is still connected after this is cut off; what was acknowledged is on disk already.
        let _ = self.stop.send(());
        self.server.abort();
        drop(self.handle);
        let patience = Duration::from_secs(2);
        match tokio::time::timeout(patience, self.driver).await {
            Ok(Ok(result)) => result,
            // A session that holds on to its handle keeps the driver waiting for messages, with nothing left to write.
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

async fn serve(
    listener: TcpListener,
    shared: Shared,
    stopped: oneshot::Receiver<()>,
) -> Result<(), tonic::transport::Error> {
    let workers = WorkersServer::new(WorkersService(shared.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let sweeps = SweepsServer::new(SweepsService(shared))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    tonic::transport::Server::builder()
        .max_concurrent_streams(Some(CONNECTION_STREAMS_MAX))
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .tcp_nodelay(true)
        .add_service(workers)
        .add_service(sweeps)
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), async {
            let _ = stopped.await;
        })
        .await
}
