//! A sweep that is to be changed: found at its coordinator, or in a state folder that no coordinator holds.

use crate::args::{Global, SweepArgs};
use crate::client::Client;
use crate::error::CommandError;
use crate::place::Place;
use crate::results;
use crate::route::route;
use crate::settings::{Environment, asked_server};
use anyhow::anyhow;
use gridsweep_common::id::SweepId;
use gridsweep_coordinator::Timing;
use gridsweep_coordinator::core::{Answer, Settings};
use gridsweep_coordinator::store::{SqliteStore, Store, StoreError};
use gridsweep_engine::NUMERICS;
use gridsweep_worker::connect::Route;

/// Which sweep is to be changed, and where.
pub(crate) struct Asked {
    pub(crate) sweep: SweepId,
    pub(crate) name: String,
    /// The way to the coordinator; `None` where the state folder is changed itself.
    pub(crate) route: Option<Route>,
}

/// What is done to a store that no coordinator holds.
type Change = fn(&mut dyn Store, Settings, SweepId) -> Result<Answer, StoreError>;

/// Finds the sweep.
pub(crate) fn find(
    args: &SweepArgs,
    global: &Global,
    environment: &Environment,
) -> Result<Asked, CommandError> {
    let place = Place::open(&args.server, global, environment)?;
    if let Place::Folder { is_served: true, .. } = place {
        return Err(in_use(global));
    }
    let stored = results::find(place.reader(), &args.sweep)?;
    let server = asked_server(args.server.server.as_deref(), global.typed)?;
    let route = server.map(|address| route(address, &args.server.credentials, environment)).transpose()?;
    Ok(Asked { sweep: stored.id, name: stored.name, route })
}

impl Asked {
    /// Connects to the coordinator.
    pub(crate) async fn client(&self) -> Result<Client, CommandError> {
        let route =
            self.route.as_ref().ok_or_else(|| CommandError::usage(anyhow!("no --server was given")))?;
        Client::connect(route).await
    }

    /// Changes what is stored.
    pub(crate) fn offline(&self, global: &Global, change: Change) -> Result<Answer, CommandError> {
        let mut store = match SqliteStore::open(&global.state) {
            // One may have started just now.
            Err(StoreError::InUse { .. }) => return Err(in_use(global)),
            other => other?,
        };
        Ok(change(&mut store, Timing::default().settings(NUMERICS, true), self.sweep)?)
    }

    /// What no store and no coordinator says.
    pub(crate) fn misunderstood(answer: Answer) -> CommandError {
        CommandError::unexpected(anyhow!("the answer is of another question: {answer:?}"))
    }
}

fn in_use(global: &Global) -> CommandError {
    CommandError::infrastructure(anyhow!("a coordinator is at work on {}", global.state.display()))
        .hint(
            "where it is `gridsweep serve`, ask it: add --server HOST:PORT with the address that it printed",
        )
        .hint("where it is `gridsweep run`, stop that with Ctrl-C first")
}
