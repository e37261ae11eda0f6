//! Where sweeps are looked at: in a state folder, or through the coordinator that holds them.

use crate::args::{Global, ServerArgs};
use crate::error::CommandError;
use crate::remote::RemoteReader;
use crate::route::route;
use crate::settings::{Environment, asked_server};
use gridsweep_coordinator::blob::BlobStore;
use gridsweep_coordinator::store::{Reader, SqliteReader, SqliteStore, StoreError};
use gridsweep_coordinator::weights_folder;
use gridsweep_proto::v1;
use std::path::Path;

/// A place where sweeps are.
pub(crate) enum Place {
    /// The file in a state folder, whether a coordinator holds it, and the weights that trials left.
    Folder { reader: SqliteReader, is_served: bool, weights: BlobStore },
    /// What a coordinator says.
    Server(RemoteReader),
}

impl Place {
    /// Opens the place that was asked for.
    pub(crate) fn open(
        server: &ServerArgs,
        global: &Global,
        environment: &Environment,
    ) -> Result<Place, CommandError> {
        if let Some(address) = asked_server(server.server.as_deref(), global.typed)? {
            let route = route(address, &server.credentials, environment)?;
            return Ok(Place::Server(RemoteReader::connect(&route)?));
        }
        Place::folder(&global.state)
    }

    /// Opens a state folder.
    pub(crate) fn folder(state: &Path) -> Result<Place, CommandError> {
        let reader = SqliteReader::open(state)?;
        let weights = BlobStore::at(&weights_folder(state));
        Ok(Place::Folder { reader, is_served: SqliteStore::is_in_use(state), weights })
    }

    pub(crate) fn reader(&self) -> &dyn Reader {
        match self {
            Place::Folder { reader, .. } => reader,
            Place::Server(reader) => reader,
        }
    }

    /// Returns whether a coordinator is at work there.
    pub(crate) fn is_served(&self) -> bool {
        match self {
            Place::Folder { is_served, .. } => *is_served,
            Place::Server(_) => true,
        }
    }

    /// Returns what only a coordinator knows, where one is asked.
    pub(crate) fn standing(&self) -> Result<Option<v1::StandingReply>, StoreError> {
        match self {
            Place::Folder { .. } => Ok(None),
            Place::Server(reader) => reader.standing().map(Some),
        }
    }
}
