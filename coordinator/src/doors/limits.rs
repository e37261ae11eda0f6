//! How much those who connect may take. Each bound is a constant with its unit; [`Limits`] are those that tests shorten
//! and `serve` fits to the machine.

use std::time::Duration;

/// The most connections at a time, all peers together. Five thousand workers fit three times.
pub const CONNECTIONS_MAX: usize = 16_384;
/// The most connections at a time that have not yet made a request that they may make.
const UNPROVEN_CONNECTIONS_MAX: usize = 1024;
/// The same for one address: the rest of the world still gets in while one machine knocks without end.
const UNPROVEN_CONNECTIONS_PER_PEER_MAX: usize = 256;
/// How long a TLS handshake may take: two round trips, and a few losses on a bad line.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a connection may take to its first request that it may make.
const PROOF_PATIENCE: Duration = Duration::from_secs(20);
/// How long a connection may be open with no request on it.
const IDLE_PATIENCE: Duration = Duration::from_secs(120);
/// How long a request may be silent before all of it has come. Workers speak every few seconds.
const SILENCE_PATIENCE: Duration = Duration::from_secs(60);

/// The most requests at a time on one connection.
pub(crate) const CONNECTION_STREAMS_MAX: u32 = 64;
/// The longest headers of one request, in bytes: a path and a token.
pub(crate) const HEADER_BYTES_MAX: u32 = 16 * 1024;
/// How often a silent connection is asked whether it lives, and how long the answer may take.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(10);
/// The pause after an accept that failed: no file descriptor is left, and the next try would fail alike.
pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How many accepted connections wait for the server.
pub(super) const ACCEPTED_WAITING_MAX: usize = 64;

/// The bounds on connections.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at a time.
    pub connections_max: usize,
    /// The most of one address: half of all.
    pub connections_per_peer_max: usize,
    /// The most that have not yet made a request that they may make.
    pub unproven_max: usize,
    /// The same of one address.
    pub unproven_per_peer_max: usize,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long a connection may take to its first permitted request.
    pub proof: Duration,
    /// How long a connection may be open with no request on it.
    pub idle: Duration,
    /// How long a request may be silent before all of it has come.
    pub silence: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits::of(CONNECTIONS_MAX)
    }
}

impl Limits {
    /// Returns the bounds for at most so many connections.
    pub fn of(connections_max: usize) -> Limits {
        let connections_max = connections_max.clamp(8, CONNECTIONS_MAX);
        let unproven_max = UNPROVEN_CONNECTIONS_MAX.min(connections_max / 2);
        Limits {
            connections_max,
            connections_per_peer_max: connections_max / 2,
            unproven_max,
            unproven_per_peer_max: UNPROVEN_CONNECTIONS_PER_PEER_MAX.min(unproven_max),
            handshake: HANDSHAKE_PATIENCE,
            proof: PROOF_PATIENCE,
            idle: IDLE_PATIENCE,
            silence: SILENCE_PATIENCE,
        }
    }
}
