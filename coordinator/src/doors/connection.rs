//! The books over open connections, and when one is closed from this side.
//!
//! A connection proves itself by a request that it may make. Those that have not are few, have little time, and the oldest
//! of them goes first when a place is needed: whoever only knocks never keeps out whoever has business here.

use super::limits::Limits;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;
use tonic::transport::server::Connected;

/// Who is connected.
#[derive(Debug)]
pub(crate) struct Gate {
    limits: Limits,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    next_number: u64,
    open: usize,
    by_peer: BTreeMap<IpAddr, Peer>,
    /// By number, so the oldest first.
    unproven: BTreeMap<u64, Arc<Connection>>,
}

#[derive(Debug, Default)]
struct Peer {
    open: usize,
    unproven: usize,
}

/// One connection, as its requests see it.
#[derive(Debug)]
pub(crate) struct Connection {
    number: u64,
    peer: IpAddr,
    gate: Arc<Gate>,
    requests: watch::Sender<Requests>,
    /// Told when it is to be closed.
    close: Notify,
}

#[derive(Clone, Copy, Default, Debug)]
struct Requests {
    /// Permitted ones so far.
    begun: u64,
    /// Of these, those that have not ended.
    open: u64,
}

impl Gate {
    pub(crate) fn new(limits: Limits) -> Arc<Gate> {
        Arc::new(Gate { limits, books: Mutex::default() })
    }

    /// Returns how many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.books().open
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        // Nothing below panics half-way through an entry.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a place to a connection from `peer`, if there is one or an older one that proved nothing can go.
    pub(crate) fn admit(self: &Arc<Gate>, peer: IpAddr) -> Option<Place> {
        let limits = &self.limits;
        let mut books = self.books();
        let of_peer = books.by_peer.get(&peer).map_or((0, 0), |peer| (peer.open, peer.unproven));
        let is_peer_full =
            of_peer.0 >= limits.connections_per_peer_max || of_peer.1 >= limits.unproven_per_peer_max;
        if is_peer_full && !books.evict(|connection| connection.peer == peer) {
            return None;
        }
        let is_full = books.open >= limits.connections_max || books.unproven.len() >= limits.unproven_max;
        if !is_peer_full && is_full && !books.evict(|_| true) {
            return None;
        }
        let number = books.next_number;
        books.next_number += 1;
        let connection = Arc::new(Connection {
            number,
            peer,
            gate: Arc::clone(self),
            requests: watch::Sender::new(Requests::default()),
            close: Notify::new(),
        });
        books.open += 1;
        let of_peer = books.by_peer.entry(peer).or_default();
        (of_peer.open, of_peer.unproven) = (of_peer.open + 1, of_peer.unproven + 1);
        books.unproven.insert(number, Arc::clone(&connection));
        Some(Place(connection))
    }

    /// Frees the file descriptor of the oldest connection that proved nothing.
    pub(super) fn make_room(&self) {
        self.books().evict(|_| true);
    }
}

impl Books {
    /// Has the oldest unproven connection closed that fits; returns whether there was one.
    fn evict(&mut self, fits: impl Fn(&Connection) -> bool) -> bool {
        let found = self.unproven.values().find(|connection| fits(connection)).cloned();
        if let Some(connection) = &found {
            self.forget_unproven(connection);
            connection.close.notify_one();
        }
        found.is_some()
    }

    fn forget_unproven(&mut self, connection: &Connection) {
        let was_there = self.unproven.remove(&connection.number).is_some();
        if let (true, Some(peer)) = (was_there, self.by_peer.get_mut(&connection.peer)) {
            peer.unproven -= 1;
        }
    }
}

/// A connection's place in the books, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(pub(crate) Arc<Connection>);

impl Drop for Place {
    fn drop(&mut self) {
        let connection = &self.0;
        let mut books = connection.gate.books();
        books.forget_unproven(connection);
        books.open -= 1;
        if let Some(peer) = books.by_peer.get_mut(&connection.peer) {
            peer.open -= 1;
            if peer.open == 0 {
                books.by_peer.remove(&connection.peer);
            }
        }
    }
}

/// A request that has not ended. A connection with one is not idle.
#[derive(Debug)]
pub(crate) struct OpenRequest(Arc<Connection>);

impl Connection {
    /// Takes note of a request that the connection may make, until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Connection>) -> OpenRequest {
        self.requests.send_modify(|requests| {
            requests.begun += 1;
            requests.open += 1;
        });
        self.gate.books().forget_unproven(self);
        OpenRequest(Arc::clone(self))
    }

    pub(super) fn handshake_patience(&self) -> Duration {
        self.gate.limits.handshake
    }

    /// Ends when somebody else needs this connection's place.
    pub(super) async fn closed(&self) {
        self.close.notified().await;
    }

    /// Ends when the connection is to be closed from this side.
    async fn overdue(self: Arc<Connection>) {
        let limits = self.gate.limits;
        let mut requests = self.requests.subscribe();
        let unused = async {
            if timeout(limits.proof, requests.wait_for(|requests| requests.begun > 0)).await.is_err() {
                return;
            }
            loop {
                // The sender lives as long as the connection that is waited for here.
                let Ok(begun) = requests.wait_for(|requests| requests.open == 0).await.map(|now| now.begun)
                else {
                    return;
                };
                if timeout(limits.idle, requests.wait_for(|requests| requests.begun > begun)).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = unused => {}
            () = self.closed() => {}
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| requests.open -= 1);
    }
}

/// What bytes come and go through.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that was let in: ends with an error when it is overdue.
pub(crate) struct Admitted {
    stream: Box<dyn Duplex>,
    /// `None` once it has come.
    overdue: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    place: Place,
}

impl Admitted {
    pub(super) fn new(stream: Box<dyn Duplex>, place: Place) -> Admitted {
        let overdue = Box::pin(Arc::clone(&place.0).overdue());
        Admitted { stream, overdue: Some(overdue), place }
    }

    pub(crate) fn connection(&self) -> Arc<Connection> {
        Arc::clone(&self.place.0)
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if let Some(overdue) = &mut self.overdue
            && overdue.as_mut().poll(context).is_pending()
        {
            return Ok(());
        }
        self.overdue = None;
        Err(io::Error::new(io::ErrorKind::TimedOut, "closed: nothing was asked for too long"))
    }
}

impl AsyncRead for Admitted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut *self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut *self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut *self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut *self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut *self.stream).poll_write_vectored(context, slices)
    }
}

impl Connected for Admitted {
    type ConnectInfo = Arc<Connection>;

    fn connect_info(&self) -> Arc<Connection> {
        self.connection()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    const PEERS: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

    fn peer(number: usize) -> IpAddr {
        PEERS[number].parse().unwrap()
    }

    fn gate(limits: Limits) -> Arc<Gate> {
        Gate::new(limits)
    }

    /// Returns whether the connection was told to close.
    async fn is_closed(place: &Place) -> bool {
        timeout(Duration::from_millis(1), place.0.closed()).await.is_ok()
    }

    #[tokio::test]
    async fn one_that_proved_nothing_goes_before_one_that_did() {
        let gate = gate(Limits::of(8));
        let worker = gate.admit(peer(0)).unwrap();
        let at_work = worker.0.begin();
        let knocking: Vec<Place> = (0..100).map(|_| gate.admit(peer(0)).unwrap()).collect();
        // Half of 8 may be unproven, and one address may have as many connections.
        for (number, place) in knocking.iter().enumerate() {
            assert_eq!(is_closed(place).await, number < 97, "the oldest go first: {number}");
        }
        assert!(!is_closed(&worker).await);
        drop((knocking, at_work));
        assert_eq!(gate.open(), 1);
        drop(worker);
        let books = gate.books();
        assert_eq!((books.open, books.by_peer.len(), books.unproven.len()), (0, 0, 0));
    }

    #[test]
    fn one_address_cannot_take_every_place_and_nobody_takes_more_than_there_are() {
        let gate = gate(Limits::of(8));
        let fill = |number: usize| {
            let admitted = (0..20).map_while(|_| gate.admit(peer(number)));
            admitted.map(|place| (place.0.begin(), place)).collect::<Vec<_>>()
        };
        let (first, second) = (fill(0), fill(1));
        assert_eq!((first.len(), second.len(), gate.open()), (4, 4, 8));
        assert!(gate.admit("192.0.2.3".parse().unwrap()).is_none(), "every place is taken by work");
        drop(first);
        assert!(gate.admit(peer(0)).is_some());
    }

    fn admitted(proof_ms: u64, idle_ms: u64) -> (Admitted, tokio::io::DuplexStream) {
        let (proof, idle) = (Duration::from_millis(proof_ms), Duration::from_millis(idle_ms));
        let gate = gate(Limits { proof, idle, ..Limits::default() });
        let (near, far) = tokio::io::duplex(64);
        (Admitted::new(Box::new(near), gate.admit(peer(0)).unwrap()), far)
    }

    #[tokio::test]
    async fn bytes_that_are_no_request_do_not_keep_a_connection_open() {
        let (mut admitted, mut far) = admitted(50, 60_000);
        let drip = tokio::spawn(async move { while far.write_all(b"x").await.is_ok() {} });
        let error = loop {
            if let Err(error) = admitted.read_u8().await {
                break error;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(admitted);
        drip.await.unwrap();
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed_and_one_with_a_request_is_not() {
        let (mut admitted, _far) = admitted(60_000, 20);
        let request = admitted.connection().begin();
        let mut byte = [0];
        let waited = timeout(Duration::from_millis(200), admitted.read(&mut byte)).await;
        assert!(waited.is_err(), "a request is open: {waited:?}");
        drop(request);
        let error = timeout(Duration::from_secs(30), admitted.read(&mut byte)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
