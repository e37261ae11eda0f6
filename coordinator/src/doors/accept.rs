//! Lets connections in, one after another, and their handshakes side by side.

use super::connection::{Admitted, Duplex, Gate, Place};
use super::limits::{ACCEPT_PAUSE, ACCEPTED_WAITING_MAX};
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

/// Where connections come from: TCP, or a network that is simulated.
pub trait Listen: Send + Sync + 'static {
    /// Waits for the next connection, and says who made it.
    fn accept(&self) -> impl Future<Output = io::Result<(Box<dyn Duplex>, SocketAddr)>> + Send;
}

impl Listen for TcpListener {
    async fn accept(&self) -> io::Result<(Box<dyn Duplex>, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Without it small messages wait for their acknowledgements, no more.
        let _ = stream.set_nodelay(true);
        Ok((Box::new(stream), peer))
    }
}

/// Accepts until whoever reads the connections is gone.
pub(crate) fn accept(
    listener: impl Listen,
    gate: Arc<Gate>,
    tls: Option<TlsAcceptor>,
) -> mpsc::Receiver<Admitted> {
    let (ready, admitted) = mpsc::channel(ACCEPTED_WAITING_MAX);
    tokio::spawn(async move {
        tokio::select! {
            () = accept_all(&listener, &gate, tls.as_ref(), &ready) => {}
            () = ready.closed() => {}
        }
    });
    admitted
}

async fn accept_all(
    listener: &impl Listen,
    gate: &Arc<Gate>,
    tls: Option<&TlsAcceptor>,
    ready: &mpsc::Sender<Admitted>,
) {
    let mut has_failed = false;
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // Said once until it goes well again: there may be ten of these a second for hours.
                if !std::mem::replace(&mut has_failed, true) {
                    tracing::warn!(%error, "cannot accept connections; trying again, those that are open go on");
                }
                gate.make_room();
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if std::mem::take(&mut has_failed) {
            tracing::info!("connections are accepted again");
        }
        let Some(place) = gate.admit(peer.ip()) else {
            tracing::debug!(%peer, "a connection was refused: every place is taken");
            continue;
        };
        tokio::spawn(let_in(stream, place, tls.cloned(), ready.clone()));
    }
}

/// Whether an accept failed for the sake of the one connection that it would have returned.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

async fn let_in(
    stream: Box<dyn Duplex>,
    place: Place,
    tls: Option<TlsAcceptor>,
    ready: mpsc::Sender<Admitted>,
) {
    let connection = Arc::clone(&place.0);
    let patience = place.0.handshake_patience();
    let handed_over = async {
        let admitted = match tls {
            None => Admitted::new(stream, place),
            Some(tls) => match tokio::time::timeout(patience, tls.accept(stream)).await {
                Ok(Ok(stream)) => Admitted::new(Box::new(stream), place),
                Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!("a TLS handshake took too long"),
            },
        };
        // The server is gone when the coordinator stops.
        let _ = ready.send(admitted).await;
    };
    tokio::select! {
        () = handed_over => {}
        () = connection.closed() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, Limits};
    use super::*;
    use std::path::Path;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::rustls::pki_types::pem::PemObject;
    use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring, version};

    struct Door {
        address: SocketAddr,
        gate: Arc<Gate>,
        admitted: mpsc::Receiver<Admitted>,
    }

    async fn door(folder: &Path, handshake: Duration) -> Door {
        let identity = Identity::self_signed(folder, &["localhost".to_owned()]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate::new(Limits { handshake, ..Limits::default() });
        let tls = identity.acceptor(&["h2"]).unwrap();
        Door { address, gate: Arc::clone(&gate), admitted: accept(listener, gate, Some(tls)) }
    }

    fn client(folder: &Path) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    /// Waits until the other side has closed the connection; at most a minute.
    async fn closed(mut stream: TcpStream) {
        let ended = async { while !matches!(stream.read(&mut [0; 64]).await, Ok(0) | Err(_)) {} };
        tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it is closed");
    }

    #[tokio::test]
    async fn a_handshake_that_drips_or_never_comes_ends_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut door = door(folder.path(), Duration::from_millis(300)).await;
        let mut stuck = Vec::new();
        for _ in 0..50 {
            stuck.push(TcpStream::connect(door.address).await.unwrap());
        }
        let mut dripping = TcpStream::connect(door.address).await.unwrap();
        // The head of a record of 16 KiB, whose rest comes byte by byte.
        dripping.write_all(&[22, 3, 1, 0x40, 0]).await.unwrap();
        let honest = TcpStream::connect(door.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let mut honest = client(folder.path()).connect(name, honest).await.unwrap();
        honest.write_all(b"x").await.unwrap();
        let mut admitted = door.admitted.recv().await.unwrap();
        assert_eq!(admitted.read_u8().await.unwrap(), b'x');
        let drip = async {
            while dripping.write_all(&[0]).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), drip).await.expect("dripping does not help");
        for stream in stuck {
            closed(stream).await;
        }
        assert_eq!(door.gate.open(), 1, "the honest one alone is left");
        assert!(door.admitted.try_recv().is_err());
    }

    #[tokio::test]
    async fn bytes_that_are_no_tls_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut door = door(folder.path(), Duration::from_secs(60)).await;
        for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &[0xff; 4096]] {
            let mut stream = TcpStream::connect(door.address).await.unwrap();
            stream.write_all(garbage).await.unwrap();
            closed(stream).await;
        }
        assert!(door.admitted.try_recv().is_err());
    }
}
