//! A coordinator that listens: the driver and the services around it.

use crate::blob::{BlobError, BlobStore};
use crate::blocking::block_in_place;
use crate::core::Settings;
use crate::doors::{
    Access, AccessLayer, Admitted, CONNECTION_STREAMS_MAX, DoorError, Doors, Gate, HEADER_BYTES_MAX,
    KEEPALIVE, Limits, Listen, TlsError, accept,
};
use crate::driver::{Driver, Handle};
use crate::grpc::{
    Checkpoints, OpenReader, Readers, ReadsService, Shared, SweepsService, WeightsStore, WorkersService,
};
use crate::observe::{self, MeasuredStore, Meter, Observed};
use crate::store::{Store, StoreError};
use gridsweep_proto::MESSAGE_BYTES_MAX;
use gridsweep_proto::v1::reads_server::ReadsServer;
use gridsweep_proto::v1::{sweeps_server::SweepsServer, workers_server::WorkersServer};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

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
    /// Six heartbeats a lease: one that comes late does not end it. Half a lease of silence is suspect. What stands still or is
    /// slow for less than two leases is given its time.
    pub fn with_lease(lease: Duration) -> Timing {
        let (heartbeat, suspect) = (lease / 6, lease / 2);
        Timing { lease, heartbeat, suspect, progress: 2 * lease, straggler: 2 * lease }
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
        Timing::with_lease(Duration::from_secs(30))
    }
}

/// How often it is looked whether parts of blobs have become old.
const TIDY_EVERY: Duration = Duration::from_secs(600);

/// Where in the folder of the blobs the weights of trials are.
const WEIGHTS_FOLDER: &str = "weights";

/// Returns where in a state folder the weights of trials are: safetensors files under the digests of their tensors.
pub fn weights_folder(state: &Path) -> PathBuf {
    state.join("blobs").join(WEIGHTS_FOLDER)
}

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
    /// The doors would be open to anyone.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// What a coordinator writes to and reads from.
pub struct Storage {
    /// What it writes through.
    pub store: Box<dyn Store>,
    /// Opens the same store for those who look.
    pub open_reader: Arc<OpenReader>,
    /// The folder of the blobs.
    pub blobs: PathBuf,
}

/// A coordinator that runs.
#[derive(Debug)]
pub struct Coordinator {
    /// Where it listens.
    pub address: SocketAddr,
    /// Where health and metrics are, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// The way to it within this process.
    pub handle: Handle,
    /// Ends with the store's error when it cannot be written any more.
    pub driver: JoinHandle<Result<(), StoreError>>,
    server: JoinHandle<Result<(), tonic::transport::Error>>,
    observer: Option<JoinHandle<std::io::Result<()>>>,
    tidying: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Coordinator {
    /// Reads the store, begins a term and lets in whom the doors permit.
    pub async fn start(
        storage: Storage,
        mut doors: Doors,
        settings: Settings,
        timing: Timing,
    ) -> Result<Coordinator, StartError> {
        doors.check()?;
        let listener;
        (listener, doors.listen) = listen(doors.listen).await?;
        Coordinator::start_on(listener, storage, doors, settings, timing).await
    }

    /// The same for connections that come from somewhere else than the network of this machine.
    pub async fn start_on(
        listener: impl Listen,
        storage: Storage,
        doors: Doors,
        settings: Settings,
        timing: Timing,
    ) -> Result<Coordinator, StartError> {
        doors.check()?;
        let blobs = BlobStore::open(&storage.blobs)?;
        let checkpoints = BlobStore::open(&storage.blobs.join("checkpoints"))?;
        let weights = BlobStore::open(&storage.blobs.join(WEIGHTS_FOLDER))?;
        weights.clear_partial()?;
        blobs.clear_partial()?;
        let stores = [blobs.clone(), checkpoints.clone(), weights.clone()];
        let kept = checkpoints.clone();
        let metrics = match doors.metrics {
            Some(address) => Some(listen(address).await?),
            None => None,
        };
        let numerics = settings.numerics;
        let meter = Arc::new(Meter::default());
        let store = Box::new(MeasuredStore { store: storage.store, meter: Arc::clone(&meter) });
        let (driver, handle) = tokio::task::spawn_blocking(move || Driver::start(store, kept, settings))
            .await
            .expect("reading a store reports errors and does not panic")?;
        let ms = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let shared = Shared {
            handle: handle.clone(),
            blobs,
            checkpoints: Checkpoints::new(checkpoints),
            weights: WeightsStore::new(weights),
            readers: Readers::new(storage.open_reader),
            numerics,
            lease_ms: ms(timing.lease),
            heartbeat_ms: ms(timing.heartbeat),
        };
        let gate = Gate::new(doors.limits);
        let access = Access::new(Arc::new(doors.tokens), doors.limits.silence);
        let observed = Observed { handle: handle.clone(), meter, gate: Arc::clone(&gate), access, numerics };
        let acceptor = |protocol| doors.identity.as_ref().map(|identity| identity.acceptor(&[protocol]));
        let (for_calls, for_pages) = (acceptor("h2").transpose()?, acceptor("http/1.1").transpose()?);
        let metrics_address = metrics.as_ref().map(|(_, address)| *address);
        let observer = metrics.map(|(listener, address)| {
            let gate = Gate::new(Limits::of(observe::CONNECTIONS_MAX));
            tokio::spawn(observe::serve(accept(listener, gate, for_pages), address, observed.clone()))
        });
        let connections = accept(listener, gate, for_calls);
        let (stop, stopped) = oneshot::channel();
        Ok(Coordinator {
            address: doors.listen,
            metrics: metrics_address,
            handle,
            driver: tokio::spawn(driver.run()),
            server: tokio::spawn(serve(connections, shared, observed.access, stopped)),
            observer,
            tidying: tokio::spawn(tidy(stores)),
            stop,
        })
    }

    /// Stops listening and waits until everything that reached the driver is on disk.
    pub async fn stop(self) -> Result<(), StoreError> {
        // Whoever is still connected after this is cut off; what was acknowledged is on disk already.
        let _ = self.stop.send(());
        self.server.abort();
        self.tidying.abort();
        if let Some(observer) = self.observer {
            observer.abort();
        }
        drop(self.handle);
        let patience = Duration::from_secs(2);
        match tokio::time::timeout(patience, self.driver).await {
            Ok(Ok(result)) => result,
            // A session that holds on to its handle keeps the driver waiting for messages, with nothing left to write.
            Ok(Err(_)) | Err(_) => Ok(()),
        }
    }
}

async fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(error)?;
    let address = listener.local_addr().map_err(error)?;
    Ok((listener, address))
}

/// Removes, now and then, what came of blobs that nobody goes on with.
async fn tidy(stores: [BlobStore; 3]) {
    loop {
        tokio::time::sleep(TIDY_EVERY).await;
        block_in_place(|| stores.iter().for_each(BlobStore::tidy));
    }
}

async fn serve(
    connections: mpsc::Receiver<Admitted>,
    shared: Shared,
    access: Access,
    stopped: oneshot::Receiver<()>,
) -> Result<(), tonic::transport::Error> {
    let workers = WorkersServer::new(WorkersService(shared.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let sweeps = SweepsServer::new(SweepsService(shared.clone()))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let reads = ReadsServer::new(ReadsService(shared))
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX);
    let incoming = ReceiverStream::new(connections).map(Ok::<_, std::convert::Infallible>);
    tonic::transport::Server::builder()
        .max_concurrent_streams(Some(CONNECTION_STREAMS_MAX))
        .http2_max_header_list_size(HEADER_BYTES_MAX)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .layer(AccessLayer(access))
        .add_service(workers)
        .add_service(sweeps)
        .add_service(reads)
        .serve_with_incoming_shutdown(incoming, async {
            let _ = stopped.await;
        })
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doors::{Role, Tokens};
    use crate::store::{SqliteReader, SqliteStore};
    use gridsweep_common::id::Digest;
    use gridsweep_proto::v1;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tonic::transport::Channel;
    use tonic::{Code, Request, Status};

    async fn start(state: &Path, limits: Limits, tokens: Tokens) -> Coordinator {
        let folder = state.to_owned();
        let storage = Storage {
            store: Box::new(SqliteStore::open(state).unwrap()),
            open_reader: Arc::new(move || Ok(Box::new(SqliteReader::open(&folder)?))),
            blobs: state.join("blobs"),
        };
        let doors = Doors { limits, tokens, ..Doors::of_this_machine("127.0.0.1:0".parse().unwrap()) };
        let timing = Timing::with_lease(Duration::from_secs(1));
        Coordinator::start(storage, doors, timing.settings(1, true), timing).await.unwrap()
    }

    async fn channel(coordinator: &Coordinator) -> Channel {
        let uri = format!("http://{}", coordinator.address);
        Channel::from_shared(uri).unwrap().connect().await.unwrap()
    }

    fn with_token<T>(message: T, token: &str) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        request
    }

    fn code<T>(answer: Result<T, Status>) -> Code {
        answer.map_or_else(|status| status.code(), |_| Code::Ok)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_token_opens_what_its_role_may_do_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let all = [Role::Worker, Role::Submit, Role::Read].map(|role| (role, role.name().repeat(8)));
        let known: Vec<(Role, &str)> = all.iter().map(|(role, token)| (*role, token.as_str())).collect();
        let coordinator = start(folder.path(), Limits::default(), Tokens::with(&known)).await;
        let channel = channel(&coordinator).await;
        let sweeps = || v1::sweeps_client::SweepsClient::new(channel.clone());
        let reads = || v1::reads_client::ReadsClient::new(channel.clone());
        let workers = || v1::workers_client::WorkersClient::new(channel.clone());
        for (role, token) in
            all.iter().map(|(role, token)| (Some(*role), token.as_str())).chain([(None, "?")])
        {
            let submit = sweeps().submit(with_token(v1::SubmitRequest::default(), token)).await;
            let watch = sweeps().watch(with_token(v1::WatchRequest { sweep: 9 }, token)).await;
            let look = reads().standing(with_token(v1::StandingRequest {}, token)).await;
            let described = v1::DescribeDataRequest { data: vec![0; 32] };
            let describe = workers().describe_data(with_token(described, token)).await;
            let found = [code(submit), code(watch), code(look), code(describe)];
            // Who may come in is told what is wrong with the request itself.
            let (inside, refused) = (
                [Code::FailedPrecondition, Code::NotFound, Code::Ok, Code::NotFound],
                Code::PermissionDenied,
            );
            let expected = match role {
                Some(Role::Submit) => [inside[0], inside[1], inside[2], refused],
                Some(Role::Read) => [refused, inside[1], inside[2], refused],
                Some(Role::Worker) => [refused, refused, refused, inside[3]],
                None => [Code::Unauthenticated; 4],
            };
            assert_eq!(found, expected, "{role:?}");
        }
        let bare = reads().standing(v1::StandingRequest {}).await;
        assert_eq!(code(bare), Code::Unauthenticated);
        coordinator.stop().await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_connection_that_asks_for_nothing_or_only_for_what_it_may_not_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let proof = Duration::from_millis(300);
        let token = "0123456789abcdef0123456789abcdef";
        let tokens = Tokens::with(&[(Role::Read, token)]);
        let coordinator = start(folder.path(), Limits { proof, ..Limits::default() }, tokens).await;
        let at_work = channel(&coordinator).await;
        let mut at_work = v1::reads_client::ReadsClient::new(at_work);
        at_work.standing(with_token(v1::StandingRequest {}, token)).await.unwrap();
        // The preface of HTTP/2, empty settings, and a ping every time there is room: alive, and of no use.
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        for greeting in [&b""[..], preface, b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", &[0; 100_000]] {
            let mut stream = TcpStream::connect(coordinator.address).await.unwrap();
            // Refused in the middle of it, garbage may not all be taken.
            let _ = stream.write_all(greeting).await;
            let ended = async { while !matches!(stream.read(&mut [0; 1024]).await, Ok(0) | Err(_)) {} };
            tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it is closed");
        }
        at_work.standing(with_token(v1::StandingRequest {}, token)).await.unwrap();
        coordinator.stop().await.unwrap();
    }

    /// Runs with so few threads for what may wait that a few readers that never read would hold all of them.
    fn with_few_threads(test: impl Future<Output = ()>) {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).max_blocking_threads(4).enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn those_who_fetch_and_never_read_keep_nobody_from_the_store() {
        let folder = tempfile::tempdir().unwrap();
        with_few_threads(async {
            let coordinator = start(folder.path(), Limits::default(), Tokens::default()).await;
            let blob = vec![7; 16 << 20];
            let digest = Digest(*blake3::hash(&blob).as_bytes());
            BlobStore::open(&folder.path().join("blobs")).unwrap().put(digest, &blob[..]).unwrap();
            let mut unread = Vec::new();
            for _ in 0..2 {
                let mut workers = v1::workers_client::WorkersClient::new(channel(&coordinator).await);
                for _ in 0..8 {
                    let request = v1::FetchBlobRequest { digest: digest.0.to_vec() };
                    unread.push(workers.fetch_blob(request).await.unwrap().into_inner());
                }
            }
            let mut reads = v1::reads_client::ReadsClient::new(channel(&coordinator).await);
            let read = reads.list_sweeps(v1::ListSweepsRequest { after: 0 });
            let read = tokio::time::timeout(Duration::from_secs(30), read).await.expect("the store is read");
            assert!(read.unwrap().into_inner().sweeps.is_empty());
            // One of them reads after all, and gets every byte, once those that share its connection are gone.
            let mut late = unread.pop().unwrap();
            drop(unread);
            let mut found = Vec::new();
            while let Some(chunk) = late.message().await.unwrap() {
                found.extend(chunk.bytes);
            }
            assert!(found == blob);
            coordinator.stop().await.unwrap();
        });
    }
}
