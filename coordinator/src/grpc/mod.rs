//! Streams to inputs, and effects to streams.

mod data;
mod reads;
mod sweeps;
mod work;

use crate::blob::BlobStore;
use crate::driver::{Handle, ToDriver};
use tonic::Status;

/// What the services share.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) handle: Handle,
    pub(crate) blobs: BlobStore,
    pub(crate) readers: Readers,
    pub(crate) numerics: u32,
    pub(crate) lease_ms: u32,
    pub(crate) heartbeat_ms: u32,
}

pub use reads::OpenReader;
pub(crate) use reads::{Readers, ReadsService};
pub(crate) use sweeps::SweepsService;
pub(crate) use work::WorkersService;

impl Shared {
    async fn tell(&self, message: ToDriver) -> Result<(), Status> {
        self.handle.inbox.send(message).await.map_err(|_| stopped())
    }
}

fn stopped() -> Status {
    Status::unavailable("the coordinator has stopped")
}
