//! What stands before every request: whether its bearer may make it, and how long it may be silent.

use super::connection::{Connection, OpenRequest};
use super::token::{Role, Tokens, Verdict};
use http::header::AUTHORIZATION;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tower_layer::Layer;
use tower_service::Service;

/// What is asked of those who make requests.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    tokens: Arc<Tokens>,
    silence: Duration,
}

impl Access {
    pub(crate) fn new(tokens: Arc<Tokens>, silence: Duration) -> Access {
        Access { tokens, silence }
    }

    /// Checks that the bearer may do what needs this role. What is said to those who may not tells nothing of any token.
    pub(crate) fn permit(&self, headers: &HeaderMap, needed: Role) -> Result<(), Status> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        let Some(token) = bearer(headers) else {
            return Err(Status::unauthenticated(format!(
                "a token is needed: take one for `{needed}` from the coordinator's tokens and give it with \
                 --token-file or GRIDSWEEP_TOKEN"
            )));
        };
        match self.tokens.judge(token, needed) {
            Verdict::Permits => Ok(()),
            Verdict::OtherRole(role) => Err(Status::permission_denied(format!(
                "this token is one for `{role}`, which does not permit this: take one for `{needed}`"
            ))),
            Verdict::Unknown => Err(Status::unauthenticated(format!(
                "the token is not known here: take one for `{needed}` from the coordinator's tokens"
            ))),
        }
    }
}

/// Returns the token that a request brings.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(AUTHORIZATION)?.as_bytes().strip_prefix(b"Bearer ")
}

/// Returns the role that a method needs; `None` for one that no version has. A new method of a service is for those who
/// may do most there, until it is said to be for others.
fn needed(path: &str) -> Option<Role> {
    let (service, method) = path.strip_prefix("/gridsweep.v1.")?.split_once('/')?;
    match (service, method) {
        ("Workers", _) => Some(Role::Worker),
        ("Sweeps", "Watch") | ("Reads", _) => Some(Role::Read),
        ("Sweeps", _) => Some(Role::Submit),
        _ => None,
    }
}

/// Puts [`Access`] before the services.
#[derive(Clone, Debug)]
pub(crate) struct AccessLayer(pub(crate) Access);

impl<S> Layer<S> for AccessLayer {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { inner, access: self.0.clone() }
    }
}

/// Services with [`Access`] before them.
#[derive(Clone, Debug)]
pub(crate) struct Guarded<S> {
    inner: S,
    access: Access,
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Error: Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let permitted = match needed(request.uri().path()) {
            Some(role) => self.access.permit(request.headers(), role),
            None => Err(Status::unimplemented(
                "this coordinator does not know this request: run the same version of gridsweep on both sides",
            )),
        };
        // Nothing further in has a use for it, and so none can tell it.
        request.headers_mut().remove(AUTHORIZATION);
        if let Err(status) = permitted {
            return Box::pin(std::future::ready(Ok(status.into_http())));
        }
        let open = request.extensions().get::<Arc<Connection>>().map(Connection::begin);
        let silence = self.access.silence;
        let request = request.map(|body| Body::new(Spoken::new(body, silence)));
        let answer = self.inner.call(request);
        Box::pin(async move { Ok(answer.await?.map(|body| Body::new(Answer { body, _open: open }))) })
    }
}

/// The body of a request, which must not be silent for long before its end.
struct Spoken {
    body: Body,
    silence: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl Spoken {
    fn new(body: Body, silence: Duration) -> Spoken {
        Spoken { body, silence, deadline: Box::pin(tokio::time::sleep(silence)) }
    }
}

impl http_body::Body for Spoken {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            let next = tokio::time::sleep(self.silence);
            self.deadline.set(next);
            return Poll::Ready(frame);
        }
        if self.deadline.as_mut().poll(context).is_ready() {
            let status = Status::deadline_exceeded("nothing more of the request came for too long");
            return Poll::Ready(Some(Err(status)));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer: the request is open until it has ended.
struct Answer {
    body: Body,
    _open: Option<OpenRequest>,
}

impl http_body::Body for Answer {
    type Data = <Body as http_body::Body>::Data;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROTOCOL: [&str; 4] = [
        include_str!("../../../proto/gridsweep/v1/workers.proto"),
        include_str!("../../../proto/gridsweep/v1/sweeps.proto"),
        include_str!("../../../proto/gridsweep/v1/reads.proto"),
        include_str!("../../../proto/gridsweep/v1/data.proto"),
    ];

    /// Returns the path of every method.
    fn methods() -> Vec<String> {
        let mut methods = Vec::new();
        let mut service = "";
        for line in PROTOCOL.iter().flat_map(|text| text.lines()) {
            let mut words = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
            match (words.next(), words.next()) {
                (Some("service"), Some(name)) if !line.starts_with("//") => service = name,
                (Some("rpc"), Some(name)) => methods.push(format!("/gridsweep.v1.{service}/{name}")),
                _ => {}
            }
        }
        methods
    }

    #[test]
    fn every_method_needs_a_role_and_only_looking_is_for_readers() {
        let methods = methods();
        assert!(methods.len() > 6, "{methods:?}");
        for path in &methods {
            let role =
                needed(path).unwrap_or_else(|| panic!("{path} has no role: say in `needed` who may call it"));
            let expected = match path.as_str() {
                "/gridsweep.v1.Sweeps/Submit" | "/gridsweep.v1.Sweeps/PutBlob" => Role::Submit,
                "/gridsweep.v1.Sweeps/Watch" => Role::Read,
                path if path.starts_with("/gridsweep.v1.Workers/") => Role::Worker,
                path if path.starts_with("/gridsweep.v1.Reads/") => Role::Read,
                _ => role,
            };
            assert_eq!(role, expected, "{path}");
        }
        for path in
            ["/", "", "/gridsweep.v2.Workers/Work", "/gridsweep.v1.Other/X", "/grpc.health.v1.Health/Check"]
        {
            assert_eq!(needed(path), None, "{path}");
        }
    }

    #[test]
    fn what_is_said_to_those_who_may_not_tells_no_token() {
        let (worker, reader) = ("worker-token-worker-token", "reader-token-reader-token");
        let tokens = Tokens::with(&[(Role::Worker, worker), (Role::Read, reader)]);
        let access = Access::new(Arc::new(tokens), Duration::from_secs(1));
        let permit = |authorization: Option<&str>, needed| {
            let mut headers = HeaderMap::new();
            if let Some(text) = authorization {
                headers.insert(AUTHORIZATION, text.parse().unwrap());
            }
            access.permit(&headers, needed)
        };
        let cases = [
            (None, tonic::Code::Unauthenticated, "a token is needed"),
            (Some("Bearer "), tonic::Code::Unauthenticated, "not known"),
            (Some("Bearer reader-token-reader-tokem"), tonic::Code::Unauthenticated, "not known"),
            (Some("Basic worker-token-worker-token"), tonic::Code::Unauthenticated, "a token is needed"),
            (Some("Bearer reader-token-reader-token"), tonic::Code::PermissionDenied, "one for `read`"),
        ];
        for (authorization, code, says) in cases {
            let status = permit(authorization, Role::Worker).unwrap_err();
            assert_eq!(status.code(), code, "{authorization:?}");
            assert!(status.message().contains(says), "{status:?}");
            assert!(
                !format!("{status:?}").contains("reader-token") && !format!("{access:?}").contains("-token")
            );
        }
        assert!(permit(Some("Bearer worker-token-worker-token"), Role::Worker).is_ok());
        assert!(permit(Some("Bearer reader-token-reader-token"), Role::Read).is_ok());
        let open = Access::new(Arc::default(), Duration::from_secs(1));
        assert!(open.permit(&HeaderMap::new(), Role::Submit).is_ok(), "without tokens nothing is asked");
    }

    #[tokio::test]
    async fn a_request_that_falls_silent_is_ended_and_one_that_speaks_is_not() {
        struct Never;
        impl http_body::Body for Never {
            type Data = <Body as http_body::Body>::Data;
            type Error = Status;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Self::Data>, Status>>> {
                Poll::Pending
            }
        }
        let mut silent = Spoken::new(Body::new(Never), Duration::from_millis(10));
        let frame =
            std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut silent), context));
        assert_eq!(frame.await.unwrap().unwrap_err().code(), tonic::Code::DeadlineExceeded);
        let mut ended = Spoken::new(Body::empty(), Duration::from_millis(10));
        tokio::time::sleep(Duration::from_millis(30)).await;
        let frame =
            std::future::poll_fn(|context| http_body::Body::poll_frame(Pin::new(&mut ended), context));
        assert!(frame.await.is_none(), "what has all come is not silent");
    }
}
