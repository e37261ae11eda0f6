//! Streams to inputs, and effects to streams.

mod checkpoints;
mod data;
mod reads;
mod sweeps;
mod weights;
mod work;

use crate::blob::BlobStore;
use crate::driver::{Handle, ToDriver};
use tokio::sync::oneshot;
use tonic::Status;

/// What the services share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) blobs: BlobStore,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) weights: WeightsStore,
    pub(crate) readers: Readers,
    pub(crate) numerics: u32,
    pub(crate) lease_ms: u32,
    pub(crate) heartbeat_ms: u32,
}

pub(crate) use checkpoints::Checkpoints;
pub use reads::OpenReader;
pub(crate) use reads::{Readers, ReadsService};
pub(crate) use sweeps::SweepsService;
pub(crate) use weights::WeightsStore;
pub(crate) use work::WorkersService;

impl Shared {
    async fn tell(&self, message: ToDriver) -> Result<(), Status> {
        self.handle.inbox.send(message).await.map_err(|_| stopped())
    }

    /// Asks the driver something.
    async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> ToDriver) -> Result<T, Status> {
        let (reply, answer) = oneshot::channel();
        self.tell(question(reply)).await?;
        answer.await.map_err(|_| stopped())
    }
}

fn stopped() -> Status {
    Status::unavailable("the coordinator has stopped")
}
