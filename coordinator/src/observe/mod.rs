//! What a coordinator lets be seen of itself: whether it lives, whether it is ready, and numbers for those who watch many.
//!
//! | path | answers | to whom |
//! |---|---|---|
//! | `/health/live` | 200 while the process answers | anyone who can connect |
//! | `/health/ready` | 200 while sweeps and results are taken, 503 and why where they are not | anyone who can connect |
//! | `/metrics` | Prometheus' text format | the bearer of a `read` token, where there are tokens |

mod meter;
mod metrics;
mod why;

pub(crate) use meter::{MeasuredStore, Meter};
pub(crate) use why::why;

use crate::doors::{Access, Admitted, Connection, Gate, Role};
use crate::driver::Handle;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State, connect_info::Connected};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::{IncomingStream, Listener};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The most connections at a time for health and metrics.
pub(crate) const CONNECTIONS_MAX: usize = 64;

/// What the pages are made of.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) handle: Handle,
    pub(crate) meter: Arc<Meter>,
    /// Of the workers' and the commands' connections.
    pub(crate) gate: Arc<Gate>,
    pub(crate) access: Access,
    pub(crate) numerics: u32,
}

/// Answers until the connections end.
pub(crate) async fn serve(
    connections: mpsc::Receiver<Admitted>,
    address: SocketAddr,
    observed: Observed,
) -> io::Result<()> {
    let pages = Router::new()
        .route("/health/live", get(async || "alive\n"))
        .route("/health/ready", get(ready))
        .route("/metrics", get(numbers))
        .layer(middleware::from_fn(note_request))
        .with_state(observed);
    let incoming = Incoming { connections, address };
    axum::serve(incoming, pages.into_make_service_with_connect_info::<Visitor>()).await
}

async fn ready(State(observed): State<Observed>) -> Response {
    match observed.why_not_ready() {
        None => "ready\n".into_response(),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn numbers(State(observed): State<Observed>, headers: HeaderMap) -> Response {
    if let Err(status) = observed.access.permit(&headers, Role::Read) {
        return (StatusCode::UNAUTHORIZED, format!("{}\n", status.message())).into_response();
    }
    let standing = observed.handle.standing().borrow().clone();
    let text = metrics::text(&standing.snapshot, &observed.meter, observed.gate.open(), observed.numerics);
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

impl Observed {
    fn why_not_ready(&self) -> Option<String> {
        if self.handle.inbox.is_closed() {
            return Some("the coordinator is stopping".to_owned());
        }
        self.meter.fault().map(|fault| format!("the store cannot be written: {fault}"))
    }
}

/// Who asks.
#[derive(Clone, Debug)]
struct Visitor(Arc<Connection>);

impl Connected<IncomingStream<'_, Incoming>> for Visitor {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Visitor {
        Visitor(stream.io().connection())
    }
}

/// A connection on which a page is asked for is not idle.
async fn note_request(
    ConnectInfo(Visitor(connection)): ConnectInfo<Visitor>,
    request: Request,
    next: Next,
) -> Response {
    let _open = connection.begin();
    next.run(request).await
}

struct Incoming {
    connections: mpsc::Receiver<Admitted>,
    address: SocketAddr,
}

impl Listener for Incoming {
    type Io = Admitted;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Admitted, SocketAddr) {
        match self.connections.recv().await {
            Some(admitted) => (admitted, self.address),
            // Nothing comes any more: the server is ended from outside.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}
