//! A coordinator that answers as a test wishes, through a real connection.

use crate::connect::{Link, Route, Trust};
use gridsweep_proto::v1;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use v1::workers_server::{Workers, WorkersServer};

/// What it says, and what it was told.
#[derive(Debug, Default)]
pub(crate) struct Fake {
    /// What it says when it is asked for data, in order; then that it has no such thing.
    pub(crate) troubles: Mutex<VecDeque<Status>>,
    /// The bytes of whatever checkpoint it is asked for.
    pub(crate) checkpoint: Mutex<Option<Vec<u8>>>,
    /// The pieces of checkpoints that came.
    pub(crate) pieces: Mutex<Vec<v1::KeepCheckpointRequest>>,
    /// How much it says to have of what is to come, in order; then nothing.
    pub(crate) held: Mutex<VecDeque<u64>>,
    /// What it says when checkpoints or weights have come, in order; then that it keeps them.
    pub(crate) refusals: Mutex<VecDeque<Status>>,
    /// The pieces of weights that came.
    pub(crate) weights: Mutex<Vec<v1::KeepWeightsRequest>>,
}

impl Fake {
    /// Listens, and returns the way to it.
    pub(crate) async fn serve(self: &Arc<Fake>) -> v1::workers_client::WorkersClient<Link> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server =
            tonic::transport::Server::builder().add_service(WorkersServer::new(Service(self.clone())));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let route = Route::new(&address, &Trust::SameMachine, None).unwrap();
        v1::workers_client::WorkersClient::new(route.connect().await.unwrap())
    }
}

struct Service(Arc<Fake>);

type Chunks = ReceiverStream<Result<v1::BlobChunk, Status>>;

#[tonic::async_trait]
impl Workers for Service {
    type WorkStream = ReceiverStream<Result<v1::ToWorker, Status>>;
    type FetchBlobStream = Chunks;
    type FetchCheckpointStream = Chunks;

    async fn work(
        &self,
        _: Request<Streaming<v1::FromWorker>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        // A session in which nothing is said: the sender is gone at once.
        Ok(Response::new(ReceiverStream::new(tokio::sync::mpsc::channel(1).1)))
    }

    async fn describe_data(
        &self,
        _: Request<v1::DescribeDataRequest>,
    ) -> Result<Response<v1::DataManifest>, Status> {
        let trouble = self.0.troubles.lock().unwrap().pop_front();
        Err(trouble.unwrap_or_else(|| Status::not_found("no such data set")))
    }

    async fn fetch_blob(&self, _: Request<v1::FetchBlobRequest>) -> Result<Response<Chunks>, Status> {
        Err(Status::not_found("no such blob"))
    }

    async fn keep_checkpoint(
        &self,
        request: Request<Streaming<v1::KeepCheckpointRequest>>,
    ) -> Result<Response<v1::KeepCheckpointReply>, Status> {
        let mut stream = request.into_inner();
        while let Some(piece) = stream.message().await? {
            self.0.pieces.lock().unwrap().push(piece);
        }
        match self.0.refusals.lock().unwrap().pop_front() {
            Some(refusal) => Err(refusal),
            None => Ok(Response::new(v1::KeepCheckpointReply { is_kept: true })),
        }
    }

    async fn held_of_checkpoint(
        &self,
        _: Request<v1::HeldRequest>,
    ) -> Result<Response<v1::HeldReply>, Status> {
        let bytes = self.0.held.lock().unwrap().pop_front().unwrap_or(0);
        Ok(Response::new(v1::HeldReply { bytes }))
    }

    async fn held_of_weights(
        &self,
        request: Request<v1::HeldRequest>,
    ) -> Result<Response<v1::HeldReply>, Status> {
        self.held_of_checkpoint(request).await
    }

    async fn keep_weights(
        &self,
        request: Request<Streaming<v1::KeepWeightsRequest>>,
    ) -> Result<Response<v1::KeepWeightsReply>, Status> {
        let mut stream = request.into_inner();
        while let Some(piece) = stream.message().await? {
            self.0.weights.lock().unwrap().push(piece);
        }
        match self.0.refusals.lock().unwrap().pop_front() {
            Some(refusal) => Err(refusal),
            None => Ok(Response::new(v1::KeepWeightsReply { is_kept: true })),
        }
    }

    async fn fetch_checkpoint(&self, _: Request<v1::FetchBlobRequest>) -> Result<Response<Chunks>, Status> {
        let bytes = self.0.checkpoint.lock().unwrap().clone();
        let bytes = bytes.ok_or_else(|| Status::not_found("no such checkpoint"))?;
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        tokio::spawn(async move {
            for chunk in bytes.chunks(gridsweep_proto::BLOB_CHUNK_BYTES_MAX) {
                if sender.send(Ok(v1::BlobChunk { bytes: chunk.to_vec() })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }
}
