//! The way to a coordinator: where it is, how it is known to be the right one, and the token that opens it.
//!
//! Workers and people's commands go the same way. What cannot be guarded is not sent: to another machine there is no
//! connection without TLS.

mod tls;
pub mod upload;

use http::Uri;
use hyper_util::rt::TokioIo;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};
use tower_service::Service;

/// How long a connection may take to be made, the TLS handshake included.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How often a silent connection is asked whether it lives, and how long the answer may take.
const KEEPALIVE: Duration = Duration::from_secs(10);
/// The same where large things are on their way: the answer comes behind them.
const KEEPALIVE_BEHIND_TRANSFERS: Duration = Duration::from_secs(30);

/// What requests go through.
pub type Link = InterceptedService<Channel, Bearer>;

/// How the coordinator is known to be the right one.
#[derive(Clone, Debug, Default)]
pub enum Trust {
    /// It is on this machine: no TLS.
    #[default]
    SameMachine,
    /// Its certificate has this SHA-256.
    Fingerprint([u8; 32]),
    /// Its certificate is for its name, and vouched for by one in this PEM file.
    Authority(PathBuf),
}

/// The way to one coordinator. Its text is the address; the token shows nowhere.
#[derive(Clone)]
pub struct Route {
    address: String,
    uri: Uri,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    bearer: Bearer,
    network: Arc<dyn Network>,
}

/// What bytes come and go through.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that is being made.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Duplex>>> + Send>>;

/// What connections are made through: TCP, or a network that is simulated.
pub trait Network: Send + Sync {
    /// Connects to a port of a host.
    fn connect(&self, host: String, port: u16) -> Connecting;
}

/// The network of this machine.
struct Tcp;

impl Network for Tcp {
    fn connect(&self, host: String, port: u16) -> Connecting {
        Box::pin(async move {
            let stream = TcpStream::connect((host, port)).await?;
            // Without it small messages wait for their acknowledgements, no more.
            let _ = stream.set_nodelay(true);
            Ok(Box::new(stream) as Box<dyn Duplex>)
        })
    }
}

/// Why there is no such way.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The address makes no sense.
    #[error("\"{0}\" is no address of the form HOST:PORT")]
    Address(String),
    /// Anyone on the way could listen in and give orders.
    #[error("{0} is on another machine: give --tls-fingerprint or --tls-ca, which `gridsweep serve` prints")]
    Unguarded(String),
    /// The certificates cannot be used.
    #[error("cannot use the certificates in {path}: {reason}")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The text is no fingerprint.
    #[error("\"{0}\" is no fingerprint: SHA256: and 64 hexadecimal digits are expected")]
    Fingerprint(String),
    /// The token could not be sent.
    #[error("the token has characters that no token has, such as a space or a line's end")]
    Token,
}

/// Why no connection was made.
#[derive(Debug, thiserror::Error)]
enum ConnectError {
    #[error("{0}")]
    Unreachable(#[source] io::Error),
    #[error("no answer within {} s", CONNECT_PATIENCE.as_secs())]
    Late,
    /// Another try would end alike.
    #[error("its certificate is not the expected one: {0}")]
    Stranger(String),
    #[error("it does not speak TLS as expected: {0}")]
    NotTls(#[source] io::Error),
}

impl Route {
    /// Returns the way to `HOST:PORT`.
    pub fn new(address: &str, trust: &Trust, token: Option<&str>) -> Result<Route, RouteError> {
        let no_address = || RouteError::Address(address.to_owned());
        let uri: Uri = format!("http://{address}").parse().map_err(|_| no_address())?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() || uri.port_u16().is_none() || uri.path() != "/" || uri.query().is_some() {
            return Err(no_address());
        }
        let tls = match tls::config(trust)? {
            Some(config) => {
                let name = ServerName::try_from(host).map_err(|_| no_address())?;
                Some((TlsConnector::from(Arc::new(config)), name))
            }
            None if is_this_machine(&host) => None,
            None => return Err(RouteError::Unguarded(address.to_owned())),
        };
        Ok(Route {
            address: address.to_owned(),
            uri,
            tls,
            bearer: Bearer::new(token)?,
            network: Arc::new(Tcp),
        })
    }

    /// Returns the same way through another network.
    pub fn through(self, network: Arc<dyn Network>) -> Route {
        Route { network, ..self }
    }

    /// Connects. A status of code `FailedPrecondition` says that another try would end alike.
    pub async fn connect(&self) -> Result<Link, Status> {
        let endpoint = self.endpoint(KEEPALIVE);
        let channel = endpoint.connect_with_connector(Connector(self.clone())).await;
        let channel = channel.map_err(|error| self.status(&error))?;
        Ok(InterceptedService::new(channel, self.bearer.clone()))
    }

    /// Returns a connection for what is large, made when it is first needed: what is small and urgent goes beside it and does
    /// not wait behind it on a slow line.
    pub fn connect_for_transfers(&self) -> Link {
        let endpoint = self.endpoint(KEEPALIVE_BEHIND_TRANSFERS);
        let channel = endpoint.connect_with_connector_lazy(Connector(self.clone()));
        InterceptedService::new(channel, self.bearer.clone())
    }

    fn endpoint(&self, keepalive_patience: Duration) -> Endpoint {
        Endpoint::from(self.uri.clone())
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(keepalive_patience)
    }

    fn status(&self, error: &tonic::transport::Error) -> Status {
        let mut innermost: &dyn std::error::Error = error;
        loop {
            match innermost.downcast_ref::<ConnectError>() {
                Some(stranger @ ConnectError::Stranger(_)) => {
                    return Status::failed_precondition(stranger.to_string());
                }
                Some(other) => return Status::unavailable(other.to_string()),
                None => {}
            }
            match innermost.source() {
                Some(source) => innermost = source,
                None => break,
            }
        }
        let hint = if self.tls.is_none() { "; if it serves with TLS, give --tls-fingerprint" } else { "" };
        Status::unavailable(format!("{innermost}{hint}"))
    }

    async fn open(self) -> Result<TokioIo<Box<dyn Duplex>>, ConnectError> {
        let (host, port) = (self.uri.host().unwrap_or_default(), self.uri.port_u16().unwrap_or_default());
        let host = host.trim_matches(['[', ']']).to_owned();
        let stream = self.network.connect(host, port).await.map_err(ConnectError::Unreachable)?;
        let stream: Box<dyn Duplex> = match self.tls {
            None => stream,
            Some((tls, name)) => Box::new(tls.connect(name, stream).await.map_err(tls::explain)?),
        };
        Ok(TokioIo::new(stream))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Route({})", self.address)
    }
}

/// Whether a host is this machine, without asking anyone: a name could be answered by anybody.
fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Makes the connections of one channel.
struct Connector(Route);

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Duplex>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let route = self.0.clone();
        Box::pin(async {
            tokio::time::timeout(CONNECT_PATIENCE, route.open()).await.unwrap_or(Err(ConnectError::Late))
        })
    }
}

/// Puts the token into every request.
#[derive(Clone, Debug)]
pub struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(token: Option<&str>) -> Result<Bearer, RouteError> {
        let Some(token) = token else { return Ok(Bearer(None)) };
        let is_plain = !token.is_empty() && token.chars().all(|c| c.is_ascii_graphic());
        let value = MetadataValue::try_from(format!("Bearer {token}")).ok().filter(|_| is_plain);
        let mut value = value.ok_or(RouteError::Token)?;
        // Neither shown where it is printed nor kept in the table that compresses headers.
        value.set_sensitive(true);
        Ok(Bearer(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// Reads `SHA256:` and 64 hexadecimal digits, with or without colons between them.
pub fn fingerprint(text: &str) -> Result<Trust, RouteError> {
    let error = || RouteError::Fingerprint(text.to_owned());
    let digits = text.strip_prefix("SHA256:").or_else(|| text.strip_prefix("sha256:")).ok_or_else(error)?;
    let digits: Vec<u32> = digits
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()
        .ok_or_else(error)?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect();
    if digits.len() != 64 {
        return Err(error());
    }
    bytes.try_into().map(Trust::Fingerprint).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn another_machine_is_not_spoken_to_without_tls() {
        let plain = |address: &str| Route::new(address, &Trust::SameMachine, Some("t")).map(drop);
        for here in ["127.0.0.1:7433", "127.9.9.9:1", "[::1]:7433", "localhost:7433"] {
            assert!(plain(here).is_ok(), "{here}");
        }
        for there in
            ["192.0.2.1:7433", "[2001:db8::1]:7433", "example:7433", "localhost.example:1", "0.0.0.0:1"]
        {
            assert!(matches!(plain(there), Err(RouteError::Unguarded(_))), "{there}");
            let pinned = Route::new(there, &Trust::Fingerprint([0; 32]), Some("t"));
            assert!(pinned.is_ok(), "{there}");
        }
        for nonsense in ["", "host", "host:", "host:x", ":1", "a b:1", "h:1/path", "h:1?x", "http://h:1"] {
            assert!(matches!(plain(nonsense), Err(RouteError::Address(_))), "{nonsense}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_as_it_is_printed_here_and_by_others() {
        let digits = "ab".repeat(32);
        let colons = ["AB"; 32].join(":");
        for good in [format!("SHA256:{digits}"), format!("sha256:{digits}"), format!("SHA256:{colons}")] {
            assert!(
                matches!(fingerprint(&good), Ok(Trust::Fingerprint(bytes)) if bytes == [0xab; 32]),
                "{good}"
            );
        }
        for bad in
            ["", "SHA256:", &digits, &format!("SHA256:{digits}0"), &format!("SHA256:{}g", &digits[1..])]
        {
            assert!(matches!(fingerprint(bad), Err(RouteError::Fingerprint(_))), "{bad}");
        }
    }

    #[test]
    fn a_token_shows_nowhere() {
        let route = Route::new("127.0.0.1:1", &Trust::SameMachine, Some("very-secret")).unwrap();
        assert!(!format!("{route} {route:?} {:?}", route.bearer).contains("secret"));
        let sent = route.bearer.clone().call(Request::new(())).unwrap();
        assert_eq!(sent.metadata().get("authorization").unwrap(), "Bearer very-secret");
        assert!(!format!("{sent:?}").contains("secret"));
        for bad in ["", "two words", "line\n", "käse"] {
            let error = Route::new("127.0.0.1:1", &Trust::SameMachine, Some(bad)).unwrap_err();
            assert!(matches!(error, RouteError::Token), "{bad}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (path, says) in [(file.path(), "no certificate"), (Path::new("/nowhere"), "/nowhere")] {
            let error = Route::new("h:1", &Trust::Authority(path.to_owned()), None).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
