//! The doors of a coordinator: where it can be reached, who may come in, and how much any of them may take.
//!
//! tonic's own server has no time-out for a TLS handshake, takes as many connections as there are, and goes round its
//! accept loop without a pause when no file descriptor is left. So connections are let in here and handed to it.

mod accept;
mod access;
mod connection;
mod limits;
mod tls;
mod token;

pub use accept::Listen;
pub(crate) use accept::accept;
pub(crate) use access::{Access, AccessLayer};
pub use connection::Duplex;
pub(crate) use connection::{Admitted, Connection, Gate};
pub(crate) use limits::{CONNECTION_STREAMS_MAX, HEADER_BYTES_MAX, KEEPALIVE};
pub use limits::{CONNECTIONS_MAX, Limits};
pub use tls::{Identity, TlsError};
pub use token::{Role, TokenError, Tokens};

use std::net::SocketAddr;

/// How a coordinator is reached.
#[derive(Debug)]
pub struct Doors {
    /// Where it listens; port 0 is a free one.
    pub listen: SocketAddr,
    /// Where health and metrics are, if anywhere.
    pub metrics: Option<SocketAddr>,
    /// The certificate, where it speaks TLS.
    pub identity: Option<Identity>,
    /// Who may do what. Without any token, whoever can connect may do everything.
    pub tokens: Tokens,
    /// How much one peer and all of them may take.
    pub limits: Limits,
}

/// Why doors stay shut.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// Anyone on the network could connect, listen in, or give orders.
    #[error("{address} can be reached from other machines, and there is no {missing}")]
    Unguarded {
        /// Where it was to listen.
        address: SocketAddr,
        /// What is not there: TLS, tokens, or both.
        missing: &'static str,
    },
}

impl Doors {
    /// Returns doors for this machine alone: no TLS, no tokens.
    pub fn of_this_machine(listen: SocketAddr) -> Doors {
        Doors { listen, metrics: None, identity: None, tokens: Tokens::default(), limits: Limits::default() }
    }

    /// Checks that nobody from another machine comes in without TLS and a token.
    pub fn check(&self) -> Result<(), DoorError> {
        let missing = match (&self.identity, self.tokens.is_empty()) {
            (Some(_), false) => return Ok(()),
            (None, true) => "TLS and no token",
            (None, false) => "TLS",
            (Some(_), true) => "token",
        };
        let open = [Some(self.listen), self.metrics].into_iter().flatten();
        match open.into_iter().find(|address| !address.ip().is_loopback()) {
            Some(address) => Err(DoorError::Unguarded { address, missing }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(doors: &Doors) -> Option<String> {
        doors.check().err().map(|error| error.to_string())
    }

    #[test]
    fn what_other_machines_can_reach_needs_both_tls_and_tokens() {
        let folder = tempfile::tempdir().unwrap();
        let identity = || Some(Identity::self_signed(folder.path(), &["here".to_owned()]).unwrap());
        let tokens = || Tokens::with(&[(Role::Read, "0123456789abcdef0123456789abcdef")]);
        for open in ["0.0.0.0:7433", "[::]:7433", "192.0.2.1:1"] {
            let doors = || Doors::of_this_machine(open.parse().unwrap());
            let says =
                |doors: Doors, words: &str| assert!(refused(&doors).unwrap().contains(words), "{open}");
            says(doors(), "no TLS and no token");
            says(Doors { tokens: tokens(), ..doors() }, "no TLS");
            says(Doors { identity: identity(), ..doors() }, "no token");
            assert_eq!(refused(&Doors { identity: identity(), tokens: tokens(), ..doors() }), None);
            let shut = Doors::of_this_machine("127.0.0.1:0".parse().unwrap());
            says(Doors { metrics: Some(open.parse().unwrap()), ..shut }, "no TLS and no token");
        }
        for shut in ["127.0.0.1:0", "127.8.0.1:7433", "[::1]:7433"] {
            assert_eq!(refused(&Doors::of_this_machine(shut.parse().unwrap())), None, "{shut}");
        }
    }
}
