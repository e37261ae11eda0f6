//! The simulated network as both ends see it.

use gridsweep_coordinator::doors::{Duplex, Listen};
use gridsweep_worker::connect::{self, Connecting, Network};
use std::io;
use std::net::SocketAddr;
use turmoil::net::{TcpListener, TcpStream};

/// Makes connections from whichever host asks.
pub(crate) struct Simulated;

impl Network for Simulated {
    fn connect(&self, host: String, port: u16) -> Connecting {
        Box::pin(async move {
            let stream = TcpStream::connect((host, port)).await?;
            Ok(Box::new(stream) as Box<dyn connect::Duplex>)
        })
    }
}

/// Takes connections to a host.
pub(crate) struct Listener(pub(crate) TcpListener);

impl Listen for Listener {
    async fn accept(&self) -> io::Result<(Box<dyn Duplex>, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((Box::new(stream), peer))
    }
}
